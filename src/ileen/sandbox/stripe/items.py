"""Invoice items: what is billed, waiting for an invoice or put on a draft at once.

Owns: /v1/invoiceitems. Refuses to know: sums and taxes (`lines`).
"""

from ileen.sandbox.stripe import events, invoices, lines
from ileen.sandbox.stripe.api import Call, Route, put
from ileen.sandbox.stripe.errors import Json, missing_parameter
from ileen.sandbox.stripe.form import flag, instants, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown, within


def created(tx: Tx, given: Json) -> Json:
    """Create an item, on a draft if one is named, else pending. Raises: ApiError."""
    if given.get("invoice"):
        return invoices.item_added(tx, given["invoice"], given)
    if not given.get("customer"):
        raise missing_parameter("customer")
    customer = tx.get("customer", given["customer"], param="customer", status=400)
    currency = (given.get("currency") or customer["currency"] or "eur").lower()
    item = tx.save(lines.priced(tx, given, customer["id"], currency))
    events.emit(tx, "invoiceitem.created", item)
    return item


def changed(tx: Tx, id_: str, given: Json) -> Json:
    """Change an item that is pending or on a draft. Raises: ApiError (invoice_not_editable)."""
    item = tx.get("invoiceitem", id_)
    _editable(tx, item)
    put(item, given, "description", "period")
    if {"amount", "price_data", "unit_amount_decimal", "quantity"} & set(given):
        merged = {**given}
        if merged.keys() & {"amount", "price_data", "unit_amount_decimal"} == set():
            merged["unit_amount_decimal"] = item["pricing"]["unit_amount_decimal"]
        item["amount"], each, item["quantity"] = lines.amount_of(merged)
        item["net_amount"] = item["amount"]
        item["quantity_decimal"] = str(item["quantity"])
        item["pricing"]["unit_amount_decimal"] = f"{each:f}"
    if "tax_behavior" in given:
        item["_tax_behavior"] = given["tax_behavior"]
    tx.save(item)
    _recompute(tx, item)
    return item


def deleted(tx: Tx, id_: str) -> Json:
    """Delete an item that is pending or on a draft. Raises: ApiError (invoice_not_editable)."""
    item = tx.get("invoiceitem", id_)
    _editable(tx, item)
    tx.remove(id_)
    events.emit(tx, "invoiceitem.deleted", item)
    _recompute(tx, item)
    return {"id": id_, "object": "invoiceitem", "deleted": True}


def _editable(tx: Tx, item: Json) -> None:
    invoice = tx.find("invoice", item["invoice"])
    if invoice and invoice["status"] != "draft":
        raise invoices.not_a_draft("You can only change invoice items of draft invoices")


def _recompute(tx: Tx, item: Json) -> None:
    invoice = tx.find("invoice", item["invoice"])
    if invoice:
        invoices.recomputed(tx, invoice)
        events.update(tx, invoice, "invoice.updated")


def _list(tx: Tx, call: Call) -> Json:
    given = call.given
    found = tx.select("invoiceitem", customer=given.get("customer"), invoice=given.get("invoice"))
    if given.get("pending") is not None:
        found = [item for item in found if (item["invoice"] is None) == given["pending"]]
    dated = within([{**item, "created": item["date"]} for item in found], given.get("created"))
    wanted = {item["id"] for item in dated}
    return listed(tx, call.path, [item for item in found if item["id"] in wanted], given)


_FILTERS = page_of(customer=text, invoice=text, pending=flag, created=instants)

ROUTES = [
    Route("POST", "/v1/invoiceitems", lambda tx, call: shown(tx, created(tx, call.given)), lines.NEW_ITEM),
    Route("GET", "/v1/invoiceitems", _list, _FILTERS),
    Route("GET", "/v1/invoiceitems/{id}", lambda tx, call: shown(tx, tx.get("invoiceitem", call.id))),
    Route("POST", "/v1/invoiceitems/{id}", lambda tx, call: shown(tx, changed(tx, call.id, call.given)),
          lines.CHANGED_ITEM),
    Route("DELETE", "/v1/invoiceitems/{id}", lambda tx, call: deleted(tx, call.id)),
]  # fmt: skip
