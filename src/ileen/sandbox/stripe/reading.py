"""The endpoints that pay and close invoices, and those that only read what came of it.

Owns: routes; what they do is in `closing` and `payments`.
"""

from ileen.sandbox.stripe import closing, payments
from ileen.sandbox.stripe.api import Call, Route, put
from ileen.sandbox.stripe.errors import Json, refused
from ileen.sandbox.stripe.form import array, choice, flag, group, inner, instants, mapping, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown, within


def _pay(tx: Tx, call: Call) -> Json:
    given = call.given
    if given.get("paid_out_of_band"):
        body = tx.get("invoice", call.id)
        if body["status"] not in {"open", "uncollectible"}:
            raise refused("Invoice is already paid" if body["status"] == "paid" else "This invoice is not open.")
        body["amount_paid_off_stripe"] = body["amount_remaining"]
        return shown(tx, payments.settled(tx, body, charge=None))
    off_session = given.get("off_session")
    paid = payments.pay(
        tx,
        call.id,
        payment_method=given.get("payment_method"),
        off_session=True if off_session is None else off_session,
    )
    return shown(tx, paid)


def _finalize(tx: Tx, call: Call) -> Json:
    return shown(tx, closing.finalized(tx, call.id, auto_advance=call.given.get("auto_advance")))


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


def _list_events(tx: Tx, call: Call) -> Json:
    given = call.given
    types = given.get("types") or ([given["type"]] if given.get("type") else None)
    found = (one for one in tx.scan("event") if types is None or one["type"] in types)
    wanted = given.get("delivery_success")
    if wanted is not None:
        failed = {row[0] for row in tx.connection.execute("SELECT event FROM delivery WHERE state != 'delivered'")}
        found = (one for one in found if (one["id"] not in failed) == wanted)
    return listed(tx, call.path, within(found, given.get("created")), given)


def _create_endpoint(tx: Tx, call: Call) -> Json:
    given = call.given
    body = tx.save(
        {
            "id": tx.mint("we"), "object": "webhook_endpoint", "api_version": given.get("api_version"),
            "application": None, "created": tx.now, "description": given.get("description"),
            "enabled_events": given["enabled_events"], "livemode": False, "metadata": inner(given, "metadata"),
            "status": "enabled", "url": given["url"], "_secret": tx.mint("whsec"), "_rolled": [],
        }
    )  # fmt: skip
    return {**shown(tx, body), "secret": body["_secret"]}


def _change_endpoint(tx: Tx, call: Call) -> Json:
    body = tx.get("webhook_endpoint", call.id)
    given = call.given
    put(body, given, "url", "enabled_events", "description")
    if given.get("disabled") is not None:
        body["status"] = "disabled" if given["disabled"] else "enabled"
    return shown(tx, tx.save(body))


def _delete_endpoint(tx: Tx, call: Call) -> Json:
    tx.get("webhook_endpoint", call.id)
    tx.remove(call.id)
    return {"id": call.id, "object": "webhook_endpoint", "deleted": True}


_PAYMENT = group(needs=("type",), type=choice("payment_intent", "payment_record"), payment_intent=text)
_EVENTS = page_of(type=text, types=array(text), delivery_success=flag, created=instants)
_PAY = group(payment_method=text, off_session=flag, paid_out_of_band=flag)
_ENDPOINT = group(
    needs=("url", "enabled_events"), url=text, enabled_events=array(text), api_version=text, description=text,
    metadata=mapping, connect=flag,
)  # fmt: skip
_ENDPOINT_CHANGE = group(url=text, enabled_events=array(text), description=text, disabled=flag, metadata=mapping)
_PAYMENTS = page_of(invoice=text, status=text, payment=_PAYMENT, created=instants)


def _read(path: str, kind: str) -> Route:
    return Route("GET", path, lambda tx, call: shown(tx, tx.get(kind, call.id)))


ROUTES = [
    Route("POST", "/v1/invoices/{id}/finalize", _finalize, group(auto_advance=flag)),
    Route("POST", "/v1/invoices/{id}/pay", _pay, _PAY),
    Route("POST", "/v1/invoices/{id}/void", lambda tx, call: shown(tx, closing.voided(tx, call.id))),
    Route("POST", "/v1/invoices/{id}/mark_uncollectible", lambda tx, c: shown(tx, closing.uncollectible(tx, c.id))),
    Route("GET", "/v1/invoice_payments", _list_payments, _PAYMENTS),
    _read("/v1/invoice_payments/{id}", "invoice_payment"),
    Route("GET", "/v1/payment_intents", _list_intents, page_of(customer=text, created=instants)),
    _read("/v1/payment_intents/{id}", "payment_intent"),
    Route("GET", "/v1/charges", _list_charges, page_of(customer=text, payment_intent=text, created=instants)),
    _read("/v1/charges/{id}", "charge"),
    _read("/v1/balance_transactions/{id}", "balance_transaction"),
    Route("GET", "/v1/events", _list_events, _EVENTS),
    _read("/v1/events/{id}", "event"),
    Route("POST", "/v1/webhook_endpoints", _create_endpoint, _ENDPOINT),
    Route("GET", "/v1/webhook_endpoints", lambda tx, call: listed(
        tx, call.path, tx.select("webhook_endpoint"), call.given), page_of()),
    _read("/v1/webhook_endpoints/{id}", "webhook_endpoint"),
    Route("POST", "/v1/webhook_endpoints/{id}", _change_endpoint, _ENDPOINT_CHANGE),
    Route("DELETE", "/v1/webhook_endpoints/{id}", _delete_endpoint),
]  # fmt: skip
