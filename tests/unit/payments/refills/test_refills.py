"""Auto-refill from the call that crossed the threshold to the credits, against the offline Stripe."""

import msgspec
import pytest
from sqlalchemy import update

from ileen.base.errors import (
    AmountInvalid,
    BillingIncomplete,
    ConsentOutdated,
    RefillChargesNow,
    RefillNotSet,
)
from ileen.base.ids import LotId, wallet_of
from ileen.base.money import parse
from ileen.ledger.model import Adjust, Source
from ileen.payments.refills.model import CONSENT_VERSION, Consent, RefillPolicy, RefillState
from ileen.store import schema
from refilling import CONSENT, TERMS, again, balance, give, mails, no_card, ready, replace_card, save, setting, spend
from shop import EVIDENCE, Shop, at_once


def test_a_balance_of_19_80_under_a_threshold_of_20_is_refilled_with_50(shop: Shop) -> None:
    """The example of the specification."""
    account = ready(shop, credits_="20.50")

    hold = spend(shop, account, "0.70")
    shop.work()

    assert balance(shop, account) == parse("69.80")
    (invoice,) = shop.invoices()
    assert (invoice.status, invoice.subtotal, invoice.total) == ("paid", 5000, 5950)
    (refill,) = shop.payments.refills.refills(account, limit=5)
    assert (refill.state, refill.trigger, refill.balance) == (RefillState.SETTLED, hold, parse("19.80"))
    (receipt,) = mails(shop, "refill_receipt")
    assert (receipt["values"]["threshold"], receipt["values"]["month"]) == ("20.00", "50.00")
    assert [lot.source for lot in shop.lots(account)] == [Source.REFILL]
    shop.check()


def test_the_card_is_charged_without_the_payer_being_there(shop: Shop) -> None:
    """A card that asks on session and passes off session shows which one was said."""
    account = ready(shop, card="pm_card_authenticationRequiredSetupForOffSession")

    spend(shop, account, "2")
    shop.work()

    assert shop.states() == ["settled"]


def test_nothing_is_charged_while_the_rule_is_off_or_was_never_saved(shop: Shop) -> None:
    never, off = shop.account(), ready(shop)
    give(shop, never, "21")
    save(shop, off, enabled=False)

    for account in (never, off):
        spend(shop, account, "20")
    shop.work()

    assert shop.states() == []
    assert [job.kind for job in shop.rows(schema.job) if job.kind != "ledger.crossed"] == []


def test_a_rule_turned_off_between_call_and_job_charges_nothing(shop: Shop) -> None:
    account = ready(shop)
    spend(shop, account, "2")

    save(shop, account, enabled=False)
    shop.work()

    assert shop.states() == []


def test_a_balance_lifted_before_the_job_runs_is_not_refilled(shop: Shop) -> None:
    account = ready(shop)
    spend(shop, account, "2")

    give(shop, account, "1.000000001")
    shop.work()

    assert shop.states() == []


def test_a_call_that_empties_the_wallet_while_another_is_decided_on_is_not_forgotten(shop: Shop) -> None:
    """Its job was kept out by the open one, and no next call may be able to pay."""
    account = ready(shop)
    deciding = {"hold": spend(shop, account, "2"), "wallet": wallet_of(account)}
    give(shop, account, "10")
    shop.payments.handlers()["ledger.low"](msgspec.structs.replace(shop.job(), payload=deciding))
    spend(shop, account, "29")  # the job has found enough, but is not done yet
    with shop.database.write() as connection:
        connection.execute(update(schema.job).values(state="done"))

    again(shop, 1)

    assert balance(shop, account) == parse("50")
    assert setting(shop, account).triggers


def test_a_purchase_of_a_person_under_way_keeps_the_rule_waiting(shop: Shop) -> None:
    account = ready(shop)
    shop.arm("error_before", "POST", "/v1/invoices/*/pay", count=1)
    bought = shop.buy(account)
    spend(shop, account, "2")

    shop.work(sweep=False)
    assert shop.states() == ["paying"]
    shop.settle_down()
    again(shop, 60)

    assert shop.states() == ["settled"]
    assert shop.payments.purchase(account, bought.id).state == "settled"
    assert setting(shop, account).triggers
    shop.check()


def test_one_refill_that_is_not_enough_is_followed_by_another_at_the_next_call(shop: Shop) -> None:
    account = ready(shop, amount=500, credits_="21.00")
    spend(shop, account, "15")
    shop.work()
    assert balance(shop, account) == parse("11")

    again(shop, 60)
    assert balance(shop, account) == parse("11"), "not before the next call"
    spend(shop, account, "0.10")
    shop.work()

    assert balance(shop, account) == parse("15.90")
    shop.check()


def test_saving_below_the_threshold_charges_only_if_that_is_said(shop: Shop) -> None:
    account = shop.account()
    give(shop, account, "20.00")

    with pytest.raises(RefillChargesNow):
        save(shop, account)
    assert shop.payments.refills.setting(account) is None
    save(shop, account, charge_now=True)
    shop.work()

    assert balance(shop, account) == parse("70.00")
    assert shop.payments.refills.refills(account, limit=1)[0].trigger == "saved"


def test_each_save_is_kept_with_its_consent_and_mailed(shop: Shop) -> None:
    account = ready(shop)
    save(shop, account, enabled=False)

    kept = shop.rows(schema.refill_consent)
    assert [(row.by, row.enabled, row.threshold, row.consent_version) for row in kept] == [
        ("mem_1", True, 2000, CONSENT_VERSION),
        ("mem_1", False, 2000, CONSENT_VERSION),
    ]
    assert kept[0].consent_text == CONSENT.text
    assert (len(mails(shop, "refill_on")), len(mails(shop, "refill_off"))) == (1, 1)


def test_a_rule_is_saved_only_with_the_present_wording_and_a_card(shop: Shop) -> None:
    account = shop.account()
    give(shop, account, "100")
    old = Consent(version="2025-01", text="…")
    with pytest.raises(ConsentOutdated):
        shop.payments.refills.save(account, TERMS, consent=old, by="m", locale="en")

    shop.payers.payer = no_card
    with pytest.raises(BillingIncomplete):
        save(shop, account)

    assert shop.payments.refills.setting(account) is None


@pytest.mark.parametrize(
    ("card", "cap", "expected"),
    [
        ("pm_card_visa", None, ["refill.succeeded"]),
        ("pm_card_chargeCustomerFail", None, ["refill.failed", "refill.paused"]),
        ("pm_card_visa", 5000, ["refill.succeeded", "refill.capped"]),
        (None, None, ["refill.paused"]),
    ],
)
def test_servers_are_told_of_each_end_once(
    sqlite_shop: Shop, card: str | None, cap: int | None, expected: list[str]
) -> None:
    shop = sqlite_shop
    account = ready(shop, card=card or "pm_card_visa", cap=cap)
    if card is None:
        shop.payers.payer = no_card
    spend(shop, account, "2")
    shop.work()
    if cap is not None:
        spend(shop, account, "60")
        shop.work()
    again(shop, 61)

    assert [type_ for type_, _ in shop.events_told] == expected
    assert len({key for _, key in shop.events_told}) == len(expected)


def test_terms_out_of_bounds_are_refused(shop: Shop) -> None:
    with pytest.raises(AmountInvalid):
        save(shop, shop.account(), threshold=999)


# The cap and the operator's limits -------------------------------------------------------------------------------


def test_a_cap_that_is_reached_exactly_still_charges_and_one_cent_more_does_not(shop: Shop) -> None:
    account = ready(shop, cap=5000)
    spend(shop, account, "2")
    shop.work()
    spend(shop, account, "60")
    shop.work()

    assert shop.states() == ["settled"]
    assert setting(shop, account).look_at is not None, "it waits for the next month"
    again(shop, 40 * 86_400)
    assert shop.states() == ["settled", "settled"]


def test_the_operators_limit_stops_a_runaway_and_says_so(shop: Shop) -> None:
    shop.payments = shop.server(refills=RefillPolicy(hour_max=2))
    account = ready(shop, amount=500)

    for _ in range(4):
        spend(shop, account, "5")
        shop.work()

    assert shop.states() == ["settled", "settled"]
    assert any("2 refills in the last hour" in each for each in shop.alarms)


def test_the_operator_can_stop_all_refills_at_once(shop: Shop) -> None:
    running = shop.payments
    shop.payments = shop.server(refills=RefillPolicy(stopped=True))
    account = ready(shop)
    spend(shop, account, "2")
    shop.work()
    assert shop.states() == []

    shop.payments = running
    again(shop, 700)

    assert shop.states() == ["settled"]


# Failure: what Stripe and banks may do, which no database of ours sees ------------------------------------------


def test_a_card_refused_for_good_pauses_the_rule_at_once(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop, card="pm_card_chargeCustomerFail")
    spend(shop, account, "2")
    shop.work()
    spend(shop, account, "2")
    again(shop, 3 * 86_400)

    assert shop.states() == ["failed"]
    assert [each.status for each in shop.invoices()] == ["void"]
    assert setting(shop, account).paused == "declined"
    (mail,) = mails(shop, "refill_failed")
    assert (mail["values"]["decline"], mail["values"]["refill_next"]) == ("bank", "paused")
    shop.check()


def test_stripe_away_for_hours_is_tried_once_more_later_then_the_rule_pauses(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop)
    shop.arm("error_before", "POST", "/v1/invoices/*/pay", count=1000)
    spend(shop, account, "2")
    shop.work()
    shop.settle_down()
    assert shop.states() == ["void"]
    assert not setting(shop, account).triggers, "calls meanwhile ask nothing"
    spend(shop, account, "2")

    again(shop, 3_700)
    shop.settle_down()

    assert shop.states() == ["void", "void"]
    assert setting(shop, account).paused == "unavailable"
    assert [each["values"]["refill_next"] for each in mails(shop, "refill_failed")] == ["retry", "paused"]
    assert len({each.id for each in shop.invoices()}) == 2, "each attempt has keys of its own"
    shop.check()


def test_a_resumed_rule_charges_again_and_one_that_is_off_cannot_be_resumed(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop, card="pm_card_chargeCustomerFail")
    spend(shop, account, "2")
    shop.work()
    replace_card(shop, account)

    shop.payments.refills.resume(account, by="mem_1")
    shop.work()

    assert shop.states() == ["failed", "settled"]
    save(shop, account, enabled=False)
    with pytest.raises(RefillNotSet):
        shop.payments.refills.resume(account, by="mem_1")


@pytest.mark.parametrize(
    ("card", "paused", "comes", "rearmed"),
    [
        ("pm_card_chargeCustomerFail", "declined", True, True),
        ("pm_card_chargeCustomerFail", "declined", False, False),
        (None, "no_card", True, True),
    ],
)
def test_another_card_ends_a_pause_that_a_card_was_the_reason_of(
    sqlite_shop: Shop, card: str | None, paused: str, comes: bool, rearmed: bool
) -> None:
    """A card that was only looked at again is not charged again."""
    shop = sqlite_shop
    account = ready(shop, card=card or "pm_card_visa")
    if card is None:
        shop.payers.payer = no_card
    spend(shop, account, "2")
    shop.work()
    assert setting(shop, account).paused == paused
    shop.payers.__dict__.pop("payer", None)
    if comes and card is not None:
        replace_card(shop, account)

    told = msgspec.structs.replace(shop.job(), payload={"account": account})
    shop.payments.handlers()["cards.changed"](told)
    shop.work()

    assert (setting(shop, account).paused is None) is rearmed
    assert (balance(shop, account) == parse("69")) is rearmed
    if rearmed:
        assert shop.payments.refills.refills(account, limit=1)[0].trigger == "card"
    shop.check()


def test_a_rule_its_owner_cancelled_is_not_started_by_a_card(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop, card="pm_card_authenticationRequired")
    spend(shop, account, "2")
    shop.work()
    (waiting,) = shop.payments.purchases(account, limit=5)
    shop.payments.cancel(account, waiting.id)
    shop.work()
    replace_card(shop, account)

    shop.payments.handlers()["cards.changed"](msgspec.structs.replace(shop.job(), payload={"account": account}))
    shop.work()

    assert setting(shop, account).paused == "cancelled"
    assert shop.states() == ["void"]


def test_credits_taken_back_lead_to_a_refill_like_a_call(shop: Shop) -> None:
    account = ready(shop)

    correction = Adjust(
        wallet=wallet_of(account), key="a", lot=LotId(shop.ids.mint("lot")), amount=-parse("2"), reason="correction"
    )
    shop.ledger.run(correction)
    shop.work()

    assert balance(shop, account) == parse("69")
    assert shop.payments.refills.refills(account, limit=1)[0].trigger == "lowered"


def test_a_bank_that_wants_to_confirm_is_asked_once_and_confirming_ends_in_credits(sqlite_shop: Shop) -> None:
    """Trap 10: 24 further triggers leave one open invoice and one mail."""
    shop = sqlite_shop
    account = ready(shop, card="pm_card_authenticationRequired", credits_="40")
    spend(shop, account, "20.10")
    shop.work()

    for _ in range(24):
        spend(shop, account, "0.10")
        again(shop, 31)
    assert [each.status for each in shop.invoices()] == ["open"]
    (mail,) = mails(shop, "action_required")
    assert mail["values"]["link"].startswith("/billing/purchases/pur_")
    assert shop.pay_by_hand(shop.invoices()[0].id) == 200, "on the page that the link leads to"
    again(shop, 31)

    assert shop.states() == ["settled"]
    assert balance(shop, account) == parse("67.50")
    shop.check()


def test_a_refill_nobody_confirms_is_voided_and_the_rule_pauses(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop, card="pm_card_authenticationRequired")
    spend(shop, account, "2")
    shop.work()

    again(shop, 86_500)

    assert shop.states() == ["failed"]
    assert [each.status for each in shop.invoices()] == ["void"]
    assert setting(shop, account).paused == "not_confirmed"
    shop.check()


def test_an_answer_lost_after_the_charge_is_found_out_and_never_charged_again(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop)
    shop.arm("error_after", "POST", "/v1/invoices/*/pay")
    spend(shop, account, "2")
    shop.work()
    shop.settle_down()

    assert len(shop.charges()) == 1
    assert balance(shop, account) == parse("69")
    shop.check()


def test_a_card_that_is_gone_pauses_the_rule_without_an_attempt(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop)
    shop.payers.payer = no_card
    spend(shop, account, "2")
    shop.work()

    assert shop.states() == []
    assert setting(shop, account).paused == "no_card"
    assert mails(shop, "refill_paused")[0]["values"]["refill_pause"] == "no_card"


def test_stripe_away_before_the_attempt_is_asked_again_by_the_job(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop)
    shop.arm("error_before", "POST", "/v1/invoices/create_preview")
    spend(shop, account, "2")
    shop.work()
    assert shop.states() == []

    again(shop, 10)

    assert shop.states() == ["settled"]


# At once ---------------------------------------------------------------------------------------------------------


def test_500_calls_that_cross_the_threshold_at_once_are_one_invoice_and_so_is_the_next_crossing(shop: Shop) -> None:
    account = ready(shop, credits_="70.00", threshold=3000)
    for crossing in (1, 2):
        answers = at_once(50, lambda _: [spend(shop, account, "0.10") for _ in range(10)])
        assert [each for each in answers if isinstance(each, Exception)] == []
        rooms = [shop.payments, shop.server(), shop.server()]
        at_once(3, lambda number, rooms=rooms: shop.work_of(rooms[number]))
        shop.settle_down()

        assert len(shop.invoices()) == crossing
        assert len(shop.charges()) == crossing
    assert balance(shop, account) == parse("70.00")
    shop.check()


def test_a_purchase_and_a_refill_at_the_same_moment_are_one_charge_each_or_one(shop: Shop) -> None:
    account = ready(shop)
    quoted = shop.payments.quote(account, 5000).total
    spend(shop, account, "2")

    def act(number: int) -> object:
        if number:
            return shop.work_of(shop.server())
        return shop.payments.buy(account, 5000, quoted_total=quoted, key="k", by=None, evidence=EVIDENCE)

    at_once(2, act)
    shop.settle_down()
    again(shop, 60)

    assert len(shop.charges()) == 1, "either lifts the balance for the other"
    shop.check()
