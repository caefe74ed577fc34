"""Double clicks, two tabs, two servers: one charge."""

import pytest

from ileen.payments.model import Purchase
from shop import EVIDENCE, Shop, at_once


def test_two_hundred_identical_purchases_at_once_are_one_charge(shop: Shop) -> None:
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    servers = [shop.payments, shop.server(), shop.server()]

    def click(number: int) -> Purchase:
        return servers[number % 3].buy(account, 5000, quoted_total=quoted, key="same", by=None, evidence=EVIDENCE)

    answers = at_once(200, click)
    shop.settle_down()

    assert {type(each) for each in answers} == {Purchase}, answers
    assert len({each.id for each in answers}) == 1
    assert len(shop.charges()) == 1
    shop.check()


def test_many_keys_at_once_while_one_purchase_waits_are_answered_with_it(shop: Shop) -> None:
    account = shop.account(card="pm_card_authenticationRequired")
    quoted = shop.payments.quote(account, 5000).total

    def click(number: int) -> Purchase:
        return shop.payments.buy(account, 5000, quoted_total=quoted, key=f"key-{number}", by=None, evidence=EVIDENCE)

    answers = at_once(24, click)

    assert len({each.id for each in answers}) == 1
    assert shop.states() == ["action_required"]
    shop.payments.cancel(account, answers[0].id)
    shop.check()


@pytest.mark.parametrize("_", range(3))
def test_cancelling_paying_and_polling_at_once_ends_in_one_way(shop: Shop, _: int) -> None:
    account = shop.account(card="pm_card_authenticationRequired")
    waiting = shop.buy(account)

    def act(number: int) -> object:
        match number % 3:
            case 0:
                return shop.payments.cancel(account, waiting.id)
            case 1:
                return shop.authenticate(str(waiting.invoice))
            case _:
                return shop.work()

    at_once(9, act)
    shop.settle_down()

    assert shop.payments.purchase(account, waiting.id).state in {"settled", "void"}
    shop.check()
