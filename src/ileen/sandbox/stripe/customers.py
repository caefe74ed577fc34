"""Customers: who is billed, where they are for tax, and their default card.

Owns: /v1/customers. Refuses to know: invoices.
C1  `tax` and `tax_ids` are shown only when expanded.
C2  a deleted customer leaves a stub behind: its id with `deleted`, and nothing else.
"""

from ileen.sandbox.stripe import events, payment_methods, tax, tax_ids
from ileen.sandbox.stripe.api import Call, Route, address, put, put_inside
from ileen.sandbox.stripe.errors import ApiError, Json, no_such
from ileen.sandbox.stripe.form import (
    ADDRESS,
    Node,
    array,
    choice,
    group,
    inner,
    instants,
    many,
    mapping,
    page_of,
    text,
    whole,
)
from ileen.sandbox.stripe.store import Tx, random_text
from ileen.sandbox.stripe.views import ONLY_EXPANDED, listed, page, shown, within

_PLAIN = ("email", "name", "phone", "description", "business_name", "individual_name", "invoice_prefix")
_FIELDS: dict[str, Node] = {
    **dict.fromkeys((*_PLAIN, "payment_method"), text),
    "address": ADDRESS,
    "shipping": group(address=ADDRESS, name=text, phone=text),
    "preferred_locales": array(text),
    "metadata": mapping,
    "balance": whole,
    "next_invoice_sequence": whole,
    "tax_exempt": choice("none", "exempt", "reverse"),
    "invoice_settings": group(
        custom_fields=array(group(needs=("name", "value"), name=text, value=text)),
        default_payment_method=text,
        footer=text,
        rendering_options=group(amount_tax_display=text, template=text),
    ),
}
_CREATE = group(
    _FIELDS,
    tax=group(ip_address=text, validate_location=choice("deferred", "immediately")),
    tax_id_data=array(group(needs=("type", "value"), type=text, value=text)),
)
_UPDATE = group(
    {name: node for name, node in _FIELDS.items() if name != "payment_method"},
    tax=group(ip_address=text, validate_location=choice("auto", "deferred", "immediately")),
)


def created(tx: Tx, given: Json) -> Json:
    """Create a customer. Raises: ApiError customer_tax_location_invalid when asked to validate at once."""
    prefix = random_text(8).upper()
    body: Json = {
        "id": tx.mint("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": tx.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": prefix,
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    _apply(tx, body, given)
    tx.save(body)
    for item in many(given, "tax_id_data"):
        tax_ids.added(tx, body["id"], item["type"], item["value"], announce=False)
    if given.get("payment_method"):
        payment_methods.attached(tx, given["payment_method"], body["id"])
        body["invoice_settings"] = live(tx, body["id"])["invoice_settings"]
    _choose_default(tx, body, given)
    _validate_location(tx, body, given)
    tx.save(body)
    events.emit(tx, "customer.created", body)
    return body


def changed(tx: Tx, id_: str, given: Json) -> Json:
    """Change a customer and say so with `customer.updated`. Raises: ApiError as `created` does."""
    body = live(tx, id_)
    _apply(tx, body, given)
    _choose_default(tx, body, given)
    _validate_location(tx, body, given)
    events.update(tx, body, "customer.updated")
    return body


def deleted(tx: Tx, id_: str) -> Json:
    """Delete a customer: cards are detached, tax ids go, and only a stub stays."""
    body = live(tx, id_)
    for card in tx.select("payment_method", customer=id_):
        payment_methods.detached(tx, card["id"])
    for tax_id in tx.select("tax_id", customer=id_):
        tx.remove(tax_id["id"])
    body = live(tx, id_)
    events.emit(tx, "customer.deleted", body)
    tx.save({"id": id_, "object": "customer", "deleted": True, "_deleted": True, "created": body["created"]})
    return _stub(id_)


def live(tx: Tx, id_: str, *, param: str = "id", status: int = 404) -> Json:
    """Return a customer that exists and is not deleted. Raises: ApiError resource_missing."""
    found = tx.find("customer", id_)
    if found is None or found.get("_deleted"):
        raise no_such("customer", id_, param=param, status=status)
    return found


def _apply(tx: Tx, body: Json, given: Json) -> None:
    put(body, given, *_PLAIN, "preferred_locales", "balance", "next_invoice_sequence", "tax_exempt")
    if "address" in given:
        body["address"] = address(given["address"])
    if "shipping" in given:
        ship = given["shipping"]
        body["shipping"] = ship and {
            "address": address(inner(ship, "address")),
            "carrier": None,
            "name": ship.get("name"),
            "phone": ship.get("phone"),
            "tracking_number": None,
        }
    put_inside(
        body, given, "invoice_settings",
        custom_fields=None, default_payment_method=None, footer=None, rendering_options=None,
    )  # fmt: skip
    rendering = body["invoice_settings"]["rendering_options"]
    if rendering:
        empty: Json = {"amount_tax_display": None, "template": None}
        body["invoice_settings"]["rendering_options"] = {**empty, **rendering}
    body["_ip_address"] = inner(given, "tax").get("ip_address", body.get("_ip_address"))
    if tx.setting("numbering") == "account":
        body.pop("next_invoice_sequence", None)


def _choose_default(tx: Tx, body: Json, given: Json) -> None:
    wanted = inner(given, "invoice_settings").get("default_payment_method")
    if wanted:
        payment_methods.owned(tx, wanted, body["id"], param="invoice_settings[default_payment_method]")


def _validate_location(tx: Tx, body: Json, given: Json) -> None:
    if inner(given, "tax").get("validate_location") != "immediately":
        return
    if tax.place_of(tx, body) is None:
        raise ApiError(
            400,
            "The customer's location isn't recognized. Set a valid customer address in order to automatically "
            "calculate tax.",
            code="customer_tax_location_invalid",
            param="address",
            began=True,
        )


def _retrieve(tx: Tx, call: Call) -> Json:
    found = tx.find("customer", call.id)
    if found is not None and found.get("_deleted"):
        return _stub(call.id)
    return shown(tx, live(tx, call.id))


def _stub(id_: str) -> Json:
    return {"id": id_, "object": "customer", "deleted": True}


def _list(tx: Tx, call: Call) -> Json:
    found = tx.select("customer")
    email = call.given.get("email")
    found = [body for body in found if email is None or body["email"] == email]
    return listed(tx, call.path, within(found, call.given.get("created")), call.given)


def _tax_shown(tx: Tx, public: Json) -> object:
    return tax.customer_tax(tx, live(tx, public["id"]))


def _tax_ids_shown(tx: Tx, public: Json) -> object:
    ids = [shown(tx, one) for one in tx.select("tax_id", customer=public["id"])]
    return page(f"/v1/customers/{public['id']}/tax_ids", ids)


ONLY_EXPANDED["customer", "tax"] = _tax_shown
ONLY_EXPANDED["customer", "tax_ids"] = _tax_ids_shown

ROUTES = [
    Route("POST", "/v1/customers", lambda tx, call: shown(tx, created(tx, call.given)), _CREATE),
    Route("GET", "/v1/customers", _list, page_of(email=text, created=instants)),
    Route("GET", "/v1/customers/{id}", _retrieve),
    Route("POST", "/v1/customers/{id}", lambda tx, call: shown(tx, changed(tx, call.id, call.given)), _UPDATE),
    Route("DELETE", "/v1/customers/{id}", lambda tx, call: deleted(tx, call.id)),
]
