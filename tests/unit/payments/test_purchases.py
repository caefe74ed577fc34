"""Buying credits at the offline Stripe: what is shown is what is charged, and what is paid is what is credited."""

from ileen.payments.model import NextKind, PurchaseState
from shop import Shop


def test_a_quote_is_stripes_own_calculation(shop: Shop) -> None:
    quote = shop.payments.quote(shop.account(), 5000)

    assert (quote.net, quote.vat, quote.total) == (5000, 950, 5950)
    assert (quote.rate, quote.reason, quote.country) == ("19", "standard_rated", "DE")
    assert shop.invoices() == []


def test_a_purchase_is_paid_and_settled_in_one_answer(shop: Shop) -> None:
    account = shop.account()

    bought = shop.buy(account)

    assert bought.state is PurchaseState.SETTLED
    assert (bought.net, bought.vat, bought.total) == (5000, 950, 5950)
    assert bought.next.kind is NextKind.NONE and bought.number and bought.paid_at
    assert [(lot.amount, lot.reference) for lot in shop.lots(account)] == [(50 * 10**9, bought.id)]
    assert shop.steps(bought.id) == [
        "quote", "create", "created", "item", "invoiced", "finalize", "finalized", "pay", "paid", "settled",
    ]  # fmt: skip
    shop.check()
