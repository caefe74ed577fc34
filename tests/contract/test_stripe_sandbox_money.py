"""The offline Stripe and money: invoices from draft to paid, declines, the payer's bank, voids; by the official SDK."""

import threading
from typing import Any

import pytest
import stripe

from stripe_sandbox import Receiver, StripeSandbox, receiver, stripe_process, stripe_sandbox

__all__ = ["receiver", "stripe_process", "stripe_sandbox"]

SUCCESS = {
    "invoice.finalized", "payment_intent.succeeded", "charge.succeeded", "invoice.paid", "invoice.payment_succeeded",
    "invoice_payment.paid",
}  # fmt: skip


def pay(sandbox: StripeSandbox, invoice: str, **given: Any) -> Any:
    return sandbox.client.v1.invoices.pay(invoice, given)


def refusal(sandbox: StripeSandbox, invoice: str, **given: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        pay(sandbox, invoice, **given)
    return caught.value


def test_fifty_credits_are_bought_with_german_tax_on_top(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()

    draft = stripe_sandbox.draft(customer.id)
    opened = stripe_sandbox.client.v1.invoices.finalize_invoice(draft.id)
    paid = stripe_sandbox.client.v1.invoices.pay(opened.id, {"off_session": False, "expand": ["payments"]})

    assert (draft.status, draft.number, draft.hosted_invoice_url, draft.invoice_pdf) == ("draft", None, None, None)
    assert (opened.status, opened.subtotal, opened.total, opened.amount_due) == ("open", 5000, 5950, 5950)
    assert opened.automatic_tax.status == "complete" and opened.number and opened.hosted_invoice_url
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 5950, 0)
    [payment] = paid.payments.data
    assert (payment.status, payment.amount_paid, payment.is_default) == ("paid", 5950, True)
    intent = stripe_sandbox.client.v1.payment_intents.retrieve(
        payment.payment.payment_intent, {"expand": ["latest_charge.balance_transaction"]}
    )
    assert (intent.status, intent.amount_received, intent.latest_charge.paid) == ("succeeded", 5950, True)
    assert intent.latest_charge.balance_transaction.net == 5950 - 89 - 25


def test_one_success_is_told_by_all_its_events(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    pay(stripe_sandbox, invoice.id)

    stripe_sandbox.deliver()

    assert set(receiver.types()) >= SUCCESS


def test_a_decline_answers_402_and_leaves_the_invoice_open(stripe_sandbox: StripeSandbox) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_chargeCustomerFail").id)

    error = refusal(stripe_sandbox, invoice.id)

    assert isinstance(error, stripe.CardError) and error.http_status == 402
    assert (error.code, error.error.decline_code) == ("card_declined", "generic_decline")
    assert error.error.payment_intent.status == "requires_payment_method"
    charge = stripe_sandbox.client.v1.charges.retrieve(error.error.charge)
    assert (charge.status, charge.failure_code) == ("failed", "card_declined")
    after = stripe_sandbox.read(invoice.id)
    assert (after.status, after.attempted, after.attempt_count) == ("open", True, 1)
    refusal(stripe_sandbox, invoice.id)
    assert stripe_sandbox.read(invoice.id).attempt_count == 1, "attempts by hand are not counted"


@pytest.mark.parametrize(
    ("card", "off_session", "expected"),
    [
        ("pm_card_authenticationRequiredOnSetup", True, "authentication_required"),
        ("pm_card_authenticationRequiredOnSetup", False, "invoice_payment_intent_requires_action"),
        ("pm_card_authenticationRequired", True, "authentication_required"),
        ("pm_card_authenticationRequired", False, "invoice_payment_intent_requires_action"),
        ("pm_card_authenticationRequiredSetupForOffSession", True, None),
        ("pm_card_authenticationRequiredSetupForOffSession", False, "invoice_payment_intent_requires_action"),
    ],
)
def test_off_session_changes_what_the_bank_says(
    stripe_sandbox: StripeSandbox, card: str, off_session: bool, expected: str | None
) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer(card).id)

    if expected is None:
        assert pay(stripe_sandbox, invoice.id, off_session=off_session).status == "paid"
    else:
        assert refusal(stripe_sandbox, invoice.id, off_session=off_session).code == expected
        assert stripe_sandbox.read(invoice.id).status == "open"


def test_off_session_is_the_default_of_pay(stripe_sandbox: StripeSandbox) -> None:
    card = "pm_card_authenticationRequiredSetupForOffSession"
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer(card).id)

    assert pay(stripe_sandbox, invoice.id).status == "paid"


def test_after_the_payer_authenticated_only_a_webhook_tells(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_authenticationRequired").id)

    error = refusal(stripe_sandbox, invoice.id, off_session=False)
    waiting = stripe_sandbox.client.v1.payment_intents.retrieve(error.error.payment_intent.id)
    stripe_sandbox.control(f"dashboard/invoices/{invoice.id}/authenticate", outcome="pass")

    assert (waiting.status, waiting.next_action.type) == ("requires_action", "redirect_to_url")
    assert waiting.next_action.redirect_to_url.url.startswith(stripe_sandbox.url)
    [told] = receiver.of("invoice.paid")
    assert told["data"]["object"]["id"] == invoice.id
    assert told["request"] == {"id": None, "idempotency_key": None}
    assert stripe_sandbox.read(invoice.id).status == "paid"


def test_a_failed_authentication_leaves_the_invoice_payable(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_authenticationRequired").id)
    refusal(stripe_sandbox, invoice.id, off_session=False)

    intent = stripe_sandbox.control(f"dashboard/invoices/{invoice.id}/authenticate", outcome="fail")

    assert intent["status"] == "requires_payment_method"
    assert intent["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert receiver.of("invoice.payment_failed")
    stripe_sandbox.control(f"dashboard/invoices/{invoice.id}/pay", number="4242 4242 4242 4242")
    assert stripe_sandbox.read(invoice.id).status == "paid"


def test_a_bank_may_decline_after_the_payer_authenticated(stripe_sandbox: StripeSandbox) -> None:
    card = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer(card).id)
    refusal(stripe_sandbox, invoice.id, off_session=False)

    intent = stripe_sandbox.control(f"dashboard/invoices/{invoice.id}/authenticate", outcome="pass")

    assert intent["last_payment_error"]["decline_code"] == "insufficient_funds"
    assert stripe_sandbox.read(invoice.id).status == "open"


def test_paying_again_or_after_a_void_changes_nothing(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()
    paid, void = stripe_sandbox.open_invoice(customer.id), stripe_sandbox.open_invoice(customer.id)
    pay(stripe_sandbox, paid.id)
    stripe_sandbox.client.v1.invoices.void_invoice(void.id)

    assert refusal(stripe_sandbox, paid.id).user_message == "Invoice is already paid"
    assert "status of void" in str(refusal(stripe_sandbox, void.id))
    with pytest.raises(stripe.InvalidRequestError, match="open invoices"):
        stripe_sandbox.client.v1.invoices.void_invoice(paid.id)
    assert [stripe_sandbox.read(one.id).status for one in (paid, void)] == ["paid", "void"]
    assert len(stripe_sandbox.client.v1.charges.list({"customer": customer.id}).data) == 1


def test_a_void_cancels_the_payment(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)

    stripe_sandbox.client.v1.invoices.void_invoice(invoice.id)

    [payment] = stripe_sandbox.read(invoice.id).payments.data
    intent = stripe_sandbox.client.v1.payment_intents.retrieve(payment.payment.payment_intent)
    assert (payment.status, intent.status, intent.cancellation_reason) == ("canceled", "canceled", "void_invoice")
    stripe_sandbox.deliver()
    assert receiver.of("invoice.voided")


def test_two_payments_at_once_charge_once(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()
    invoice = stripe_sandbox.open_invoice(customer.id)
    results: list[str] = []

    def attempt() -> None:
        try:
            results.append(pay(stripe_sandbox, invoice.id).status)
        except stripe.InvalidRequestError as error:
            results.append(str(error.user_message))

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["Invoice is already paid"] * 3 + ["paid"]
    assert len(stripe_sandbox.client.v1.charges.list({"customer": customer.id}).data) == 1


def test_without_any_card_nothing_is_paid(stripe_sandbox: StripeSandbox) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer(card=None).id)

    error = refusal(stripe_sandbox, invoice.id)
    stripe_sandbox.control("doubts", no_card_code="resource_missing")

    assert "no attached payment source" in str(error) and error.code is None
    assert refusal(stripe_sandbox, invoice.id).code == "resource_missing"
    assert stripe_sandbox.read(invoice.id).status == "open"


def test_a_payment_may_be_processing_before_it_is_paid(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    """`pay` then answers 200 with the invoice still open, and a webhook tells how it ended."""
    stripe_sandbox.control("settings", processing_s=300)
    good = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    bad = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_chargeCustomerFail").id)

    answers = [pay(stripe_sandbox, one.id, expand=["payments.data.payment.payment_intent"]) for one in (good, bad)]
    error = refusal(stripe_sandbox, good.id)
    with pytest.raises(stripe.InvalidRequestError, match="processing"):
        stripe_sandbox.client.v1.invoices.void_invoice(good.id)
    stripe_sandbox.advance(301)

    assert [one.status for one in answers] == ["open", "open"]
    assert [one.payments.data[0].payment.payment_intent.status for one in answers] == ["processing", "processing"]
    assert "processing" in str(error)
    assert [stripe_sandbox.read(one.id).status for one in (good, bad)] == ["paid", "open"]
    assert [event["data"]["object"]["id"] for event in receiver.of("invoice.paid")] == [good.id]
    assert [event["data"]["object"]["id"] for event in receiver.of("invoice.payment_failed")] == [bad.id]


@pytest.mark.parametrize(
    ("doubts", "off_session", "status", "code", "intent"),
    [
        ({"sca_error": "invalid_request_error"}, False, 400, "invoice_payment_intent_requires_action",
         "requires_action"),
        ({"sca_off_session": "requires_action"}, True, 402, "invoice_payment_intent_requires_action",
         "requires_action"),
        ({}, True, 402, "authentication_required", "requires_payment_method"),
    ],
)  # fmt: skip
def test_what_a_bank_that_wants_the_payer_looks_like_is_a_doubt(
    stripe_sandbox: StripeSandbox, doubts: dict[str, str], off_session: bool, status: int, code: str, intent: str
) -> None:
    stripe_sandbox.control("doubts", **doubts)
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_authenticationRequired").id)

    error = refusal(stripe_sandbox, invoice.id, off_session=off_session)

    assert (error.http_status, error.error.code, error.error.payment_intent.status) == (status, code, intent)
    assert stripe_sandbox.read(invoice.id).status == "open"


def test_the_balance_is_what_was_earned_pending_until_it_can_be_paid_out(stripe_sandbox: StripeSandbox) -> None:
    balance = stripe_sandbox.client.v1.balance
    assert [(each.amount, each.currency) for each in balance.retrieve().available] == [(0, "eur")]

    pay(stripe_sandbox, stripe_sandbox.open_invoice(stripe_sandbox.customer().id).id)
    charge = stripe_sandbox.client.v1.charges.list().data[0]
    moved = stripe_sandbox.client.v1.balance_transactions.retrieve(str(charge.balance_transaction))
    early = balance.retrieve()
    stripe_sandbox.advance(8 * 86_400)
    late = balance.retrieve()

    assert (early.available[0].amount, early.pending[0].amount) == (0, moved.net)
    assert (late.available[0].amount, late.pending[0].amount, late.livemode) == (moved.net, 0, False)
