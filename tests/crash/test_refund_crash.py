"""A refund's process is killed between its steps; another one carries on, and money and credits have gone once."""

from collections.abc import Iterator

import pytest

from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.payments.refunds.model import RefundState
from ileen.store.engine import Database
from killing import refund_until_killed, work_until_killed
from shop import Shop, open_shop
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

CREDIT = 1_000_000_000
POINTS = [
    "refunds.request.recorded",
    "refunds.freeze.called",
    "refunds.send.recorded",
    "refunds.send.called",
    "refunds.sent.recorded",
    "refunds.remove.called",
]
BY_HAND = ["refunds.freeze.called", "disputes.seize.recorded", "disputes.seize.called"]


@pytest.fixture
def shop(sqlite_database: Database, stripe_sandbox: StripeSandbox) -> Iterator[Shop]:
    ledger = Ledger(sqlite_database)
    ledger.start()
    with open_shop(sqlite_database, ledger, stripe_sandbox) as opened:
        yield opened
    ledger.stop()


def carry_on(shop: Shop) -> None:
    for _ in range(3):
        shop.pass_time(61)
        shop.payments.handlers()["refunds.sweep"](shop.job())
        shop.work()


@pytest.mark.parametrize("point", POINTS)
def test_a_refund_killed_at_any_step_ends_in_one_refund(shop: Shop, point: str) -> None:
    bought = shop.buy(shop.account())
    refund_until_killed(shop, bought.account, point, purchase=bought.id, cents=2000, total=2380)

    carry_on(shop)

    (refund,) = shop.payments.refunds.refunds(bought.account, limit=9)
    assert (refund.state, refund.total) == (RefundState.DONE, 2380)
    assert shop.charges()[0].amount_refunded == 2380
    wallet = shop.ledger.wallet(shop.wallet(bought.account))
    assert (wallet.settled, wallet.frozen, wallet.refunded) == (30 * CREDIT, 0, 20 * CREDIT)
    assert audit(shop.database).breaches == []


@pytest.mark.parametrize("point", BY_HAND)
def test_what_went_back_at_stripe_is_taken_once_whatever_dies(shop: Shop, point: str) -> None:
    bought = shop.buy(shop.account())
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/refund", amount=1190)
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/dispute")
    shop.deliver(*shop.events("charge.refunded", "charge.dispute.funds_withdrawn"))
    work_until_killed(shop, bought.account, point)

    carry_on(shop)

    wallet = shop.ledger.wallet(shop.wallet(bought.account))
    assert (wallet.settled, wallet.frozen, wallet.refunded) == (0, 40 * CREDIT, 10 * CREDIT)
    assert audit(shop.database).breaches == []
