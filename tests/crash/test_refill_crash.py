"""A refill's process is killed between every two steps: the crossing still leads to one charge, and to one only."""

from collections.abc import Iterator

import pytest

from ileen.base.ids import AccountId, LotId, wallet_of
from ileen.base.money import parse
from ileen.ledger import Ledger
from ileen.ledger.model import Authorize, Capture, Fund, Source
from ileen.payments.refills.model import CONSENT_VERSION, Consent, RefillState, Terms
from ileen.store.engine import Database
from killing import spend_until_killed, work_until_killed
from shop import Shop, open_shop
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

BEFORE = ["jobs.claimed", "refills.recorded"]
ON_THE_WAY = [f"payments.{step}" for step in ("finalize.called", "pay.recorded", "pay.called", "fund.called")]
AFTER = ["payments.settled.recorded", "jobs.handled"]


@pytest.fixture
def shop(sqlite_database: Database, stripe_sandbox: StripeSandbox) -> Iterator[Shop]:
    ledger = Ledger(sqlite_database)
    ledger.start()
    with open_shop(sqlite_database, ledger, stripe_sandbox) as opened:
        yield opened
    ledger.stop()


@pytest.mark.parametrize("point", [*BEFORE, *ON_THE_WAY, *AFTER])
def test_a_refill_killed_at_any_step_ends_in_one_charge(shop: Shop, point: str) -> None:
    account = ready(shop)
    spend(shop, account)
    work_until_killed(shop, account, point)

    come_to_rest(shop)

    (refill,) = shop.payments.refills.refills(account, limit=5)
    assert refill.state is RefillState.SETTLED
    assert shop.ledger.wallet(wallet_of(account)).settled == parse("69.80")
    if point in AFTER:
        shop.told.append({"kind": "refill_receipt", "key": f"receipt:{refill.purchase_id}"})  # the killed one owed it
    shop.check()


@pytest.mark.parametrize("point", ["pay.declined", "failed.recorded"])
def test_a_declined_refill_killed_at_any_step_pauses_the_rule_and_leaves_nothing_to_pay(shop: Shop, point: str) -> None:
    account = ready(shop, card="pm_card_chargeCustomerFail")
    spend(shop, account)
    work_until_killed(shop, account, f"payments.{point}")

    come_to_rest(shop)
    spend(shop, account)
    come_to_rest(shop)

    setting = shop.payments.refills.setting(account)
    assert setting is not None and setting.paused == "declined"
    assert [each.status for each in shop.invoices()] == ["void"]
    shop.check()


@pytest.mark.parametrize(("point", "is_booked"), [("written", False), ("committed", True)])
def test_a_call_and_what_it_triggers_are_booked_together_or_not_at_all(shop: Shop, point: str, is_booked: bool) -> None:
    account = ready(shop)
    hold = shop.ids.mint("hold")
    spend_until_killed(shop, account, f"ledger.lane.{point}:3", hold=hold, amount=parse("0.70"))

    come_to_rest(shop)

    assert shop.states() == (["settled"] if is_booked else [])
    shop.check()


def ready(shop: Shop, *, card: str = "pm_card_visa") -> AccountId:
    account = shop.account(card)
    lot = LotId(shop.ids.mint("lot"))
    shop.ledger.run(Fund(wallet=wallet_of(account), key=lot, lot=lot, amount=parse("20.50"), source=Source.BONUS))
    terms = Terms(enabled=True, threshold=2000, amount=5000)
    consent = Consent(version=CONSENT_VERSION, text="…")
    shop.payments.refills.save(account, terms, consent=consent, by="mem_1", locale="en")
    return account


def spend(shop: Shop, account: AccountId) -> None:
    wallet, hold = wallet_of(account), shop.ids.mint("hold")
    shop.ledger.run(Authorize(wallet=wallet, key=f"a:{hold}", hold=hold, amount=parse("0.70"), lifetime_us=10**9))
    shop.ledger.run(Capture(wallet=wallet, key=f"c:{hold}", hold=hold, amount=parse("0.70")))


def come_to_rest(shop: Shop) -> None:
    """Let the leases of the killed process end, and everything that waits be done."""
    for _ in range(3):
        shop.pass_time(61)
        shop.payments.handlers()["refills.sweep"](shop.job())
        shop.settle_down()
