"""Pages about the payer: billing details with the VAT id, cards, and the way to Stripe and back.

Owns: the paths /billing/details, /billing/cards, /billing/portal, /billing/tax-id and /billing/back.
Refuses to know: rules; each page is a call of `payments.Billing`. Coming back from Stripe proves nothing: cards are
read there again.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from babel import Locale
from starlette.responses import Response

from ileen.base.errors import IleenError, RequestInvalid, StripeUnavailable
from ileen.payments.billing import Billing
from ileen.payments.cards import Card
from ileen.payments.customers import BillingDetails, Customer
from ileen.payments.portal import Flow
from ileen.payments.stripe.payer import Address
from ileen.payments.territories import COUNTRIES
from ileen.web import wording
from ileen.web.pages.desk import Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit
from ileen.web.payer import billing_of

pages = Pages()

FIELDS: Final = ("name", "email", "country", "line1", "line2", "postal_code", "city", "region", "business", "vat_id")
"""What the form of billing details has; only name and country are required."""
_ABOUT_COUNTRY: Final = frozenset({"country_not_sold", "territory_not_sold", "location_invalid"})


@pages.get("/billing/details", needs=Needs.BILLING)
def show_details(visit: Visit) -> Response:
    """Show the form of billing details."""
    return details_form(visit)


@pages.post("/billing/details", needs=Needs.BILLING)
def save_details(visit: Visit) -> Response:
    """Keep the billing details; with a VAT id, have it checked."""
    errors = keep_details(visit)
    if errors:
        return details_form(visit, errors=errors, values=visit.form, status=422)
    return visit.redirect(visit.return_path("/billing"), flash="common.saved")


@pages.post("/billing/tax-id/remove", needs=Needs.BILLING)
def remove_tax_id(visit: Visit) -> Response:
    """Remove the VAT id."""
    caller = visit.caller
    billing_of(visit.house).remove_tax_id(caller.account, visit.field("id"), by=caller.actor)
    return visit.redirect("/billing", flash="common.saved")


@pages.post("/billing/tax-id/check", needs=Needs.BILLING)
def check_tax_id(visit: Visit) -> Response:
    """Have the VAT id checked once more."""
    billing_of(visit.house).check_tax_id_again(visit.caller.account)
    return visit.redirect("/billing")


@pages.post("/billing/cards/add", needs=Needs.BILLING)
def add_card(visit: Visit) -> Response:
    """Go to Stripe's form for a new card; `next` is the page of ours to come back to."""
    back = "/gate/back" if visit.field("next") == "/gate" else "/billing/back"
    return _to_portal(visit, back, Flow.ADD_CARD)


@pages.post("/billing/portal", needs=Needs.BILLING)
def open_portal(visit: Visit) -> Response:
    """Go to Stripe's portal: default card, billing details, all invoices."""
    return _to_portal(visit, "/billing/back", Flow.HOME)


@pages.get("/billing/back", needs=Needs.BILLING)
def come_back(visit: Visit) -> Response:
    """Take somebody back from Stripe: read what is there now."""
    try:
        billing_of(visit.house).refreshed_cards(visit.caller.account)
    except StripeUnavailable:
        return visit.redirect("/billing", flash="error.stripe_away")
    return visit.redirect("/billing")


@pages.get("/billing/cards/{card}/remove", needs=Needs.BILLING)
def ask_removal(visit: Visit) -> Response:
    """Ask once more before a card is removed for good."""
    card = _card(visit)
    return visit.redirect("/billing") if card is None else visit.render("card_remove.html", card=card)


@pages.post("/billing/cards/{card}/remove", needs=Needs.BILLING)
def remove_card(visit: Visit) -> Response:
    """Remove a card that is not the default."""
    caller = visit.caller
    try:
        billing_of(visit.house).remove_card(caller.account, visit.part("card"), by=caller.actor)
    except IleenError as error:
        if error.code not in {"card_is_default", "stripe_unavailable"}:
            raise
        flash = "cards.default_stays" if error.code == "card_is_default" else "error.stripe_away"
        return visit.redirect("/billing", flash=flash)
    return visit.redirect("/billing", flash="cards.removed")


def details_form(
    visit: Visit,
    *,
    errors: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    status: int = 200,
    template: str = "details.html",
) -> Response:
    """Answer with the form of billing details, filled in with what was typed or what is known."""
    billing = billing_of(visit.house)
    customer = billing.customer(visit.caller.account)
    filled = dict(values) if values is not None else _filled(visit, customer, billing)
    return visit.render(
        template,
        status=status,
        errors=errors or {},
        values=filled,
        countries=country_options(visit.locale),
        chosen=filled.get("country", ""),
        tax_id=billing.tax_id(visit.caller.account),
        next=visit.return_path("/billing"),
        state=wording.customer_state(visit.locale, customer),
    )


def keep_details(visit: Visit) -> dict[str, str]:
    """Keep what the form says; return what is wrong, by field, in the reader's language."""
    billing, caller = billing_of(visit.house), visit.caller
    typed = {name: visit.field(name) for name in FIELDS}
    details = BillingDetails(
        name=typed["name"],
        email=typed["email"] or None,
        language=visit.locale,
        business=bool(typed["business"] or typed["vat_id"]),
        address=Address(
            country=typed["country"],
            line1=typed["line1"] or None,
            line2=typed["line2"] or None,
            postal_code=typed["postal_code"] or None,
            city=typed["city"] or None,
            region=typed["region"] or None,
        ),
    )
    try:
        billing.set_billing(caller.account, details, by=caller.actor)
        if typed["vat_id"]:
            _put_tax_id(billing, visit, typed["vat_id"])
    except IleenError as error:
        return _wrong(visit, error)
    return {}


def country_options(locale: str) -> list[tuple[str, str]]:
    """Return all countries with their names in a language, in its alphabetical order, and a first line to choose."""
    names: Any = Locale.parse(locale).territories  # Babel's data is untyped
    named = [(code, str(names.get(code, code))) for code in COUNTRIES]
    return [("", "—"), *sorted(named, key=lambda each: each[1].casefold())]


def _to_portal(visit: Visit, back: str, flow: Flow) -> Response:
    caller = visit.caller
    url = billing_of(visit.house).portal(caller.account, return_path=back, flow=flow, by=caller.actor)
    return visit.leave(url)


def _put_tax_id(billing: Billing, visit: Visit, text: str) -> None:
    """Give a VAT id; another one than before takes its place."""
    caller = visit.caller
    present = billing.tax_id(caller.account)
    typed = "".join(character for character in text.upper() if character.isalnum())
    if present is not None and typed not in {present.value, present.value[2:]}:
        billing.remove_tax_id(caller.account, present.id, by=caller.actor)
    billing.add_tax_id(caller.account, text, by=caller.actor)


def _wrong(visit: Visit, error: IleenError) -> dict[str, str]:
    """Return the field an error is about with its sentence. Raises: the error itself if it is about none."""
    sentence = wording.refusal(visit.locale, error)
    if isinstance(error, RequestInvalid):
        fields = msgspec.convert(error.fields["fields"], type=list[dict[str, str]])
        return {each["field"]: sentence for each in fields}
    if error.code in _ABOUT_COUNTRY:
        return {"country": sentence}
    if error.code == "tax_id_invalid":
        return {"vat_id": sentence}
    raise error


def _filled(visit: Visit, customer: Customer, billing: Billing) -> dict[str, str]:
    address = customer.address
    tax_id = billing.tax_id(customer.account)
    known = {
        "name": customer.name,
        "email": customer.email or visit.person.person.email,
        "country": address.country,
        "line1": address.line1,
        "line2": address.line2,
        "postal_code": address.postal_code,
        "city": address.city,
        "region": address.region,
        "business": "on" if customer.business else "",
        "vat_id": tax_id.value if tax_id else "",
    }
    return {name: value or "" for name, value in known.items()}


def _card(visit: Visit) -> Card | None:
    wanted = visit.part("card")
    for card in billing_of(visit.house).cards(visit.caller.account):
        if card.id == wanted and card.is_removable:
            return card
    return None
