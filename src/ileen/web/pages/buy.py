"""Pages that buy credits: an amount, the total before anything is charged, paying, and what came of it.

Owns: the paths /billing/buy and /billing/purchases, how amounts are typed, the hidden key that makes two clicks one
charge. Refuses to know: how buying works. An address says nothing: what a purchase came to is asked of the purchase.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from ileen import catalogue
from ileen.base.errors import AmountInvalid, BillingIncomplete, IleenError, QuoteChanged, RequestInvalid
from ileen.base.money import write
from ileen.payments.amounts import CENTS_MAX, CENTS_MIN, check_cents, credits_of, read_total, write_cents
from ileen.payments.billing import card_name
from ileen.payments.model import ENDED, Purchase, PurchaseState, Quote
from ileen.web import wording
from ileen.web.buying import evidence_of, payments_of, pdf_url, purchase_id
from ileen.web.pages.desk import Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit
from ileen.web.payer import billing_of

pages = Pages()

PRESETS: Final = (500, 1000, 2500, 5000, 10000)
"""The amounts offered, in cents before tax."""
PRESET_CHOSEN: Final = 2500
_CONFIRM_FROM: Final = 10_000
_WAIT_S: Final = 3
_TYPED: Final = re.compile(r"([0-9]{1,9})(?:([.,])([0-9]{1,9}))?", re.ASCII)
_KEY: Final = re.compile(r"req_[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


@pages.get("/billing/buy", needs=Needs.BILLING)
def show_total(visit: Visit) -> Response:
    """Show what an amount comes to, with a button that pays exactly that; charges nothing."""
    typed = visit.query("other").strip() or visit.query("amount").strip()
    if not typed:
        return amounts(visit)
    try:
        cents = read_typed(typed)
    except AmountInvalid as error:
        return amounts(visit, error=_about_amount(visit, typed, error), typed=typed, status=422)
    return total(visit, cents)


@pages.post("/billing/buy", needs=Needs.BILLING)
def pay(visit: Visit) -> Response:
    """Pay the total that was shown. The key came with the form, so sending it twice charges once."""
    cents, shown = check_cents(read_total(visit.field("amount"))), read_total(visit.field("total"))
    key = visit.field("key")
    if not _KEY.fullmatch(key):
        raise RequestInvalid("The form cannot be read.", fields=[{"field": "key", "reason": "it is not ours"}])
    caller = visit.caller
    try:
        bought = payments_of(visit.house).buy(
            caller.account,
            cents,
            quoted_total=shown,
            key=f"page:{key}",
            by=caller.actor,
            evidence=evidence_of(visit.house, visit.request),
            card=visit.field("card") or None,
        )
    except QuoteChanged:
        return total(visit, cents, before=shown)
    except IleenError as error:
        if error.code not in _SHOWN_AGAIN:
            raise
        return amounts(visit, error=wording.refusal(visit.locale, error), typed="", status=error.status)
    return visit.redirect(f"/billing/purchases/{bought.id}")


@pages.get("/billing/purchases/{id}", needs=Needs.BILLING)
def show_purchase(visit: Visit) -> Response:
    """Show where a purchase is. While it is under way the page looks again by itself."""
    bought = payments_of(visit.house).purchase(visit.caller.account, purchase_id(visit.part("id")))
    answer = visit.render("purchase.html", **_told(visit, bought))
    if bought.state not in ENDED:
        answer.headers["Refresh"] = str(_WAIT_S)
    return answer


@pages.post("/billing/purchases/{id}/cancel", needs=Needs.BILLING)
def cancel(visit: Visit) -> Response:
    """Call a purchase off; if the money came first, the page says so."""
    caller, id_ = visit.caller, purchase_id(visit.part("id"))
    try:
        payments_of(visit.house).cancel(caller.account, id_, by=caller.actor)
    except IleenError as error:
        if error.code != "purchase_closed":
            raise
    return visit.redirect(f"/billing/purchases/{id_}")


@pages.get("/billing/invoices/{id}", needs=Needs.BILLING)
def show_invoice(visit: Visit) -> Response:
    """Lead to an invoice's PDF, at an address read at Stripe just now."""
    url = pdf_url(payments_of(visit.house), visit.caller, visit.part("id"))
    return visit.finish(RedirectResponse(url, status_code=303))


def amounts(
    visit: Visit, *, template: str = "buy.html", error: str | None = None, typed: str = "", status: int = 200
) -> Response:
    """Answer with the choice of amounts; a purchase under way is shown instead of a second one."""
    under_way = pending(visit)
    if under_way is not None:
        return visit.redirect(f"/billing/purchases/{under_way.id}")
    return visit.render(
        template,
        status=status,
        errors={"other": error} if error else {},
        values={"other": typed},
        **choices(visit),
    )


def choices(visit: Visit) -> dict[str, Any]:
    """Return what a choice of amounts shows."""
    money = catalogue.money
    return {
        "presets": [(write_cents(cents), money(visit.locale, cents), cents == PRESET_CHOSEN) for cents in PRESETS],
        "smallest": money(visit.locale, CENTS_MIN),
        "largest": money(visit.locale, CENTS_MAX),
    }


def total(visit: Visit, cents: int, *, before: int | None = None) -> Response:
    """Answer with what an amount comes to, and the button that pays it. `before` is a total that no longer holds."""
    billing, account = billing_of(visit.house), visit.caller.account
    under_way = pending(visit)
    if under_way is not None:
        return visit.redirect(f"/billing/purchases/{under_way.id}")
    try:
        quote = payments_of(visit.house).quote(account, cents)
    except BillingIncomplete:
        return visit.redirect("/billing/details?next=/billing/buy", flash="buy.no_country")
    except IleenError as error:
        if error.code not in _SHOWN_AGAIN:
            raise
        return amounts(visit, error=wording.refusal(visit.locale, error), typed=write_cents(cents), status=error.status)
    card = billing.chosen_card(account)
    return visit.render(
        "total.html",
        quote=_priced(visit.locale, quote),
        reason=wording.vat_reason(visit.locale, quote, billing.tax_id(account)),
        card=None if card is None else card_name(card),
        card_id=None if card is None else card.id,
        amount=write_cents(cents),
        total=write_cents(quote.total),
        key=visit.house.ids.mint("req"),
        is_large=cents >= _CONFIRM_FROM,
        changed=None if before is None else catalogue.money(visit.locale, before),
        status=409 if before is not None else 200,
    )


def pending(visit: Visit) -> Purchase | None:
    """Return the purchase that has not ended and keeps the account from buying, if there is one."""
    newest = payments_of(visit.house).purchases(visit.caller.account, limit=1)
    return newest[0] if newest and newest[0].state not in ENDED and not newest[0].gives_way else None


def read_typed(text: str) -> int:
    """Read an amount as people type it: "25", "25,50", "25.50". Raises: AmountInvalid, `ambiguous` in its fields.

    Three digits after the only separator may be thousands or a slip: they are asked about, not guessed.
    """
    cents = read_euros_typed(text)
    if not CENTS_MIN <= cents <= CENTS_MAX:
        kind = "too_small" if cents < CENTS_MIN else "too_large"
        raise AmountInvalid(field="amount", reason="it is out of bounds", kind=kind)
    return cents


def read_euros_typed(text: str) -> int:
    """Read euros as people type them, however many, as whole cents. Raises: as `read_typed`."""
    match = _TYPED.fullmatch("".join(text.replace("€", "").split()))
    if match is None:
        raise AmountInvalid(field="amount", reason="it is not an amount of euros", kind="invalid")
    euros, _, decimals = match.groups()
    if decimals is not None and len(decimals) > 2:
        raise AmountInvalid(field="amount", reason="it can be read in two ways", kind="ambiguous")
    return int(euros) * 100 + int((decimals or "").ljust(2, "0"))


_SHOWN_AGAIN: Final = frozenset(
    {
        "country_not_sold",
        "territory_not_sold",
        "location_invalid",
        "stripe_unavailable",
        "stripe_refused",
        "billing_incomplete",
        "not_found",
    }
)
"""Refusals that are said beside the amount, with the way on; others are an error page."""


def _about_amount(visit: Visit, typed: str, error: AmountInvalid) -> str:
    money = catalogue.money
    values = {"min": money(visit.locale, CENTS_MIN), "max": money(visit.locale, CENTS_MAX), "typed": typed[:40]}
    return visit.text(f"buy.amount.{error.fields.get('kind', 'invalid')}", **values)


def _priced(locale: str, quote: Quote) -> Mapping[str, str]:
    money = catalogue.money
    rate = None if quote.rate is None else catalogue.percent(locale, quote.rate)
    vat = catalogue.text(locale, "buy.vat") if rate is None else catalogue.text(locale, "buy.vat.rate", rate=rate)
    return {
        "net": money(locale, quote.net),
        "vat": money(locale, quote.vat),
        "vat_name": vat,
        "total": money(locale, quote.total),
        "credits": catalogue.balance(locale, write(credits_of(quote.net))),
    }


def _told(visit: Visit, bought: Purchase) -> dict[str, Any]:
    """Return what the page of a purchase says."""
    locale = visit.locale
    decline = None if bought.decline is None else wording.decline(locale, bought.decline.kind)
    return {
        "purchase": bought,
        "kind": _kind(bought),
        "amount": catalogue.money(locale, bought.net),
        "total": catalogue.money(locale, bought.total),
        "decline": decline,
        "card_data": bought.decline is not None and bought.decline.kind.value == "card_data",
        "again": write_cents(bought.net),
    }


def _kind(bought: Purchase) -> str:
    """Return which of the faces of the page a purchase has."""
    if bought.next.kind.value == "contact":
        return "contact"
    match bought.state:
        case PurchaseState.SETTLED | PurchaseState.FAILED | PurchaseState.VOID:
            return bought.state.value
        case PurchaseState.ACTION_REQUIRED:
            return "action"
        case _:
            return "processing"
