"""Invoices while they are drafts, and how every invoice is shown.

Owns: /v1/invoices except what closes or pays one (`closing`, `payments`). Refuses to know: cards.
B1  a draft has no number, no URLs and no payment; only drafts change their lines or are deleted.
B2  pending items are ignored unless the invoice asks for them; then it takes them all.
B3  `payments` and `confirmation_secret` are shown only when expanded.
"""

from typing import Final

from ileen.sandbox.stripe import events, lines
from ileen.sandbox.stripe.api import Call, Route, merged_metadata, put, put_inside
from ileen.sandbox.stripe.errors import ApiError, Json, invalid, refused
from ileen.sandbox.stripe.form import (
    ADDRESS,
    Node,
    array,
    choice,
    flag,
    group,
    inner,
    instants,
    many,
    mapping,
    page_of,
    text,
    whole,
)
from ileen.sandbox.stripe.lines import ITEM, LINE
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.tax import seller, tax_ids_of
from ileen.sandbox.stripe.views import DRESS, ONLY_EXPANDED, listed, page, shown, within

AUTO_FINALIZED_AFTER_S: Final = 3600
"""An invoice that advances by itself is finalized about an hour after it was made."""
_LINES_SHOWN_MAX: Final = 10

_NOTHING_YET: Final[Json] = dict.fromkeys(
    (
        "account_tax_ids", "amount_paid_off_stripe", "application", "automatically_finalizes_at", "customer_account",
        "customer_shipping", "default_payment_method", "default_source", "description", "due_date", "effective_at",
        "ending_balance", "from_invoice", "last_finalization_error", "latest_revision", "next_payment_attempt",
        "number", "on_behalf_of", "parent", "receipt_number", "rendering", "shipping_cost", "shipping_details",
        "statement_descriptor", "status_details", "test_clock", "threshold_reason", "webhooks_delivered_at",
    )
)  # fmt: skip
_ZERO: Final[Json] = dict.fromkeys(
    (
        "amount_due", "amount_overpaid", "amount_paid", "amount_remaining", "amount_shipping", "attempt_count",
        "post_payment_credit_notes_amount", "pre_payment_credit_notes_amount", "starting_balance", "subtotal",
        "subtotal_excluding_tax", "total", "total_excluding_tax",
    ),
    0,
)  # fmt: skip

_FIELDS: dict[str, Node] = {
    "account_tax_ids": array(text),
    "auto_advance": flag,
    "automatic_tax": group(needs=("enabled",), enabled=flag, liability=group(needs=("type",), type=choice("self"))),
    "collection_method": choice("charge_automatically", "send_invoice"),
    "custom_fields": array(group(needs=("name", "value"), name=text, value=text)),
    "days_until_due": whole,
    "default_payment_method": text,
    "description": text,
    "due_date": whole,
    "effective_at": whole,
    "footer": text,
    "metadata": mapping,
    "payment_settings": group(
        default_mandate=text,
        payment_method_options=group(
            card=group(request_three_d_secure=choice("any", "automatic", "challenge")),
        ),
        payment_method_types=array(text),
    ),
    "rendering": group(amount_tax_display=text, pdf=group(page_size=text), template=text, template_version=whole),
    "statement_descriptor": text,
}
_CREATE = group(
    _FIELDS, needs=("customer",), customer=text, currency=text,
    pending_invoice_items_behavior=choice("exclude", "include"),
)  # fmt: skip
_PREVIEW = group(
    customer=text,
    currency=text,
    automatic_tax=_FIELDS["automatic_tax"],
    invoice_items=array(ITEM),
    preview_mode=choice("next"),
    customer_details=group(
        address=ADDRESS,
        shipping=group(address=ADDRESS, name=text, phone=text),
        tax=group(ip_address=text),
        tax_exempt=choice("none", "exempt", "reverse"),
        tax_ids=array(group(needs=("type", "value"), type=text, value=text)),
    ),
)


def created(tx: Tx, given: Json) -> Json:
    """Create a draft. Raises: ApiError for an unknown customer."""
    customer = tx.get("customer", given["customer"], param="customer", status=400)
    currency = (given.get("currency") or customer["currency"] or "eur").lower()
    body = _empty(tx, customer, currency)
    _apply(body, given)
    if given.get("pending_invoice_items_behavior") == "include":
        for item in tx.select("invoiceitem", customer=customer["id"]):
            if item["invoice"] is None and item["currency"] == currency:
                item["invoice"] = body["id"]
                tx.save(item)
    recomputed(tx, body)
    if body["auto_advance"]:
        body["automatically_finalizes_at"] = tx.now + AUTO_FINALIZED_AFTER_S
        tx.schedule(body["automatically_finalizes_at"], "invoice.advance", invoice=body["id"])
    tx.save(body)
    events.emit(tx, "invoice.created", body)
    return body


def changed(tx: Tx, id_: str, given: Json) -> Json:
    """Change an invoice; once it is finalized only what is not printed on it. Raises: ApiError otherwise."""
    body = tx.get("invoice", id_)
    late = {"auto_advance", "metadata", "default_payment_method", "payment_settings", "description"}
    if body["status"] != "draft" and set(given) - late:
        raise not_a_draft("Finalized invoices can't be updated in this way")
    _apply(body, given)
    if body["status"] == "draft":
        recomputed(tx, body)
    events.update(tx, body, "invoice.updated")
    return body


def deleted(tx: Tx, id_: str) -> Json:
    """Delete a draft and its items. Raises: ApiError for anything but a draft."""
    body = tx.get("invoice", id_)
    if body["status"] != "draft":
        raise refused("You can only delete draft invoices.", code="invoice_not_editable")
    events.emit(tx, "invoice.deleted", body)
    for item in tx.select("invoiceitem", invoice=id_):
        tx.remove(item["id"])
    tx.remove(id_)
    return {"id": id_, "object": "invoice", "deleted": True}


def recomputed(tx: Tx, body: Json) -> None:
    """Make a draft's lines and sums anew (not saved)."""
    items = tx.select("invoiceitem", invoice=body["id"])[::-1]
    lines.computed(tx, body, items, tx.get("customer", body["customer"]))


def item_added(tx: Tx, id_: str, given: Json) -> Json:
    """Put an item on a draft and return it. Raises: ApiError (invoice_not_editable) on any other invoice."""
    body = tx.get("invoice", id_, param="invoice", status=400)
    if body["status"] != "draft":
        raise not_a_draft("You can only add invoice items to draft invoices")
    currency = (given.get("currency") or body["currency"]).lower()
    if currency != body["currency"]:
        raise refused(f"The invoice is in {body['currency']}, the item in {currency}.", param="currency")
    if given.get("customer") not in {None, body["customer"]}:
        raise refused("The invoice belongs to another customer.", param="customer")
    item = lines.priced(tx, given, body["customer"], currency)
    item["invoice"] = id_
    tx.save(item)
    recomputed(tx, body)
    events.emit(tx, "invoiceitem.created", item)
    events.update(tx, body, "invoice.updated")
    return item


def not_a_draft(message: str) -> ApiError:
    """Refuse to touch the content of a finalized invoice."""
    return refused(f"{message}, and this invoice is no longer a draft.", code="invoice_not_editable")


def previewed(tx: Tx, given: Json) -> Json:
    """Return what an invoice of these items would come to for a customer, or for one only described."""
    customer = _imagined(tx, given)
    items = many(given, "invoice_items")
    named = [given.get("currency"), *(one.get("currency") for one in items), customer["currency"], "eur"]
    currency = str(next(one for one in named if one)).lower()
    body = _empty(tx, customer, currency)
    body["id"] = tx.mint("upcoming_in")
    body["billing_reason"] = "manual"
    _apply(body, {"automatic_tax": given["automatic_tax"]} if given.get("automatic_tax") else {})
    billed = [lines.priced(tx, one, customer["id"], currency) for one in items]
    lines.computed(tx, body, billed, customer)
    return body


def _imagined(tx: Tx, given: Json) -> Json:
    details = inner(given, "customer_details")
    if given.get("customer"):
        customer = tx.get("customer", given["customer"], param="customer", status=400)
    elif details:
        customer = _nobody()
    else:
        raise invalid("You must provide a customer or customer_details.", param="customer")
    put(customer, details, "address", "shipping", "tax_exempt")
    if "tax_ids" in details:
        customer["_tax_ids"] = details["tax_ids"] or []
    return customer


def _nobody() -> Json:
    empty: Json = dict.fromkeys(("name", "email", "phone", "shipping", "currency", "address"))
    settings: Json = {"default_payment_method": None, "footer": None, "custom_fields": None}
    return {**empty, "id": "", "balance": 0, "tax_exempt": "none", "_tax_ids": [], "invoice_settings": settings}


def _empty(tx: Tx, customer: Json, currency: str) -> Json:
    settings = customer["invoice_settings"]
    return {
        **_NOTHING_YET,
        **_ZERO,
        "id": tx.mint("in"),
        "object": "invoice",
        "account_country": seller(tx)["head_office"],
        "account_name": tx.setting("account_name") or "Sandbox Seller GmbH",
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None,
        },
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": tx.now,
        "currency": currency,
        "custom_fields": settings["custom_fields"],
        "customer": customer["id"],
        "default_tax_rates": [],
        "discounts": [],
        "footer": settings["footer"],
        "issuer": {"type": "self"},
        "livemode": False,
        "metadata": {},
        "payment_settings": {
            "default_mandate": None, "payment_method_options": None, "payment_method_types": None,
        },
        "period_end": tx.now,
        "period_start": tx.now,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "_lines": [],
        "_token": tx.mint("live"),
        **customer_snapshot(tx, customer),
    }  # fmt: skip


def customer_snapshot(tx: Tx, customer: Json) -> Json:
    """Return what an invoice copies from its customer; taken for good at finalization."""
    return {
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [
            {"type": one["type"], "value": one["value"]} for one in tax_ids_of(tx, customer)
        ],
    }  # fmt: skip


def _apply(body: Json, given: Json) -> None:
    put(
        body, given, "auto_advance", "collection_method", "default_payment_method", "description", "due_date",
        "effective_at", "statement_descriptor", "account_tax_ids",
    )  # fmt: skip
    for name in ("footer", "custom_fields"):
        if name in given:
            body[name] = given[name]
    if given.get("automatic_tax"):
        enabled = given["automatic_tax"]["enabled"]
        body["automatic_tax"] = {
            "disabled_reason": None,
            "enabled": enabled,
            "liability": {"type": "self"} if enabled else None,
            "provider": "stripe" if enabled else None,
            "status": None,
        }
    put_inside(
        body, given, "payment_settings",
        default_mandate=None, payment_method_options=None, payment_method_types=None,
    )  # fmt: skip
    if "rendering" in given:
        empty: Json = {"amount_tax_display": None, "pdf": None, "template": None, "template_version": None}
        body["rendering"] = given["rendering"] and {**empty, **given["rendering"]}


def _dress(tx: Tx, body: Json, public: Json) -> None:
    items = body["_lines"]
    public["lines"] = page(f"/v1/invoices/{body['id']}/lines", items[:_LINES_SHOWN_MAX])
    public["lines"]["has_more"] = len(items) > _LINES_SHOWN_MAX
    finalized = body["status_transitions"]["finalized_at"] is not None
    # A hosted URL's age counts from when it was handed out, so the moment is in it.
    where = f"{tx.base_url}/invoices/{body['id']}/{body['_token']}"
    public["hosted_invoice_url"] = f"{where}?t={tx.now}" if finalized else None
    public["invoice_pdf"] = f"{where}/pdf?t={tx.now}" if finalized else None


def _payments_shown(tx: Tx, public: Json) -> object:
    paid = [shown(tx, one) for one in tx.select("invoice_payment", invoice=public["id"])]
    return page(f"/v1/invoice_payments?invoice={public['id']}", paid)


def _secret_shown(tx: Tx, public: Json) -> object:
    for one in tx.select("invoice_payment", invoice=public["id"]):
        intent = tx.find("payment_intent", one["payment"].get("payment_intent"))
        if intent and one["is_default"] and intent["status"] != "canceled":
            return {"client_secret": intent["client_secret"], "type": "payment_intent"}
    return None


def _list(tx: Tx, call: Call) -> Json:
    given = call.given
    found = tx.select("invoice", customer=given.get("customer"), status=given.get("status"))
    method = given.get("collection_method")
    found = [body for body in within(found, given.get("created")) if method in {None, body["collection_method"]}]
    return listed(tx, call.path, found, given)


def _list_lines(tx: Tx, call: Call) -> Json:
    return listed(tx, call.path, tx.get("invoice", call.id)["_lines"], call.given)


def _add_lines(tx: Tx, call: Call) -> Json:
    for one in call.given["lines"]:
        item_added(tx, call.id, one)
    body = tx.get("invoice", call.id)
    if "invoice_metadata" in call.given:
        body["metadata"] = merged_metadata(body["metadata"], call.given["invoice_metadata"])
        tx.save(body)
    return shown(tx, body)


DRESS["invoice"] = _dress
ONLY_EXPANDED["invoice", "payments"] = _payments_shown
ONLY_EXPANDED["invoice", "confirmation_secret"] = _secret_shown

_FILTERS = page_of(
    customer=text, status=choice("draft", "open", "paid", "uncollectible", "void"), created=instants,
    collection_method=text,
)  # fmt: skip
_ADD_LINES = group(needs=("lines",), lines=array(LINE), invoice_metadata=mapping)

ROUTES = [
    Route("POST", "/v1/invoices", lambda tx, call: shown(tx, created(tx, call.given)), _CREATE),
    Route("GET", "/v1/invoices", _list, _FILTERS),
    Route("POST", "/v1/invoices/create_preview", lambda tx, call: shown(tx, previewed(tx, call.given)), _PREVIEW),
    Route("GET", "/v1/invoices/{id}", lambda tx, call: shown(tx, tx.get("invoice", call.id))),
    Route("POST", "/v1/invoices/{id}", lambda tx, call: shown(tx, changed(tx, call.id, call.given)), group(_FIELDS)),
    Route("DELETE", "/v1/invoices/{id}", lambda tx, call: deleted(tx, call.id)),
    Route("GET", "/v1/invoices/{id}/lines", _list_lines, page_of()),
    Route("POST", "/v1/invoices/{id}/add_lines", _add_lines, _ADD_LINES),
]
