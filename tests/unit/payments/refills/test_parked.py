"""A refill that waits for the bank gives way to a person who buys by hand, and nobody is charged for both."""

import pytest

from ileen.base.errors import QuoteChanged
from ileen.base.ids import AccountId
from ileen.base.money import parse
from ileen.payments.refills.model import RefillState
from refilling import again, balance, mails, ready, replace_card, setting, spend
from shop import EVIDENCE, Shop, at_once


def parked(shop: Shop) -> AccountId:
    """An account whose refill waits for the bank; by now the payer has a card that needs no bank."""
    account = ready(shop, card="pm_card_authenticationRequired")
    spend(shop, account, "2")
    shop.work()
    assert shop.states() == ["action_required"]
    replace_card(shop, account)
    return account


def test_buying_by_hand_calls_off_a_refill_that_waits_for_the_bank(shop: Shop) -> None:
    account = parked(shop)

    bought = shop.buy(account)
    again(shop, 61)

    assert bought.state == "settled"
    assert shop.states() == ["void", "settled"]
    assert balance(shop, account) == parse("69")
    (refill,) = shop.payments.refills.refills(account, limit=5)
    assert (refill.state, refill.because) == (RefillState.FAILED, "superseded")
    assert setting(shop, account).triggers, "nothing has failed: the rule goes on"
    assert mails(shop, "refill_failed") == []
    shop.check()


def test_a_purchase_that_is_not_enough_leaves_the_rest_to_the_rule(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = parked(shop)
    spend(shop, account, "12")

    shop.buy(account, 500)
    again(shop, 61)

    assert shop.states() == ["void", "settled", "settled"]
    assert balance(shop, account) == parse("62")
    shop.check()


def test_a_refill_confirmed_at_that_very_moment_is_the_answer_and_the_only_charge(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = parked(shop)
    quoted = shop.payments.quote(account, 2500).total
    assert shop.pay_by_hand(shop.invoices()[0].id) == 200

    bought = shop.buy(account, 2500, quoted_total=quoted)

    assert (bought.state, bought.refill is not None) == ("settled", True)
    assert shop.buy(account, 2500, quoted_total=quoted).id == bought.id, "a repeated key answers the same"
    assert len(shop.charges()) == 1
    shop.check()


def test_a_total_that_has_changed_leaves_the_refill_as_it_was(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = parked(shop)

    with pytest.raises(QuoteChanged):
        shop.buy(account, quoted_total=1)

    assert shop.states() == ["action_required"]


def test_confirming_and_buying_at_once_charge_for_one_of_them(sqlite_shop: Shop) -> None:
    shop = sqlite_shop
    account = parked(shop)
    quoted = shop.payments.quote(account, 5000).total
    (invoice,) = shop.invoices()

    def act(number: int) -> object:
        if number:
            return shop.pay_by_hand(invoice.id)
        return shop.payments.buy(account, 5000, quoted_total=quoted, key="k", by=None, evidence=EVIDENCE)

    at_once(2, act)
    shop.settle_down()
    again(shop, 61)

    assert len(shop.charges()) == 1
    shop.check()
