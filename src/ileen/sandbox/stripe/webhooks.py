"""Events as they are read, and the endpoints that events are delivered to.

Owns: /v1/events and /v1/webhook_endpoints. How events are made is in `events`, how they are sent in `delivery`.
R1  an endpoint's secret is told once, when it is created.
"""

from ileen.sandbox.stripe.api import Call, Route, put
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.form import array, flag, group, inner, instants, mapping, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown, within


def _list_events(tx: Tx, call: Call) -> Json:
    given = call.given
    types = given.get("types") or ([given["type"]] if given.get("type") else None)
    found = (one for one in tx.scan("event") if types is None or one["type"] in types)
    wanted = given.get("delivery_success")
    if wanted is not None:
        failed = {row[0] for row in tx.connection.execute("SELECT event FROM delivery WHERE state != 'delivered'")}
        found = (one for one in found if (one["id"] not in failed) == wanted)
    return listed(tx, call.path, within(found, given.get("created")), given)


def _list_endpoints(tx: Tx, call: Call) -> Json:
    return listed(tx, call.path, tx.select("webhook_endpoint"), call.given)


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


_EVENTS = page_of(type=text, types=array(text), delivery_success=flag, created=instants)
_ENDPOINT = group(
    needs=("url", "enabled_events"), url=text, enabled_events=array(text), api_version=text, description=text,
    metadata=mapping, connect=flag,
)  # fmt: skip
_ENDPOINT_CHANGE = group(url=text, enabled_events=array(text), description=text, disabled=flag, metadata=mapping)

ROUTES = [
    Route("GET", "/v1/events", _list_events, _EVENTS),
    Route("GET", "/v1/events/{id}", lambda tx, call: shown(tx, tx.get("event", call.id))),
    Route("POST", "/v1/webhook_endpoints", _create_endpoint, _ENDPOINT),
    Route("GET", "/v1/webhook_endpoints", _list_endpoints, page_of()),
    Route("GET", "/v1/webhook_endpoints/{id}", lambda tx, call: shown(tx, tx.get("webhook_endpoint", call.id))),
    Route("POST", "/v1/webhook_endpoints/{id}", _change_endpoint, _ENDPOINT_CHANGE),
    Route("DELETE", "/v1/webhook_endpoints/{id}", _delete_endpoint),
]
