"""The offline Stripe gives money back: credit notes, refunds and disputes, by the official SDK."""

from typing import Any

import pytest
import stripe

from stripe_sandbox import Receiver, StripeSandbox, receiver, stripe_process, stripe_sandbox

__all__ = ["receiver", "stripe_process", "stripe_sandbox"]


def paid(sandbox: StripeSandbox, card: str = "pm_card_visa", cents: int = 5000, **given: Any) -> Any:
    """Return a paid invoice over `cents` net and German VAT."""
    invoice = sandbox.open_invoice(sandbox.customer(card, **given).id, cents)
    return sandbox.client.v1.invoices.pay(invoice.id, {"off_session": False})


def line(invoice: Any, cents: int) -> list[dict[str, Any]]:
    return [{"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": cents}]


def note(sandbox: StripeSandbox, invoice: Any, **given: Any) -> Any:
    return sandbox.client.v1.credit_notes.create({"invoice": invoice.id, "email_type": "none", **given})


def charge(sandbox: StripeSandbox, invoice: Any) -> Any:
    payment = sandbox.read(invoice.id).payments.data[0].payment
    intent = sandbox.client.v1.payment_intents.retrieve(payment.payment_intent, {"expand": ["latest_charge"]})
    return intent.latest_charge


def dispute(sandbox: StripeSandbox, invoice: Any) -> Any:
    return sandbox.client.v1.disputes.list({"charge": charge(sandbox, invoice).id}).data[0]


def test_unused_credits_are_refunded_by_a_credit_note(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    """The sheet's example: 30 of 50 credits at 19 % are 3000 + 570 = 3570 cents."""
    invoice = paid(stripe_sandbox)

    made = note(
        stripe_sandbox, invoice, lines=line(invoice, 3000), refund_amount=3570, memo="Unused credits",
        metadata={"refund_id": "rf_1"}, expand=["refunds.refund"],
    )  # fmt: skip

    assert (made.subtotal, made.total_excluding_tax, made.total, made.status) == (3000, 3000, 3570, "issued")
    assert (made.pre_payment_amount, made.post_payment_amount, made.type) == (0, 3570, "post_payment")
    assert made.number == f"{invoice.number}-CN-01" and made.memo == "Unused credits"
    [tax] = made.total_taxes
    assert (tax.amount, tax.taxable_amount, tax.taxability_reason) == (570, 3000, "standard_rated")
    assert [(one.amount, one.taxes[0].amount) for one in made.lines.data] == [(3000, 570)]
    [refund] = made.refunds
    assert (refund.amount_refunded, refund.refund.amount, refund.refund.status) == (3570, 3570, "succeeded")
    after = stripe_sandbox.read(invoice.id)
    assert (after.status, after.post_payment_credit_notes_amount, after.amount_paid) == ("paid", 3570, 5950)
    assert charge(stripe_sandbox, invoice).amount_refunded == 3570
    stripe_sandbox.deliver()
    assert {"credit_note.created", "refund.created", "charge.refunded"} <= set(receiver.types())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"refund_amount": 3570}, "exactly one of amount, lines"),
        ({"amount": 3570, "lines": "line", "refund_amount": 3570}, "exactly one of amount, lines"),
        ({"lines": "line", "refund_amount": 3000}, "must equal the post payment amount"),
        ({"lines": "line"}, "must equal the post payment amount"),
        ({"lines": "line", "refund_amount": 3570, "out_of_band_amount": 1}, "must equal the post payment amount"),
        ({"amount": 5951, "refund_amount": 5951}, "exceeds the maximum"),
        ({"amount": 0, "refund_amount": 0}, "positive integer"),
    ],
)
def test_sums_that_do_not_meet_are_refused(given: dict[str, Any], said: str, stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox)
    wanted = {name: line(invoice, 3000) if value == "line" else value for name, value in given.items()}

    with pytest.raises(stripe.InvalidRequestError, match=said):
        note(stripe_sandbox, invoice, **wanted)

    assert stripe_sandbox.client.v1.credit_notes.list({"invoice": invoice.id}).data == []
    assert charge(stripe_sandbox, invoice).amount_refunded == 0


@pytest.mark.parametrize(
    "lines",
    [
        [{"type": "custom_line_item", "description": "Goodwill", "quantity": 1, "unit_amount": 100}],
        [{"type": "invoice_line_item", "amount": 100, "tax_rates": ["txr_1"]}],
        [{"type": "invoice_line_item", "invoice_line_item": "il_none", "amount": 100}],
        "too much of the line",
        "amount and quantity",
    ],
)  # fmt: skip
def test_lines_that_do_not_fit_automatic_tax_or_the_invoice_are_refused(
    lines: Any, stripe_sandbox: StripeSandbox
) -> None:
    invoice = paid(stripe_sandbox)
    if lines == "too much of the line":
        lines = line(invoice, 5001)
    elif lines == "amount and quantity":
        lines = [{**line(invoice, 100)[0], "quantity": 1}]

    with pytest.raises(stripe.InvalidRequestError) as caught:
        note(stripe_sandbox, invoice, lines=lines, refund_amount=119)

    assert caught.value.http_status == 400


def test_a_preview_equals_what_is_created_and_changes_nothing(stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox)
    params = {"invoice": invoice.id, "lines": line(invoice, 3333)}

    preview = stripe_sandbox.client.v1.credit_notes.preview(params)
    lines = stripe_sandbox.client.v1.credit_notes.preview_lines.list(params)

    assert stripe_sandbox.client.v1.credit_notes.list().data == []
    assert stripe_sandbox.read(invoice.id).post_payment_credit_notes_amount == 0
    made = note(stripe_sandbox, invoice, lines=line(invoice, 3333), refund_amount=preview.total)
    same = ("subtotal", "total", "total_excluding_tax", "post_payment_amount", "number", "type")
    assert [preview[name] for name in same] == [made[name] for name in same]
    assert [one.amount for one in lines.data] == [one.amount for one in made.lines.data] == [3333]
    assert preview.total == 3333 + 633


def test_notes_and_direct_refunds_together_never_exceed_what_was_paid(stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox)
    stripe_sandbox.client.v1.refunds.create({"charge": charge(stripe_sandbox, invoice).id, "amount": 1000})
    note(stripe_sandbox, invoice, amount=2000, refund_amount=2000)

    with pytest.raises(stripe.InvalidRequestError, match="exceeds the maximum"):
        note(stripe_sandbox, invoice, amount=2951, refund_amount=2951)
    note(stripe_sandbox, invoice, amount=2950, refund_amount=2950)

    after = charge(stripe_sandbox, invoice)
    assert (after.amount_refunded, after.refunded) == (5950, True)


def test_a_refund_made_before_can_be_linked_to_one_note_only(stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox)
    refund = stripe_sandbox.client.v1.refunds.create({"charge": charge(stripe_sandbox, invoice).id, "amount": 1190})
    linked = {"lines": line(invoice, 1000), "refunds": [{"refund": refund.id}]}

    with pytest.raises(stripe.InvalidRequestError, match="exceeds the maximum"):
        note(stripe_sandbox, invoice, amount=5950, refund_amount=5950)
    made = note(stripe_sandbox, invoice, **linked)
    with pytest.raises(stripe.InvalidRequestError, match="another invoice or credit note"):
        note(stripe_sandbox, invoice, **linked)

    assert made.refunds[0].refund == refund.id
    assert charge(stripe_sandbox, invoice).amount_refunded == 1190


def test_money_returned_outside_stripe_makes_no_refund(stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox)

    made = note(stripe_sandbox, invoice, lines=line(invoice, 1000), out_of_band_amount=1190)

    assert (made.out_of_band_amount, made.refunds) == (1190, [])
    assert charge(stripe_sandbox, invoice).amount_refunded == 0


def test_credit_goes_to_the_customers_balance(stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox)

    made = note(stripe_sandbox, invoice, lines=line(invoice, 1000), credit_amount=1190)

    assert made.customer_balance_transaction
    assert stripe_sandbox.client.v1.customers.retrieve(invoice.customer).balance == -1190


def test_a_note_on_an_open_invoice_lowers_what_is_owed(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)

    first = note(stripe_sandbox, invoice, lines=line(invoice, 1000))
    lowered = stripe_sandbox.read(invoice.id)
    note(stripe_sandbox, invoice, amount=lowered.amount_remaining)
    after = stripe_sandbox.read(invoice.id)

    assert (first.pre_payment_amount, first.post_payment_amount, first.type) == (1190, 0, "pre_payment")
    assert (lowered.status, lowered.amount_remaining, lowered.pre_payment_credit_notes_amount) == ("open", 4760, 1190)
    assert lowered.payments.data[0].amount_requested == 4760
    assert (after.status, after.amount_remaining, after.amount_paid) == ("paid", 0, 0)
    stripe_sandbox.deliver()
    assert "invoice.paid" in receiver.types() and "charge.succeeded" not in receiver.types()


def test_a_note_is_voided_only_before_money_has_gone(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    unpaid = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    early = note(stripe_sandbox, unpaid, lines=line(unpaid, 1000))
    invoice = paid(stripe_sandbox)
    late = note(stripe_sandbox, invoice, lines=line(invoice, 1000), refund_amount=1190)

    voided = stripe_sandbox.client.v1.credit_notes.void_credit_note(early.id)

    assert (voided.status, stripe_sandbox.read(unpaid.id).amount_remaining) == ("void", 5950)
    with pytest.raises(stripe.InvalidRequestError, match="before any money"):
        stripe_sandbox.client.v1.credit_notes.void_credit_note(late.id)
    stripe_sandbox.deliver()
    assert receiver.types().count("credit_note.voided") == 1


def test_a_customer_is_mailed_unless_the_request_says_no(stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox)
    quiet = note(stripe_sandbox, invoice, lines=line(invoice, 100), refund_amount=119)

    loud = stripe_sandbox.client.v1.credit_notes.create(
        {"invoice": invoice.id, "lines": line(invoice, 100), "refund_amount": 119}
    )

    mails = stripe_sandbox.ask("mails")["mails"]
    assert [mail["credit_note"] for mail in mails] == [loud.id] != [quiet.id]


def test_many_notes_may_round_to_a_cent_too_much(stripe_sandbox: StripeSandbox) -> None:
    """Two halves of 1.00 at 19 % are 0.595 each: the second cannot be 0.60 as well."""
    invoice = paid(stripe_sandbox, cents=100)
    note(stripe_sandbox, invoice, lines=line(invoice, 50), refund_amount=60)

    with pytest.raises(stripe.InvalidRequestError, match="exceeds the maximum"):
        note(stripe_sandbox, invoice, lines=line(invoice, 50), refund_amount=60)
    rest = note(stripe_sandbox, invoice, amount=59, refund_amount=59)

    assert (rest.subtotal, rest.total) == (50, 59)


def test_the_last_note_may_take_the_rest_of_the_tax(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("doubts", credit_note_rounding="last_takes_rest")
    invoice = paid(stripe_sandbox, cents=100)
    note(stripe_sandbox, invoice, lines=line(invoice, 50), refund_amount=60)

    rest = note(stripe_sandbox, invoice, lines=line(invoice, 50), refund_amount=59)

    assert (rest.subtotal, rest.total) == (50, 59)


@pytest.mark.parametrize("country", ["DE", "FI"])
def test_thirty_three_partial_refunds_add_up_to_the_invoice(country: str, stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("doubts", credit_note_rounding="last_takes_rest")
    invoice = paid(stripe_sandbox, cents=3300, address={"country": country, "line1": "1"})

    totals = []
    for _ in range(33):
        preview = stripe_sandbox.client.v1.credit_notes.preview({"invoice": invoice.id, "lines": line(invoice, 100)})
        totals.append(note(stripe_sandbox, invoice, lines=line(invoice, 100), refund_amount=preview.total).total)

    assert sum(totals) == invoice.total


def test_a_reverse_charge_invoice_is_credited_without_tax(stripe_sandbox: StripeSandbox) -> None:
    french = {"address": {"country": "FR", "line1": "1"}, "tax_id_data": [{"type": "eu_vat", "value": "FR40303265045"}]}
    invoice = paid(stripe_sandbox, **french)

    made = note(stripe_sandbox, invoice, lines=line(invoice, 3000), refund_amount=3000)

    assert (made.total, made.total_taxes[0].taxability_reason) == (3000, "reverse_charge")


def test_two_refunds_add_up_on_the_charge(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = paid(stripe_sandbox)
    id_ = charge(stripe_sandbox, invoice).id

    first = stripe_sandbox.client.v1.refunds.create({"charge": id_, "amount": 1000, "metadata": {"why": "a"}})
    stripe_sandbox.client.v1.refunds.create({"payment_intent": first.payment_intent, "amount": 1500})
    stripe_sandbox.client.v1.refunds.update(first.id, {"metadata": {"why": "b"}})
    stripe_sandbox.deliver()

    assert charge(stripe_sandbox, invoice).amount_refunded == 2500
    assert sorted(one["data"]["object"]["amount_refunded"] for one in receiver.of("charge.refunded")) == [1000, 2500]
    assert receiver.of("refund.updated")[0]["data"]["previous_attributes"] == {"metadata": {"why": "a"}}
    listed = stripe_sandbox.client.v1.refunds.list({"charge": id_}).data
    assert [one.amount for one in listed] == [1500, 1000]


def test_more_than_is_left_or_nothing_is_not_refunded(stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox)
    id_ = charge(stripe_sandbox, invoice).id

    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        stripe_sandbox.client.v1.refunds.create({"charge": id_, "amount": 5951})
    stripe_sandbox.client.v1.refunds.create({"charge": id_})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stripe_sandbox.client.v1.refunds.create({"charge": id_})

    assert caught.value.code == "charge_already_refunded"


def test_a_refund_can_fail_after_it_succeeded(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = paid(stripe_sandbox, "pm_card_refundFail")
    refund = stripe_sandbox.client.v1.refunds.create({"charge": charge(stripe_sandbox, invoice).id})
    assert refund.status == "succeeded"

    stripe_sandbox.advance(3600)

    after = stripe_sandbox.client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (after.status, after.failure_reason) == ("failed", "unknown")
    assert after.failure_balance_transaction.amount == 5950
    assert charge(stripe_sandbox, invoice).amount_refunded == 0
    assert len(receiver.of("refund.failed")) == 1 and receiver.of("refund.updated")


def test_a_refund_can_take_its_time(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = paid(stripe_sandbox, "pm_card_refundPending")
    refund = stripe_sandbox.client.v1.refunds.create({"charge": charge(stripe_sandbox, invoice).id})

    stripe_sandbox.advance(3600)

    assert refund.status == "pending"
    assert stripe_sandbox.client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert receiver.of("refund.updated")[0]["data"]["previous_attributes"] == {"status": "pending"}


def test_the_next_refund_can_be_made_to_fail_whatever_its_card(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("dashboard/next_refund", outcome="succeeded_then_failed")
    invoice = paid(stripe_sandbox)
    refund = stripe_sandbox.control(f"dashboard/invoices/{invoice.id}/refund", amount=1000)

    stripe_sandbox.advance(3600)

    assert stripe_sandbox.client.v1.refunds.retrieve(refund["id"]).status == "failed"


def test_a_chargeback_takes_amount_and_fee_at_once(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = paid(stripe_sandbox, "pm_card_createDispute")
    stripe_sandbox.deliver()

    opened = dispute(stripe_sandbox, invoice)

    assert (opened.status, opened.reason, opened.amount) == ("needs_response", "fraudulent", 5950)
    assert not opened.is_charge_refundable and opened.payment_method_details.card.case_type == "chargeback"
    [taken] = opened.balance_transactions
    assert (taken.amount, taken.fee, taken.net, taken.reporting_category) == (-5950, 2000, -7950, "dispute")
    assert {"charge.dispute.created", "charge.dispute.funds_withdrawn"} <= set(receiver.types())
    assert charge(stripe_sandbox, invoice).disputed
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stripe_sandbox.client.v1.refunds.create({"charge": opened.charge})
    assert caught.value.code == "charge_disputed"


def test_a_dispute_that_is_won_brings_the_amount_back(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = paid(stripe_sandbox, "pm_card_createDisputeProductNotReceived")
    stripe_sandbox.deliver()
    opened = dispute(stripe_sandbox, invoice)

    stripe_sandbox.client.v1.disputes.update(opened.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    stripe_sandbox.deliver()

    after = stripe_sandbox.client.v1.disputes.retrieve(opened.id)
    assert (opened.reason, after.status) == ("product_not_received", "won")
    booked = [(one.amount, one.reporting_category) for one in after.balance_transactions]
    assert booked == [(-5950, "dispute"), (5950, "dispute_reversal")]
    assert after.evidence_details.has_evidence and after.evidence_details.submission_count == 1
    types = receiver.types()
    assert {"charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated"} <= set(types)


@pytest.mark.parametrize("how", ["closed by the seller", "losing evidence", "nobody answered"])
def test_a_dispute_is_lost_for_good(how: str, stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox, "pm_card_createDispute")
    stripe_sandbox.deliver()
    opened = dispute(stripe_sandbox, invoice)

    if how == "closed by the seller":
        stripe_sandbox.client.v1.disputes.close(opened.id)
    elif how == "losing evidence":
        stripe_sandbox.client.v1.disputes.update(opened.id, {"evidence": {"uncategorized_text": "losing_evidence"}})
    else:
        stripe_sandbox.advance(7 * 86_400)

    after = stripe_sandbox.client.v1.disputes.retrieve(opened.id)
    assert (after.status, len(after.balance_transactions)) == ("lost", 1)
    assert after.evidence_details.past_due is (how == "nobody answered")
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        stripe_sandbox.client.v1.disputes.close(opened.id)


def test_an_inquiry_moves_no_money_until_it_is_escalated(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = paid(stripe_sandbox, "pm_card_createDisputeInquiry")
    stripe_sandbox.deliver()
    asked = dispute(stripe_sandbox, invoice)
    assert (asked.status, asked.balance_transactions) == ("warning_needs_response", [])
    assert asked.is_charge_refundable and asked.payment_method_details.card.case_type == "inquiry"
    assert "charge.dispute.funds_withdrawn" not in receiver.types()

    evidence = {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}}
    stripe_sandbox.client.v1.disputes.update(asked.id, evidence)
    stripe_sandbox.deliver()

    after = stripe_sandbox.client.v1.disputes.retrieve(asked.id)
    assert (after.status, len(after.balance_transactions)) == ("needs_response", 1)
    assert "charge.dispute.funds_withdrawn" in receiver.types()


def test_an_inquiry_closes_by_itself_and_can_be_refunded(stripe_sandbox: StripeSandbox) -> None:
    invoice = paid(stripe_sandbox, "pm_card_createDisputeInquiry")
    stripe_sandbox.deliver()
    asked = dispute(stripe_sandbox, invoice)
    stripe_sandbox.client.v1.refunds.create({"charge": asked.charge})

    stripe_sandbox.advance(120 * 86_400)

    assert stripe_sandbox.client.v1.disputes.retrieve(asked.id).status == "warning_closed"


def test_an_early_fraud_warning_names_the_charge(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = paid(stripe_sandbox, "pm_card_createIssuerFraudRecord")
    stripe_sandbox.deliver()

    [warning] = stripe_sandbox.client.v1.radar.early_fraud_warnings.list().data

    assert warning.charge == charge(stripe_sandbox, invoice).id
    assert stripe_sandbox.client.v1.disputes.list().data == []
    assert "radar.early_fraud_warning.created" in receiver.types()


def test_a_card_can_be_disputed_twice(stripe_sandbox: StripeSandbox) -> None:
    paid(stripe_sandbox, "pm_card_createMultipleDisputes", cents=101)
    stripe_sandbox.deliver()

    assert sorted(one.amount for one in stripe_sandbox.client.v1.disputes.list().data) == [60, 60]


def test_banks_and_staff_dispute_and_decide_by_lever(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    invoice = paid(stripe_sandbox)
    prevented = stripe_sandbox.control(f"dashboard/invoices/{invoice.id}/dispute", case="prevented")
    opened = stripe_sandbox.control(f"dashboard/invoices/{invoice.id}/dispute", reason="duplicate")

    won = stripe_sandbox.control(f"dashboard/disputes/{opened['id']}/won")

    assert (prevented["status"], prevented["balance_transactions"], won["status"]) == ("prevented", [], "won")
    assert {event["request"]["id"] for event in receiver.of("charge.dispute.created")} == {None}
