"""What people are told about money: sentences of the catalogue for declines, VAT and VAT ids, chosen in one place.

Owns: which sentence belongs to which fact; the API and the pages say the same. Refuses to know: HTTP.
"""

import re
from typing import Final

from ileen import catalogue
from ileen.base.errors import IleenError
from ileen.payments.customers import Customer, CustomerState
from ileen.payments.model import Quote
from ileen.payments.stripe import DeclineKind
from ileen.payments.vat_ids import TaxId, TaxIdState
from ileen.web.figures import OTHER

DECLINES: Final = {
    DeclineKind.FUNDS: "decline.funds",
    DeclineKind.CARD_DATA: "decline.card",
    DeclineKind.BANK: "decline.bank",
    DeclineKind.TRY_LATER: "decline.later",
    DeclineKind.AUTHENTICATION: "decline.authentication",
}
_TAX_IDS: Final = {
    TaxIdState.CHECKING: "details.vat_id.pending",
    TaxIdState.VERIFIED: "details.vat_id.verified",
    TaxIdState.NOT_FOUND: "details.vat_id.unverified",
    TaxIdState.UNAVAILABLE: "details.vat_id.unavailable",
}
_REASONS: Final = {
    "reverse_charge": "tax.reverse_charge",
    "customer_exempt": "tax.exempt",
    "not_collecting": "tax.not_collected",
    "not_subject_to_tax": "tax.not_collected",
    "not_supported": "tax.not_collected",
}
_CUSTOMERS: Final = {
    CustomerState.UNPLACED: "details.location_invalid",
    CustomerState.DELETED: "details.deleted",
}
_OURS: Final = re.compile(r"[a-z]+(_[a-z]+)*", re.ASCII)
_REFUSALS: Final = {
    "location_invalid": "details.location_invalid",
    "country_not_sold": "details.country.refused",
    "territory_not_sold": "details.country.refused",
    "tax_id_invalid": "details.vat_id.invalid",
    "card_is_default": "cards.default_stays",
    "stripe_unavailable": "error.stripe_away",
}


def decline(locale: str, kind: DeclineKind) -> str:
    """Return what is said of a declined payment; lost, stolen and suspected cards are a plain decline."""
    return catalogue.text(locale, DECLINES[kind])


def tax_id_state(locale: str, tax_id: TaxId) -> str:
    """Return what is said of the check of a VAT id."""
    return catalogue.text(locale, _TAX_IDS[tax_id.state])


def vat_reason(locale: str, quote: Quote, tax_id: TaxId | None) -> str | None:
    """Return why a quote's VAT is what it is; None where the rate says it all."""
    if quote.reason in _REASONS:
        return catalogue.text(locale, _REASONS[quote.reason])
    if tax_id is not None and tax_id.state is not TaxIdState.VERIFIED and quote.vat > 0:
        return catalogue.text(locale, "tax.id_unverified")
    return None


def customer_state(locale: str, customer: Customer) -> str | None:
    """Return what somebody must do about their billing details, None if nothing."""
    key = _CUSTOMERS.get(customer.state)
    return None if key is None else catalogue.text(locale, key)


def group(locale: str, name: str) -> str:
    """Return how people read the name of a mode, activity or model. The rate card's own words stay what they are."""
    if name == OTHER:
        return catalogue.text(locale, "usage.other")
    if not name:
        return catalogue.text(locale, "usage.unnamed")
    # Names of ours are written with underscores; a model's name is the provider's and is not touched.
    return name.replace("_", " ").capitalize() if _OURS.fullmatch(name) else name


def refusal(locale: str, error: IleenError) -> str:
    """Return the reader's own sentence for a refusal of the payer's side, else the error's."""
    key = _REFUSALS.get(error.code)
    return error.detail if key is None else catalogue.text(locale, key)
