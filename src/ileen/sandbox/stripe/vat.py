"""VAT as Stripe Tax applies it to one sale of electronic services by a seller in the EU.

Owns: the standard rates by country and day, the territories Stripe Tax leaves out, and the decision which rate applies
and why. Refuses to know: invoices, customers as Stripe stores them, HTTP. Everything here is pure.
V1  rates are exact decimals with the day from which they count (Finland's 25.5 % is no float).
V2  a tax id alone moves the tax to a buyer in another member state; nobody asks whether it is valid.
V3  no registration is no error: the tax is 0 and the reason `not_collecting`.
V4  there is one rounding per line, half up.

Rates: the Commission's published standard rates, checked on 2026-11-23. Decisions: docs.stripe.com/tax/zero-tax.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

SINCE: Final = date(2022, 1, 1)
"""The first day this table knows."""

_RATES: Final[dict[str, tuple[tuple[date, str], ...]]] = {
    "AT": ((SINCE, "20"),),
    "BE": ((SINCE, "21"),),
    "BG": ((SINCE, "20"),),
    "CY": ((SINCE, "19"),),
    "CZ": ((SINCE, "21"),),
    "DE": ((SINCE, "19"),),
    "DK": ((SINCE, "25"),),
    "EE": ((SINCE, "20"), (date(2024, 1, 1), "22"), (date(2025, 7, 1), "24")),
    "ES": ((SINCE, "21"),),
    "FI": ((SINCE, "24"), (date(2024, 9, 1), "25.5")),
    "FR": ((SINCE, "20"),),
    "GR": ((SINCE, "24"),),
    "HR": ((SINCE, "25"),),
    "HU": ((SINCE, "27"),),
    "IE": ((SINCE, "23"),),
    "IT": ((SINCE, "22"),),
    "LT": ((SINCE, "21"),),
    "LU": ((SINCE, "17"), (date(2023, 1, 1), "16"), (date(2024, 1, 1), "17")),
    "LV": ((SINCE, "21"),),
    "MT": ((SINCE, "18"),),
    "NL": ((SINCE, "21"),),
    "PL": ((SINCE, "23"),),
    "PT": ((SINCE, "23"),),
    "RO": ((SINCE, "19"), (date(2025, 8, 1), "21")),
    "SE": ((SINCE, "25"),),
    "SI": ((SINCE, "22"),),
    "SK": ((SINCE, "20"), (date(2025, 1, 1), "23")),
}
MEMBERS: Final = frozenset(_RATES)
"""The 27 member states by ISO code; Greece is GR here and EL in front of a VAT number."""

_LEFT_OUT_COUNTRIES: Final = frozenset({"AX", "GF", "GP", "IC", "MC", "MQ", "RE", "YT"})
_LEFT_OUT_POSTCODES: Final[dict[str, tuple[str, ...]]] = {
    "ES": ("35", "38", "51", "52"),  # Las Palmas and Tenerife (the Canaries), Ceuta, Melilla
    "FI": ("22",),  # Åland
    "FR": ("97", "980"),  # the overseas departments, and Monaco written as France
    "PT": ("90", "91", "92", "93", "94", "95", "96", "97", "98", "99"),  # Madeira, then the Azores
}
_ZERO: Final = Decimal(0)


class Scheme(StrEnum):
    """How a registration makes its holder collect, as in Stripe's `country_options`."""

    STANDARD = "standard"
    SMALL_SELLER = "small_seller"
    OSS_UNION = "oss_union"
    OSS_NON_UNION = "oss_non_union"


class Reason(StrEnum):
    """Stripe's `taxability_reason`, as far as this seller can meet it."""

    STANDARD_RATED = "standard_rated"
    REVERSE_CHARGE = "reverse_charge"
    CUSTOMER_EXEMPT = "customer_exempt"
    NOT_COLLECTING = "not_collecting"
    NOT_SUPPORTED = "not_supported"


@dataclass(frozen=True, slots=True)
class Registration:
    """A tax registration of the seller's in `country`."""

    country: str
    scheme: Scheme = Scheme.STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """Who sells: where it sits, and where it is registered to collect."""

    country: str
    registrations: Sequence[Registration] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Who buys. `exempt` is Stripe's `tax_exempt`; `tax_ids` are pairs of type and value as typed in."""

    country: str
    postal_code: str | None = None
    exempt: str = "none"
    tax_ids: Sequence[tuple[str, str]] = field(default_factory=tuple[tuple[str, str], ...])


@dataclass(frozen=True, slots=True)
class Decision:
    """What is due: why, at which percentage (0 unless standard rated), under which country's law."""

    reason: Reason
    rate: Decimal
    country: str


def rate(country: str, on: date) -> Decimal | None:
    """Return the standard rate in percent in `country` on that day; None outside the EU and before the table."""
    found: Decimal | None = None
    for since, percent in _RATES.get(country.upper(), ()):
        if since <= on:
            found = Decimal(percent)
    return found


def not_supported(country: str, postal_code: str | None = None) -> bool:
    """Tell whether Stripe Tax calculates nothing there, whatever the seller's registrations."""
    state = country.upper()
    code = (postal_code or "").upper().replace(" ", "").removeprefix(f"{state}-")
    return state in _LEFT_OUT_COUNTRIES or code.startswith(_LEFT_OUT_POSTCODES.get(state, ("-",)))


def decide(seller: Seller, buyer: Buyer, on: date) -> Decision:
    """Decide a sale of electronic services on that day. The order of the checks is the order of precedence."""
    country = buyer.country.upper()
    if not_supported(country, buyer.postal_code):
        return Decision(Reason.NOT_SUPPORTED, _ZERO, country)
    if buyer.exempt == "exempt":
        return Decision(Reason.CUSTOMER_EXEMPT, _ZERO, country)
    if buyer.exempt == "reverse":
        return Decision(Reason.REVERSE_CHARGE, _ZERO, country)
    collecting = [one for one in seller.registrations if one.country.upper() in MEMBERS]
    if country not in MEMBERS or not collecting:
        return Decision(Reason.NOT_COLLECTING, _ZERO, country)
    if country != seller.country.upper() and any(_is_business(*tax_id) for tax_id in buyer.tax_ids):
        return Decision(Reason.REVERSE_CHARGE, _ZERO, country)
    return _standard(seller, collecting, country, on)


def tax_on(net_cents: int, percent: Decimal) -> int:
    """Return the tax in cents to put on a net amount, rounded half up (away from zero when negative)."""
    return _whole(net_cents * percent / 100)


def tax_within(gross_cents: int, percent: Decimal) -> int:
    """Return the tax in cents contained in a gross amount, rounded half up: for `tax_behavior=inclusive`."""
    return _whole(gross_cents * percent / (100 + percent))


def _standard(seller: Seller, collecting: Sequence[Registration], country: str, on: date) -> Decision:
    """Tax a consumer, or a buyer in the seller's own country: there, at home under EUR 10,000 a year, or by OSS."""
    home = seller.country.upper()
    local = {one.country.upper() for one in collecting if one.scheme in {Scheme.STANDARD, Scheme.SMALL_SELLER}}
    one_stop = any(one.scheme in {Scheme.OSS_UNION, Scheme.OSS_NON_UNION} for one in collecting)
    if country in local or one_stop:
        taxed_in = country
    elif Registration(home, Scheme.SMALL_SELLER) in collecting:
        taxed_in = home
    else:
        return Decision(Reason.NOT_COLLECTING, _ZERO, country)
    percent = rate(taxed_in, on)
    if percent is None:
        return Decision(Reason.NOT_COLLECTING, _ZERO, country)
    return Decision(Reason.STANDARD_RATED, percent, taxed_in)


def _is_business(kind: str, value: str) -> bool:
    """Tell whether a tax id names a member state's business.

    A number without letters in front is a magic test value. GB numbers typed as `eu_vat` are stored and do nothing,
    and XI (Northern Ireland) belongs to the EU for goods alone.
    """
    prefix = value.strip().upper()[:2]
    return kind == "eu_vat" and (not prefix.isalpha() or prefix == "EL" or prefix in MEMBERS)


def _whole(cents: Decimal) -> int:
    return int(cents.quantize(Decimal(1), ROUND_HALF_UP))
