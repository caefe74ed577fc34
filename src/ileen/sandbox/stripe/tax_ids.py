"""Tax ids of customers: immutable, verified later, and believed for tax whatever the verification says.

Owns: /v1/customers/{id}/tax_ids. Sources: Stripe's guides on customer tax ids; magic values as documented there.
X1  a new id is `pending`; the verdict comes by the clock, with `customer.tax_id.updated`, and never again.
"""

import re
from typing import Final

from ileen.sandbox.stripe import events
from ileen.sandbox.stripe.api import Call, Route
from ileen.sandbox.stripe.due import ACTIONS
from ileen.sandbox.stripe.errors import Json, no_such, refused
from ileen.sandbox.stripe.form import group, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown

VERIFIED_AFTER_S: Final = 60
"""How long the sandbox's registers think about an id."""
_EU_BODY: Final = {
    "AT": r"U\d{8}", "BE": r"[01]\d{9}", "BG": r"\d{9,10}", "CY": r"\d{8}[A-Z]", "CZ": r"\d{8,10}", "DE": r"\d{9}",
    "DK": r"\d{8}", "EE": r"\d{9}", "EL": r"\d{9}", "ES": r"[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"\d{8}",
    "FR": r"[A-Z0-9]{2}\d{9}", "HR": r"\d{11}", "HU": r"\d{8}", "IE": r"\d[A-Z0-9+*]\d{5}[A-Z]{1,2}", "IT": r"\d{11}",
    "LT": r"\d{9}|\d{12}", "LU": r"\d{8}", "LV": r"\d{11}", "MT": r"\d{8}", "NL": r"\d{9}B\d{2}", "PL": r"\d{10}",
    "PT": r"\d{9}", "RO": r"\d{2,10}", "SE": r"\d{12}", "SI": r"\d{8}", "SK": r"\d{10}", "XI": r"\d{9}|\d{12}",
    "GB": r"\d{9}|\d{12}",
}  # fmt: skip
_FORMS: Final = {
    "eu_vat": "|".join(f"{country}(?:{body})" for country, body in _EU_BODY.items()),
    "gb_vat": r"GB(?:\d{9}|\d{12}|GD\d{3}|HA\d{3})",
    "ch_vat": r"CHE-?\d{3}\.?\d{3}\.?\d{3}(?: ?(?:MWST|TVA|IVA))?",
    "no_vat": r"\d{9}MVA",
    "au_abn": r"\d{11}",
    "us_ein": r"\d{2}-?\d{7}",
}
_MAGIC: Final = {"000000000": "verified", "111111111": "unverified", "222222222": "pending"}
_MAGIC_TYPES: Final = ("eu_vat", "gb_vat", "au_abn")
# Numbers whose check digits are right, for products that check them before asking: one for each verdict.
_REAL_LOOKING: Final = {
    "DE136695976": "verified", "ATU13585627": "verified", "BE0428759497": "verified", "FR40303265045": "verified",
    "IE6388047V": "verified", "NL010000446B01": "unverified", "DK13585628": "unverified", "SE556188840401": "pending",
}  # fmt: skip
_VERIFIED_TYPES: Final = ("eu_vat", "gb_vat", "au_abn")


def added(tx: Tx, customer: str, type_: str, value: str, *, announce: bool = True) -> Json:
    """Add a tax id. Raises: ApiError resource_already_exists, tax_id_invalid."""
    if any(one["type"] == type_ and one["value"] == value for one in tx.select("tax_id", customer=customer)):
        raise refused(f"The tax ID '{value}' already exists on this customer.", code="resource_already_exists")
    if type_ not in _FORMS:
        raise refused(f"Invalid type: must be one of {', '.join(_FORMS)}", param="type")
    if not _well_formed(type_, value):
        raise refused(f"Invalid value for {type_}.", code="tax_id_invalid", param="value")
    checked = type_ in _VERIFIED_TYPES
    body: Json = {
        "id": tx.mint("txi"),
        "object": "tax_id",
        "country": _country(type_, value),
        "created": tx.now,
        "customer": customer,
        "customer_account": None,
        "livemode": False,
        "owner": {"customer": customer, "customer_account": None, "type": "customer"},
        "type": type_,
        "value": value,
        "verification": {
            "status": "pending" if checked else "unavailable", "verified_address": None, "verified_name": None,
        },
    }  # fmt: skip
    tx.save(body)
    if announce:
        events.emit(tx, "customer.tax_id.created", body)
    if checked:
        tx.schedule(tx.now + VERIFIED_AFTER_S, "tax_id.verify", tax_id=body["id"])
    return body


def removed(tx: Tx, customer: str, id_: str) -> Json:
    """Delete a tax id."""
    body = _of(tx, customer, id_)
    tx.remove(id_)
    events.emit(tx, "customer.tax_id.deleted", body)
    return {"id": id_, "object": "tax_id", "deleted": True}


def verdict(type_: str, value: str) -> str:
    """Return what the registers will say of an id; without a magic value a well-formed id is verified."""
    bare = re.sub(r"^[A-Z]{2}", "", value)
    if type_ in _MAGIC_TYPES and bare in _MAGIC:
        return _MAGIC[bare]
    return _REAL_LOOKING.get(value, "verified")


def _well_formed(type_: str, value: str) -> bool:
    bare = re.sub(r"^[A-Z]{2}", "", value)
    return (type_ in _MAGIC_TYPES and bare in _MAGIC) or re.fullmatch(_FORMS[type_], value) is not None


def _country(type_: str, value: str) -> str | None:
    if type_ == "eu_vat":
        prefix = value[:2] if value[:2].isalpha() else None
        return {"EL": "GR", "XI": "GB"}.get(prefix or "", prefix)
    return type_[:2].upper()


def _verify(tx: Tx, arguments: Json) -> None:
    body = tx.find("tax_id", arguments["tax_id"])
    if body is None:
        return
    status = verdict(body["type"], body["value"])
    if status == "pending":
        return
    owner = tx.find("customer", body["customer"]) or {}
    ok = status == "verified"
    body["verification"] = {
        "status": status,
        "verified_name": (owner.get("name") or "Sandbox GmbH") if ok else None,
        "verified_address": "1 Register Street" if ok else None,
    }
    events.update(tx, body, "customer.tax_id.updated")


def _of(tx: Tx, customer: str, id_: str) -> Json:
    body = tx.get("tax_id", id_)
    if body["customer"] != customer:
        raise no_such("tax_id", id_)
    return body


def _create(tx: Tx, call: Call) -> Json:
    tx.get("customer", call.id)
    return shown(tx, added(tx, call.id, call.given["type"], call.given["value"]))


def _list(tx: Tx, call: Call) -> Json:
    tx.get("customer", call.id)
    return listed(tx, call.path, tx.select("tax_id", customer=call.id), call.given)


ACTIONS["tax_id.verify"] = _verify

ROUTES = [
    Route("POST", "/v1/customers/{id}/tax_ids", _create, group(needs=("type", "value"), type=text, value=text)),
    Route("GET", "/v1/customers/{id}/tax_ids", _list, page_of()),
    Route("GET", "/v1/customers/{id}/tax_ids/{tax_id}", lambda tx, c: shown(tx, _of(tx, c.id, c.ids["tax_id"]))),
    Route("DELETE", "/v1/customers/{id}/tax_ids/{tax_id}", lambda tx, c: removed(tx, c.id, c.ids["tax_id"])),
]
