"""Money, dates and the reader's language."""

from datetime import UTC, datetime

import pytest

from ileen.base.clock import to_instant
from ileen.catalogue import LOCALES, balance, date, day, locale_of, moment, money, percent


def plain(text: str) -> str:
    """Show the spaces that do not break as plain ones."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def test_money_is_grouped_in_every_language() -> None:
    """Spanish and Italian too, where browsers and libraries disagree unless told."""
    assert [plain(money(locale, "1234.50")) for locale in LOCALES] == [
        "€1,234.50", "1.234,50 €", "1 234,50 €", "1.234,50 €", "1.234,50 €",
    ]  # fmt: skip


def test_money_may_be_given_in_cents() -> None:
    assert money("en", 2975) == money("en", "29.75") == "€29.75"


def test_money_keeps_every_digit_of_large_sums() -> None:
    assert money("en", "90071992547409.93") == "€90,071,992,547,409.93"


@pytest.mark.parametrize("amount", ["0.001", "25.005"])
def test_a_part_of_a_cent_is_no_sum_of_money(amount: str) -> None:
    with pytest.raises(ValueError, match="whole cents"):
        money("en", amount)


def test_a_balance_is_floored_never_rounded_up() -> None:
    """Also below zero, where flooring means owing more: nobody is told less debt than there is."""
    assert [balance("en", text) for text in ["47.359999999", "0.009", "-0.381"]] == ["€47.35", "€0.00", "-€0.39"]


def test_rates_keep_their_decimals() -> None:
    assert [plain(percent(locale, "25.5")) for locale in LOCALES] == ["25.5%", "25,5 %", "25,5 %", "25,5 %", "25,5%"]
    assert percent("en", "19") == "19%"


def test_dates_are_those_of_the_readers_zone() -> None:
    """23:30 UTC is already tomorrow in Berlin."""
    instant = to_instant(datetime(2026, 11, 17, 23, 30, tzinfo=UTC))
    assert [date(locale, instant, "Europe/Berlin") for locale in LOCALES] == [
        "18 Nov 2026", "18.11.2026", "18 nov. 2026", "18 nov 2026", "18 nov 2026",
    ]  # fmt: skip
    assert date("en", instant, "UTC") == "17 Nov 2026"


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", "1 Jul 2026, 14:00 CEST"),
        ("America/Sao_Paulo", "1 Jul 2026, 09:00 UTC-03"),
        ("UTC", "1 Jul 2026, 12:00 UTC"),
    ],
)
def test_a_moment_names_its_zone(zone: str, expected: str) -> None:
    assert moment("en", to_instant(datetime(2026, 7, 1, 12, tzinfo=UTC)), zone) == expected


def test_a_calendar_day_has_no_zone() -> None:
    assert day("de", "2026-11-30") == "30.11.2026"


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ([None, None], "en"),
        (["de-AT"], "de"),
        (["pt-BR,pt;q=0.9,fr;q=0.8,en;q=0.7"], "fr"),
        (["en;q=0.5, it;q=0.9"], "it"),
        (["it", "de"], "it"),
        (["pt", "de"], "de"),
        (["es_MX"], "es"),
        (["fr;q=0, de;q=0.1"], "de"),
        (["*"], "en"),
        (["fr;q=9", ";;;,=", "de"], "de"),
        (["de;q=1.0,fr;q=1"], "de"),
        (["x" * 100_000 + ",de"], "en"),
    ],
)
def test_the_readers_language(wishes: list[str | None], expected: str) -> None:
    assert locale_of(*wishes) == expected
