"""The billing page: balance, buying, cards, billing details, purchases and invoices, all on one page.

Owns: the path /billing. Refuses to know: rules. A part that cannot be read says so; the rest of the page stays.
"""

from typing import Any, Final

from starlette.responses import Response

from ileen import catalogue
from ileen.base.money import write
from ileen.payments.billing import BRANDS
from ileen.payments.cards import Card
from ileen.payments.model import Purchase, PurchaseState
from ileen.web import wording
from ileen.web.buying import payments_of
from ileen.web.pages import alerts, buy, refill, refund
from ileen.web.pages.desk import Pages
from ileen.web.pages.gate import behind_gate
from ileen.web.pages.needs import Needs
from ileen.web.pages.payer import country_options
from ileen.web.pages.visit import Visit
from ileen.web.payer import billing_of

pages = Pages()
pages.in_menu("/billing", key="nav.billing", needs=Needs.BILLING, place=10)

_PURCHASES_SHOWN: Final = 20
_STATUS: Final = {
    PurchaseState.SETTLED: "invoices.status.paid",
    PurchaseState.PAID: "invoices.status.paid",
    PurchaseState.VOID: "invoices.status.void",
    PurchaseState.FAILED: "invoices.status.void",
}


@pages.get("/billing", needs=Needs.BILLING)
@behind_gate
def show_billing(visit: Visit) -> Response:
    """Show everything about the account's money."""
    billing, account = billing_of(visit.house), visit.caller.account
    alerting = alerts.section(visit)
    wallet = visit.house.ledger.wallet(visit.caller.wallet)
    customer, tax_id = billing.customer(account), billing.tax_id(account)
    found = payments_of(visit.house).purchases(account, limit=_PURCHASES_SHOWN)
    return visit.render(
        "billing.html",
        balance=catalogue.balance(visit.locale, write(wallet.settled)),
        used=catalogue.balance(visit.locale, write(wallet.spent)),
        owed=catalogue.balance(visit.locale, write(wallet.debt)) if wallet.debt else None,
        cards=[shown_card(visit, card) for card in billing.cards(account)],
        customer=customer,
        country=dict(country_options(visit.locale)).get(customer.country or ""),
        state=wording.customer_state(visit.locale, customer),
        tax_id=tax_id,
        tax_id_state=None if tax_id is None else wording.tax_id_state(visit.locale, tax_id),
        purchases=[_row(visit, each) for each in found],
        pending=buy.pending(visit),
        errors={},
        values={"other": "", "alerts_threshold": alerting["value"], **refill.values(visit)},
        alerts=alerting,
        refill=refill.section(visit),
        refunds=refund.section(visit),
        **buy.choices(visit),
    )


def shown_card(visit: Visit, card: Card) -> dict[str, Any]:
    """Return what a row of the cards says."""
    brand = BRANDS.get(card.brand, card.brand.title())
    return {
        "card": card,
        "brand": brand,
        "name": f"{brand} •••• {card.last4}",
        "expires": visit.text("cards.expires", date=f"{card.exp_month:02d}/{card.exp_year % 100:02d}"),
        "remove": visit.text("cards.remove", brand=brand, last4=card.last4),
    }


def _row(visit: Visit, of: Purchase) -> dict[str, Any]:
    return {
        "id": of.id,
        "date": catalogue.date(visit.locale, of.created_at, visit.person.person.time_zone),
        "number": of.number,
        "total": catalogue.money(visit.locale, of.total),
        "status": visit.text(_STATUS.get(of.state, "invoices.status.open")),
        "has_pdf": of.number is not None and of.state in {PurchaseState.SETTLED, PurchaseState.PAID},
    }
