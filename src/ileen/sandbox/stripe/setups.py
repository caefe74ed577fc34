"""Saving a card for later: setup intents, which hosted pages make, and what the card's bank says to them.

Owns: setup intent documents, and reading them at /v1/setup_intents. Refuses to know: pages, charges.
I1  a card is attached only after its bank agreed, and is then set up for payments without the payer.
I2  a card that its bank refuses leaves a failed setup behind, and no attached card.
"""

from typing import Final

from ileen.sandbox.stripe import events, payment_methods
from ileen.sandbox.stripe.api import Call, Route
from ileen.sandbox.stripe.cards import TestCard
from ileen.sandbox.stripe.customers import changed
from ileen.sandbox.stripe.errors import Json, refused
from ileen.sandbox.stripe.form import instants, page_of, text
from ileen.sandbox.stripe.store import Tx, random_text
from ileen.sandbox.stripe.views import listed, shown, within

_ASKS: Final = {"unless_set_up", "always", "authentication_fails"}

_NOT_AUTHENTICATED: Final = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


def saved(tx: Tx, customer: str, method: Json, *, make_default: bool) -> Json:
    """Set a card up for a customer: return an intent that succeeded, or one that waits for the payer.

    Raises: ApiError 402 when the bank refuses the card.
    """
    card = payment_methods.card_of(method)
    body = tx.save(_intent(tx, customer, method, make_default=make_default))
    events.emit(tx, "setup_intent.created", body)
    if card.refuses_attach and card.decline:
        _failed(tx, body, method, card.decline.code, card.decline.message)
        raise payment_methods.declined(card.decline, setup_intent=shown(tx, body))
    if card.asks in _ASKS:
        where = f"{tx.base_url}/authenticate/{body['id']}/{body['client_secret'].rsplit('_', 1)[1]}"
        body["status"] = "requires_action"
        body["next_action"] = {"redirect_to_url": {"return_url": None, "url": where}, "type": "redirect_to_url"}
        tx.save(body)
        events.emit(tx, "setup_intent.requires_action", body)
        return body
    return _succeeded(tx, body)


def authenticated(tx: Tx, id_: str, *, passed: bool) -> Json:
    """Go on after the payer answered their bank. Raises: ApiError if the intent is not waiting for that."""
    body = tx.get("setup_intent", id_)
    if body["status"] != "requires_action":
        raise refused(f"This SetupIntent's status is {body['status']}; there is nothing to authenticate.")
    method = tx.get("payment_method", body["_trying"])
    card: TestCard = payment_methods.card_of(method)
    body["next_action"] = None
    if passed and card.asks != "authentication_fails":
        return _succeeded(tx, body)
    message = (
        "We are unable to authenticate your payment method. Please choose a different payment method and try again."
    )
    _failed(tx, body, method, "setup_intent_authentication_failure", message)
    return body


def _succeeded(tx: Tx, body: Json) -> Json:
    method = tx.get("payment_method", body["_trying"])
    method["_set_up"] = True
    tx.save(method)
    payment_methods.attached(tx, method["id"], body["customer"])
    body["status"] = "succeeded"
    tx.save(body)
    events.emit(tx, "setup_intent.succeeded", body)
    if body["_make_default"]:
        changed(tx, body["customer"], {"invoice_settings": {"default_payment_method": method["id"]}})
    return body


def _failed(tx: Tx, body: Json, method: Json, code: str, message: str) -> None:
    error: Json = {"code": code, "message": message, "payment_method": shown(tx, method), "type": "card_error"}
    body.update(status="requires_payment_method", payment_method=None, last_setup_error=error)
    tx.save(body)
    events.emit(tx, "setup_intent.setup_failed", body)


def _intent(tx: Tx, customer: str, method: Json, *, make_default: bool) -> Json:
    id_ = tx.mint("seti")
    none: Json = dict.fromkeys(
        (
            "application", "automatic_payment_methods", "cancellation_reason", "customer_account", "description",
            "excluded_payment_method_types", "flow_directions", "last_setup_error", "latest_attempt", "mandate",
            "next_action", "on_behalf_of", "payment_method_configuration_details", "single_use_mandate",
        )
    )  # fmt: skip
    return {
        **none,
        "id": id_,
        "object": "setup_intent",
        "allowed_payment_method_types": ["card"],
        "client_secret": f"{id_}_secret_{random_text(25)}",
        "created": tx.now,
        "customer": customer,
        "livemode": False,
        "metadata": {},
        "payment_method": method["id"],
        "payment_method_options": {"card": {"network": None, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "status": "requires_confirmation",
        "usage": "off_session",
        "_make_default": make_default,
        "_trying": method["id"],
    }


def _list(tx: Tx, call: Call) -> Json:
    given = call.given
    found = within(tx.select("setup_intent", customer=given.get("customer")), given.get("created"))
    return listed(tx, call.path, found, given)


ROUTES = [
    Route("GET", "/v1/setup_intents", _list, page_of(customer=text, payment_method=text, created=instants)),
    Route("GET", "/v1/setup_intents/{id}", lambda tx, call: shown(tx, tx.get("setup_intent", call.id))),
]
