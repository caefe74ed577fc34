"""Products: what is sold, as prices name it, with the tax code behind it.

Owns: /v1/products, as far as one-off prices need it. Refuses to know: prices, invoices, what a tax code means.
"""

from ileen.sandbox.stripe import events
from ileen.sandbox.stripe.api import Call, Route, put
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.form import Node, flag, group, instants, mapping, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown, within

_PLAIN = ("active", "name", "description", "tax_code", "unit_label", "statement_descriptor")
_FIELDS: dict[str, Node] = {**dict.fromkeys(_PLAIN, text), "active": flag, "metadata": mapping}


def created(tx: Tx, given: Json) -> Json:
    """Create a product."""
    body: Json = {
        "id": tx.mint("prod"),
        "object": "product",
        "active": True,
        "created": tx.now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": None,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": tx.now,
        "url": None,
    }
    put(body, given, *_PLAIN)
    tx.save(body)
    events.emit(tx, "product.created", body)
    return body


def changed(tx: Tx, id_: str, given: Json) -> Json:
    """Change a product."""
    body = tx.get("product", id_)
    put(body, given, *_PLAIN)
    body["updated"] = tx.now
    events.update(tx, body, "product.updated")
    return body


def _list(tx: Tx, call: Call) -> Json:
    active = call.given.get("active")
    found = (one for one in tx.scan("product") if active in {None, one["active"]})
    return listed(tx, call.path, within(found, call.given.get("created")), call.given)


ROUTES = [
    Route("POST", "/v1/products", lambda tx, c: shown(tx, created(tx, c.given)), group(_FIELDS, needs=("name",))),
    Route("GET", "/v1/products", _list, page_of(active=flag, created=instants)),
    Route("GET", "/v1/products/{id}", lambda tx, call: shown(tx, tx.get("product", call.id))),
    Route("POST", "/v1/products/{id}", lambda tx, c: shown(tx, changed(tx, c.id, c.given)), group(_FIELDS)),
]
