"""The offline Stripe's invoices before and around finalization: items, numbers, balances, what is frozen."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from stripe_sandbox import Receiver, StripeSandbox, receiver, stripe_process, stripe_sandbox

__all__ = ["receiver", "stripe_process", "stripe_sandbox"]


def test_pending_items_are_ignored_unless_included(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()
    client = stripe_sandbox.client.v1
    for cents in (100, 200):
        client.invoice_items.create({"customer": customer.id, "amount": cents, "currency": "eur"})

    without = client.invoices.create({"customer": customer.id, "currency": "eur"})
    including = client.invoices.create(
        {"customer": customer.id, "currency": "eur", "pending_invoice_items_behavior": "include"}
    )

    assert (without.lines.data, without.total) == ([], 0)
    assert [line.amount for line in including.lines.data] == [100, 200] and including.total == 300
    assert client.invoice_items.list({"customer": customer.id, "pending": True}).data == []


def test_only_drafts_take_items_change_their_content_or_are_deleted(
    stripe_sandbox: StripeSandbox, receiver: Receiver
) -> None:
    customer = stripe_sandbox.customer()
    client = stripe_sandbox.client.v1
    opened, draft = stripe_sandbox.open_invoice(customer.id), stripe_sandbox.draft(customer.id)
    item = {"customer": customer.id, "invoice": opened.id, "amount": 1, "currency": "eur"}

    with pytest.raises(stripe.InvalidRequestError) as late:
        client.invoice_items.create(item)
    with pytest.raises(stripe.InvalidRequestError):
        client.invoices.update(opened.id, {"footer": "too late"})
    with pytest.raises(stripe.InvalidRequestError):
        client.invoices.delete(opened.id)
    client.invoices.update(opened.id, {"metadata": {"purchase_id": "pur_1"}})
    deleted = client.invoices.delete(draft.id)

    assert late.value.code == "invoice_not_editable"
    assert deleted.deleted
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.invoices.retrieve(draft.id)
    assert gone.value.http_status == 404
    stripe_sandbox.deliver()
    assert [event["data"]["object"]["id"] for event in receiver.of("invoice.deleted")] == [draft.id]


def test_lines_can_be_added_and_items_changed_and_deleted_on_a_draft(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()
    client = stripe_sandbox.client.v1
    draft = stripe_sandbox.draft(customer.id)
    product = client.products.create({"name": "Credits"}).id
    price = {"currency": "eur", "product": product, "unit_amount": 100, "tax_behavior": "exclusive"}

    grown = client.invoices.add_lines(draft.id, {"lines": [{"quantity": 5, "price_data": price}]})
    first, second = client.invoice_items.list({"invoice": draft.id}).data[::-1]
    client.invoice_items.update(first.id, {"amount": 1000})
    client.invoice_items.delete(second.id)

    assert (grown.subtotal, grown.total) == (5500, 6545)
    after = client.invoices.retrieve(draft.id)
    assert (after.subtotal, after.total) == (1000, 1190)
    assert [line.amount for line in client.invoices.line_items.list(draft.id).data] == [1000]


def test_finalization_freezes_the_customer_and_prepares_the_payment(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()
    client = stripe_sandbox.client.v1

    opened = stripe_sandbox.open_invoice(customer.id)
    client.customers.update(customer.id, {"name": "Eve", "address": {"country": "FR"}})

    after = client.invoices.retrieve(opened.id, {"expand": ["confirmation_secret", "payments"]})
    assert (after.customer_name, after.customer_address.country, after.total) == ("Ada", "DE", 5950)
    [payment] = after.payments.data
    assert (payment.is_default, payment.status, payment.amount_requested, payment.amount_paid) == (
        True, "open", 5950, None,
    )  # fmt: skip
    intent = payment.payment.payment_intent
    assert after.confirmation_secret.client_secret.startswith(intent)
    [found] = client.invoice_payments.list({"payment": {"type": "payment_intent", "payment_intent": intent}}).data
    assert found.invoice == opened.id


@pytest.mark.parametrize("numbering", ["customer", "account"])
def test_numbers_have_no_gaps_and_no_repeats(stripe_sandbox: StripeSandbox, numbering: str) -> None:
    stripe_sandbox.control("settings", numbering=numbering)
    customers = [stripe_sandbox.customer(card=None) for _ in range(2)]
    drafts = [stripe_sandbox.draft(customer.id) for customer in customers for _ in range(3)]
    numbers: list[str] = []

    def finalize(invoice: str) -> None:
        numbers.append(stripe_sandbox.client.v1.invoices.finalize_invoice(invoice).number)

    threads = [threading.Thread(target=finalize, args=(draft.id,)) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    prefixes = {number.rsplit("-", 1)[0] for number in numbers}
    sequences = sorted(int(number.rsplit("-", 1)[1]) for number in numbers)
    assert len(prefixes) == (1 if numbering == "account" else 2)
    assert sequences == ([1, 2, 3, 4, 5, 6] if numbering == "account" else [1, 1, 2, 2, 3, 3])
    assert ("next_invoice_sequence" in customers[0]) == (numbering == "customer")


def test_finalizing_twice_is_refused(stripe_sandbox: StripeSandbox) -> None:
    opened = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)

    with pytest.raises(stripe.InvalidRequestError, match="already finalized"):
        stripe_sandbox.client.v1.invoices.finalize_invoice(opened.id)


def test_without_a_place_finalization_fails_and_uses_no_number(
    stripe_sandbox: StripeSandbox, receiver: Receiver
) -> None:
    customer = stripe_sandbox.customer(card=None, address={})
    draft = stripe_sandbox.draft(customer.id)
    client = stripe_sandbox.client.v1

    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.invoices.finalize_invoice(draft.id)

    assert caught.value.code == "customer_tax_location_invalid"
    after = client.invoices.retrieve(draft.id)
    assert (after.status, after.number, after.automatic_tax.status) == ("draft", None, "requires_location_inputs")
    assert after.last_finalization_error.code == "customer_tax_location_invalid"
    stripe_sandbox.deliver()
    assert receiver.of("invoice.finalization_failed")
    client.customers.update(customer.id, {"address": {"country": "DE"}})
    assert client.invoices.finalize_invoice(draft.id).number.endswith("-0001")


def test_the_rate_at_finalization_counts(stripe_sandbox: StripeSandbox) -> None:
    """Estonia went from 22 to 24 % at the start of July 2025."""
    stripe_sandbox.reset(now=int(datetime(2025, 6, 30, 23, tzinfo=UTC).timestamp()))
    customer = stripe_sandbox.customer(card=None, address={"country": "EE"})
    draft = stripe_sandbox.draft(customer.id)

    stripe_sandbox.advance(2 * 3600)
    finalized = stripe_sandbox.client.v1.invoices.finalize_invoice(draft.id)

    assert (draft.total, finalized.total) == (6100, 6200)


def test_a_rate_with_a_decimal_is_exact(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer(card=None, address={"country": "FI"})

    totals = [stripe_sandbox.open_invoice(customer.id, cents=cents).total for cents in (10_000, 5001, 502)]

    assert totals == [12_550, 6276, 630]


def test_less_than_fifty_cents_is_paid_by_the_balance_alone(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()

    small = stripe_sandbox.open_invoice(customer.id, cents=40)

    assert (small.status, small.amount_due, small.ending_balance, small.total) == ("paid", 0, 48, 48)
    assert stripe_sandbox.read(small.id).payments.data == []
    assert stripe_sandbox.client.v1.customers.retrieve(customer.id).balance == 48
    assert stripe_sandbox.client.v1.charges.list().data == []


def test_an_invoice_of_nothing_is_paid_when_finalized(stripe_sandbox: StripeSandbox) -> None:
    nothing = stripe_sandbox.open_invoice(stripe_sandbox.customer().id, cents=0)

    assert (nothing.status, nothing.total) == ("paid", 0)


def test_a_credit_on_the_customers_balance_is_used_first(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer(balance=-1000)

    part = stripe_sandbox.open_invoice(customer.id)
    stripe_sandbox.client.v1.customers.update(customer.id, {"balance": -9000})
    whole = stripe_sandbox.open_invoice(customer.id)

    assert (part.starting_balance, part.ending_balance, part.amount_due) == (-1000, 0, 4950)
    assert (whole.status, whole.amount_due, whole.ending_balance) == ("paid", 0, -3050)


def test_pay_finalizes_a_draft_first(stripe_sandbox: StripeSandbox) -> None:
    draft = stripe_sandbox.draft(stripe_sandbox.customer().id)

    paid = stripe_sandbox.client.v1.invoices.pay(draft.id)

    assert paid.status == "paid" and paid.number


def test_an_open_invoice_can_be_paid_on_its_page_until_it_is_void(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer("pm_card_chargeCustomerFail")
    first, second = stripe_sandbox.open_invoice(customer.id), stripe_sandbox.open_invoice(customer.id)
    for invoice in (first, second):
        with pytest.raises(stripe.CardError):
            stripe_sandbox.client.v1.invoices.pay(invoice.id)
    stripe_sandbox.client.v1.invoices.void_invoice(second.id)

    stripe_sandbox.control(f"dashboard/invoices/{first.id}/pay", number="4242424242424242")
    with pytest.raises(AssertionError, match="not open"):
        stripe_sandbox.control(f"dashboard/invoices/{second.id}/pay", number="4242424242424242")

    assert [stripe_sandbox.read(one.id).status for one in (first, second)] == ["paid", "void"]


def test_an_uncollectible_invoice_can_still_be_paid(stripe_sandbox: StripeSandbox) -> None:
    opened = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)

    given_up = stripe_sandbox.client.v1.invoices.mark_uncollectible(opened.id)

    assert given_up.status == "uncollectible"
    assert stripe_sandbox.client.v1.invoices.pay(opened.id).status == "paid"


def test_an_invoice_that_advances_by_itself_is_finalized_charged_and_tried_again(
    stripe_sandbox: StripeSandbox, receiver: Receiver
) -> None:
    customer = stripe_sandbox.customer("pm_card_chargeCustomerFail")
    forgetful, careful = (stripe_sandbox.draft(customer.id, auto_advance=by_itself) for by_itself in (True, False))

    stripe_sandbox.advance(3700)

    tried = stripe_sandbox.read(forgetful.id)
    assert (tried.status, tried.attempt_count) == ("open", 1) and tried.next_payment_attempt
    stripe_sandbox.advance(20 * 86_400)
    assert stripe_sandbox.read(forgetful.id).attempt_count == 4
    assert len(receiver.of("invoice.payment_failed")) == 4
    assert stripe_sandbox.read(careful.id).status == "draft"


def test_an_invoice_that_finds_no_card_is_not_tried_for_ever(stripe_sandbox: StripeSandbox) -> None:
    draft = stripe_sandbox.draft(stripe_sandbox.customer(card=None).id, auto_advance=True)

    stripe_sandbox.advance(3700)
    tried = stripe_sandbox.read(draft.id)
    stripe_sandbox.advance(365 * 86_400)

    after = stripe_sandbox.read(draft.id)
    assert tried.next_payment_attempt and after.next_payment_attempt == tried.next_payment_attempt + 12 * 86_400
    assert (after.status, after.attempt_count) == ("open", 0)


def test_money_that_came_another_way_pays_with_no_charge(stripe_sandbox: StripeSandbox) -> None:
    opened = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)

    paid = stripe_sandbox.client.v1.invoices.pay(opened.id, {"paid_out_of_band": True, "expand": ["payments"]})

    assert (paid.status, paid.amount_paid) == ("paid", 5950)
    assert [one.status for one in paid.payments.data] == ["canceled"]
    assert stripe_sandbox.client.v1.charges.list().data == []


def test_a_price_names_a_product_that_exists(stripe_sandbox: StripeSandbox) -> None:
    client = stripe_sandbox.client.v1
    draft = client.invoices.create({"customer": stripe_sandbox.customer().id, "currency": "eur"})
    product = client.products.create({"name": "Credits", "metadata": {"ileen": "credits"}})

    def item(product_id: str) -> Any:
        price = {"currency": "eur", "product": product_id, "unit_amount": 100, "tax_behavior": "exclusive"}
        return client.invoice_items.create({"customer": draft.customer, "invoice": draft.id, "price_data": price})

    with pytest.raises(stripe.InvalidRequestError, match="No such product"):
        item("prod_none")
    changed = client.products.update(product.id, {"tax_code": "txcd_10000000", "active": False})

    assert item(product.id).pricing.price_details.product == product.id
    assert (changed.tax_code, changed.active, changed.name) == ("txcd_10000000", False, "Credits")
    assert client.products.list({"active": True}).data == []
