"""VAT of the offline Stripe: dated rates, who is taxed where, and the one rounding."""

from datetime import date
from decimal import Decimal

import pytest

from ileen.sandbox.stripe.vat import (
    MEMBERS,
    Buyer,
    Reason,
    Registration,
    Scheme,
    Seller,
    decide,
    not_supported,
    rate,
    tax_on,
    tax_within,
)

TODAY = date(2026, 11, 24)
RATES = """
AT 20  BE 21  BG 20    CY 19  CZ 21  DE 19  DK 25  EE 24  ES 21
FI 25.5  FR 20  GR 24  HR 25  HU 27  IE 23  IT 22  LT 21  LU 17
LV 21  MT 18  NL 21    PL 23  PT 23  RO 21  SE 25  SI 22  SK 23
"""
HOME = Registration("DE")
SMALL = Registration("DE", Scheme.SMALL_SELLER)
OSS = Registration("DE", Scheme.OSS_UNION)


def test_every_member_state_has_its_standard_rate_of_today() -> None:
    words = RATES.split()
    expected = {country: Decimal(percent) for country, percent in zip(words[::2], words[1::2], strict=True)}
    assert len(MEMBERS) == 27
    assert {country: rate(country, TODAY) for country in MEMBERS} == expected


@pytest.mark.parametrize(
    ("country", "last_day", "before", "after"),
    [
        ("EE", date(2023, 12, 31), "20", "22"),
        ("EE", date(2025, 6, 30), "22", "24"),
        ("FI", date(2024, 8, 31), "24", "25.5"),
        ("LU", date(2022, 12, 31), "17", "16"),
        ("LU", date(2023, 12, 31), "16", "17"),
        ("RO", date(2025, 7, 31), "19", "21"),
        ("SK", date(2024, 12, 31), "20", "23"),
    ],
)
def test_a_rate_changes_on_its_day(country: str, last_day: date, before: str, after: str) -> None:
    next_day = date.fromordinal(last_day.toordinal() + 1)
    assert (rate(country, last_day), rate(country, next_day)) == (Decimal(before), Decimal(after))


def test_there_is_no_rate_outside_the_union_or_before_the_table() -> None:
    assert [rate("GB", TODAY), rate("US", TODAY), rate("DE", date(2021, 12, 31))] == [None, None, None]
    assert rate("de", TODAY) == 19


TERRITORIES = """
left out   ES 35001      Las Palmas
left out   ES 38670      Tenerife
left out   ES 51001      Ceuta
left out   ES 52001      Melilla
taxed      ES 28001      Madrid
left out   FI 22100      Mariehamn
taxed      FI 00100      Helsinki
left out   AX 22100      Åland as a country
left out   FR 97400      Réunion
left out   FR 98000      Monaco
taxed      FR 75001      Paris
left out   MC 98000      Monaco
left out   GP 97100      Guadeloupe
left out   PT 9000-042   Funchal
left out   PT 9500-321   Ponta Delgada
taxed      PT 1000-001   Lisbon
taxed      PT -          no postal code
taxed      DE 97070      Würzburg, whose code looks like an overseas department's
""".strip().splitlines()


@pytest.mark.parametrize("line", TERRITORIES)
def test_territories_outside_the_common_rules_are_left_out(line: str) -> None:
    outcome, (country, code, *_) = line[:8], line[11:].split()
    assert not_supported(country, None if code == "-" else code) is (outcome == "left out")


DECISIONS = """
seller   buyer             tax id             outcome          rate  country
home     DE                -                  standard_rated   19    DE
home     DE                eu_vat DE136695976 standard_rated   19    DE
home     FR                eu_vat FR403032650 reverse_charge   0     FR
home     FR                eu_vat 111111111   reverse_charge   0     FR
home     FR                eu_vat GB123456789 not_collecting   0     FR
home     GR                eu_vat EL094259216 reverse_charge   0     GR
home     FR                gb_vat GB123456789 not_collecting   0     FR
home     IE                eu_vat XI432525179 not_collecting   0     IE
home     FR                -                  not_collecting   0     FR
oss      FR                -                  standard_rated   20    FR
oss      FI                -                  standard_rated   25.5  FI
oss      FI                eu_vat FI20774740  reverse_charge   0     FI
oss      DE                -                  standard_rated   19    DE
small    FR                -                  standard_rated   19    DE
small    FR                eu_vat 000000000   reverse_charge   0     FR
local    FR                -                  standard_rated   20    FR
local    ES                -                  not_collecting   0     ES
none     DE                -                  not_collecting   0     DE
none     FR                eu_vat FR403032650 not_collecting   0     FR
oss      US                -                  not_collecting   0     US
oss      GB                gb_vat GB123456789 not_collecting   0     GB
oss      ES:35001          -                  not_supported    0     ES
oss      ES:35001          eu_vat ESA1234567A not_supported    0     ES
oss      PT:9000-042       -                  not_supported    0     PT
oss      FR!exempt         -                  customer_exempt  0     FR
oss      DE!exempt         -                  customer_exempt  0     DE
oss      FR!reverse        -                  reverse_charge   0     FR
""".strip().splitlines()[1:]
SELLERS = {
    "home": [HOME],
    "oss": [HOME, OSS],
    "small": [SMALL],
    "local": [HOME, Registration("FR")],
    "none": [],
}


@pytest.mark.parametrize("line", DECISIONS)
def test_place_registrations_and_tax_id_decide_the_tax(line: str) -> None:
    registered, place, *tax_id, outcome, percent, law = line.split()
    place, _, exempt = place.partition("!")
    country, _, code = place.partition(":")
    pair = [] if tax_id == ["-"] else [(tax_id[0], tax_id[1])]
    buyer = Buyer(country=country, postal_code=code or None, exempt=exempt or "none", tax_ids=pair)

    decision = decide(Seller(country="DE", registrations=SELLERS[registered]), buyer, TODAY)

    assert (decision.reason, decision.rate, decision.country) == (Reason(outcome), Decimal(percent), law)


def test_the_rate_of_the_day_counts() -> None:
    buyer = Buyer(country="EE")
    seller = Seller(country="DE", registrations=[HOME, OSS])
    rates = [decide(seller, buyer, day).rate for day in (date(2025, 6, 30), date(2025, 7, 1))]
    assert rates == [22, 24]


@pytest.mark.parametrize(
    ("net", "percent", "tax"),
    [
        (5000, "19", 950),
        (500, "25.5", 128),
        (1, "25.5", 0),
        (2, "25.5", 1),
        (50, "21", 11),
        (-50, "21", -11),
        (0, "19", 0),
    ],
)
def test_tax_on_top_is_rounded_half_up(net: int, percent: str, tax: int) -> None:
    assert tax_on(net, Decimal(percent)) == tax


def test_tax_within_is_carved_out_of_the_price() -> None:
    assert (tax_within(5950, Decimal(19)), tax_within(5000, Decimal(19)), tax_within(500, Decimal(0))) == (950, 798, 0)
