"""Disputes: a bank takes its customer's money back, asks first, or warns; and how it ends.

Owns: /v1/disputes, /v1/radar/early_fraud_warnings, and what the test cards for them do after a charge.
D1  a chargeback takes amount and fee when it opens, not when it is lost; an inquiry takes nothing.
D2  a dispute that was won brings the amount back; the fee stays with the bank.
D3  a dispute that nobody answers is lost on its due date; an inquiry closes by itself.

Sources: Stripe's guides on disputes and their test evidence; the fee is the sandbox's own figure.
"""

from typing import Final

from ileen.sandbox.stripe import events
from ileen.sandbox.stripe.api import Call, Route, merged_metadata
from ileen.sandbox.stripe.charges import balance_transaction
from ileen.sandbox.stripe.due import ACTIONS
from ileen.sandbox.stripe.errors import Json, refused
from ileen.sandbox.stripe.form import flag, group, instants, mapping, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown, within

FEE_CENTS: Final = 2000
"""What the bank takes for a chargeback."""
ANSWER_WITHIN_S: Final = 7 * 24 * 3600
INQUIRY_CLOSES_AFTER_S: Final = 120 * 24 * 3600
AFTERMATHS: Final = {
    "dispute_fraudulent": ("fraudulent", "chargeback"),
    "dispute_not_received": ("product_not_received", "chargeback"),
    "inquiry": ("general", "inquiry"),
}
"""By a test card's aftermath: the reason the payer gives, and the kind of case."""
_OPEN: Final = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}
_EVIDENCE: Final = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
    "shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def opened(tx: Tx, charge: Json, *, reason: str, case: str = "chargeback", amount: int | None = None) -> Json:
    """Open a dispute about a charge, or about `amount` cents of it; `case` is chargeback, inquiry or prevented."""
    inquiry, prevented = case == "inquiry", case == "prevented"
    due_by = tx.now + ANSWER_WITHIN_S
    details = charge["payment_method_details"]["card"]
    body: Json = {
        "id": tx.mint("du"),
        "object": "dispute",
        "amount": charge["amount"] if amount is None else amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": None if prevented else due_by, "enhanced_eligibility": {}, "has_evidence": False,
            "past_due": False, "submission_count": 0, "submission_method": "manual",
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": details["brand"], "case_type": "resolution" if prevented else case,
                "network": details["brand"], "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "prevented" if prevented else "warning_needs_response" if inquiry else "needs_response",
    }  # fmt: skip
    tx.save(body)
    charge["disputed"] = True
    tx.save(charge)
    events.emit(tx, "charge.dispute.created", body)
    if prevented:
        events.emit(tx, "charge.dispute.closed", body)
    elif inquiry:
        tx.schedule(tx.now + INQUIRY_CLOSES_AFTER_S, "dispute.expire", dispute=body["id"])
    else:
        _withdraw(tx, body)
        tx.schedule(due_by, "dispute.expire", dispute=body["id"])
    return body


def ended(tx: Tx, id_: str, *, won: bool) -> Json:
    """Decide a dispute: won or lost; an inquiry ends as `warning_closed` when it is won, lost when it is not."""
    body = _still_open(tx, id_)
    inquiry = body["status"].startswith("warning_")
    body["status"] = ("warning_closed" if inquiry else "won") if won else "lost"
    if won and not inquiry:
        _book(tx, body, body["amount"], fee=0, what="Chargeback reversal")
    tx.save(body)
    events.emit(tx, "charge.dispute.closed", body)
    if won and not inquiry:
        events.emit(tx, "charge.dispute.funds_reinstated", body)
    return body


def escalated(tx: Tx, id_: str) -> Json:
    """Turn an inquiry into a chargeback: now the money leaves."""
    body = _still_open(tx, id_)
    if not body["status"].startswith("warning_"):
        raise refused("Only an inquiry can be escalated.")
    body["status"] = "needs_response"
    body["is_charge_refundable"] = False
    body["payment_method_details"]["card"]["case_type"] = "chargeback"
    body["evidence_details"]["due_by"] = tx.now + ANSWER_WITHIN_S
    events.update(tx, body, "charge.dispute.updated")
    _withdraw(tx, body)
    tx.schedule(tx.now + ANSWER_WITHIN_S, "dispute.expire", dispute=id_)
    return body


def warned(tx: Tx, charge: Json) -> Json:
    """Record an early fraud warning: the issuer thinks the card was stolen, and nothing has moved yet."""
    body = tx.save(
        {
            "id": tx.mint("issfr"),
            "object": "radar.early_fraud_warning",
            "actionable": True,
            "charge": charge["id"],
            "created": tx.now,
            "fraud_type": "made_with_stolen_card",
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    events.emit(tx, "radar.early_fraud_warning.created", body)
    return body


def follow(tx: Tx, charge: Json, aftermath: str) -> None:
    """Do what a test card promises after a successful charge."""
    if aftermath == "early_fraud_warning":
        warned(tx, charge)
    elif aftermath == "dispute_twice":
        half = charge["amount"] // 2
        opened(tx, charge, reason="fraudulent", amount=half)
        opened(tx, charge, reason="fraudulent", amount=charge["amount"] - half)
    else:
        reason, case = AFTERMATHS[aftermath]
        opened(tx, charge, reason=reason, case=case)


def _withdraw(tx: Tx, body: Json) -> None:
    _book(tx, body, -body["amount"], fee=FEE_CENTS, what="Chargeback withdrawal")
    tx.save(body)
    events.emit(tx, "charge.dispute.funds_withdrawn", body)


def _book(tx: Tx, body: Json, amount: int, *, fee: int, what: str) -> None:
    description = f"{what} for {body['charge']}"
    moved = balance_transaction(
        tx, amount, body["currency"], fee=fee, source=body["id"], kind="adjustment", description=description
    )
    if amount > 0:
        moved = tx.save({**moved, "reporting_category": "dispute_reversal"})
    body["balance_transactions"] = [*body["balance_transactions"], shown(tx, moved)]


def _still_open(tx: Tx, id_: str) -> Json:
    body = tx.get("dispute", id_)
    if body["status"] not in _OPEN:
        raise refused("This dispute is already closed")
    return body


def _expire(tx: Tx, arguments: Json) -> None:
    """End what nobody answered. An escalated inquiry has two dates; only the one it has now counts."""
    body = tx.get("dispute", arguments["dispute"])
    inquiry = body["status"] == "warning_needs_response"
    if body["status"] == "needs_response" and tx.now >= body["evidence_details"]["due_by"]:
        body["evidence_details"]["past_due"] = True
        tx.save(body)
        ended(tx, body["id"], won=False)
    elif inquiry and tx.now >= body["created"] + INQUIRY_CLOSES_AFTER_S:
        ended(tx, body["id"], won=True)


def _update(tx: Tx, call: Call) -> Json:
    body = tx.get("dispute", call.id)
    if "metadata" in call.given:
        body["metadata"] = merged_metadata(body["metadata"], call.given["metadata"])
    evidence = call.given.get("evidence")
    if evidence:
        _still_open(tx, call.id)
        body["evidence"] = {**body["evidence"], **evidence}
        body["evidence_details"]["has_evidence"] = any(body["evidence"][name] for name in _EVIDENCE)
    sent = bool(evidence) and call.given.get("submit") is not False
    if sent:
        body["evidence_details"]["submission_count"] += 1
        body["status"] = "warning_under_review" if body["status"].startswith("warning_") else "under_review"
    events.update(tx, body, "charge.dispute.updated")
    if sent:
        _judge(tx, body)
    return shown(tx, tx.get("dispute", call.id))


def _judge(tx: Tx, body: Json) -> None:
    match body["evidence"]["uncategorized_text"]:
        case "winning_evidence":
            ended(tx, body["id"], won=True)
        case "losing_evidence":
            ended(tx, body["id"], won=False)
        case "escalate_inquiry_evidence":
            escalated(tx, body["id"])
        case _:
            return


def _close(tx: Tx, call: Call) -> Json:
    return shown(tx, ended(tx, call.id, won=False))


def _list(tx: Tx, call: Call) -> Json:
    given = call.given
    found = tx.select("dispute", charge=given.get("charge"), payment_intent=given.get("payment_intent"))
    return listed(tx, call.path, within(found, given.get("created")), given)


def _list_warnings(tx: Tx, call: Call) -> Json:
    given = call.given
    kind = "radar.early_fraud_warning"
    found = tx.select(kind, charge=given.get("charge"), payment_intent=given.get("payment_intent"))
    return listed(tx, call.path, within(found, given.get("created")), given)


def _follow(tx: Tx, arguments: Json) -> None:
    follow(tx, tx.get("charge", arguments["charge"]), arguments["what"])


ACTIONS["charge.aftermath"] = _follow
ACTIONS["dispute.expire"] = _expire

_UPDATE = group(evidence=group(dict.fromkeys(_EVIDENCE, text)), metadata=mapping, submit=flag)
_FILTERS = page_of(charge=text, payment_intent=text, created=instants)
_WARNINGS = "/v1/radar/early_fraud_warnings"

ROUTES = [
    Route("GET", "/v1/disputes", _list, _FILTERS),
    Route("GET", "/v1/disputes/{id}", lambda tx, call: shown(tx, tx.get("dispute", call.id))),
    Route("POST", "/v1/disputes/{id}", _update, _UPDATE),
    Route("POST", "/v1/disputes/{id}/close", _close),
    Route("GET", _WARNINGS, _list_warnings, _FILTERS),
    Route("GET", _WARNINGS + "/{id}", lambda tx, call: shown(tx, tx.get("radar.early_fraud_warning", call.id))),
]
