"""The judge of the offline Stripe's traffic catches what it is there for."""

from typing import Any

import pytest
import stripe

from stripe_types import Exchange, answer_drift, decode, error_drift, event_drift, params_drift, route_of, routes

REFUND: dict[str, Any] = {
    "id": "re_1", "object": "refund", "amount": 3570, "balance_transaction": None, "charge": "ch_1", "created": 1,
    "currency": "eur", "metadata": {}, "payment_intent": "pi_1", "reason": None, "receipt_number": None,
    "source_transfer_reversal": None, "status": "succeeded", "transfer_reversal": None,
}  # fmt: skip
EVENT: dict[str, Any] = {
    "id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": 1, "livemode": False,
    "pending_webhooks": 1, "request": {"id": None, "idempotency_key": None}, "type": "refund.updated",
    "data": {"object": REFUND, "previous_attributes": {"status": "pending"}},
}  # fmt: skip


def test_the_sdk_is_the_version_everything_here_is_written_for() -> None:
    assert stripe.api_version == "2026-10-28.endive"


def test_every_route_of_the_sdk_is_found_with_its_parameters_and_its_answer() -> None:
    route = route_of("get", "/v1/credit_notes/preview")

    assert len(routes()) > 400
    assert (route.path, route.params, route.answer) == (
        "/v1/credit_notes/preview", stripe.params.CreditNotePreviewParams, stripe.CreditNote,
    )  # fmt: skip


def test_a_true_answer_passes() -> None:
    assert [*answer_drift(REFUND, stripe.Refund, "refund")] == []
    assert event_drift(EVENT) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"invoice": "in_1"}, "refund.invoice: not a field of Refund"),
        ({"amount": "3570"}, "refund.amount: int was declared, not '3570'"),
        ({"amount": None}, "refund.amount: int was declared, not None"),
        ({"amount": True}, "refund.amount: int was declared, not True"),
        ({"reason": "withdrawal"}, "refund.reason: 'withdrawal' is none of"),
        ({"charge": {"id": "ch_1", "object": "charge", "invoice": "in_1"}}, "refund.charge.invoice: not a field of Ch"),
        ({"metadata": {"purchase_id": 7}}, "refund.metadata.purchase_id: str was declared, not 7"),
        ({"destination_details": {"card": {"type": "gift"}, "type": "card"}}, "refund.destination_details.card.type:"),
    ],
)
def test_a_drifted_answer_is_named_by_its_field(change: dict[str, Any], found: str) -> None:
    drift = [*answer_drift(REFUND | change, stripe.Refund, "refund")]

    assert any(one.startswith(found) for one in drift), drift


def test_a_field_that_is_never_absent_is_missed() -> None:
    short = {name: value for name, value in REFUND.items() if name != "currency"}

    assert [*answer_drift(short, stripe.Refund, "refund")] == ["refund.currency: never absent from a Refund"]


def test_fields_removed_from_invoices_are_refused() -> None:
    removed = {"payment_intent": None, "charge": None, "paid": True, "tax": 0, "total_tax_amounts": []}

    drift = [*answer_drift({"object": "invoice", **removed}, stripe.Invoice, "invoice")]

    assert {f"invoice.{name}: not a field of Invoice" for name in removed} <= {*drift}


def test_an_event_is_judged_with_the_object_in_it() -> None:
    changed = EVENT | {
        "type": "refund.sent",
        "data": {"object": REFUND | {"invoice": "in_1"}, "previous_attributes": {"x": 1}},
    }

    drift = event_drift(changed)

    assert [one.split(":")[0] for one in drift] == [
        "event.type", "event.data.object.invoice", "event.data.previous_attributes.x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (
            "invoice=in_1&lines[0][type]=invoice_line_item&lines[0][amount]=3000&refund_amount=3570&email_type=none",
            None,
        ),
        ("invoice=in_1&lines%5B0%5D%5Btype%5D=invoice_line_item&expand[]=refunds.refund", None),
        ("lines[0][type]=invoice_line_item", "request[invoice]: required by CreditNoteCreateParams"),
        ("invoice=in_1&refund=re_1", "request[refund]: not a parameter of CreditNoteCreateParams"),
        ("invoice=in_1&refund_amount=35.70", "request[refund_amount]: int was declared, not '35.70'"),
        ("invoice=in_1&reason=withdrawal", "request[reason]: 'withdrawal' is none of"),
        ("invoice=in_1&lines[0][type]=invoice_line_item&lines[0][tax]=1", "request[lines][0][tax]: not a parameter"),
        ("invoice=in_1&lines[first][type]=invoice_line_item", "request[lines][first]: not an index"),
        ("invoice=in_1&email_type[x]=1", "request[email_type]: {'x': '1'} is none of"),
        ("invoice=in_1&memo[x]=1", "request[memo]: str was declared"),
    ],
)
def test_parameters_are_judged_as_the_sdk_declares_them(query: str, found: str | None) -> None:
    drift = [*params_drift(decode(query), stripe.params.CreditNoteCreateParams, "request")]

    assert drift == [] if found is None else any(one.startswith(found) for one in drift), drift


def test_errors_leave_nulls_out_and_carry_known_fields_only() -> None:
    error = {"type": "card_error", "message": "Your card was declined.", "code": "card_declined"}

    assert [*error_drift({"error": error})] == []
    assert [*error_drift({"error": error | {"param": None, "hint": "x"}})] == [
        "error.hint: not a field of errors", "error.param: null is left out",
    ]  # fmt: skip
    assert [*error_drift({"error": {"message": "?"}})] == ["error: a type and a message are always there"]


def test_an_exchange_is_named_by_its_route() -> None:
    exchange = Exchange("get", "http://127.0.0.1/v1/refunds/re_1?expand[0]=charge&x=1", "", 200, '{"object": "refund"}')

    drift = exchange.drift()

    assert "GET /v1/refunds/re_1: request[x]: not a parameter of RefundRetrieveParams" in drift
    assert "GET /v1/refunds/re_1: answer.id: never absent from a Refund" in drift
