"""A purchase's process is killed between every two steps; another one carries on, and the books are clean.

The child runs the room itself, on a database and an offline Stripe that survive it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ileen.ledger import Ledger
from ileen.payments.model import PurchaseState
from ileen.store.engine import Database
from shop import Shop, open_shop
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

CHILD = Path(__file__).parent / "purchase_child.py"
POINTS = [
    f"payments.{step}.{moment}"
    for step, moments in {
        "quote": ["recorded"],
        "create": ["decided", "recorded", "called"],
        "created": ["decided", "recorded"],
        "item": ["decided", "recorded", "called"],
        "invoiced": ["decided", "recorded"],
        "finalize": ["decided", "recorded", "called"],
        "finalized": ["decided", "recorded"],
        "pay": ["decided", "recorded", "called"],
        "paid": ["decided", "recorded"],
        "fund": ["called"],
        "settled": ["recorded"],
    }.items()
    for moment in moments
]
FAILING = [
    f"payments.{step}.{moment}"
    for step, moments in {
        "pay": ["declined"],
        "declined": ["decided", "recorded"],
        "close": ["decided", "recorded"],
        "void": ["decided", "recorded", "called"],
        "failed": ["decided", "recorded"],
    }.items()
    for moment in moments
]
LEDGER = ["ledger.lane.loaded:2", "ledger.lane.written:2", "ledger.lane.committed:2"]


@pytest.fixture
def shop(sqlite_database: Database, stripe_sandbox: StripeSandbox) -> Iterator[Shop]:
    ledger = Ledger(sqlite_database)
    ledger.start()
    with open_shop(sqlite_database, ledger, stripe_sandbox) as opened:
        yield opened
    ledger.stop()


def buy_until_killed(shop: Shop, point: str, *, card: str) -> str:
    account = shop.account(card=card)
    payer = shop.payers.payers[account]
    given = {
        "database": shop.database.engine.url.render_as_string(hide_password=False),
        "stripe_url": shop.sandbox.url,
        "stripe_key": shop.sandbox.secret_key,
        "account": account,
        "customer": payer.customer,
        "card": payer.card,
        "total": shop.payments.quote(account, 5000).total,
    }
    tests = str(Path(__file__).parents[1])
    child = subprocess.run(
        [sys.executable, str(CHILD), json.dumps(given)],
        env={**os.environ, "ILEEN_CRASH_AT": point, "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == -9, f"the process was to be killed at {point}: {child.stdout}{child.stderr}"
    return account


@pytest.mark.parametrize("point", [*POINTS, *LEDGER])
def test_a_purchase_killed_at_any_step_ends_in_one_charge_and_one_lot(shop: Shop, point: str) -> None:
    account = buy_until_killed(shop, point, card="pm_card_visa")

    shop.pass_time(61)  # the lease of the killed process ends
    shop.settle_down()

    (bought,) = shop.payments.purchases(account, limit=10)
    assert bought.state is PurchaseState.SETTLED
    if point == "payments.settled.recorded":
        shop.told.append({"kind": "receipt", "key": f"receipt:{bought.id}"})  # the killed process owed it
    shop.check()
    assert shop.payments.reconcile(bought.created_at, shop.clock.now()) == []


@pytest.mark.parametrize("point", FAILING)
def test_a_declined_purchase_killed_at_any_step_leaves_nothing_to_pay(shop: Shop, point: str) -> None:
    account = buy_until_killed(shop, point, card="pm_card_chargeCustomerFail")

    shop.pass_time(61)
    shop.settle_down()

    (failed,) = shop.payments.purchases(account, limit=10)
    assert failed.state is PurchaseState.FAILED and failed.decline is not None
    assert [each.status for each in shop.invoices()] == ["void"]
    shop.check()
    assert shop.payments.reconcile(failed.created_at, shop.clock.now()) == []
