"""How an invoice leaves draft and how it ends unpaid: finalize, void, mark uncollectible.

Owns: numbers, the customer's balance, and the payment that finalization prepares. Refuses to know: cards.
Z1  numbers have no gaps and no repeats: one is used only in the transaction that finalizes.
Z2  finalization copies the customer for good; no later change of theirs reaches the invoice.
Z3  nothing leaves `paid` or `void`.
"""

from typing import Final

from ileen.sandbox.stripe import events, invoices
from ileen.sandbox.stripe.doubts import variant
from ileen.sandbox.stripe.errors import Json, refused
from ileen.sandbox.stripe.store import Tx, random_text

CHARGED_MIN: Final = 50
"""Cents below which Stripe charges no card: the customer's balance carries the amount to the next invoice."""


def finalized(tx: Tx, id_: str, *, auto_advance: bool | None = None) -> Json:
    """Finalize a draft. Raises: ApiError when it is no draft, has no lines, or automatic tax finds no location."""
    body = tx.get("invoice", id_)
    if body["status"] != "draft":
        code = {"none": None}.get(variant(tx, "refinalize_code"), "invoice_not_editable")
        raise refused("This invoice is already finalized, you can't re-finalize a non-draft invoice.", code=code)
    if auto_advance is not None:
        body["auto_advance"] = auto_advance
    customer = tx.get("customer", body["customer"])
    invoices.recomputed(tx, body)
    if body["automatic_tax"]["status"] == "requires_location_inputs":
        raise _without_location(tx, body)
    if customer["currency"] is None:
        customer["currency"] = body["currency"]
    body.update(invoices.customer_snapshot(tx, customer))
    body["number"] = _next_number(tx, customer)
    body["status"] = "open"
    body["status_transitions"]["finalized_at"] = tx.now
    body["effective_at"] = body["effective_at"] or tx.now
    body["automatically_finalizes_at"] = None
    body["last_finalization_error"] = None
    _apply_balance(body, customer)
    events.update(tx, customer, "customer.updated")
    _open_payment(tx, body)
    tx.save(body)
    events.emit(tx, "invoice.finalized", body)
    if body["amount_due"] == 0:
        paid(tx, body)
    return body


def paid(tx: Tx, body: Json) -> None:
    """Turn an invoice paid (its amounts already say so), save it and say so."""
    body["status"] = "paid"
    body["status_transitions"]["paid_at"] = tx.now
    body["attempted"] = True
    body["amount_remaining"] = 0
    body["next_payment_attempt"] = None
    tx.save(body)
    events.emit(tx, "invoice.paid", body)
    events.emit(tx, "invoice.payment_succeeded", body)


def voided(tx: Tx, id_: str) -> Json:
    """Void an open or uncollectible invoice and cancel its payment. Raises: ApiError for any other."""
    body = tx.get("invoice", id_)
    if body["status"] not in {"open", "uncollectible"}:
        raise refused(
            f"You can only pass in open invoices. This invoice isn't open; it has a status of {body['status']}."
        )
    payment = default_payment(tx, id_)
    intent = payment and tx.get("payment_intent", payment["payment"]["payment_intent"])
    if intent and intent["status"] == "processing":
        raise refused("This invoice has a payment that is processing; it can't be voided.")
    body["status"] = "void"
    body["status_transitions"]["voided_at"] = tx.now
    body["next_payment_attempt"] = None
    cancel_payments(tx, id_)
    _return_balance(tx, body)
    tx.save(body)
    events.emit(tx, "invoice.voided", body)
    return body


def uncollectible(tx: Tx, id_: str) -> Json:
    """Give an open invoice up; it can still be paid or voided. Raises: ApiError for any other."""
    body = tx.get("invoice", id_)
    if body["status"] != "open":
        raise refused(
            f"You can only pass in open invoices. This invoice isn't open; it has a status of {body['status']}."
        )
    body["status"] = "uncollectible"
    body["status_transitions"]["marked_uncollectible_at"] = tx.now
    body["next_payment_attempt"] = None
    tx.save(body)
    events.emit(tx, "invoice.marked_uncollectible", body)
    return body


def cancel_payments(tx: Tx, id_: str) -> None:
    """Cancel what is still to be paid of an invoice, because it is void."""
    for payment in tx.select("invoice_payment", invoice=id_):
        if payment["status"] != "open":
            continue
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = tx.now
        tx.save(payment)
        intent = tx.get("payment_intent", payment["payment"]["payment_intent"])
        intent.update(status="canceled", canceled_at=tx.now, cancellation_reason="void_invoice", next_action=None)
        tx.save(intent)
        events.emit(tx, "payment_intent.canceled", intent)


def default_payment(tx: Tx, id_: str) -> Json | None:
    """Return an invoice's default InvoicePayment."""
    return next((one for one in tx.select("invoice_payment", invoice=id_) if one["is_default"]), None)


def _next_number(tx: Tx, customer: Json) -> str:
    if tx.setting("numbering") == "account":
        prefix = tx.setting("number_prefix") or random_text(8).upper()
        sequence = int(tx.setting("number_next") or 1)
        tx.set("number_prefix", prefix)
        tx.set("number_next", str(sequence + 1))
        return f"{prefix}-{sequence:04d}"
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = sequence + 1
    return f"{customer['invoice_prefix']}-{sequence:04d}"


def _apply_balance(body: Json, customer: Json) -> None:
    """Use the customer's credit, add their debt, and leave what is too little to charge on the balance."""
    start = customer["balance"]
    due = body["total"] + start
    end = 0
    if due < 0 or due < CHARGED_MIN:
        due, end = 0, due
    body["starting_balance"], body["ending_balance"] = start, end
    body["amount_due"] = body["amount_remaining"] = due
    customer["balance"] = end


def _return_balance(tx: Tx, body: Json) -> None:
    """Give back what finalization took from, or put on, the customer's balance; a deleted customer has none."""
    customer = tx.find("customer", body["customer"])
    if customer is None or customer.get("_deleted"):
        return
    customer["balance"] += body["starting_balance"] - (body["ending_balance"] or 0)
    events.update(tx, customer, "customer.updated")


def _open_payment(tx: Tx, body: Json) -> None:
    if body["amount_due"] == 0:
        return
    intent = tx.save(_intent(tx, body))
    tx.save(
        {
            "id": tx.mint("inpay"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": body["amount_due"],
            "created": tx.now,
            "currency": body["currency"],
            "invoice": body["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )
    events.emit(tx, "payment_intent.created", intent)


def _intent(tx: Tx, body: Json) -> Json:
    id_ = tx.mint("pi")
    none: Json = dict.fromkeys(
        (
            "application", "application_fee_amount", "automatic_payment_methods", "canceled_at",
            "cancellation_reason", "customer_account", "excluded_payment_method_types", "last_payment_error",
            "latest_charge", "next_action", "on_behalf_of", "payment_method",
            "payment_method_configuration_details", "processing", "receipt_email", "review", "setup_future_usage",
            "shipping", "source", "statement_descriptor", "statement_descriptor_suffix", "transfer_data",
            "transfer_group",
        )
    )  # fmt: skip
    types = body["payment_settings"]["payment_method_types"] or ["card"]
    return {
        **none,
        "id": id_,
        "object": "payment_intent",
        "allowed_payment_method_types": types,
        "amount": body["amount_due"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": "automatic",
        "client_secret": f"{id_}_secret_{random_text(25)}",
        "confirmation_method": "automatic",
        "created": tx.now,
        "currency": body["currency"],
        "customer": body["customer"],
        "description": f"Payment for Invoice {body['number']}",
        "livemode": False,
        "metadata": {},
        "payment_details": {"customer_reference": None, "order_reference": body["id"]},
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": types,
        "status": "requires_payment_method",
    }


def _without_location(tx: Tx, body: Json) -> Exception:
    """Record that automatic tax could not be computed; the draft stays, with no number used."""
    message = (
        "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate "
        "tax."
    )
    body["automatic_tax"]["disabled_reason"] = None
    body["last_finalization_error"] = {
        "code": "customer_tax_location_invalid", "message": message, "type": "invalid_request_error",
        "doc_url": "https://stripe.com/docs/error-codes/customer-tax-location-invalid",
    }  # fmt: skip
    tx.save(body)
    events.emit(tx, "invoice.finalization_failed", body)
    return refused(message, code="customer_tax_location_invalid", keep=True)
