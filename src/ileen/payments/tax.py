"""VAT, as far as it is ours to decide: whom to sell to, whose VAT id counts, and how a quote is told in words.

Owns: the operator's policy, the offline check of VAT ids, the rule of reverse charge. Refuses to know: rates and
amounts (Stripe calculates them), tables, HTTP.
T1  reverse charge needs all of: buyer and seller in different member states, a VAT id of the buyer's country, and the
    operator's policy about its verification (Directive 2006/112/EC, articles 44 and 196).
T2  Stripe applies reverse charge on the mere presence of an id and checks nothing (docs.stripe.com/tax/zero-tax), so an
    id that does not yet meet the policy is never at the customer that is invoiced (`vat_ids`).
"""

import re
from enum import StrEnum
from typing import Final

import stdnum.eu.vat
import stdnum.exceptions
import stdnum.gb.vat
from msgspec import Struct

from ileen.base.errors import CountryNotSold, TaxIdInvalid, TerritoryNotSold
from ileen.payments.territories import EU, territory

SAMPLE_IDS: Final = ("000000000", "111111111", "222222222")
"""Stripe's test ids: verified, not found, pending for ever. Only test keys accept them; no check digit is right."""

_UNREGISTERED: Final = frozenset({"not_collecting", "not_subject_to_tax"})
"""What Stripe says of a place without registration; sources differ."""
_SEPARATORS: Final = re.compile(r"[\s.\-/]")
_ALLOWED: Final = re.compile(r"[0-9A-Z+*]{2,20}", re.ASCII)
_PREFIXES: Final = {country: country for country in EU if country != "GR"} | {"GR": "EL", "GB": "XI"}
"""The prefix of each country's `eu_vat` ids; of the United Kingdom only Northern Ireland's are such."""
_NAMES: Final = {prefix: country for country, prefix in _PREFIXES.items()} | {"GR": "GR", "GB": "GB"}


class Sell(StrEnum):
    """What to do with a customer on whose sales Stripe would calculate no tax."""

    SELL = "sell"
    REFUSE = "refuse"


class ReverseCharge(StrEnum):
    """When a business in another member state pays no VAT: its id verified, well-formed, or never."""

    VERIFIED = "verified"
    FORMAT = "format"
    NEVER = "never"


class TaxPolicy(Struct, frozen=True, kw_only=True):
    """The operator's decisions about tax. `registered` are the countries with a tax registration, the seller's too."""

    seller_country: str = "DE"
    registered: frozenset[str] = EU
    unregistered: Sell = Sell.REFUSE
    territories: Sell = Sell.REFUSE
    reverse_charge: ReverseCharge = ReverseCharge.VERIFIED
    tax_code: str = "txcd_10000000"


class VatIdKind(StrEnum):
    """Stripe's types of the ids we take."""

    EU_VAT = "eu_vat"
    GB_VAT = "gb_vat"


class VatId(Struct, frozen=True, kw_only=True):
    """A well-formed VAT id as Stripe wants it: prefix included, `EL` for Greece."""

    kind: VatIdKind
    value: str
    country: str


def admit(policy: TaxPolicy, country: str, postal_code: str | None) -> None:
    """Let a customer's address pass, or refuse it. Raises: TerritoryNotSold, CountryNotSold."""
    place = territory(country, postal_code)
    if place is not None and policy.territories is Sell.REFUSE:
        raise TerritoryNotSold(territory=place)
    if place is None and country not in policy.registered and policy.unregistered is Sell.REFUSE:
        raise CountryNotSold(country=country)


def admit_reason(policy: TaxPolicy, reason: str, *, country: str) -> None:
    """Let pass what Stripe said about an invoice's tax, or refuse to sell. Raises: as `admit`.

    `reason` is Stripe's taxability reason. The address may have passed `admit` and still be one that Stripe collects
    nothing for: the registrations at Stripe can be fewer than those in our policy.
    """
    if reason == "not_supported" and policy.territories is Sell.REFUSE:
        raise TerritoryNotSold(territory=country)
    if reason in _UNREGISTERED and policy.unregistered is Sell.REFUSE:
        raise CountryNotSold(country=country)


def may_reverse(policy: TaxPolicy, vat_id: VatId, *, country: str, verified: bool) -> bool:
    """Tell whether this id takes VAT off the invoice of a customer in `country` (T1)."""
    cross_border = country in EU and policy.seller_country in EU and country != policy.seller_country
    if not cross_border or vat_id.kind is not VatIdKind.EU_VAT or vat_id.country != country:
        return False
    match policy.reverse_charge:
        case ReverseCharge.VERIFIED:
            return verified
        case ReverseCharge.FORMAT:
            return True
        case ReverseCharge.NEVER:
            return False


def may_be_invoiced(policy: TaxPolicy, vat_id: VatId, *, country: str, verified: bool) -> bool:
    """Tell whether the id may be at the customer that is invoiced, and so be printed on invoices (T2).

    Where it cannot take VAT off, it may if it is verified. Under `never` a foreign id stays away, since Stripe would
    take VAT off all the same.
    """
    if may_reverse(policy, vat_id, country=country, verified=verified):
        return True
    at_home = country == policy.seller_country
    return verified and vat_id.country == country and (at_home or policy.reverse_charge is not ReverseCharge.NEVER)


def read_vat_id(text: str, *, country: str, test_mode: bool) -> VatId:
    """Read a VAT id of a customer in `country`; the prefix may be left out. Raises: TaxIdInvalid, with the reason.

    Format and check digits only: a right check digit is no registration, that is what verification is for.
    """
    compact = _SEPARATORS.sub("", text).upper()
    if country not in _PREFIXES:
        raise TaxIdInvalid(reason="we take VAT ids of the European Union and the United Kingdom only")
    if not _ALLOWED.fullmatch(compact):
        raise TaxIdInvalid(reason="it has 2 to 14 letters and digits, such as DE136695976")
    for prefix in ("GB", "XI") if country == "GB" else ("EL", "GR") if country == "GR" else (country,):
        digits = compact.removeprefix(prefix)
        if (digits != compact or compact[:2] not in _NAMES) and _well_formed(prefix, digits, test_mode=test_mode):
            return _compose(prefix, digits, country=country)
    if compact[:2] in _NAMES and _NAMES[compact[:2]] != country:
        raise TaxIdInvalid(reason="it belongs to another country than your billing address")
    raise TaxIdInvalid(reason="its form or check digit is wrong; look for a typing mistake")


def _well_formed(prefix: str, digits: str, *, test_mode: bool) -> bool:
    if test_mode and (digits in SAMPLE_IDS or digits == "123456789"):
        return True
    try:
        if prefix == "GB":
            stdnum.gb.vat.validate(digits)
        else:
            stdnum.eu.vat.validate(prefix + digits)
    except stdnum.exceptions.ValidationError:
        return False
    return True


def _compose(prefix: str, digits: str, *, country: str) -> VatId:
    if prefix == "GB":
        return VatId(kind=VatIdKind.GB_VAT, value=f"GB{digits}", country=country)
    prefix = "EL" if country == "GR" else prefix
    if digits not in SAMPLE_IDS:
        # Some numbers gain digits: a short Dutch one is padded with zeros.
        digits = _padded(prefix, digits)
    return VatId(kind=VatIdKind.EU_VAT, value=prefix + digits, country=country)


def _padded(prefix: str, digits: str) -> str:
    try:
        return stdnum.eu.vat.compact(prefix + digits)[2:]
    except stdnum.exceptions.ValidationError:
        return digits
