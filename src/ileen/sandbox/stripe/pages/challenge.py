"""The bank's page (3-D Secure): approve, reject, leave, or run out of time, for a payment or for saving a card.

Owns: /authenticate and its deadline. Refuses to know: what follows from an answer (`payments`, `setups`).
B1  an answer counts once, and only before the deadline; at the deadline the bank answers no by itself.
B2  leaving is no answer: the payment stays open.
B3  the page leads back to the invoice, or to the portal visit that asked.
"""

import hmac
from typing import Final

from ileen.sandbox.stripe import payments, setups
from ileen.sandbox.stripe.api import Page, PageAnswer, PageCall
from ileen.sandbox.stripe.business import brand
from ileen.sandbox.stripe.due import ACTIONS
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.pages.card_form import described
from ileen.sandbox.stripe.pages.frame import attempt, expired, fields, goto, moment, page
from ileen.sandbox.stripe.pdf import money
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import shown

OPEN_S: Final = 300
"""How long the bank waits, and how much "more time" gives. A person must be able to find their phone."""
_ANSWERS: Final = {"approve": True, "reject": False, "timeout": False, "error": False}


def _show(tx: Tx, call: PageCall) -> PageAnswer:
    intent = _found(tx, call)
    if intent is None:
        return expired(brand=brand(tx))
    if intent["status"] != "requires_action":
        return goto(_way_back(tx, intent))
    if not intent.get("_open_until"):
        _extend(tx, intent)
    return _page(tx, intent, call.path)


def _page(tx: Tx, intent: Json, path: str, notice: str | None = None) -> PageAnswer:
    until = intent["_open_until"]
    minutes, seconds = divmod(max(0, until - tx.now), 60)
    amount = money(intent["amount"], intent["currency"]) if intent["object"] == "payment_intent" else None
    return page(
        "challenge.html",
        brand=brand(tx),
        leads_to=intent.get("_ways_out", []),
        here=tx.base_url + path,
        amount=amount,
        card=described(tx.get("payment_method", intent["_trying"]))["title"],
        until=moment(until),
        minutes=f"{minutes} min {seconds:02d} s left",
        notice=notice,
    )


def _answered(tx: Tx, call: PageCall) -> PageAnswer:
    intent = _found(tx, call)
    if intent is None:
        return expired(brand=brand(tx))
    answer = fields(call.form).get("answer", "")
    if intent["status"] != "requires_action" or answer == "close":
        return goto(_way_back(tx, intent))
    if answer == "more_time":
        _extend(tx, intent)
        return _page(tx, intent, call.path, notice="You have more time now.")
    if answer not in _ANSWERS:
        return _page(tx, intent, call.path)
    _answer(tx, intent, passed=_ANSWERS[answer])
    return goto(_way_back(tx, tx.get(intent["object"], intent["id"])))


def _answer(tx: Tx, intent: Json, *, passed: bool) -> None:
    room = payments if intent["object"] == "payment_intent" else setups
    attempt(tx, lambda: room.authenticated(tx, intent["id"], passed=passed))


def _found(tx: Tx, call: PageCall) -> Json | None:
    """Return the intent of a link; its secret is the end of its client secret."""
    id_ = call.ids["id"]
    kind = "setup_intent" if id_.startswith("seti_") else "payment_intent"
    intent = tx.find(kind, id_)
    if intent is None or not hmac.compare_digest(intent["client_secret"].rsplit("_", 1)[1], call.ids["secret"]):
        return None
    return intent


def _extend(tx: Tx, intent: Json) -> None:
    intent["_open_until"] = max(tx.now, intent.get("_open_until") or 0) + OPEN_S
    tx.save(intent)
    tx.schedule(intent["_open_until"], "challenge.timeout", kind=intent["object"], intent=intent["id"])


def _time_over(tx: Tx, arguments: Json) -> None:
    intent = tx.find(arguments["kind"], arguments["intent"])
    waiting = intent is not None and intent["status"] == "requires_action"
    if intent is not None and waiting and tx.now >= (intent.get("_open_until") or 0):
        _answer(tx, intent, passed=False)


def _way_back(tx: Tx, intent: Json) -> str:
    if intent["object"] == "setup_intent":
        return intent.get("_return") or tx.base_url
    return shown(tx, tx.get("invoice", payments.invoice_of(tx, intent["id"])))["hosted_invoice_url"]


ACTIONS["challenge.timeout"] = _time_over

PAGES = [
    Page("GET", "/authenticate/{id}/{secret}", _show),
    Page("POST", "/authenticate/{id}/{secret}", _answered),
]
