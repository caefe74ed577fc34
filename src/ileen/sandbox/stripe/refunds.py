"""Refunds: money back to a card, and what may become of it later.

Owns: /v1/refunds and `charge.amount_refunded`. Refuses to know: credit notes (they ask for refunds here).
R1  refunds of a charge that still stand never exceed what was captured.
R2  a disputed charge is not refunded; the bank has taken the money already.
R3  a refund can fail after it succeeded: the money is with the seller again, and the charge says so.
"""

from typing import Final

from ileen.sandbox.stripe import events
from ileen.sandbox.stripe.api import Call, Route, merged_metadata
from ileen.sandbox.stripe.charges import balance_transaction
from ileen.sandbox.stripe.due import ACTIONS
from ileen.sandbox.stripe.errors import ApiError, Json, invalid, refused
from ileen.sandbox.stripe.form import choice, group, instants, mapping, page_of, text, whole
from ileen.sandbox.stripe.payment_methods import card_of
from ileen.sandbox.stripe.pdf import money
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown, within

SETTLED_AFTER_S: Final = 3600
"""How long a bank thinks about a refund that is not answered at once."""
NEXT_REFUND: Final = "next_refund"
"""The setting that makes the next refund, whatever its card, pending_then_succeeded or succeeded_then_failed."""
_STANDING: Final = {"succeeded", "pending", "requires_action"}


def refunded(
    tx: Tx, charge: Json, *, amount: int | None = None, reason: str | None = None, metadata: Json | None = None
) -> Json:
    """Refund `amount` cents of a charge, or all that is left. Raises: ApiError charge_disputed and others."""
    left = refundable(tx, charge)
    wanted = left if amount is None else amount
    _check(tx, charge, wanted, left)
    outcome = _outcome(tx, charge)
    pending = outcome == "pending_then_succeeded"
    body: Json = {
        "id": tx.mint("re"),
        "object": "refund",
        "amount": wanted,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        "metadata": metadata or {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if pending else "succeeded",
        "transfer_reversal": None,
    }
    body["balance_transaction"] = _booked(tx, body, "refund", -wanted)
    tx.save(body)
    _recount(tx, charge["id"])
    events.emit(tx, "refund.created", body)
    events.emit(tx, "charge.refunded", tx.get("charge", charge["id"]))
    if outcome:
        tx.schedule(tx.now + SETTLED_AFTER_S, "refund.settle" if pending else "refund.fail", refund=body["id"])
    return body


def refundable(tx: Tx, charge: Json) -> int:
    """Return how many cents of a charge have not been refunded."""
    return charge["amount_captured"] - sum(one["amount"] for one in standing(tx, charge["id"]))


def standing(tx: Tx, charge: str) -> list[Json]:
    """Return a charge's refunds that have not failed, newest first."""
    return [one for one in tx.select("refund", charge=charge) if one["status"] in _STANDING]


def failed(tx: Tx, id_: str, *, why: str = "unknown") -> Json:
    """Let a refund fail: the bank sent the money back."""
    body = tx.get("refund", id_)
    if body["status"] not in _STANDING:
        raise refused(f"This refund is {body['status']} and cannot fail any more.")
    body["status"] = "failed"
    body["failure_reason"] = why
    body["failure_balance_transaction"] = _booked(tx, body, "refund_failure", body["amount"])
    events.update(tx, body, "refund.updated", "charge.refund.updated")
    _recount(tx, body["charge"])
    events.emit(tx, "refund.failed", body)
    return body


def _check(tx: Tx, charge: Json, wanted: int, left: int) -> None:
    if charge["status"] != "succeeded":
        raise refused("This charge was not successful, so it cannot be refunded.")
    blocking = [one for one in tx.select("dispute", charge=charge["id"]) if not one["is_charge_refundable"]]
    if any(one["status"] not in {"won", "warning_closed", "prevented"} for one in blocking):
        raise refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if left <= 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if wanted < 1:
        raise ApiError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if wanted > left:
        currency = charge["currency"]
        raise refused(
            f"Refund amount ({money(wanted, currency)}) is greater than unrefunded amount on charge "
            f"({money(left, currency)})",
            param="amount",
        )


def _booked(tx: Tx, body: Json, kind: str, amount: int) -> str:
    moved = balance_transaction(
        tx, amount, body["currency"], fee=0, source=body["id"], kind=kind, description="REFUND FOR CHARGE"
    )
    return moved["id"]


def _outcome(tx: Tx, charge: Json) -> str | None:
    """Return what becomes of this refund later: what the dashboard asked for the next one, else the card's own."""
    wanted = tx.setting(NEXT_REFUND)
    if wanted:
        tx.set(NEXT_REFUND, None)
        return wanted
    card = tx.find("payment_method", charge["payment_method"])
    return card_of(card).refund if card else None


def _recount(tx: Tx, charge_id: str) -> None:
    """Set the charge's cumulative sum from its refunds, never by adding up changes."""
    charge = tx.get("charge", charge_id)
    charge["amount_refunded"] = sum(one["amount"] for one in standing(tx, charge_id))
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    tx.save(charge)


def _settle(tx: Tx, arguments: Json) -> None:
    body = tx.get("refund", arguments["refund"])
    if body["status"] == "pending":
        body["status"] = "succeeded"
        events.update(tx, body, "refund.updated", "charge.refund.updated")


def _fail(tx: Tx, arguments: Json) -> None:
    if tx.get("refund", arguments["refund"])["status"] in _STANDING:
        failed(tx, arguments["refund"])


def _create(tx: Tx, call: Call) -> Json:
    given = call.given
    if given.get("charge"):
        charge = tx.get("charge", given["charge"], param="charge")
    elif given.get("payment_intent"):
        intent = tx.get("payment_intent", given["payment_intent"], param="payment_intent")
        if intent["latest_charge"] is None:
            raise refused("This PaymentIntent does not have a successful charge to refund.")
        charge = tx.get("charge", intent["latest_charge"])
    else:
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    metadata = merged_metadata({}, given.get("metadata"))
    return shown(
        tx, refunded(tx, charge, amount=given.get("amount"), reason=given.get("reason"), metadata=metadata)
    )  # fmt: skip


def _update(tx: Tx, call: Call) -> Json:
    body = tx.get("refund", call.id)
    if "metadata" in call.given:
        body["metadata"] = merged_metadata(body["metadata"], call.given["metadata"])
    events.update(tx, body, "refund.updated", "charge.refund.updated")
    return shown(tx, body)


def _list(tx: Tx, call: Call) -> Json:
    given = call.given
    found = tx.select("refund", charge=given.get("charge"), payment_intent=given.get("payment_intent"))
    return listed(tx, call.path, within(found, given.get("created")), given)


ACTIONS["refund.settle"] = _settle
ACTIONS["refund.fail"] = _fail

_REASONS = choice("duplicate", "fraudulent", "requested_by_customer")
_CREATE = group(charge=text, payment_intent=text, amount=whole, reason=_REASONS, metadata=mapping)

ROUTES = [
    Route("POST", "/v1/refunds", _create, _CREATE),
    Route("GET", "/v1/refunds", _list, page_of(charge=text, payment_intent=text, created=instants)),
    Route("GET", "/v1/refunds/{id}", lambda tx, call: shown(tx, tx.get("refund", call.id))),
    Route("POST", "/v1/refunds/{id}", _update, group(metadata=mapping)),
]
