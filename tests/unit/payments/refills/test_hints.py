"""Calls refused for lack of credits while a refill is under way are told so, and when to try again."""

import json

import pytest

from ileen.base.errors import InsufficientCredits
from ileen.base.ids import AccountId
from ileen.gateway.surfaces import Protocol, error_body, error_headers
from ileen.payments.refills.hints import RETRY_AFTER_S
from refilling import ready, save, spend
from shop import Shop

UNDER_WAY = {"amount": "50.00", "state": "under_way"}


def told(shop: Shop, account: AccountId) -> InsufficientCredits:
    error = InsufficientCredits(needed="30", available="19")
    shop.payments.refills.hints.explain(account, error)
    return error


def test_a_refusal_tells_of_a_refill_from_the_call_that_triggered_it_to_its_end(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop)
    assert "refill" not in told(shop, account).fields, "the balance is above the threshold"

    spend(shop, account, "2")
    assert told(shop, account).fields["refill"] == UNDER_WAY, "a job is about to decide"
    shop.arm("error_before", "POST", "/v1/invoices/*/pay", count=2)
    shop.work()
    assert shop.states() == ["paying"]
    error = told(shop, account)
    assert (error.fields["refill"], error.fields["retry_after_s"]) == (UNDER_WAY, RETRY_AFTER_S)
    assert error.detail.endswith("An auto-refill of EUR 50.00 is under way: try again in 5 seconds.")
    shop.disarm()
    shop.settle_down()

    assert "refill" not in told(shop, account).fields


def test_a_refill_that_waits_for_the_bank_names_no_time(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = ready(shop, card="pm_card_authenticationRequired")
    spend(shop, account, "2")
    shop.work()

    error = told(shop, account)

    assert error.fields["refill"] == {"amount": "50.00", "state": "unconfirmed"}
    assert "retry_after_s" not in error.fields
    assert "waits to be confirmed with the bank" in error.detail


@pytest.mark.parametrize("why", ["off", "paused", "by_hand"])
def test_nothing_is_promised_that_does_not_come(sqlite_shop: Shop, why: str) -> None:
    shop = sqlite_shop
    account = ready(shop, card="pm_card_chargeCustomerFail" if why == "paused" else "pm_card_visa")
    spend(shop, account, "2")
    if why == "off":
        save(shop, account, enabled=False)
    if why == "by_hand":
        save(shop, account, enabled=False)
        shop.arm("error_before", "POST", "/v1/invoices/*/pay", count=1)
        shop.buy(account)
    shop.work(sweep=False)

    assert "refill" not in told(shop, account).fields


@pytest.mark.parametrize("protocol", Protocol)
def test_both_protocols_carry_the_hint_in_their_own_shape(protocol: Protocol) -> None:
    error = InsufficientCredits(needed="30", available="19", refill=UNDER_WAY, retry_after_s=5)

    document = json.loads(error_body(protocol, error, call="call_1", buy_url=None))

    assert (document["error"]["refill"], document["error"]["retry_after_s"]) == (UNDER_WAY, 5)
    assert (b"retry-after", b"5") in error_headers(error)
