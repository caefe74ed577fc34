"""Every trap of other shops that concerns purchases, cards and VAT has a test that bears its number."""

import re
from pathlib import Path

import pytest

TRAPS = {
    1: "double credit by webhook and answer",
    2: "a webhook before the local row",
    3: "duplicate events",
    4: "a refund that does not take credits back",
    5: "a dispute ignored or never restored",
    6: "cumulative refunds read as differences",
    7: "tax counted as credits",
    8: "a refund of tax taken as credits",
    9: "a storm of automatic charges",
    10: "authentication asked for at every run",
    11: "an invoice left open is collected later",
    12: "already paid taken for a failure",
    13: "pending items swept into an invoice",
    14: "reliance on removed fields",
    15: "an event marked as processed too early",
    16: "a failed refund still booked",
    17: "a refund and a dispute deducted twice",
    18: "cent rounding of credit notes",
    19: "an unverified or wrong VAT id",
    20: "an idempotency key reused after a decline",
    21: "euros and credits mixed up",
    22: "a refill that sets the balance or outlives its rule",
    23: "partial refunds of the dashboard dropped",
    24: "a default card removed",
}
NAMES = re.compile(r"def test_trap_(\d+)_")
TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("number", TRAPS, ids=lambda number: TRAPS[number].replace(" ", "_"))
def test_the_trap_has_a_test(number: int) -> None:
    found = {int(each) for path in TESTS.rglob("test_*.py") for each in NAMES.findall(path.read_text())}

    assert number in found
