"""Rules of the ledger that the state machine does not single out: caps by the calendar, refusals in order, burning."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from ileen.base.clock import SECOND, ManualClock, to_instant
from ileen.base.errors import CapReached, IleenError, InsufficientCredits, KeyInvalid, NotFound
from ileen.base.ids import AccountId, HoldId, Ids, KeyId, LotId, WalletId, wallet_of
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.calendar import windows
from ileen.ledger.model import Attribution, Authorize, Capture, CloseKey, Fund, OpenWallet, SetCaps, Source
from ileen.store.engine import Database

KEY = KeyId("key_00000000000000000000000001")


class Wallet:
    """A wallet under test, in few words."""

    def __init__(self, ledger: Ledger, ids: Ids, time_zone: str = "UTC") -> None:
        self.ledger, self.ids = ledger, ids
        self.id: WalletId = wallet_of(AccountId(ids.mint("acct")))
        ledger.run(OpenWallet(wallet=self.id, time_zone=time_zone))

    def fund(self, amount: int, source: Source = Source.PURCHASE) -> LotId:
        lot = LotId(self.ids.mint("lot"))
        self.ledger.run(Fund(wallet=self.id, key=f"fund:{lot}", lot=lot, amount=amount, source=source))
        return lot

    def authorize(self, amount: int, **options: Any) -> HoldId:
        hold = HoldId(self.ids.mint("hold"))
        spender = Attribution(api_key=KEY)
        self.ledger.run(
            Authorize(
                wallet=self.id, key=hold, hold=hold, amount=amount, lifetime_us=SECOND, attribution=spender, **options
            )
        )
        return hold

    def spend(self, amount: int) -> None:
        hold = self.authorize(amount)
        self.ledger.run(Capture(wallet=self.id, key=f"capture:{hold}", hold=hold, amount=amount))


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-03-29T00:59", "Europe/Berlin", "2026-03-29"),  # the night summer time begins
        ("2026-03-28T23:30", "Europe/Berlin", "2026-03-29"),
        ("2026-10-25T22:59", "Europe/Berlin", "2026-10-25"),  # the day it ends: 25 hours long
        ("2026-10-25T23:00", "Europe/Berlin", "2026-10-26"),
        ("2026-06-30T18:15", "Asia/Kathmandu", "2026-07-01"),  # 5 hours 45 minutes east
        ("2026-01-01T07:59", "America/Los_Angeles", "2025-12-31"),
    ],
)
def test_a_day_is_the_accounts_own(moment: str, zone: str, day: str) -> None:
    at = to_instant(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    expected = datetime.fromisoformat(day)

    assert windows(at, zone) == (expected.toordinal(), expected.year * 12 + expected.month - 1)


@pytest.mark.parametrize(("cap", "period"), [("day", "daily"), ("month", "monthly"), ("total", "total")])
@pytest.mark.parametrize("of_key", [True, False])
def test_a_cap_counts_what_is_spent_and_what_is_held(
    ledger: Ledger, ids: Ids, cap: str, period: str, of_key: bool
) -> None:
    wallet = Wallet(ledger, ids)
    wallet.fund(1000)
    ledger.run(SetCaps(wallet=wallet.id, api_key=KEY if of_key else None, **{cap: 100}))
    wallet.spend(40)
    wallet.authorize(50)

    with pytest.raises(CapReached) as refused:
        wallet.authorize(11)

    assert refused.value.fields["period"] == period
    assert refused.value.fields["available"] == "0.00000001"
    wallet.authorize(10)


def test_a_daily_cap_opens_again_at_local_midnight(ledger: Ledger, ids: Ids, clock: ManualClock) -> None:
    """The clock starts at 2026-01-01 00:00 UTC, an hour past midnight in Berlin."""
    wallet = Wallet(ledger, ids, "Europe/Berlin")
    wallet.fund(1000)
    ledger.run(SetCaps(wallet=wallet.id, api_key=KEY, day=100))
    wallet.spend(100)
    clock.advance(23 * 3600 - 1)
    with pytest.raises(CapReached):
        wallet.authorize(1)

    clock.advance(1)

    wallet.spend(100)


def test_a_clock_set_back_does_not_open_yesterday_again(
    ledger: Ledger, database: Database, ids: Ids, clock: ManualClock
) -> None:
    wallet = Wallet(ledger, ids)
    wallet.fund(1000)
    ledger.run(SetCaps(wallet=wallet.id, api_key=KEY, day=100))
    wallet.spend(60)
    clock.advance(-7200)

    with pytest.raises(CapReached):
        wallet.authorize(41)
    wallet.spend(40)

    assert audit(database, clock=clock).breaches == []


def test_refusals_come_in_their_fixed_order(ledger: Ledger, ids: Ids) -> None:
    """A closed key is told before a cap, a cap before the balance."""
    wallet = Wallet(ledger, ids)
    ledger.run(SetCaps(wallet=wallet.id, api_key=KEY, total=5))

    def refusal(amount: int) -> type[IleenError]:
        with pytest.raises(IleenError) as refused:
            wallet.authorize(amount)
        return refused.type

    assert refusal(6) is CapReached
    assert refusal(5) is InsufficientCredits
    ledger.run(CloseKey(wallet=wallet.id, api_key=KEY))
    assert refusal(6) is KeyInvalid


def test_bonus_burns_first_then_purchases_oldest_first(ledger: Ledger, ids: Ids, clock: ManualClock) -> None:
    wallet = Wallet(ledger, ids)
    old = wallet.fund(100)
    clock.advance(1)
    new = wallet.fund(100)
    clock.advance(1)
    bonus = wallet.fund(100, Source.BONUS)

    wallet.spend(130)

    assert {lot.id: lot.left for lot in ledger.lots(wallet.id)} == {bonus: 0, old: 70, new: 100}


def test_a_hold_may_be_granted_in_part_when_the_caller_can_use_less(ledger: Ledger, ids: Ids) -> None:
    wallet = Wallet(ledger, ids)
    wallet.fund(100)

    hold = wallet.authorize(500, at_least=60)

    assert ledger.hold(wallet.id, hold).amount == 100


def test_another_wallets_hold_is_unknown(ledger: Ledger, ids: Ids) -> None:
    mine, theirs = Wallet(ledger, ids), Wallet(ledger, ids)
    theirs.fund(100)
    hold = theirs.authorize(50)

    with pytest.raises(NotFound):
        ledger.run(Capture(wallet=mine.id, key="capture", hold=hold, amount=50))


def test_1000_parallel_authorizations_of_a_wallet_that_covers_50_admit_50(
    ledger: Ledger, database: Database, ids: Ids, clock: ManualClock
) -> None:
    wallet = Wallet(ledger, ids)
    wallet.fund(500)
    admitted: list[HoldId] = []

    def work() -> None:
        for _ in range(20):
            try:
                admitted.append(wallet.authorize(10))
            except InsufficientCredits:
                continue

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(admitted) == 50
    assert ledger.wallet(wallet.id).available == 0
    assert audit(database, clock=clock).breaches == []
