"""Whom we sell to, whose VAT id counts, and which ids may be where Stripe sees them."""

import pytest
from msgspec.structs import replace

from ileen.base.errors import CountryNotSold, TaxIdInvalid, TerritoryNotSold
from ileen.payments.tax import (
    ReverseCharge,
    Sell,
    TaxPolicy,
    VatId,
    VatIdKind,
    admit,
    admit_reason,
    may_be_invoiced,
    may_reverse,
    read_vat_id,
)
from ileen.payments.territories import COUNTRIES, EU, territory

REFUSES = TaxPolicy(seller_country="DE", registered=EU)
SELLS = replace(REFUSES, unregistered=Sell.SELL, territories=Sell.SELL)


def vat_id(country: str) -> VatId:
    return VatId(kind=VatIdKind.EU_VAT, value=f"{country}1", country=country)


# Whom we sell to ---------------------------------------------------------------------------------------------


def test_every_member_state_is_sold_to_where_the_seller_is_registered_in_the_union() -> None:
    for country in EU:
        admit(REFUSES, country, None)


@pytest.mark.parametrize("country", ["US", "CH", "GB", "NO"])
def test_a_country_without_registration_follows_the_policy(country: str) -> None:
    with pytest.raises(CountryNotSold, match=country):
        admit(REFUSES, country, "12345")
    admit(SELLS, country, "12345")


@pytest.mark.parametrize(
    ("country", "postal_code", "name"),
    [
        ("ES", "35001", "the Canary Islands"),
        ("ES", "38 001", "the Canary Islands"),
        ("ES", "51001", "Ceuta"),
        ("ES", "52001", "Melilla"),
        ("PT", "9000-018", "Madeira"),
        ("PT", "9500-119", "the Azores"),
        ("FI", "FI-22100", "Åland"),
        ("AX", None, "Åland"),
        ("FR", "97110", "Guadeloupe"),
        ("FR", "97400", "Réunion"),
        ("FR", "98000", "Monaco"),
        ("MC", "98000", "Monaco"),
        ("RE", "97400", "Réunion"),
        ("IT", "23041", "Livigno"),
        ("DE", "27498", "Heligoland"),
        ("GR", "630 86", "Mount Athos"),
    ],
)
def test_a_special_territory_is_recognised_and_follows_the_policy(
    country: str, postal_code: str | None, name: str
) -> None:
    assert territory(country, postal_code) == name
    with pytest.raises(TerritoryNotSold, match=name):
        admit(REFUSES, country, postal_code)
    admit(SELLS, country, postal_code)


@pytest.mark.parametrize(
    ("country", "postal_code"),
    [("ES", "28001"), ("PT", "1000-001"), ("FI", "00100"), ("FR", "75001"), ("DE", "10115"), ("GR", None), ("IT", "")],
)
def test_the_ordinary_part_of_a_country_is_no_territory(country: str, postal_code: str | None) -> None:
    assert territory(country, postal_code) is None


def test_what_stripe_says_about_an_invoice_follows_the_same_policy() -> None:
    with pytest.raises(TerritoryNotSold):
        admit_reason(REFUSES, "not_supported", country="PT")
    with pytest.raises(CountryNotSold):
        admit_reason(REFUSES, "not_collecting", country="FR")
    for reason in ("not_supported", "not_collecting"):
        admit_reason(SELLS, reason, country="PT")
    admit_reason(REFUSES, "standard_rated", country="FR")
    admit_reason(REFUSES, "reverse_charge", country="FR")


def test_countries_are_two_letters_and_hold_the_union() -> None:
    assert len(COUNTRIES) == 250
    assert len(EU) == 27
    assert EU < COUNTRIES
    assert all(len(country) == 2 and country.isupper() for country in COUNTRIES)


# VAT ids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "country", "value"),
    [
        ("DE136695976", "DE", "DE136695976"),
        ("136695976", "DE", "DE136695976"),
        (" de 136.695.976 ", "DE", "DE136695976"),
        ("ATU13585627", "AT", "ATU13585627"),
        ("U13585627", "AT", "ATU13585627"),
        ("BE0428759497", "BE", "BE0428759497"),
        ("FR40303265045", "FR", "FR40303265045"),
        ("FRK7399859412", "FR", "FRK7399859412"),
        ("GR094259216", "GR", "EL094259216"),
        ("EL094259216", "GR", "EL094259216"),
        ("94259216", "GR", "EL094259216"),
        ("NL4495445B01", "NL", "NL004495445B01"),
        ("XI432525179", "GB", "XI432525179"),
    ],
)
def test_a_right_id_of_the_union_is_read_as_stripe_wants_it(text: str, country: str, value: str) -> None:
    expected = VatId(kind=VatIdKind.EU_VAT, value=value, country=country)

    assert read_vat_id(text, country=country, test_mode=False) == expected


def test_a_british_id_is_of_its_own_kind() -> None:
    expected = VatId(kind=VatIdKind.GB_VAT, value="GB432525179", country="GB")

    assert read_vat_id("GB 432 5251 79", country="GB", test_mode=False) == expected
    assert read_vat_id("432525179", country="GB", test_mode=False) == expected


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("DE136695977", "DE"),  # check digit
        ("DE123456789", "DE"),  # Stripe's documented sample is no number at all
        ("000000000", "DE"),
        ("", "DE"),
        ("DE", "DE"),
        ("DE136695976", "AT"),
        ("ATU13585627", "DE"),
        ("GB432525179", "DE"),
        ("CHE123456788", "CH"),
        ("12-3456789", "US"),
        ("DE１３６６９５９７６", "DE"),
        ("DE136695976; DROP TABLE", "DE"),
        ("DE" + "1" * 400, "DE"),
    ],
)
def test_a_wrong_or_foreign_id_is_refused_with_a_reason(text: str, country: str) -> None:
    with pytest.raises(TaxIdInvalid) as refusal:
        read_vat_id(text, country=country, test_mode=False)

    assert len(str(refusal.value.fields["reason"])) > 20


@pytest.mark.parametrize("digits", ["000000000", "111111111", "222222222", "123456789"])
def test_samples_pass_with_a_test_key_only(digits: str) -> None:
    assert read_vat_id(f"DE{digits}", country="DE", test_mode=True).value == f"DE{digits}"
    assert read_vat_id(digits, country="FR", test_mode=True).value == f"FR{digits}"
    with pytest.raises(TaxIdInvalid):
        read_vat_id(f"DE{digits}", country="DE", test_mode=False)


# Reverse charge ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "country", "verified", "expected"),
    [
        (ReverseCharge.VERIFIED, "FR", True, True),
        (ReverseCharge.VERIFIED, "FR", False, False),
        (ReverseCharge.FORMAT, "FR", False, True),
        (ReverseCharge.NEVER, "FR", True, False),
        (ReverseCharge.VERIFIED, "DE", True, False),  # the seller's own country
        (ReverseCharge.FORMAT, "DE", True, False),
        (ReverseCharge.VERIFIED, "CH", True, False),  # not in the union
    ],
)
def test_reverse_charge_is_cross_border_and_as_the_policy_says(
    rule: ReverseCharge, country: str, verified: bool, expected: bool
) -> None:
    policy = replace(REFUSES, reverse_charge=rule)

    assert may_reverse(policy, vat_id(country), country=country, verified=verified) is expected


def test_an_id_of_another_country_than_the_address_reverses_nothing() -> None:
    assert not may_reverse(REFUSES, vat_id("FR"), country="AT", verified=True)


def test_a_british_id_reverses_nothing() -> None:
    british = VatId(kind=VatIdKind.GB_VAT, value="GB432525179", country="GB")

    assert not may_reverse(REFUSES, british, country="GB", verified=True)


def test_an_unverified_id_is_not_at_the_customer_that_is_invoiced() -> None:
    assert not may_be_invoiced(REFUSES, vat_id("FR"), country="FR", verified=False)
    assert may_be_invoiced(REFUSES, vat_id("FR"), country="FR", verified=True)
    assert not may_be_invoiced(REFUSES, vat_id("DE"), country="DE", verified=False)
    assert may_be_invoiced(REFUSES, vat_id("DE"), country="DE", verified=True)


def test_under_never_a_foreign_id_is_not_at_the_customer_at_all() -> None:
    never = replace(REFUSES, reverse_charge=ReverseCharge.NEVER)

    assert not may_be_invoiced(never, vat_id("FR"), country="FR", verified=True)
    assert may_be_invoiced(never, vat_id("DE"), country="DE", verified=True)
