"""Purchases, calls, holds, refunds, dashboard refunds and disputes in any order: the books agree after each."""

import random
from typing import Any

import pytest

from ileen.base.errors import IleenError
from ileen.base.ids import HoldId
from ileen.ledger.audit import audit
from ileen.ledger.model import Authorize, Capture, Void
from ileen.payments.model import Purchase
from ileen.payments.reconcile import books
from ileen.payments.refunds.model import Origin
from shop import Shop
from stripe_sandbox import stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

CREDIT = 1_000_000_000
STEPS = 14
NAMES = ["buy", "hold", "end", "refund", "refund", "by_hand", "by_hand", "fail", "dispute", "decide"]
TOLD = (
    "charge.refunded",
    "refund.failed",
    "credit_note.created",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
)


class World:
    """One account, some purchases, and whatever may happen to them."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop, self.dice = shop, random.Random(seed)
        self.account = shop.account()
        self.bought: list[Purchase] = [shop.buy(self.account, key="first")]
        self.holds: list[HoldId] = []
        self.disputes: list[str] = []
        self.log: list[str] = []

    def step(self) -> None:
        name = self.dice.choice(
            ["buy", "hold", "end", "refund", "refund", "by_hand", "by_hand", "fail", "dispute", "decide"]
        )
        self.log.append(name)
        try:
            getattr(self, name)()
        except (IleenError, IndexError, AssertionError) as error:
            self.log.append(f"  refused: {error}")
        self.rest()
        self.check()

    def buy(self) -> None:
        self.bought.append(self.shop.buy(self.account, self.dice.choice([777, 1000, 5000]), key=f"k{len(self.log)}"))

    def hold(self) -> None:
        hold, amount = HoldId(self.shop.ids.mint("hold")), self.dice.randrange(1, 30) * CREDIT // 3
        wallet = self.shop.wallet(self.account)
        self.shop.ledger.run(Authorize(wallet=wallet, key=hold, hold=hold, amount=amount, lifetime_us=10**12))
        self.holds.append(hold)

    def end(self) -> None:
        wallet, hold = self.shop.wallet(self.account), self.holds.pop()
        if self.dice.random() < 0.3:
            self.shop.ledger.run(Void(wallet=wallet, key=f"v:{hold}", hold=hold, reason="failed"))
        else:
            amount = self.dice.randrange(1, 30) * CREDIT // 3
            self.shop.ledger.run(Capture(wallet=wallet, key=f"c:{hold}", hold=hold, amount=amount))

    def refund(self) -> None:
        room, purchase = self.shop.payments.refunds, self.dice.choice(self.bought)
        left = room.refundable(self.account, purchase.id).refundable
        quote = room.quote(self.account, purchase.id, self.dice.randrange(1, left + 1) if left else None)
        key = f"k{len(self.log)}"
        room.request(self.account, purchase.id, quote.net, total=quote.total, key=key, by="mem", origin=Origin.APP)

    def by_hand(self) -> None:
        purchase = self.dice.choice(self.bought)
        amount = self.dice.randrange(1, purchase.total + 1)
        self.shop.sandbox.control(f"dashboard/invoices/{purchase.invoice}/refund", amount=amount)

    def fail(self) -> None:
        found: list[Any] = [
            each for each in self.shop.payments.refunds.refunds(self.account, limit=99) if each.state == "done"
        ]
        self.shop.sandbox.control(f"dashboard/refunds/{self.dice.choice(found).stripe_id}/fail")

    def dispute(self) -> None:
        purchase, case = self.dice.choice(self.bought), self.dice.choice(["chargeback", "inquiry"])
        made = self.shop.sandbox.control(f"dashboard/invoices/{purchase.invoice}/dispute", case=case)
        self.disputes.append(made["id"])

    def decide(self) -> None:
        ending = self.dice.choice(["won", "lost", "escalated"])
        self.shop.sandbox.control(f"dashboard/disputes/{self.dice.choice(self.disputes)}/{ending}")

    def rest(self) -> None:
        """Everything Stripe has to tell arrives, out of order, and is worked off."""
        events = self.shop.events(*TOLD)
        self.dice.shuffle(events)
        self.shop.deliver(*events)
        self.shop.work(sweep=False)

    def check(self) -> None:
        """Per lot: purchased = used + refunded + lost + left; money at Stripe = our view; the audit is clean."""
        room, lots = self.shop.payments.refunds, {each.id: each for each in self.shop.lots(self.account)}
        rows = room.refunds(self.account, limit=200)
        for purchase in self.bought:
            there = room.refundable(self.account, purchase.id)
            lot = lots[there.lot]
            removed = sum(each.frozen for each in rows if each.purchase_id == purchase.id and each.state == "done")
            lost = self.shop.payments.disputes.standing(purchase.id).lost
            assert lot.amount == there.used + removed + lost + lot.left, self.log
            assert there.used >= 0 and there.refundable * 10_000_000 <= lot.left - lot.frozen, self.log
        stands = [
            each for each in self.shop.sandbox.client.v1.refunds.list({"limit": 100}).data if each.status == "succeeded"
        ]
        known = {each.stripe_id: each for each in rows if each.state in {"sent", "done"}}
        assert {each.id for each in stands} >= set(known), self.log
        assert all(known[each.id].total == each.amount for each in stands if each.id in known), self.log
        wallet = self.shop.ledger.wallet(self.shop.wallet(self.account))
        assert wallet.refunded == sum(each.frozen + each.owed for each in rows if each.state == "done"), self.log
        assert audit(self.shop.database).breaches == [] == books(self.shop.database), self.log


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_credits_money_and_documents_agree(sqlite_shop: Shop, seed: int) -> None:
    world = World(sqlite_shop, seed)

    for _ in range(STEPS):
        world.step()

    assert {
        each.kind.value for each in sqlite_shop.payments.reconcile(world.bought[0].created_at, sqlite_shop.clock.now())
    } <= {"refund_missing"}, world.log
