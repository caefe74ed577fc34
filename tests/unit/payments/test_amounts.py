"""Amounts of purchases: whole cents within bounds, and one cent is ten million nano-credits, at every boundary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ileen.base.errors import AmountInvalid
from ileen.base.money import parse, write
from ileen.payments.amounts import CENTS_MAX, CENTS_MIN, check_cents, credits_of, read_cents, write_cents


@pytest.mark.parametrize(
    ("text", "cents"), [("5", 500), ("5.00", 500), ("25.5", 2550), ("25.50", 2550), ("19.99", 1999), ("500", 50_000)]
)
def test_euros_are_read_as_whole_cents(text: str, cents: int) -> None:
    assert read_cents(text) == cents


@pytest.mark.parametrize(
    "text",
    ["4.99", "500.01", "1e3", "25,50", "-25", "+25", "NaN", "Infinity", "25.001", "025", " 25", "25 ", "25 EUR", "$25",
     "٢٥", "0x19", "", ".50", "25.", "1_000", None, 25, 25.5, True, ["25"]],
)  # fmt: skip
def test_anything_else_is_refused_by_name(text: object) -> None:
    with pytest.raises(AmountInvalid) as caught:
        read_cents(text, field="amount")
    assert caught.value.fields["field"] == "amount"


@pytest.mark.parametrize("cents", [0, -500, CENTS_MIN - 1, CENTS_MAX + 1, True, 500.0, "500", None])
def test_cents_out_of_bounds_or_of_another_type_are_refused(cents: object) -> None:
    with pytest.raises(AmountInvalid):
        check_cents(cents)  # type: ignore[arg-type]


@given(st.integers(CENTS_MIN, CENTS_MAX))
def test_trap_21_cents_and_credits_agree_at_every_boundary(cents: int) -> None:
    """1 credit = EUR 1 = 100 cents = 10^9 nano-credits: the text of the euros is the text of the credits."""
    assert write(credits_of(cents)) == write_cents(cents)
    assert parse(write_cents(cents)) == credits_of(cents) == cents * 10_000_000
    assert read_cents(write_cents(cents)) == cents
