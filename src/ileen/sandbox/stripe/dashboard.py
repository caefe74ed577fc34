"""What a person does at Stripe, in its dashboard or on its pages, as control actions: no API request is behind them.

Owns: /_control/dashboard. Each action emits the same events as at Stripe, with an empty `request`.
"""

from typing import Any

from ileen.sandbox.stripe import closing, customers, payment_methods, payments
from ileen.sandbox.stripe.api import Call, Route
from ileen.sandbox.stripe.cards import by_number, by_template
from ileen.sandbox.stripe.errors import Json, invalid, refused
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import shown


def anything(value: object, _: str) -> Any:
    """Read control parameters: JSON of any form."""
    return value


def card_added(tx: Tx, customer: str, number: str, *, default: bool) -> Json:
    """Add a card as the portal does: attached, set up for use off-session, and, if asked, made the default.

    Raises: ApiError 402 incorrect_number, or the bank's refusal.
    """
    card = by_number(number) or by_template(number)
    if card is None:
        raise invalid("That is no test card number.", param="number", code="incorrect_number")
    method = payment_methods.made(tx, card)
    method = payment_methods.attached(tx, method["id"], customer)
    method["_set_up"] = True
    tx.save(method)
    if default:
        customers.changed(tx, customer, {"invoice_settings": {"default_payment_method": method["id"]}})
    return method


def _add_card(tx: Tx, call: Call) -> Json:
    given = call.given
    return shown(tx, card_added(tx, call.id, str(given.get("number")), default=bool(given.get("default", True))))


def _set_customer(tx: Tx, call: Call) -> Json:
    return shown(tx, customers.changed(tx, call.id, call.given))


def _pay(tx: Tx, call: Call) -> Json:
    """Pay as on the hosted page: on-session, with a new card or the customer's."""
    number = call.given.get("number")
    invoice = tx.get("invoice", call.id)
    if invoice["status"] not in {"open", "uncollectible"}:
        raise refused("This invoice is not open.")
    method = card_added(tx, invoice["customer"], number, default=False)["id"] if number else None
    return shown(tx, payments.pay(tx, call.id, payment_method=method, off_session=False))


def _authenticate(tx: Tx, call: Call) -> Json:
    outcome = call.given.get("outcome", "pass")
    if outcome not in {"pass", "fail"}:
        raise invalid('outcome is "pass" or "fail"; abandoning is doing nothing.', param="outcome")
    return shown(tx, payments.authenticated(tx, call.id, passed=outcome == "pass"))


def _authenticate_invoice(tx: Tx, call: Call) -> Json:
    intent = payments.intent_of(tx, call.id)
    return _authenticate(tx, Call(call.path, {"id": intent["id"]}, call.given))


_AT = "/_control/dashboard"

ROUTES = [
    Route("POST", f"{_AT}/customers/{{id}}", _set_customer, anything),
    Route("POST", f"{_AT}/customers/{{id}}/cards", _add_card, anything),
    Route("POST", f"{_AT}/customers/{{id}}/delete", lambda tx, call: customers.deleted(tx, call.id), anything),
    Route("POST", f"{_AT}/payment_methods/{{id}}/detach",
          lambda tx, call: shown(tx, payment_methods.detached(tx, call.id)), anything),
    Route("POST", f"{_AT}/invoices/{{id}}/pay", _pay, anything),
    Route("POST", f"{_AT}/invoices/{{id}}/void", lambda tx, call: shown(tx, closing.voided(tx, call.id)), anything),
    Route("POST", f"{_AT}/invoices/{{id}}/authenticate", _authenticate_invoice, anything),
    Route("POST", f"{_AT}/payment_intents/{{id}}/authenticate", _authenticate, anything),
]  # fmt: skip
