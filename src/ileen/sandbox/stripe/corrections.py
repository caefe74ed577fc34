"""What a person, or a bank, does about a payment that was made: refunds and disputes as control actions.

Owns: the money part of /_control/dashboard, who sells (/_control/business) and the mails Stripe would have sent.
Events have an empty `request`, as for everything done by hand.
"""

from ileen.sandbox.stripe import credit_notes, disputes, refunds
from ileen.sandbox.stripe.api import Call, Route
from ileen.sandbox.stripe.business import business, set_business
from ileen.sandbox.stripe.crediting import charges_of
from ileen.sandbox.stripe.errors import Json, invalid, refused
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import shown

_CASES = ("chargeback", "inquiry", "prevented")
_REASONS = (
    "credit_not_processed", "duplicate", "fraudulent", "general", "product_not_received", "product_unacceptable",
    "subscription_canceled", "unrecognized",
)  # fmt: skip
_OUTCOMES = ("pending_then_succeeded", "succeeded_then_failed")


def anything(value: object, _: str) -> object:
    """Read control parameters: JSON of any form."""
    return value


def charge_of(tx: Tx, invoice_id: str) -> Json:
    """Return the charge that paid an invoice. Raises: ApiError when none did."""
    charges = charges_of(tx, tx.get("invoice", invoice_id))
    if not charges:
        raise refused("No charge paid this invoice.")
    return tx.get("charge", charges[0])


def _refund(tx: Tx, call: Call) -> Json:
    amount = call.given.get("amount")
    return shown(tx, refunds.refunded(tx, charge_of(tx, call.id), amount=None if amount is None else int(amount)))


def _fail_refund(tx: Tx, call: Call) -> Json:
    return shown(tx, refunds.failed(tx, call.id))


def _next_refund(tx: Tx, call: Call) -> Json:
    outcome = call.given.get("outcome")
    if outcome not in {*_OUTCOMES, None}:
        raise invalid(f"Outcomes are: {', '.join(_OUTCOMES)}", param="outcome")
    tx.set(refunds.NEXT_REFUND, outcome)
    return {"outcome": outcome}


def _dispute(tx: Tx, call: Call) -> Json:
    case, reason = call.given.get("case", "chargeback"), call.given.get("reason", "fraudulent")
    if case not in _CASES or reason not in _REASONS:
        raise invalid(f"Cases are: {', '.join(_CASES)}; reasons are: {', '.join(_REASONS)}", param="case")
    return shown(tx, disputes.opened(tx, charge_of(tx, call.id), reason=reason, case=case))


def _warn(tx: Tx, call: Call) -> Json:
    return shown(tx, disputes.warned(tx, charge_of(tx, call.id)))


def _end(tx: Tx, call: Call) -> Json:
    match call.ids["ending"]:
        case "won":
            return shown(tx, disputes.ended(tx, call.id, won=True))
        case "lost":
            return shown(tx, disputes.ended(tx, call.id, won=False))
        case "escalated":
            return shown(tx, disputes.escalated(tx, call.id))
        case _:
            raise invalid("A dispute ends won or lost, or an inquiry is escalated.")


def _mails(tx: Tx, _: Call) -> Json:
    return {"mails": [shown(tx, one) for one in credit_notes.mails(tx)]}


def _business(tx: Tx, call: Call) -> Json:
    set_business(tx, call.given)
    return business(tx)


_AT = "/_control/dashboard"

CONTROLS = [
    Route("POST", f"{_AT}/invoices/{{id}}/refund", _refund, anything),
    Route("POST", f"{_AT}/invoices/{{id}}/dispute", _dispute, anything),
    Route("POST", f"{_AT}/invoices/{{id}}/warn", _warn, anything),
    Route("POST", f"{_AT}/refunds/{{id}}/fail", _fail_refund, anything),
    Route("POST", f"{_AT}/next_refund", _next_refund, anything),
    Route("POST", f"{_AT}/disputes/{{id}}/{{ending}}", _end, anything),
    Route("GET", "/_control/mails", _mails, anything),
    Route("POST", "/_control/business", _business, anything),
]
