"""Paying an invoice: the bank's answer, the payer's authentication, and what both do to invoice, intent and charge.

Owns: pay, the authentication step, automatic collection. Hosted pages call the same functions as the API.
Y1  an invoice is charged at most once, however often and from wherever it is paid.
Y2  a decline is recorded (failed charge, error on the intent) and answered with 402; the invoice stays open.
Y3  after the payer authenticated, the result is told by webhook alone; no API answer is left to carry it.
"""

from typing import Final

from ileen.sandbox.stripe import closing, events, payment_methods
from ileen.sandbox.stripe.cards import Decline, TestCard, asks_payer
from ileen.sandbox.stripe.charges import charged, failed
from ileen.sandbox.stripe.doubts import variant
from ileen.sandbox.stripe.due import ACTIONS
from ileen.sandbox.stripe.errors import ApiError, Json, refused
from ileen.sandbox.stripe.form import inner
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import DRESS, shown

RETRIED_AFTER_S: Final = (3 * 86_400, 5 * 86_400, 7 * 86_400)
"""When an invoice that advances by itself is tried again after each failure."""
_NEEDS_PAYER: Final = (
    "This invoice's payment requires additional user action before it can be completed successfully. Payment can be "
    "completed using the PaymentIntent associated with this invoice. For more details see: "
    "https://stripe.com/docs/billing/subscriptions/overview#requires-action"
)
_AUTHENTICATION: Final = Decline(
    "authentication_required", "authentication_required",
    "Your card was declined. This transaction requires authentication.", advice=None,
)  # fmt: skip
_NOT_AUTHENTICATED: Final = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


def pay(tx: Tx, id_: str, *, payment_method: str | None, off_session: bool, automatic: bool = False) -> Json:
    """Pay an invoice with a card (else its own, else the customer's default); a draft is finalized first.

    Raises: ApiError 402 for a decline or a bank that wants the payer, 400 for what cannot be paid.
    """
    body = tx.get("invoice", id_)
    if body["status"] == "draft":
        body = closing.finalized(tx, id_)
        if body["status"] == "paid":
            return body
    if body["status"] == "paid":
        raise refused("Invoice is already paid")
    if body["status"] == "void":
        raise refused("This invoice can no longer be paid because it has a status of void.")
    if intent_of(tx, id_)["status"] == "processing":
        raise refused("This invoice already has a payment that is processing.", code="payment_intent_unexpected_state")
    card_id = payment_method or body["default_payment_method"] or _default_of(tx, body)
    if card_id is None:
        code = None if variant(tx, "no_card_code") == "none" else "resource_missing"
        raise refused(
            "This customer has no attached payment source or default payment method. Please consider adding a default "
            "payment method.",
            code=code,
        )
    method = payment_methods.owned(tx, card_id, body["customer"])
    card = payment_methods.card_of(method)
    if asks_payer(card, off_session=off_session, set_up=method["_set_up"]):
        raise _asked(tx, body, method, off_session=off_session, automatic=automatic)
    return _charge(tx, body, method, card, automatic=automatic)


def authenticated(tx: Tx, intent_id: str, *, passed: bool) -> Json:
    """Go on after the payer answered their bank; return the intent. Nothing is raised for a decline: it is recorded.

    Raises: ApiError if the intent is not waiting for the payer.
    """
    intent = tx.get("payment_intent", intent_id)
    if intent["status"] != "requires_action":
        raise refused(
            f"This PaymentIntent's status is {intent['status']}; there is nothing to authenticate.",
            code="payment_intent_unexpected_state",
        )
    method = tx.get("payment_method", intent["_trying"])
    card = payment_methods.card_of(method)
    body = tx.get("invoice", invoice_of(tx, intent_id))
    intent["next_action"] = None
    tx.save(intent)
    if not passed or card.asks == "authentication_fails":
        _authentication_failed(tx, body, method)
        return tx.get("payment_intent", intent_id)
    try:
        _charge(tx, body, method, card, automatic=False)
    except ApiError as declined:
        if not declined.keep:
            raise
    return tx.get("payment_intent", intent_id)


def invoice_of(tx: Tx, intent_id: str) -> str:
    """Return the id of the invoice that a payment intent pays."""
    found = tx.select("invoice_payment", payment_intent=intent_id)
    assert found, "every intent of this sandbox belongs to an invoice"
    return found[0]["invoice"]


def intent_of(tx: Tx, invoice_id: str) -> Json:
    """Return the payment intent of an invoice's default payment."""
    payment = closing.default_payment(tx, invoice_id)
    assert payment is not None, "an invoice with something to pay has a payment"
    return tx.get("payment_intent", payment["payment"]["payment_intent"])


def settled(tx: Tx, body: Json, *, charge: Json | None) -> Json:
    """Turn an open invoice paid: by a charge, or (None) by money that reached the seller in another way."""
    payment = closing.default_payment(tx, body["id"])
    assert payment is not None, "an open invoice has a payment"
    if charge is None:
        closing.cancel_payments(tx, body["id"])
    else:
        payment.update(status="paid", amount_paid=charge["amount"])
        payment["status_transitions"]["paid_at"] = tx.now
        tx.save(payment)
        events.emit(tx, "invoice_payment.paid", payment)
    body["amount_paid"] = body["amount_remaining"]
    closing.paid(tx, body)
    return body


def _default_of(tx: Tx, body: Json) -> str | None:
    """Return the customer's default card; a stale one (detached, not cleared) is found and then refused."""
    return tx.get("customer", body["customer"])["invoice_settings"]["default_payment_method"]


def _charge(tx: Tx, body: Json, method: Json, card: TestCard, *, automatic: bool) -> Json:
    _count_attempt(body, automatic=automatic)
    processing_s = int(tx.setting("processing_s") or 0)
    if processing_s == 0:
        return _concluded(tx, body, method, card)
    intent = intent_of(tx, body["id"])
    intent.update(status="processing", payment_method=method["id"], next_action=None)
    tx.save(intent)
    tx.save(body)
    events.emit(tx, "payment_intent.processing", intent)
    tx.schedule(tx.now + processing_s, "payment.conclude", invoice=body["id"], payment_method=method["id"])
    return body


def _conclude(tx: Tx, arguments: Json) -> None:
    """Let a payment that was processing succeed or fail, told by webhook alone."""
    method = tx.get("payment_method", arguments["payment_method"])
    try:
        _concluded(tx, tx.get("invoice", arguments["invoice"]), method, payment_methods.card_of(method))
    except ApiError as declined:
        if not declined.keep:
            raise


def _concluded(tx: Tx, body: Json, method: Json, card: TestCard) -> Json:
    intent = intent_of(tx, body["id"])
    if card.decline:
        raise _declined(tx, body, intent, method, card.decline)
    charge = charged(tx, intent, method)
    intent.update(
        status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"], payment_method=method["id"],
        next_action=None, last_payment_error=None,
    )  # fmt: skip
    tx.save(intent)
    events.emit(tx, "payment_intent.succeeded", intent)
    settled(tx, body, charge=charge)
    if card.aftermath:
        tx.schedule(tx.now, "charge.aftermath", charge=charge["id"], what=card.aftermath)
    return body


def _declined(tx: Tx, body: Json, intent: Json, method: Json, decline: Decline) -> ApiError:
    """Record a bank's refusal everywhere it shows, and return the 402 that tells of it."""
    charge = failed(tx, intent, method, decline)
    error: Json = {
        "advice_code": decline.advice,
        "charge": charge["id"],
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "payment_method": shown(tx, method),
        "type": "card_error",
    }
    intent.update(
        status="requires_payment_method", latest_charge=charge["id"], payment_method=None, next_action=None,
        last_payment_error={name: value for name, value in error.items() if value is not None},
    )  # fmt: skip
    tx.save(intent)
    tx.save(body)
    events.emit(tx, "payment_intent.payment_failed", intent)
    events.emit(tx, "invoice.payment_failed", body)
    return payment_methods.declined(
        decline,
        charge=charge["id"],
        payment_intent=shown(tx, intent),
        payment_method=shown(tx, method),
        request_log_url=f"https://dashboard.stripe.com/test/logs/{tx.cause.request_id}",
    )


def _asked(tx: Tx, body: Json, method: Json, *, off_session: bool, automatic: bool) -> ApiError:
    """Stop for the payer: on-session they are sent to their bank; off-session it is a decline, unless in doubt."""
    intent = intent_of(tx, body["id"])
    _count_attempt(body, automatic=automatic)
    if off_session and variant(tx, "sca_off_session") == "authentication_required":
        raised = _declined(tx, body, intent, method, _AUTHENTICATION)
        events.emit(tx, "invoice.payment_action_required", body)
        return raised
    where = f"{tx.base_url}/authenticate/{intent['id']}/{intent['client_secret'].rsplit('_', 1)[1]}"
    intent.update(
        status="requires_action", payment_method=method["id"], _trying=method["id"],
        next_action={"redirect_to_url": {"return_url": None, "url": where}, "type": "redirect_to_url"},
    )  # fmt: skip
    tx.save(intent)
    tx.save(body)
    events.emit(tx, "payment_intent.requires_action", intent)
    events.emit(tx, "invoice.payment_action_required", body)
    type_ = variant(tx, "sca_error")
    return ApiError(
        402 if type_ == "card_error" else 400,
        _NEEDS_PAYER,
        type_=type_,
        code="invoice_payment_intent_requires_action",
        began=True,
        keep=True,
        payment_intent=shown(tx, intent),
    )


def _authentication_failed(tx: Tx, body: Json, method: Json) -> None:
    intent = intent_of(tx, body["id"])
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        last_payment_error={
            "code": "payment_intent_authentication_failure", "message": _NOT_AUTHENTICATED,
            "payment_method": shown(tx, method), "type": "invalid_request_error",
            "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
        },
    )  # fmt: skip
    tx.save(intent)
    events.emit(tx, "payment_intent.payment_failed", intent)
    events.emit(tx, "invoice.payment_failed", body)


def _count_attempt(body: Json, *, automatic: bool) -> None:
    """Count the first attempt and automatic ones; further attempts by hand are not counted (Stripe's rule)."""
    if automatic or not body["attempted"]:
        body["attempt_count"] += 1
    body["attempted"] = True


def _advance(tx: Tx, arguments: Json) -> None:
    """Finalize and collect an invoice that advances by itself, trying again later after each failure."""
    body = tx.find("invoice", arguments["invoice"])
    if body is None or not body["auto_advance"] or body["status"] not in {"draft", "open"}:
        return
    try:
        if body["status"] == "draft":
            closing.finalized(tx, body["id"])
        if body["collection_method"] == "charge_automatically":
            pay(tx, body["id"], payment_method=None, off_session=True, automatic=True)
    except ApiError:
        _try_later(tx, tx.get("invoice", body["id"]))


def _try_later(tx: Tx, body: Json) -> None:
    tries = int(body.get("_tries", 0))  # not `attempt_count`, which does not count a try that found no card
    if body["status"] != "open" or tries >= len(RETRIED_AFTER_S):
        return
    at = tx.now + RETRIED_AFTER_S[tries]
    tx.save({**body, "next_payment_attempt": at, "_tries": tries + 1})
    tx.schedule(at, "invoice.advance", invoice=body["id"])


def _dress_intent(tx: Tx, body: Json, public: Json) -> None:
    """Point the redirect at wherever the sandbox listens now."""
    redirect = inner(body, "next_action").get("redirect_to_url")
    if redirect:
        path = "/authenticate/" + redirect["url"].split("/authenticate/", 1)[1]
        moved = {**redirect, "url": tx.base_url + path}
        public["next_action"] = {"redirect_to_url": moved, "type": "redirect_to_url"}


ACTIONS["invoice.advance"] = _advance
ACTIONS["payment.conclude"] = _conclude
DRESS["payment_intent"] = _dress_intent
