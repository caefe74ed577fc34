"""Disputes end to end: the bank takes a payment back, and what was won comes back exactly."""

import pytest

from ileen.base.errors import AccountOnHold, RefundImpossible
from ileen.base.ids import AccountId, HoldId
from ileen.ledger.audit import audit
from ileen.ledger.model import Authorize, Capture
from ileen.payments.disputes.locks import Locks
from ileen.payments.disputes.model import DisputeState
from ileen.payments.model import Purchase
from ileen.payments.refills.model import CONSENT_VERSION, Consent, Pause, Terms
from ileen.payments.refunds.model import Origin, Refund, RefundPolicy, RefundState
from shop import Shop
from stripe_sandbox import stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

CREDIT = 1_000_000_000


@pytest.fixture
def shop(sqlite_shop: Shop) -> Shop:
    return sqlite_shop


def spend(shop: Shop, account: AccountId, credits_: int) -> None:
    hold, wallet = HoldId(shop.ids.mint("hold")), shop.wallet(account)
    shop.ledger.run(Authorize(wallet=wallet, key=f"a:{hold}", hold=hold, amount=credits_ * CREDIT, lifetime_us=10**9))
    shop.ledger.run(Capture(wallet=wallet, key=f"c:{hold}", hold=hold, amount=credits_ * CREDIT))


def settle_down(shop: Shop) -> None:
    for _ in range(3):
        shop.deliver(*shop.events())
        shop.work()


def dispute(shop: Shop, bought: Purchase, case: str = "chargeback") -> str:
    made = shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/dispute", case=case)
    settle_down(shop)
    return str(made["id"])


def end(shop: Shop, id_: str, ending: str) -> None:
    shop.sandbox.control(f"dashboard/disputes/{id_}/{ending}")
    settle_down(shop)


def balances(shop: Shop, account: AccountId) -> tuple[int, int, int, int]:
    """Settled, frozen, owed, lost to disputes: in credits."""
    wallet = shop.ledger.wallet(shop.wallet(account))
    parts = (wallet.settled, wallet.frozen, wallet.debt, wallet.disputed)
    return tuple(each // CREDIT for each in parts)  # type: ignore[return-value]


def refund(shop: Shop, bought: Purchase, cents: int) -> Refund:
    room = shop.payments.refunds
    total = room.quote(bought.account, bought.id, cents).total
    return room.request(bought.account, bought.id, cents, total=total, key="k", by="mem", origin=Origin.APP)


def test_trap_5_what_the_bank_took_is_taken_and_what_is_won_comes_back(shop: Shop) -> None:
    bought = shop.buy(shop.account())

    id_ = dispute(shop, bought)
    taken = balances(shop, bought.account)
    end(shop, id_, "won")

    assert (taken, balances(shop, bought.account)) == ((0, 50, 0, 0), (50, 0, 0, 0))
    assert shop.payments.refunds.refundable(bought.account, bought.id).refundable == 5000
    assert [each.state for each in shop.payments.disputes.newest(state=None, limit=9)] == [DisputeState.WON]
    assert audit(shop.database).breaches == []


def test_complaint_43_an_inquiry_moves_nothing_until_it_becomes_a_chargeback(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    id_ = dispute(shop, bought, "inquiry")
    asked = balances(shop, bought.account)

    end(shop, id_, "escalated")

    assert (asked, balances(shop, bought.account)) == ((50, 0, 0, 0), (0, 50, 0, 0))
    assert "Nothing has moved yet" in shop.alarms[0]
    end(shop, id_, "lost")
    assert balances(shop, bought.account) == (0, 0, 0, 50)


def test_an_inquiry_that_is_closed_and_a_prevented_dispute_move_nothing(shop: Shop) -> None:
    bought = shop.buy(shop.account())

    end(shop, dispute(shop, bought, "inquiry"), "won")
    dispute(shop, bought, "prevented")

    assert balances(shop, bought.account) == (50, 0, 0, 0)
    assert {each.state for each in shop.payments.disputes.newest(state=None, limit=9)} == {DisputeState.CLOSED}


def test_what_was_spent_is_owed_until_the_dispute_is_won(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    spend(shop, bought.account, 20)

    id_ = dispute(shop, bought)
    taken = balances(shop, bought.account)
    end(shop, id_, "won")

    assert (taken, balances(shop, bought.account)) == ((-20, 30, 20, 20), (30, 0, 0, 0))
    assert audit(shop.database).breaches == []


def test_a_debt_paid_from_another_purchase_comes_back_when_the_dispute_is_won(shop: Shop) -> None:
    first = shop.buy(shop.account())
    spend(shop, first.account, 20)
    shop.buy(first.account, 1000, key="second")

    id_ = dispute(shop, first)
    taken = balances(shop, first.account)
    end(shop, id_, "won")

    assert (taken, balances(shop, first.account)) == ((-10, 30, 10, 20), (40, 0, 0, 0))
    assert audit(shop.database).breaches == []


def test_by_policy_what_was_spent_is_not_owed(shop: Shop) -> None:
    shop.payments = shop.server(refunds=RefundPolicy(debt=False))
    bought = shop.buy(shop.account())
    spend(shop, bought.account, 20)

    dispute(shop, bought)

    assert balances(shop, bought.account) == (0, 30, 0, 0)


def test_trap_17_a_refund_and_a_dispute_take_the_credits_once(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    refund(shop, bought, 2000)

    id_ = dispute(shop, bought)
    taken = balances(shop, bought.account)
    end(shop, id_, "lost")

    assert (taken, balances(shop, bought.account)) == ((0, 30, 0, 0), (0, 0, 0, 30))
    assert audit(shop.database).breaches == []


def test_trap_17_a_disputed_payment_is_not_refunded(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/dispute")

    early = refund(shop, bought, 2000)  # Stripe knows already, we do not
    settle_down(shop)

    assert (early.state, early.because) == (RefundState.FAILED, "charge_disputed")
    assert balances(shop, bought.account) == (0, 50, 0, 0)
    with pytest.raises(RefundImpossible, match="disputed"):
        refund(shop, bought, 2000)


def test_a_refund_that_waits_for_approval_gives_way_to_a_dispute(shop: Shop) -> None:
    shop.payments = shop.server(refunds=RefundPolicy(automatic=False))
    bought = shop.buy(shop.account())
    waiting = refund(shop, bought, 2000)

    dispute(shop, bought)

    assert shop.payments.refunds.get(waiting.id).because == "charge_disputed"
    assert balances(shop, bought.account) == (0, 50, 0, 0)


def test_while_a_dispute_is_open_nothing_is_bought_spent_or_refilled(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    terms = Terms(enabled=True, threshold=1000, amount=2500)
    consent = Consent(version=CONSENT_VERSION, text="yes")
    shop.payments.refills.save(bought.account, terms, consent=consent, by="mem", locale="en", charge_now=True)
    locks = Locks(shop.database, clock=shop.clock)

    id_ = dispute(shop, bought)
    with pytest.raises(AccountOnHold, match=r"59\.50 EUR is being disputed"):
        locks.check(bought.account)
    with pytest.raises(AccountOnHold):
        shop.buy(bought.account, 1000, key="another")
    setting = shop.payments.refills.setting(bought.account)
    assert setting is not None and setting.paused is Pause.DISPUTED
    assert [type_ for type_, _ in shop.events_told].count("refill.paused") == 1
    assert not locks.is_clear(bought.account)

    end(shop, id_, "won")
    locks.check(bought.account)
    shop.clock.advance(6)
    assert not locks.is_clear(bought.account)  # stale: it is asked again
    setting = shop.payments.refills.setting(bought.account)
    assert setting is not None and setting.paused is None


def test_a_card_that_is_disputed_at_once_settles_and_is_frozen(shop: Shop) -> None:
    """The dispute's events can arrive before the purchase is settled."""
    bought = shop.buy(shop.account(card="pm_card_createDispute"))

    settle_down(shop)

    assert balances(shop, bought.account) == (0, 50, 0, 0)


@pytest.mark.parametrize(("policy", "left"), [(RefundPolicy(), 50), (RefundPolicy(refund_warned=True), 0)])
def test_an_early_fraud_warning_follows_the_operators_policy(shop: Shop, policy: RefundPolicy, left: int) -> None:
    shop.payments = shop.server(refunds=policy)
    bought = shop.buy(shop.account())
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/warn")

    settle_down(shop)

    assert balances(shop, bought.account) == (left, 0, 0, 0)
    assert "calls purchase" in shop.alarms[0]


def test_events_in_any_order_and_many_times_end_the_same(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    made = shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/dispute")
    shop.sandbox.control(f"dashboard/disputes/{made['id']}/won")
    events = shop.events()

    for event in [*reversed(events), *events]:
        shop.deliver(event)
        shop.work()

    assert balances(shop, bought.account) == (50, 0, 0, 0)
    assert audit(shop.database).breaches == []
