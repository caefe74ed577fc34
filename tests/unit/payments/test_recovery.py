"""Whatever Stripe answers, and whenever: one charge, one lot, nothing left open, after the poller has had its time."""

from typing import Any

import pytest

from ileen.payments.model import NextKind, PurchaseState
from ileen.store import schema
from shop import Shop

CALLS = {
    "preview": ("POST", "/v1/invoices/create_preview"),
    "create": ("POST", "/v1/invoices"),
    "item": ("POST", "/v1/invoiceitems"),
    "finalize": ("POST", "/v1/invoices/*/finalize"),
    "pay": ("POST", "/v1/invoices/*/pay"),
    "void": ("POST", "/v1/invoices/*/void"),
    "read": ("GET", "/v1/invoices/in_*"),
    "intent": ("GET", "/v1/payment_intents/*"),
    "find": ("GET", "/v1/invoices"),
}
KINDS = [
    "error_before", "error_during", "error_after", "timeout_before", "timeout_after", "rate_limit", "lock_timeout",
    "key_in_use", "bad_gateway",
]  # fmt: skip


def arm(shop: Shop, call: str, kind: str, count: int = 1) -> None:
    shop.arm(kind, *CALLS[call], count=count)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["create", "item", "finalize", "pay", "read"])
def test_a_fault_at_any_call_ends_in_one_charge_and_one_lot_or_in_nothing(
    sqlite_shop: Shop, call: str, kind: str
) -> None:
    shop = sqlite_shop
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, call, kind)

    first = shop.buy(account, quoted_total=quoted)
    shop.settle_down()

    ended = shop.payments.purchase(account, first.id)
    # A 500 that Stripe remembers under the key for a day ends the purchase, except where a new attempt may be made.
    remembered = kind == "error_during" and call in {"create", "item", "finalize"}
    assert ended.state is (PurchaseState.VOID if remembered else PurchaseState.SETTLED)
    shop.check()
    assert shop.buy(account, key="two", quoted_total=quoted).state is PurchaseState.SETTLED
    shop.check()


@pytest.mark.parametrize("kind", ["error_during", "error_after", "timeout_before", "timeout_after"])
@pytest.mark.parametrize("call", ["pay", "void", "intent"])
def test_a_fault_while_a_purchase_fails_leaves_no_open_invoice(sqlite_shop: Shop, call: str, kind: str) -> None:
    shop = sqlite_shop
    account = shop.account(card="pm_card_chargeCustomerFail")
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, call, kind)

    first = shop.buy(account, quoted_total=quoted)
    shop.settle_down()

    assert shop.payments.purchase(account, first.id).state in {PurchaseState.FAILED, PurchaseState.VOID}
    assert [each.status for each in shop.invoices()] == ["void"]
    shop.check()


def test_a_purchase_into_an_outage_answers_at_once_and_goes_on_after_it(shop: Shop) -> None:
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, "create", "bad_gateway", count=3)

    begun = shop.buy(account, quoted_total=quoted)
    assert (begun.state, begun.next.kind) == (PurchaseState.QUOTED, NextKind.POLL)
    shop.settle_down()

    assert shop.payments.purchase(account, begun.id).state is PurchaseState.SETTLED
    shop.check()


def test_a_request_forgotten_at_stripe_for_a_day_is_never_sent_again(shop: Shop) -> None:
    """Beyond 24 hours the same key would be a new order: the purchase is voided instead."""
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, "pay", "timeout_before")
    first = shop.buy(account, quoted_total=quoted)
    assert first.state is PurchaseState.PAYING

    shop.pass_time(25 * 3600)
    shop.settle_down()

    assert shop.payments.purchase(account, first.id).state is PurchaseState.VOID
    assert shop.charges() == []
    shop.check()


def test_a_payment_whose_answer_was_lost_a_day_ago_is_still_found(shop: Shop) -> None:
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, "pay", "timeout_after")
    first = shop.buy(account, quoted_total=quoted)
    assert first.state is PurchaseState.PAYING

    shop.pass_time(25 * 3600)
    shop.settle_down()

    assert shop.payments.purchase(account, first.id).state is PurchaseState.SETTLED
    shop.check()


def test_a_draft_whose_id_was_never_learnt_is_found_by_its_purchase(shop: Shop) -> None:
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, "create", "timeout_after")
    first = shop.buy(account, quoted_total=quoted)
    assert first.invoice is None and len(shop.invoices()) == 1

    shop.settle_down()

    assert len(shop.invoices()) == 1
    assert shop.payments.purchase(account, first.id).state is PurchaseState.SETTLED
    shop.check()


def test_a_draft_found_too_late_is_deleted(shop: Shop) -> None:
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, "create", "timeout_after")
    first = shop.buy(account, quoted_total=quoted)

    shop.pass_time(3600)
    shop.settle_down()

    assert shop.invoices() == []
    assert shop.payments.purchase(account, first.id).state is PurchaseState.VOID
    shop.check()


def test_a_draft_that_turns_up_after_the_end_is_cleared_away(shop: Shop) -> None:
    """The order to create it was thought lost: the purchase ended, then Stripe carried it out."""
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, "create", "timeout_before")
    first = shop.buy(account, quoted_total=quoted)
    shop.pass_time(3600)
    shop.settle_down()
    late = shop.sandbox.client.v1.invoices.create(
        {"customer": shop.payers.payers[account].customer, "metadata": {"ileen_purchase": first.id}}
    )
    assert [each.status for each in shop.invoices()] == ["draft"]

    shop.deliver(*(each for each in shop.events("invoice.created") if each["data"]["object"]["id"] == late.id))
    shop.work()

    assert shop.invoices() == []
    shop.check()


# What a person does at Stripe ------------------------------------------------------------------------------------


def waiting(shop: Shop) -> Any:
    account = shop.account(card="pm_card_authenticationRequired")
    return account, shop.buy(account)


def test_an_invoice_paid_on_stripes_page_with_another_card_is_settled(shop: Shop) -> None:
    account, bought = waiting(shop)
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/pay", number="4242424242424242")

    shop.settle_down()

    assert shop.payments.purchase(account, bought.id).state is PurchaseState.SETTLED
    shop.check()


def test_an_invoice_voided_in_the_dashboard_ends_the_purchase(shop: Shop) -> None:
    account, bought = waiting(shop)
    shop.sandbox.control(f"dashboard/invoices/{bought.invoice}/void")

    shop.settle_down()

    ended = shop.payments.purchase(account, bought.id)
    assert (ended.state, ended.ended_because) == (PurchaseState.VOID, "voided_at_stripe")
    shop.check()


def test_an_invoice_given_up_in_the_dashboard_is_voided(shop: Shop) -> None:
    account, bought = waiting(shop)
    shop.sandbox.client.v1.invoices.mark_uncollectible(str(bought.invoice))

    shop.settle_down()

    assert shop.payments.purchase(account, bought.id).state is PurchaseState.VOID
    assert [each.status for each in shop.invoices()] == ["void"]
    shop.check()


def test_an_invoice_changed_in_the_dashboard_is_voided_with_an_alarm(shop: Shop) -> None:
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    arm(shop, "finalize", "timeout_before")
    bought = shop.buy(account, quoted_total=quoted)
    shop.sandbox.client.v1.invoice_items.create(
        {
            "customer": shop.payers.payers[account].customer,
            "invoice": str(bought.invoice),
            "amount": 100,
            "currency": "eur",
            "tax_behavior": "exclusive",
        }
    )

    shop.settle_down()

    ended = shop.payments.purchase(account, bought.id)
    assert (ended.state, ended.ended_because) == (PurchaseState.VOID, "invoice_differs")
    assert ended.alarm is not None and "2 lines" in ended.alarm
    assert "purchase.alarmed" in [each.action for each in shop.rows(schema.audit_event)]
    assert shop.charges() == []
    shop.check()


def test_a_customer_balance_never_pays_for_credits(shop: Shop) -> None:
    """Credit on the customer would lower what is due, or pay the invoice without any money."""
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    shop.sandbox.client.v1.customers.update(shop.payers.payers[account].customer, {"balance": -6000})

    bought = shop.buy(account, quoted_total=quoted)
    shop.settle_down()

    ended = shop.payments.purchase(account, bought.id)
    assert ended.state in {PurchaseState.FAILED, PurchaseState.VOID} and ended.alarm
    assert shop.lots(account) == [] == shop.charges()


def test_a_foreign_invoice_is_kept_and_never_becomes_credits(shop: Shop) -> None:
    account = shop.account()
    foreign = shop.sandbox.open_invoice(shop.payers.payers[account].customer)
    shop.sandbox.control(f"dashboard/invoices/{foreign.id}/pay", number="4242424242424242")

    shop.deliver(*shop.events())
    shop.work()

    assert shop.lots(account) == []
    outcomes = {each.outcome for each in shop.rows(schema.inbox_event) if each.type == "invoice.paid"}
    assert outcomes == {"foreign"}
