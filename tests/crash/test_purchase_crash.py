"""A purchase's process is killed between every two steps; another one carries on, and the books are clean.

The child runs the room itself, on a database and an offline Stripe that survive it.
"""

from collections.abc import Iterator

import pytest

from ileen.ledger import Ledger
from ileen.payments.missed import MISSED
from ileen.payments.model import PurchaseState
from ileen.payments.stripe.setting_up import EVENTS
from ileen.store import schema
from ileen.store.engine import Database
from killing import buy_until_killed, fetch_until_killed
from shop import Shop, open_shop
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

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


@pytest.mark.parametrize("point", [*POINTS, *LEDGER])
def test_a_purchase_killed_at_any_step_ends_in_one_charge_and_one_lot(shop: Shop, point: str) -> None:
    account = shop.account(card="pm_card_visa")
    buy_until_killed(shop, account, point)

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
    account = shop.account(card="pm_card_chargeCustomerFail")
    buy_until_killed(shop, account, point)

    shop.pass_time(61)
    shop.settle_down()

    (failed,) = shop.payments.purchases(account, limit=10)
    assert failed.state is PurchaseState.FAILED and failed.decline is not None
    assert [each.status for each in shop.invoices()] == ["void"]
    shop.check()
    assert shop.payments.reconcile(failed.created_at, shop.clock.now()) == []


def test_webhooks_fetched_by_a_process_that_is_killed_are_applied_once(shop: Shop) -> None:
    """They are stored, but how far was read is not: the next run reads them again, and each counts once."""
    nobody = {"url": "http://127.0.0.1:9/hooks/stripe", "enabled_events": ["*"]}
    shop.sandbox.client.v1.webhook_endpoints.create(nobody)
    shop.sandbox.control("webhooks", mode="dropped")
    account = shop.account(card="pm_card_authenticationRequired")
    shop.authenticate(str(shop.buy(account).invoice))
    shop.pass_time(61)

    fetch_until_killed(shop, account, "payments.missed.stored")
    stored = sorted(each.id for each in shop.rows(schema.inbox_event))
    shop.payments.handlers()[MISSED](shop.job())
    shop.work(sweep=False)

    assert stored == sorted(each["id"] for each in shop.events() if each["type"] in EVENTS)
    assert sorted(each.id for each in shop.rows(schema.inbox_event)) == stored
    assert shop.states() == ["settled"] and len(shop.lots(account)) == 1
    shop.check()
