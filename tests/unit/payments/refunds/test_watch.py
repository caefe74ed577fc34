"""Whatever takes money of a purchase back at Stripe is told to the operator, once, and nothing else is."""

import pytest

from shop import Shop
from stripe_sandbox import stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]


@pytest.fixture
def shop(sqlite_shop: Shop) -> Shop:
    return sqlite_shop


def test_a_refund_and_a_dispute_made_at_stripe_are_told_to_the_operator_once_each(shop: Shop) -> None:
    bought = shop.buy(shop.account())
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/refund", amount=1000)
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/dispute")

    for _ in range(2):
        shop.deliver(*shop.events("charge.refunded", "charge.dispute.created"))
        shop.work()

    assert len(shop.alarms) == 2
    assert all(bought.id in each for each in shop.alarms)


def test_a_refund_of_something_that_is_not_ours_is_left_alone(shop: Shop) -> None:
    shop.buy(shop.account())
    other = shop.sandbox.open_invoice(shop.sandbox.customer().id)
    shop.sandbox.client.v1.invoices.pay(other.id)
    shop.sandbox.control(f"dashboard/invoices/{other.id}/refund")

    shop.deliver(*shop.events("charge.refunded", "refund.created"))
    shop.work()

    assert shop.alarms == []
