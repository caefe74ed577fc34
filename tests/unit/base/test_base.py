"""Money, ids and time: what goes in comes out, and nothing else gets in."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ileen.base import ids, money
from ileen.base.clock import ManualClock, to_datetime, to_instant, to_text
from ileen.base.errors import AmountInvalid


@given(st.integers(-money.AMOUNT_NANO_MAX, money.AMOUNT_NANO_MAX))
def test_an_amount_survives_being_written_and_read(nano: int) -> None:
    assert money.parse(money.write(nano), negative=True) == nano


@pytest.mark.parametrize(
    ("text", "nano"), [("5.00", 5 * money.NANO), ("0.10", 10**8), ("0.000000001", 1), ("0", 0), ("12.5", 125 * 10**8)]
)
def test_decimal_strings_are_read_exactly(text: str, nano: int) -> None:
    assert money.parse(text) == nano


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1e3",
        "25,50",
        "1.0000000001",
        " 1",
        "+1",
        "NaN",
        "01",
        ".5",
        "1.",
        "٣",
        "99999999999",
        1,
        1.5,
        None,
        True,
    ],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(AmountInvalid):
        money.parse(text)


def test_ids_sort_by_time_and_name_their_kind() -> None:
    clock = ManualClock()
    source = ids.RandomIds(clock)
    first = source.mint("acct")
    clock.advance(1)
    second = source.mint("acct")

    assert first < second
    assert ids.is_id(first, "acct") and not ids.is_id(first, "wal") and not ids.is_id(first + "0", "acct")
    assert ids.account_of(ids.wallet_of(ids.AccountId(first))) == first


def test_seeded_ids_repeat() -> None:
    clock = ManualClock()

    assert ids.SeededIds(clock, 7).mint("lot") == ids.SeededIds(clock, 7).mint("lot")


def test_instants_are_microseconds_in_utc() -> None:
    moment = datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC)

    assert to_datetime(to_instant(moment)) == moment
    assert to_text(to_instant(moment)) == "2026-03-29T01:00:00.000001Z"
