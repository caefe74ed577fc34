"""The page of levers and the sandbox's front page: what the control API does, for people.

Owns: / and /control. Refuses to know: what a lever does; a form becomes a request to `control`.
K1  a form counts only with the page's own token, so that no other site can pull a lever through a browser.
"""

import hmac
import re
from typing import Final

from ileen.sandbox.stripe import delivery, doubts, events, faults, portal
from ileen.sandbox.stripe.api import Call, Page, PageAnswer, PageCall, Route
from ileen.sandbox.stripe.business import brand, business
from ileen.sandbox.stripe.corrections import anything
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.pages.frame import day, fields, goto, moment, page
from ileen.sandbox.stripe.pdf import money
from ileen.sandbox.stripe.store import Tx, random_text
from ileen.sandbox.stripe.views import shown

_PATH: Final = re.compile(r"[\w./-]{1,200}", re.ASCII)
_SHOWN: Final = 10
_SETTING: Final = "lever_token"
_OPEN_DISPUTES: Final = {"needs_response", "warning_needs_response", "under_review", "warning_under_review"}


def may_pull(tx: Tx, form: Json) -> bool:
    """Tell whether a form came from the page of levers."""
    return hmac.compare_digest(token(tx), fields(form).get("token", ""))


def asked(form: Json) -> tuple[str, str, Json]:
    """Return the control request that a form stands for: method, path and parameters; empty fields are left out."""
    given = {name: value for name, value in fields(form).items() if value not in {"", "token"}}
    path, method = given.pop("path", ""), given.pop("method", "POST")
    given.pop("token", None)
    wanted: Json = {**given}
    if "at" in wanted:  # the path of a fault, which is not the lever's own
        wanted["path"] = wanted.pop("at")
    if "types" in wanted:
        wanted["types"] = re.split(r"[\s,]+", str(wanted["types"]).strip())
    if "address" in wanted:
        wanted["address"] = [line.strip() for line in str(wanted["address"]).splitlines() if line.strip()]
    return method, f"/_control/{path if _PATH.fullmatch(path) else ''}", wanted


def answered(tx: Tx, status: int, body: Json) -> PageAnswer:
    """Show the page of levers again, with what came of one."""
    if status == 200:
        return goto(body["url"] if body.keys() == {"url"} else f"{tx.base_url}/control?done=yes")
    return control(tx, alert=str(body["error"]["message"]))


def token(tx: Tx) -> str:
    """Return the token that the page's forms carry."""
    found = tx.setting(_SETTING)
    if found is None:
        found = random_text(32)
        tx.set(_SETTING, found)
    return found


def control(tx: Tx, *, alert: str | None = None, notice: str | None = None) -> PageAnswer:
    """Return the page of levers."""
    mode = events.delivery_rule(tx, "")
    return page(
        "control.html",
        brand=brand(tx),
        alert=alert,
        notice=notice,
        token=token(tx),
        here=f"{tx.base_url}/control",
        now=f"{moment(tx.now):%A, %-d %B %Y, %H:%M:%S} UTC",
        modes=events.MODES,
        mode=mode,
        faults=faults.all_armed(tx),
        fault_kinds=faults.KINDS,
        doubts=[(name, doubts.DOUBTS[name], chosen) for name, chosen in doubts.chosen(tx).items()],
        invoices=_invoices(tx),
        disputes=[_dispute(tx, one) for one in tx.select("dispute")[:_SHOWN]],
        refunds=[_refund(one) for one in tx.select("refund")[:_SHOWN]],
        endpoints=tx.select("webhook_endpoint"),
        deliveries=delivery.deliveries(tx)[-_SHOWN:][::-1],
        numbering=tx.setting("numbering") or "customer",
        business=business(tx),
    )


def _control(tx: Tx, call: PageCall) -> PageAnswer:
    return control(tx, notice="Done." if call.query.get("done") else None)


def _index(tx: Tx, _: PageCall) -> PageAnswer:
    waiting = [
        one["next_action"]["redirect_to_url"]["url"]
        for kind in ("payment_intent", "setup_intent")
        for one in tx.select(kind, status="requires_action")
    ]
    return page(
        "index.html",
        brand=brand(tx),
        token=token(tx),
        here=tx.base_url,
        inbox=business(tx)["inbox_url"],
        customers=[_customer(one) for one in tx.select("customer")[:_SHOWN]],
        invoices=_invoices(tx),
        waiting=waiting[:_SHOWN],
    )


def _customer(body: Json) -> Json:
    return {"id": body["id"], "title": body["name"] or body["email"] or body["id"]}


def _invoices(tx: Tx) -> list[Json]:
    found = [one for one in tx.select("invoice") if one["status"] != "draft"][:_SHOWN]
    return [
        {
            "id": one["id"], "number": one["number"], "buyer": one["customer_name"] or one["customer_email"] or "",
            "amount": money(one["total"], one["currency"]), "status": one["status"],
            "date": day(one["status_transitions"]["finalized_at"]), "url": shown(tx, one)["hosted_invoice_url"],
        }
        for one in found
    ]  # fmt: skip


def _dispute(tx: Tx, body: Json) -> Json:
    inquiry = body["status"].startswith("warning_")
    return {
        "id": body["id"], "status": body["status"], "reason": body["reason"], "date": day(body["created"]),
        "amount": money(body["amount"], body["currency"]), "open": body["status"] in _OPEN_DISPUTES,
        "inquiry": inquiry, "due": day(body["evidence_details"]["due_by"]), "now": tx.now,
    }  # fmt: skip


def _refund(body: Json) -> Json:
    return {
        "id": body["id"], "status": body["status"], "date": day(body["created"]),
        "amount": money(body["amount"], body["currency"]), "may_fail": body["status"] in {"succeeded", "pending"},
    }  # fmt: skip


def _visit(tx: Tx, call: Call) -> Json:
    """Open the portal for a customer, as the seller's product would."""
    if not tx.select("billing_portal.configuration"):
        updates = {"enabled": True, "allowed_updates": ["address", "email", "name", "tax_id"]}
        on = {"enabled": True}
        portal.made(tx, {"features": {"customer_update": updates, "invoice_history": on, "payment_method_update": on}})
    back = business(tx)["url"] or tx.base_url
    return {"url": portal.session_url(tx, portal.visit(tx, {"customer": call.id, "return_url": back}))}


CONTROLS = [Route("POST", "/_control/dashboard/customers/{id}/portal", _visit, anything)]
PAGES = [Page("GET", "/", _index), Page("GET", "/control", _control)]
