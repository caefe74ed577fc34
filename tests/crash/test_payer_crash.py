"""A process that works for a payer is killed on the way: one customer, one VAT id, nothing twice, books clean.

The child runs the room itself, on a database and an offline Stripe that survive it. What it was asked for is then asked
for again, or its job is run. All points are tried on SQLite; where both databases could differ, on PostgreSQL too.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from ileen.accounts.audit import events
from ileen.ledger.audit import audit
from ileen.payments.customers import BillingDetails, CustomerState
from ileen.payments.stripe.payer import Address
from ileen.payments.vat_ids import TaxIdState
from ileen.store import schema
from paying import Paying, paying
from stripe_sandbox import stripe_process, stripe_sandbox

__all__ = ["paying", "stripe_process", "stripe_sandbox"]

CHILD = Path(__file__).parent / "payer_child.py"
ADA, FRENCH, OTHER_CARD = "mem_ada", "FR40303265045", "4000002500003155"


def kill(paying: Paying, point: str, *, do: str, word: str = "") -> None:
    """Have another process do one thing, as Ada, until it dies at a point."""
    given = {
        "database": paying.database.engine.url.render_as_string(hide_password=False),
        "stripe_url": paying.sandbox.url,
        "stripe_key": paying.sandbox.secret_key,
        "now": paying.clock.now(),
        "account": paying.account.id,
        "by": ADA,
        "do": do,
        "word": word,
    }
    child = subprocess.run(
        [sys.executable, str(CHILD), json.dumps(given)],
        env={**os.environ, "ILEEN_CRASH_AT": point},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == -9, f"the process was to be killed at {point}: {child.stdout}{child.stderr}"


def live_in(paying: Paying, country: str) -> None:
    """Give the details that the child gives."""
    details = BillingDetails(name="Ada Lovelace", address=Address(country=country))
    paying.billing.set_billing(paying.account.id, details, by=ADA)


def come_to_rest(paying: Paying) -> None:
    """Let the leases of the dead end, and their jobs be done."""
    for _ in range(3):
        paying.pass_time(130)
        paying.work()


def noted(paying: Paying, thing: str) -> list[tuple[str, str]]:
    with paying.database.read() as connection:
        found = events(connection, account_id=paying.account.id, limit=50)
    return sorted((event.action, event.actor) for event in found if event.action.startswith(f"{thing}."))


def check(paying: Paying) -> None:
    """One customer, at Stripe and here; none that was made to check a VAT id; a clean ledger."""
    (customer,) = paying.at_stripe()
    assert customer.id == paying.stripe_id()
    assert paying.billing.customer(paying.account.id).state is CustomerState.READY
    assert noted(paying, "billing") == [("billing.changed", ADA)]
    assert audit(paying.database).breaches == []


@pytest.mark.parametrize(
    ("engine", "point", "later_s"),
    [
        ("sqlite", "customers.asked", 0),
        ("sqlite", "customers.asked", 61),  # the answer counts as lost: the customer is looked for, then made
        ("sqlite", "customers.made", 0),
        ("sqlite", "customers.made", 61),  # ... looked for, and found
        ("sqlite", "customers.details_sent", 0),
        ("postgresql", "customers.made", 61),
    ],
)
def test_details_given_again_after_a_kill_belong_to_one_customer(paying: Paying, point: str, later_s: int) -> None:
    kill(paying, point, do="set_billing", word="DE")

    paying.pass_time(later_s)
    live_in(paying, "DE")

    check(paying)
    assert paying.at_stripe()[0].address["country"] == "DE"


@pytest.mark.parametrize(
    ("engine", "point"),
    [
        ("sqlite", "tax_id.added"),
        ("sqlite", "tax_id.checker_made"),
        ("sqlite", "tax_id.check_begun"),
        ("postgresql", "tax_id.check_begun"),
    ],
)
def test_a_vat_id_whose_process_was_killed_is_verified_once(paying: Paying, point: str) -> None:
    live_in(paying, "FR")
    kill(paying, point, do="add_tax_id", word=FRENCH)

    paying.billing.add_tax_id(paying.account.id, FRENCH, by="mem_eve")
    come_to_rest(paying)

    whole_vat_id(paying)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_vat_id_placed_by_a_killed_job_is_at_the_payer_once(paying: Paying, engine: str) -> None:
    live_in(paying, "FR")
    paying.billing.add_tax_id(paying.account.id, FRENCH, by=ADA)
    paying.pass_time(120)
    kill(paying, "tax_id.placed", do="work")

    come_to_rest(paying)

    whole_vat_id(paying)


@pytest.mark.parametrize(("engine", "point"), [("sqlite", "tax_id.removed"), ("sqlite", "tax_id.taken_off")])
def test_a_vat_id_whose_removal_was_killed_is_gone(paying: Paying, point: str) -> None:
    live_in(paying, "FR")
    added = paying.billing.add_tax_id(paying.account.id, FRENCH, by=ADA)
    come_to_rest(paying)
    assert paying.tax_ids_at_payer() == [FRENCH]
    kill(paying, point, do="remove_tax_id", word=added.id)

    come_to_rest(paying)

    check(paying)
    assert (paying.billing.tax_id(paying.account.id), paying.tax_ids_at_payer()) == (None, [])
    assert noted(paying, "tax_id") == [("tax_id.given", ADA), ("tax_id.removed", ADA)]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_card_whose_removal_was_killed_is_removed_once(paying: Paying, engine: str) -> None:
    live_in(paying, "DE")
    paying.add_card()
    other = paying.add_card(OTHER_CARD, default=False)
    paying.billing.cards(paying.account.id)
    kill(paying, "card.detached", do="remove_card", word=other)

    paying.billing.remove_card(paying.account.id, other, by=ADA)

    check(paying)
    assert [card.last4 for card in paying.billing.cards(paying.account.id)] == ["4242"]
    assert noted(paying, "card")[2:] == [("card.removal_asked", ADA), ("card.removed", ADA)]


def whole_vat_id(paying: Paying) -> None:
    """Check that the one id is verified, at the payer and nowhere else."""
    check(paying)
    found = paying.billing.tax_id(paying.account.id)
    assert found is not None and found.state is TaxIdState.VERIFIED
    assert paying.tax_ids_at_payer() == [FRENCH]
    with paying.database.read() as connection:
        assert len(connection.execute(select(schema.tax_id.c.id)).all()) == 1
    assert noted(paying, "tax_id") == [("tax_id.given", ADA)]
