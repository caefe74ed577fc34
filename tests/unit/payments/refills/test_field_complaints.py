"""What people complain of in automatic top-ups elsewhere (34 to 42), and the traps of refills, ruled out here.

SQLite alone: the databases see nothing different here, and `test_refills.py` runs on both.
"""

import msgspec
import pytest

from ileen.base.money import parse
from ileen.payments.refills.model import RefillPolicy
from refilling import again, balance, give, mails, ready, replace_card, save, setting, spend
from shop import Shop

ASKS = "pm_card_authenticationRequired"
FAILS = "pm_card_chargeCustomerFail"


@pytest.fixture
def shop(sqlite_shop: Shop) -> Shop:
    return sqlite_shop


def told(shop: Shop, kind: str, **payload: str) -> None:
    """Have a job run once more, as after a crash or by two workers."""
    shop.payments.handlers()[kind](msgspec.structs.replace(shop.job(), payload=payload))


def test_complaint_34_a_trigger_that_is_repeated_charges_once(shop: Shop) -> None:
    """github.com/getlago/lago-api/issues/5870"""
    account = ready(shop)
    hold = spend(shop, account, "2")

    for _ in range(5):
        told(shop, "ledger.low", wallet=shop.wallet(account), hold=hold)
    again(shop, 61)

    assert len(shop.invoices()) == len(shop.charges()) == 1
    shop.check()


def test_complaint_35_a_declined_card_is_not_tried_every_few_seconds(shop: Shop) -> None:
    """github.com/getlago/lago-api/issues/6176"""
    account = ready(shop, card=FAILS)

    for _ in range(6):
        spend(shop, account, "1")
        again(shop, 10)

    assert len(shop.invoices()) == 1
    assert len(mails(shop, "refill_failed")) == 1
    shop.check()


def test_complaint_36_many_charges_in_a_few_minutes_are_stopped_and_told(shop: Shop) -> None:
    """github.com/anthropics/claude-code/issues/68773"""
    account = ready(shop, amount=500)

    for _ in range(8):
        spend(shop, account, "5")
        shop.work()

    assert len(shop.charges()) == RefillPolicy().hour_max
    assert len(shop.alarms) == 1
    shop.check()


def test_complaint_37_a_rule_that_was_turned_off_stays_off(shop: Shop) -> None:
    """github.com/openai/codex/issues/31987"""
    account = ready(shop, card=FAILS)
    spend(shop, account, "2")
    shop.work()
    save(shop, account, enabled=False)
    replace_card(shop, account)

    told(shop, "cards.changed", account=account)
    spend(shop, account, "2")
    again(shop, 40 * 86_400)

    assert not setting(shop, account).enabled
    assert shop.charges() == []


def test_complaint_37_a_rule_that_is_on_fires_though_stripe_was_away_at_the_crossing(shop: Shop) -> None:
    """github.com/openai/codex/issues/19872"""
    account = ready(shop)
    shop.arm("error_before", "POST", "/v1/invoices/create_preview", count=2)
    spend(shop, account, "2")
    shop.work()
    assert shop.charges() == []

    again(shop, 60)
    again(shop, 60)

    assert balance(shop, account) == parse("69")


def test_complaint_38_nobody_is_opted_in_and_nothing_is_left_behind_at_stripe(shop: Shop) -> None:
    """github.com/recoupable/app/issues/1960"""
    account = shop.account()

    give(shop, account, "5")
    spend(shop, account, "5")
    again(shop, 31 * 86_400)

    assert shop.payments.refills.setting(account) is None
    assert shop.invoices() == []


def test_complaint_39_news_of_a_refill_from_everywhere_credits_once(shop: Shop) -> None:
    """github.com/flexprice/flexprice/pull/1825"""
    account = ready(shop)
    spend(shop, account, "2")
    shop.work()

    shop.deliver(*shop.events())
    shop.deliver(*[{**each, "id": f"{each['id']}_again"} for each in shop.events("invoice.paid")])
    shop.work()

    assert len(shop.lots(account)) == 1
    assert balance(shop, account) == parse("69")
    shop.check()


def test_complaint_40_a_card_that_wants_its_bank_leaves_one_invoice_not_one_each_hour(shop: Shop) -> None:
    """github.com/akash-network/console/pull/3809"""
    account = ready(shop, card=ASKS)
    spend(shop, account, "2")

    for _ in range(30):
        again(shop, 61 * 60)
    spend(shop, account, "1")
    again(shop, 61 * 60)

    assert [each.status for each in shop.invoices()] == ["void"]
    assert len(mails(shop, "action_required")) == 1
    assert setting(shop, account).paused == "not_confirmed"


def test_complaint_41_after_a_failure_there_is_a_way_back(shop: Shop) -> None:
    """github.com/LIT-Protocol/chipotle/pull/511"""
    account = ready(shop, card=FAILS)
    spend(shop, account, "2")
    shop.work()
    replace_card(shop, account)

    shop.payments.refills.resume(account, by="mem_1")
    shop.work()

    assert balance(shop, account) == parse("69")
    assert setting(shop, account).triggers
    shop.check()


def test_complaint_42_without_any_webhook_a_refill_comes_to_its_end_and_credits_follow_the_money(shop: Shop) -> None:
    """github.com/getlago/lago-api/pull/6420, github.com/getlago/lago-api/issues/5947"""
    shop.sandbox.control("settings", processing_s=60)
    account = ready(shop)
    spend(shop, account, "2")
    shop.work()
    assert balance(shop, account) == parse("19"), "no credits before the money is there"

    shop.settle_down()

    assert balance(shop, account) == parse("69")
    shop.check()


# Traps of the fact sheet that concern refills --------------------------------------------------------------------


def test_trap_09_a_thousand_events_under_a_failing_card_are_one_invoice_and_a_pause(shop: Shop) -> None:
    """github.com/useautumn/autumn/pull/2420"""
    account = ready(shop, card=FAILS, credits_="30")

    for _ in range(10):
        for _ in range(100):
            spend(shop, account, "0.02")
        shop.work()

    assert len(shop.invoices()) == 1
    assert setting(shop, account).paused == "declined"


def test_trap_10_authentication_is_not_asked_for_at_every_run(shop: Shop) -> None:
    """github.com/akash-network/console/pull/3809"""
    account = ready(shop, card=ASKS)
    spend(shop, account, "2")

    for _ in range(24):
        again(shop, 60)

    assert [each.status for each in shop.invoices()] == ["open"]
    assert len(mails(shop, "action_required")) == 1


def test_trap_22_a_refill_adds_to_the_balance_and_never_runs_after_opting_out(shop: Shop) -> None:
    """github.com/recoupable/app/issues/1960"""
    shop.sandbox.control("settings", processing_s=60)
    account = ready(shop, credits_="40")
    spend(shop, account, "21")
    shop.work()
    spend(shop, account, "4")
    shop.settle_down()
    assert balance(shop, account) == parse("65"), "what was used meanwhile is not lost"
    spend(shop, account, "50")

    save(shop, account, enabled=False)
    again(shop, 61)

    assert len(shop.charges()) == 1
