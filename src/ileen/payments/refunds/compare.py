"""What went back at Stripe in a period, compared with our refunds and disputes: each difference in a sentence.

Owns: the comparison. Changes nothing. Refuses to know: how a difference came about.
"""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct
from sqlalchemy import Connection

from ileen.base.clock import SECOND, Instant
from ileen.base.ids import PurchaseId
from ileen.payments import records
from ileen.payments.disputes import book as disputes
from ileen.payments.disputes.model import DisputeState, target
from ileen.payments.model import PurchaseState
from ileen.payments.refunds import book
from ileen.payments.refunds.model import Refund, RefundState
from ileen.payments.rules import Record
from ileen.payments.stripe import Stripe, returns
from ileen.payments.stripe.returns import Disputed, Note, Refunded
from ileen.store.engine import Database

_GONE = frozenset({RefundState.SENT, RefundState.DONE})


class ReturnBreak(StrEnum):
    """What does not match."""

    REFUND_MISSING = "refund_missing"
    REFUND_DIFFERS = "refund_differs"
    CREDIT_NOTE_DIFFERS = "credit_note_differs"
    DISPUTE_DIFFERS = "dispute_differs"


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that does not match."""

    kind: ReturnBreak
    purchase: PurchaseId
    invoice: str | None
    detail: str


def differences(database: Database, stripe: Stripe, since: Instant, until: Instant) -> Iterator[Difference]:
    """Yield what does not match of what began at Stripe in a period, `until` excluded. Raises: StripeUnavailable."""
    span = {"since_s": since // SECOND, "until_s": -(-until // SECOND)}
    for refund in returns.refunds_listed(stripe, **span):
        with database.read() as connection:
            record = _paid(connection, refund.intent_id)
            found = None if record is None else _of_refund(connection, record, refund)
        if found is not None:
            yield found
    for note in returns.notes_listed(stripe, **span):
        with database.read() as connection:
            found = _of_note(connection, note)
        if found is not None:
            yield found
    for dispute in returns.disputes_listed(stripe, **span):
        with database.read() as connection:
            record = _paid(connection, dispute.intent_id)
            found = None if record is None else _of_dispute(connection, record, dispute)
        if found is not None:
            yield found


def compare(refund: Refund | None, at_stripe: Refunded) -> str | None:
    """Return what a refund and the one at Stripe disagree on. Pure."""
    if refund is None:
        return "is not in our books" if at_stripe.stands else None
    if refund.total != at_stripe.amount:
        return f"is over {at_stripe.amount} cents there, {refund.total} here"
    if at_stripe.stands != (refund.state in _GONE):
        return f"is {at_stripe.status} there, {refund.state.value} here"
    return None


def _of_refund(connection: Connection, record: Record, found: Refunded) -> Difference | None:
    ours = book.of_stripe(connection, found.id)
    what = compare(ours, found)
    kind = ReturnBreak.REFUND_MISSING if ours is None else ReturnBreak.REFUND_DIFFERS
    return None if what is None else _difference(kind, record, f"refund {found.id} {what}")


def _of_note(connection: Connection, note: Note) -> Difference | None:
    """Compare a credit note of ours with the refund it names: net, VAT and total are the note's."""
    ours = None if note.refund is None else book.lookup(connection, note.refund)
    if ours is None or (ours.note_id == note.id and (ours.net, ours.total) == (note.net, note.total)):
        return None
    record = records.get(connection, ours.purchase_id)
    what = f"credit note {note.number} says {note.net} + {note.tax} cents, refund {ours.id} {ours.net} + {ours.vat}"
    return _difference(ReturnBreak.CREDIT_NOTE_DIFFERS, record, what)


def _of_dispute(connection: Connection, record: Record, found: Disputed) -> Difference | None:
    ours = disputes.lookup(connection, found.id)
    state = None if ours is None else ours.state
    wanted = target(found, state)
    if state is wanted or (state is DisputeState.LOST and wanted is DisputeState.OPEN):
        return None
    here = "not in our books" if state is None else f"{state.value} here"
    return _difference(ReturnBreak.DISPUTE_DIFFERS, record, f"dispute {found.id} is {found.status} there, {here}")


def _paid(connection: Connection, intent_id: str | None) -> Record | None:
    record = None if intent_id is None else records.of_intent(connection, intent_id)
    return record if record is not None and record.state is PurchaseState.SETTLED else None


def _difference(kind: ReturnBreak, record: Record, what: str) -> Difference:
    return Difference(kind=kind, purchase=record.id, invoice=record.invoice_id, detail=f"purchase {record.id}: {what}")
