"""Refunds end to end, against the offline Stripe: money, VAT, documents and credits agree whatever happens."""

from typing import Any

import pytest

from ileen.base.errors import AmountInvalid, KeyReused, NotFound, RefundChanged, RefundDecided, RefundImpossible
from ileen.base.ids import AccountId, HoldId, LotId, PurchaseId
from ileen.ledger.audit import audit
from ileen.ledger.model import Authorize, Capture, Fund, Source, Void
from ileen.notices.kinds import check as check_notice
from ileen.payments.model import Purchase
from ileen.payments.refunds.model import Origin, Refund, RefundPolicy, RefundState
from shop import Shop
from stripe_sandbox import stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

CREDIT = 1_000_000_000


@pytest.fixture
def shop(sqlite_shop: Shop) -> Shop:
    return sqlite_shop


def spend(shop: Shop, account: AccountId, credits_: int) -> None:
    hold = HoldId(shop.ids.mint("hold"))
    wallet = shop.wallet(account)
    shop.ledger.run(Authorize(wallet=wallet, key=f"a:{hold}", hold=hold, amount=credits_ * CREDIT, lifetime_us=10**9))
    shop.ledger.run(Capture(wallet=wallet, key=f"c:{hold}", hold=hold, amount=credits_ * CREDIT))


def ask(shop: Shop, bought: Purchase, cents: int | None = None, **given: Any) -> Refund:
    quote = shop.payments.refunds.quote(bought.account, bought.id, cents, late="reason" in given)
    given = {"key": f"key:{shop.ids.mint('k')}", "by": "mem_1", "origin": Origin.APP, **given}
    return shop.payments.refunds.request(bought.account, bought.id, quote.net, total=quote.total, **given)


def settle_down(shop: Shop) -> None:
    """Deliver all that Stripe has to tell, and do what is due, until nothing moves any more."""
    for _ in range(3):
        shop.deliver(*shop.events())
        shop.work()
        shop.payments.handlers()["refunds.sweep"](shop.job())
        shop.work()


def check(shop: Shop, bought: Purchase) -> None:
    """Per lot: purchased = used + refunded + frozen + left; VAT refunded = VAT of the credit notes; mails are valid."""
    there = shop.payments.refunds.refundable(bought.account, bought.id)
    (lot,) = (each for each in shop.lots(bought.account) if each.id == there.lot)
    done = [each for each in shop.payments.refunds.refunds(bought.account, limit=100) if each.state == "done"]
    removed = sum(each.frozen for each in done if each.purchase_id == bought.id)
    assert lot.amount == there.used + removed + lot.left
    notes = shop.sandbox.client.v1.credit_notes.list({"invoice": bought.invoice, "limit": 100}).data
    ours = [each for each in done if each.note_id is not None and each.purchase_id == bought.id]
    assert sum(each.vat for each in ours) <= sum(each.total - each.subtotal for each in notes)
    for told in shop.told:
        check_notice(told["kind"], told["values"])
    assert audit(shop.database).breaches == []


def kinds(shop: Shop) -> list[str]:
    return [each["kind"] for each in shop.told if "refund" in each["kind"] or "withdrawal" in each["kind"]]


def test_trap_8_a_refund_of_unused_credits_takes_the_net_and_gives_the_vat_back(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    spend(shop, bought.account, 20)

    refund = ask(shop, bought)

    assert (refund.state, refund.net, refund.vat, refund.total) == (RefundState.DONE, 3000, 570, 3570)
    wallet = shop.ledger.wallet(shop.wallet(bought.account))
    assert (wallet.settled, wallet.frozen, wallet.refunded) == (0, 0, 30 * CREDIT)
    (note,) = shop.sandbox.client.v1.credit_notes.list({"invoice": bought.invoice}).data
    assert (note.subtotal, note.total, refund.note_number) == (3000, 3570, note.number)
    assert shop.charges()[0].amount_refunded == 3570
    assert kinds(shop) == ["refund_received", "refund_done"]
    settle_down(shop)
    assert [each.id for each in shop.payments.refunds.refunds(bought.account, limit=9)] == [refund.id]
    check(shop, bought)


@pytest.mark.parametrize("rounding", ["each_rounded", "last_takes_rest"])
@pytest.mark.parametrize(("country", "city", "code"), [("FI", "Helsinki", "00100"), ("DE", "Berlin", "10119")])
def test_trap_18_thirty_three_parts_come_to_the_invoice_to_the_cent(
    shop: Shop, rounding: str, country: str, city: str, code: str
) -> None:
    if (rounding, country) == ("last_takes_rest", "DE"):
        rounding = "each_rounded"  # the same at 19 %
    shop.sandbox.control("doubts", credit_note_rounding=rounding)
    address = {"line1": "1", "city": city, "postal_code": code, "country": country}
    bought = shop.buy(shop.account(address=address))

    parts = [ask(shop, bought, 151) for _ in range(32)]
    parts.append(ask(shop, bought))

    assert {each.state for each in parts} == {RefundState.DONE}
    assert sum(each.net for each in parts) == bought.net
    assert sum(each.total for each in parts) == bought.total
    notes = shop.sandbox.client.v1.credit_notes.list({"invoice": bought.invoice, "limit": 100}).data
    assert sum(each.subtotal for each in notes) == bought.net
    assert sum(each.total for each in notes) == bought.total == shop.charges()[0].amount_refunded
    share = 151 * bought.vat / bought.net
    assert all(abs(each.vat - share) < 1 for each in parts[:-1]), "VAT goes back in proportion"
    assert shop.ledger.wallet(shop.wallet(bought.account)).settled == 0
    check(shop, bought)


def test_credits_spent_after_the_quote_renew_it_and_nothing_is_forced(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    quote = shop.payments.refunds.quote(bought.account, bought.id)
    spend(shop, bought.account, 20)

    with pytest.raises(RefundChanged) as caught:
        shop.payments.refunds.request(
            bought.account, bought.id, quote.net, total=quote.total, key="k", by="mem_1", origin=Origin.APP
        )

    assert caught.value.fields["quote"] == {"net": "30.00", "vat": "5.70", "total": "35.70"}
    assert shop.charges()[0].amount_refunded == 0
    assert shop.ledger.wallet(shop.wallet(bought.account)).frozen == 0


def test_calls_in_flight_keep_their_holds(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    wallet, hold = shop.wallet(bought.account), HoldId(shop.ids.mint("hold"))
    shop.ledger.run(Authorize(wallet=wallet, key="a", hold=hold, amount=8 * CREDIT, lifetime_us=10**9))

    there = shop.payments.refunds.refundable(bought.account, bought.id)
    refund = ask(shop, bought)
    shop.ledger.run(Capture(wallet=wallet, key="c", hold=hold, amount=8 * CREDIT))

    assert (there.held, there.refundable, refund.net) == (8 * CREDIT, 4200, 4200)
    after = shop.ledger.wallet(wallet)
    assert (after.settled, after.debt, after.spent) == (0, 0, 8 * CREDIT)
    check(shop, bought)


def test_bonus_credits_are_never_paid_out_and_burn_first(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    wallet = shop.wallet(bought.account)
    gift = Fund(wallet=wallet, key="gift", lot=LotId(shop.ids.mint("lot")), amount=9 * CREDIT, source=Source.BONUS)
    shop.ledger.run(gift)
    spend(shop, bought.account, 10)

    refund = ask(shop, bought)

    assert refund.net == 4900
    with pytest.raises(RefundImpossible, match="no unused credits"):
        ask(shop, bought)


@pytest.mark.parametrize("cents", [0, -1, 5001])
def test_nothing_or_more_than_there_is_is_refused(shop: Shop, cents: int) -> None:
    bought = shop.buy(shop.account())

    with pytest.raises(AmountInvalid):
        shop.payments.refunds.quote(bought.account, bought.id, cents)


def test_another_accounts_purchase_and_refund_are_not_found(shop: Shop) -> None:
    bought, other = shop.buy(shop.account()), shop.account()
    refund = ask(shop, bought, 100)

    with pytest.raises(NotFound):
        shop.payments.refunds.quote(other, bought.id)
    with pytest.raises(NotFound):
        shop.payments.refunds.refund(other, refund.id)
    with pytest.raises(NotFound):
        shop.payments.refunds.refundable(other, PurchaseId("pur_no_such"))


def test_a_key_repeated_answers_with_its_refund_and_other_content_is_refused(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    first = ask(shop, bought, 1000, key="same")
    room = shop.payments.refunds
    common: dict[str, Any] = {"key": "same", "by": "mem_1", "origin": Origin.APP}

    again = room.request(bought.account, bought.id, 1000, total=1190, **common)
    with pytest.raises(KeyReused):
        room.request(bought.account, bought.id, 900, total=1071, **common)

    assert again.id == first.id
    assert shop.charges()[0].amount_refunded == 1190


def test_after_the_window_only_the_operator_may_and_with_a_reason(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    shop.pass_time(15 * 86_400)

    with pytest.raises(RefundImpossible, match="the time for it is over"):
        ask(shop, bought)
    refund = ask(shop, bought, origin=Origin.OPERATOR, by="support", reason="goodwill")

    assert (refund.state, refund.reason) == (RefundState.DONE, "goodwill")


def test_approval_keeps_the_credits_on_hold_and_a_denial_gives_them_back(shop: Shop) -> None:
    shop.payments = shop.server(refunds=RefundPolicy(automatic=False))
    bought = shop.buy(shop.account())

    refund = ask(shop, bought)
    held = shop.ledger.wallet(shop.wallet(bought.account))
    denied = shop.payments.refunds.deny(refund.id, by="support", reason="bought by mistake of ours")

    assert (refund.state, held.frozen, held.settled) == (RefundState.HELD, 50 * CREDIT, 0)
    assert denied.state is RefundState.DENIED
    assert shop.ledger.wallet(shop.wallet(bought.account)).settled == 50 * CREDIT
    assert kinds(shop) == ["refund_received", "refund_declined"]
    with pytest.raises(RefundDecided):
        shop.payments.refunds.approve(refund.id, by="support")
    check(shop, bought)


def test_above_a_limit_two_different_people_approve(shop: Shop) -> None:
    shop.payments = shop.server(refunds=RefundPolicy(four_eyes_above=2000))
    bought = shop.buy(shop.account())
    refund = ask(shop, bought, origin=Origin.OPERATOR, by="ada", reason="goodwill")

    with pytest.raises(RefundDecided, match="by this person already"):
        shop.payments.refunds.approve(refund.id, by="ada")
    sent = shop.payments.refunds.approve(refund.id, by="grace")

    assert (refund.state, sent.state, sent.approvers) == (RefundState.HELD, RefundState.DONE, ("ada", "grace"))
    assert ask(shop, shop.buy(bought.account, 1000, key="k2")).state is RefundState.DONE


def test_trap_16_a_refund_that_fails_later_gives_the_credits_back_and_alarms(shop: Shop) -> None:
    bought = shop.buy(shop.account(card="pm_card_refundFail"))
    refund = ask(shop, bought, 2000)
    assert refund.state is RefundState.DONE

    shop.sandbox.advance(3601)
    settle_down(shop)

    failed = shop.payments.refunds.get(refund.id)
    assert failed.state is RefundState.FAILED
    assert shop.ledger.wallet(shop.wallet(bought.account)).settled == 50 * CREDIT
    assert kinds(shop)[-1] == "refund_failed"
    assert "pay it another way" in shop.alarms[-1]
    assert shop.payments.refunds.refundable(bought.account, bought.id).refundable == 3000
    check(shop, bought)


def test_a_refund_the_bank_ponders_keeps_the_credits_frozen_until_it_has_gone(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    shop.sandbox.control("dashboard/next_refund", outcome="pending_then_succeeded")

    refund = ask(shop, bought)
    pending = shop.ledger.wallet(shop.wallet(bought.account))
    shop.pass_time(3601)
    settle_down(shop)

    assert (refund.state, pending.frozen) == (RefundState.SENT, 50 * CREDIT)
    assert shop.payments.refunds.get(refund.id).state is RefundState.DONE
    assert shop.ledger.wallet(shop.wallet(bought.account)).frozen == 0


@pytest.mark.parametrize("kind", ["error_before", "error_during", "error_after", "timeout_after"])
def test_an_answer_of_stripe_that_is_lost_refunds_once(shop: Shop, kind: str) -> None:
    bought = shop.buy(shop.account())
    shop.arm(kind, "POST", "/v1/credit_notes")

    refund = ask(shop, bought)
    for _ in range(3):
        shop.pass_time(61)
        settle_down(shop)

    assert refund.state in {RefundState.APPROVED, RefundState.DONE}
    assert shop.payments.refunds.get(refund.id).state is RefundState.DONE
    assert shop.charges()[0].amount_refunded == bought.total
    assert len(shop.sandbox.client.v1.credit_notes.list({"invoice": bought.invoice}).data) == 1
    check(shop, bought)


# Made at Stripe --------------------------------------------------------------------------------------------------


def refund_by_hand(shop: Shop, bought: Purchase, cents: int) -> None:
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/refund", amount=cents)


def test_trap_4_a_full_refund_in_the_dashboard_takes_the_credits_back(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    refund_by_hand(shop, bought, bought.total)

    settle_down(shop)

    wallet = shop.ledger.wallet(shop.wallet(bought.account))
    assert (wallet.settled, wallet.refunded, wallet.debt) == (0, 50 * CREDIT, 0)
    (refund,) = shop.payments.refunds.refunds(bought.account, limit=9)
    assert (refund.origin, refund.net, refund.vat) == (Origin.DASHBOARD, 5000, 950)
    check(shop, bought)


def test_trap_6_cumulative_amounts_are_not_read_as_differences(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    refund_by_hand(shop, bought, 1190)
    settle_down(shop)
    refund_by_hand(shop, bought, 1785)
    settle_down(shop)

    assert shop.ledger.wallet(shop.wallet(bought.account)).settled == 25 * CREDIT
    check(shop, bought)


def test_trap_23_a_refund_of_more_than_is_left_is_owed_and_taken_from_the_next_purchase(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    spend(shop, bought.account, 45)
    refund_by_hand(shop, bought, 1190)
    settle_down(shop)
    owing = shop.ledger.wallet(shop.wallet(bought.account))

    shop.buy(bought.account, 2000, key="next")

    assert (owing.settled, owing.debt) == (-5 * CREDIT, 5 * CREDIT)
    after = shop.ledger.wallet(shop.wallet(bought.account))
    assert (after.settled, after.debt) == (15 * CREDIT, 0)
    check(shop, bought)


def test_a_dashboard_refund_that_fails_gives_credits_and_debt_back(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    spend(shop, bought.account, 45)
    refund_by_hand(shop, bought, 1190)
    settle_down(shop)
    (refund,) = shop.payments.refunds.refunds(bought.account, limit=9)

    shop.sandbox.control(f"dashboard/refunds/{refund.stripe_id}/fail")
    settle_down(shop)

    wallet = shop.ledger.wallet(shop.wallet(bought.account))
    assert (wallet.settled, wallet.debt, wallet.refunded) == (5 * CREDIT, 0, 0)
    check(shop, bought)


def test_a_credit_note_made_in_the_dashboard_counts_by_its_net(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    line = shop.sandbox.read(bought.invoice).lines.data[0].id
    shop.sandbox.client.v1.credit_notes.create(
        {
            "invoice": bought.invoice or "", "refund_amount": 1190, "email_type": "none",
            "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "amount": 1000}],
        }
    )  # fmt: skip
    shop.sandbox.client.v1.credit_notes.create(
        {
            "invoice": bought.invoice or "", "out_of_band_amount": 595, "email_type": "none",
            "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "amount": 500}],
        }
    )  # fmt: skip

    settle_down(shop)

    assert sorted(each.net for each in shop.payments.refunds.refunds(bought.account, limit=9)) == [500, 1000]
    assert shop.ledger.wallet(shop.wallet(bought.account)).settled == 35 * CREDIT
    check(shop, bought)


def test_a_refund_after_a_dashboard_refund_gives_back_what_is_left(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    refund_by_hand(shop, bought, 1190)

    refund = ask(shop, bought)

    assert (refund.state, refund.net, refund.total) == (RefundState.DONE, 4000, 4760)
    assert shop.charges()[0].amount_refunded == bought.total
    check(shop, bought)


def test_a_hold_that_ends_after_everything_went_back_pays_what_is_owed(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    wallet, hold = shop.wallet(bought.account), HoldId(shop.ids.mint("hold"))
    shop.ledger.run(Authorize(wallet=wallet, key="a", hold=hold, amount=8 * CREDIT, lifetime_us=10**9))
    refund_by_hand(shop, bought, bought.total)
    settle_down(shop)

    shop.ledger.run(Void(wallet=wallet, key="v", hold=hold, reason="failed"))

    after = shop.ledger.wallet(wallet)
    assert (after.settled, after.debt) == (0, 0)
    check(shop, bought)


def test_reconciliation_tells_what_went_back_unheard_and_heals_it(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    refund_by_hand(shop, bought, 1190)
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/dispute")
    since = bought.created_at

    kinds_ = sorted(each.kind.value for each in shop.payments.reconcile(since, shop.clock.now()))
    shop.clock.advance(60)
    shop.payments.handlers()["payments.reconcile"](shop.job())
    shop.work()

    assert kinds_ == ["dispute_differs", "refund_missing"]
    assert shop.payments.reconcile(since, shop.clock.now()) == []
    assert shop.ledger.wallet(shop.wallet(bought.account)).frozen == 40 * CREDIT
