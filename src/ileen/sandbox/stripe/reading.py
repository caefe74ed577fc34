"""What came of a payment, only to be read: invoice payments, intents, charges, balance transactions.

Owns: their read endpoints. An intent belongs to its invoice and cannot be changed directly.
"""

from ileen.sandbox.stripe.api import Call, Route
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.form import choice, group, inner, instants, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown, within


def _list_payments(tx: Tx, call: Call) -> Json:
    given = call.given
    payment = inner(given, "payment")
    found = tx.select("invoice_payment", invoice=given.get("invoice"), payment_intent=payment.get("payment_intent"))
    wanted = given.get("status")
    found = [one for one in within(found, given.get("created")) if wanted in {None, one["status"]}]
    return listed(tx, call.path, found, given)


def _list_intents(tx: Tx, call: Call) -> Json:
    found = within(tx.select("payment_intent", customer=call.given.get("customer")), call.given.get("created"))
    return listed(tx, call.path, found, call.given)


def _list_charges(tx: Tx, call: Call) -> Json:
    given = call.given
    found = tx.select("charge", customer=given.get("customer"), payment_intent=given.get("payment_intent"))
    return listed(tx, call.path, within(found, given.get("created")), given)


_PAYMENT = group(needs=("type",), type=choice("payment_intent", "payment_record"), payment_intent=text)
_PAYMENTS = page_of(invoice=text, status=text, payment=_PAYMENT, created=instants)


def _read(path: str, kind: str) -> Route:
    return Route("GET", path, lambda tx, call: shown(tx, tx.get(kind, call.id)))


ROUTES = [
    Route("GET", "/v1/invoice_payments", _list_payments, _PAYMENTS),
    _read("/v1/invoice_payments/{id}", "invoice_payment"),
    Route("GET", "/v1/payment_intents", _list_intents, page_of(customer=text, created=instants)),
    _read("/v1/payment_intents/{id}", "payment_intent"),
    Route("GET", "/v1/charges", _list_charges, page_of(customer=text, payment_intent=text, created=instants)),
    _read("/v1/charges/{id}", "charge"),
    _read("/v1/balance_transactions/{id}", "balance_transaction"),
]
