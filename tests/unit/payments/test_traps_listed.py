"""Every trap of other shops that concerns purchases, cards and VAT has a test that bears its number."""

import re
from pathlib import Path

import pytest

TRAPS = {
    1: "double credit by webhook and answer",
    2: "a webhook before the local row",
    3: "duplicate events",
    7: "tax counted as credits",
    11: "an invoice left open is collected later",
    12: "already paid taken for a failure",
    13: "pending items swept into an invoice",
    14: "reliance on removed fields",
    15: "an event marked as processed too early",
    19: "an unverified or wrong VAT id",
    20: "an idempotency key reused after a decline",
    21: "euros and credits mixed up",
    24: "a default card removed",
}
NAMES = re.compile(r"def test_trap_(\d+)_")
TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("number", TRAPS, ids=lambda number: TRAPS[number].replace(" ", "_"))
def test_the_trap_has_a_test(number: int) -> None:
    found = {int(each) for path in TESTS.rglob("test_*.py") for each in NAMES.findall(path.read_text())}

    assert number in found
