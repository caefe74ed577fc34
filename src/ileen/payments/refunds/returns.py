"""Returns: what went back at Stripe for one purchase, read afresh and made our own, whoever began it there.

Owns: which events tell that money goes back, and that every refund and credit note of a purchase has one row here.
Refuses to know: what an event's body claims beyond ids, and how a refund is carried on (`machine`).
N1  nothing is added up from events: all refunds of the purchase are read, each counts once by its id at Stripe, so
    that order, repetition and cumulative amounts do not matter.
N2  a refund of ours is known by the id its credit note carries; while one of ours is on its way, strange ones wait.
N3  one that never took money (failed, cancelled before we heard of it) takes no credits.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import structlog
from msgspec import Struct
from sqlalchemy import Connection

from ileen import jobs
from ileen.base.clock import Clock
from ileen.base.ids import Ids, PurchaseId, RefundId
from ileen.jobs import Job
from ileen.payments import records
from ileen.payments.disputes.door import Disputes
from ileen.payments.disputes.model import DisputeState, target
from ileen.payments.inbox import Event, Listener
from ileen.payments.model import ENDED as PURCHASE_ENDED
from ileen.payments.model import Alarm, PurchaseState
from ileen.payments.refunds import book
from ileen.payments.refunds.machine import Machine
from ileen.payments.refunds.model import Origin, Refund, RefundState
from ileen.payments.refunds.rules import counts, net_of
from ileen.payments.rules import Record
from ileen.payments.stripe import Stripe, returns
from ileen.payments.stripe.returns import Note
from ileen.store.engine import Database

RETURNED: Final = "refunds.returned"
"""The kind of job that looks at what went back for one purchase."""

WARNED: Final = "refunds.warned"
"""The kind of job that refunds what is left of a purchase its payer's bank calls fraudulent."""

_TELLING: Final = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refunded",
    "credit_note.created",
    "credit_note.voided",
    "refund.created",
    "refund.failed",
    "refund.updated",
)
_AT_STRIPE: Final = frozenset({RefundState.REQUESTED, RefundState.APPROVED})
"""States in which our own order may have reached Stripe while we do not know yet what came of it."""

_log = structlog.get_logger()


class NotYet(Exception):  # not for callers: it makes the job try again
    """Something of ours is still under way that decides what the read means."""


class Gone(Struct, frozen=True, kw_only=True):
    """Money that went back: by a refund, or by a credit note without one; cents with VAT."""

    stripe_id: str
    total: int
    net: int | None
    note: Note | None


class Returns:
    """Looks at Stripe for all that went back. Thread-safe."""

    def __init__(
        self,
        database: Database,
        machine: Machine,
        *,
        stripe: Stripe,
        clock: Clock,
        ids: Ids,
        disputes: Disputes,
        alarm: Alarm,
    ) -> None:
        self._database, self._machine, self._stripe = database, machine, stripe
        self._clock, self._ids, self._disputes, self._alarm = clock, ids, disputes, alarm

    def listeners(self) -> Mapping[str, Listener]:
        """Return what to do on events, by type."""
        return {**dict.fromkeys(_TELLING, self._heard), "radar.early_fraud_warning.created": self._warned}

    def _heard(self, event: Event) -> str:
        """Have the purchase an event is about looked at; events about other things are left alone."""
        with self._database.write() as connection:
            record = _purchase(connection, event)
            if record is None:
                return "foreign"
            self.look(connection, record.id)
        return "applied"

    def _warned(self, event: Event) -> str:
        """Tell the operator of a fraud warning and, if that is the policy, have what is left refunded."""
        with self._database.write() as connection:
            record = _purchase(connection, event)
            if record is None:
                return "foreign"
            summary = f"The payer's bank calls purchase {record.id} fraudulent"
            refunds = self._machine.policy.refund_warned
            detail = f"{summary}. What is left of it is {'being' if refunds else 'not'} refunded."
            self._alarm(connection, summary=summary, detail=detail, key=f"warned:{event.object_id}")
            if refunds:
                self._owe(connection, WARNED, record.id)
        return "applied"

    def look(self, connection: Connection, id_: PurchaseId) -> None:
        """Have what went back for a purchase looked at, by a job in the caller's transaction."""
        self._owe(connection, RETURNED, id_)

    def _owe(self, connection: Connection, kind: str, id_: PurchaseId) -> None:
        now = self._clock.now()
        jobs.enqueue(connection, ids=self._ids, kind=kind, payload={"purchase": id_}, now=now, key=id_)

    def handle(self, job: Job) -> None:
        """Look at one purchase; again until all is at rest."""
        with self._database.read() as connection:
            record = records.lookup(connection, job.payload["purchase"])
        if record is None or (record.state in PURCHASE_ENDED and record.state is not PurchaseState.SETTLED):
            _log.error("refunds.purchase.not_settled", purchase=job.payload["purchase"])
            return
        if record.state is not PurchaseState.SETTLED:
            raise NotYet(f"purchase {record.id} is {record.state.value}, its credits are not there yet")
        self.attend(record)
        if record.intent_id is None:
            return
        disputes = returns.disputes_of(self._stripe, record.intent_id)
        if any(target(each, None) is DisputeState.OPEN for each in disputes):
            self._give_way(record)
        self._disputes.attend(record, disputes)

    def _give_way(self, record: Record) -> None:
        """End our refunds of a payment that its bank has taken back: what is disputed cannot be refunded as well."""
        for refund in self._known(record.id):
            if refund.state is RefundState.HELD and refund.closing is None:
                with self._database.write() as connection:
                    now, closing = self._clock.now(), {"closing": RefundState.FAILED, "because": "charge_disputed"}
                    book.change(connection, refund, step="disputed", at=now, by="system", **closing)
            if refund.state in {RefundState.HELD, *_AT_STRIPE}:
                self._machine.drive(refund.id)
        if any(each.state in {RefundState.HELD, *_AT_STRIPE} for each in self._known(record.id)):
            raise NotYet(f"a refund of purchase {record.id} is on its way, and its payment is disputed")

    def attend(self, record: Record) -> list[Refund]:
        """Make every refund of a settled purchase our own and carry on those that moved; return all of them.

        Raises: StripeUnavailable, NotYet. Calls: Stripe, the ledger.
        """
        if record.intent_id is None or record.invoice_id is None:
            return self._known(record.id)
        back = {each.id: each for each in returns.refunds_of(self._stripe, record.intent_id)}
        found_notes = returns.notes_of(self._stripe, record.invoice_id)
        notes, voided = [each for each in found_notes if not each.void], {each.id for each in found_notes if each.void}
        ours = {each.refund for each in notes if each.refund is not None}
        for refund in self._known(record.id):
            found = back.get(refund.stripe_id or "")
            in_vain = refund.stripe_id in voided or (found is not None and not found.stands)
            if (in_vain and refund.state is RefundState.DONE) or (
                refund.ended_at is None and refund.state is not RefundState.HELD
            ):
                self._machine.drive(refund.id)
        gone = [each for each in _gone(list(back.values()), notes) if each.note is None or each.note.refund not in ours]
        known = self._known(record.id)
        strange = [each for each in gone if all(each.stripe_id != mine.stripe_id for mine in known)]
        if strange and any(each.state in _AT_STRIPE for each in known):
            raise NotYet(f"a refund of purchase {record.id} is on its way")
        for each in strange:
            self._adopt(record, each)
        return self._known(record.id)

    def _known(self, id_: PurchaseId) -> list[Refund]:
        with self._database.read() as connection:
            return book.of_purchase(connection, id_)

    def _adopt(self, record: Record, gone: Gone) -> None:
        with self._database.write() as connection:
            book.lock_purchase(connection, record.id)
            known = [each for each in book.of_purchase(connection, record.id) if counts(each)]
            proportional = net_of(record, known, gone.total)
            left = record.net - sum(each.net for each in known)
            net = min(proportional if gone.net is None else gone.net, left, gone.total)
            if net <= 0:  # VAT alone, or more than was paid for: no credits stand against it
                _log.warning("refunds.return.without_credits", purchase=record.id, stripe_id=gone.stripe_id)
                return
            refund = _strange(record, gone, net, id_=RefundId(self._ids.mint("ref")), machine=self._machine)
            if book.add(connection, refund, step="heard") is None:
                return
            self._machine.teller.note(connection, refund, "refund.heard", by="stripe")
        self._machine.carry_on(refund)


def _purchase(connection: Connection, event: Event) -> Record | None:
    """Return the purchase an event is about: by the payment it names, or the invoice of a credit note."""
    intent, invoice = event.object.get("payment_intent"), event.object.get("invoice")
    if isinstance(intent, str):
        return records.of_intent(connection, intent)
    return records.of_invoice(connection, invoice) if isinstance(invoice, str) else None


def _strange(record: Record, gone: Gone, net: int, *, id_: RefundId, machine: Machine) -> Refund:
    assert record.lot_id is not None, "a settled purchase has its lot"
    return Refund(
        id=id_,
        account_id=record.account_id,
        purchase_id=record.id,
        lot_id=record.lot_id,
        state=RefundState.REQUESTED,
        version=1,
        origin=Origin.DASHBOARD,
        by="stripe",
        net=net,
        vat=gone.total - net,
        total=gone.total,
        card_name=record.card_name,
        email=record.email,
        locale=record.locale,
        stripe_id=gone.stripe_id,
        note_id=None if gone.note is None else gone.note.id,
        note_number=None if gone.note is None else gone.note.number,
        leased_until=machine.lease_end(),
        look_at=machine.lease_end(),
        created_at=machine.clock.now(),
    )


def _gone(back: list[returns.Refunded], notes: list[Note]) -> Iterator[Gone]:
    """Yield what went back, oldest first: refunds that stand, then what credit notes gave back without one."""
    of_note = {refund: note for note in notes for refund, _ in note.refunds}
    for each in back:
        if each.stands:
            note = of_note.get(each.id)
            net = None if note is None else note.net * each.amount // note.total
            yield Gone(stripe_id=each.id, total=each.amount, net=net, note=note)
    for note in notes:
        if note.otherwise > 0:
            net = note.net - sum(note.net * amount // note.total for _, amount in note.refunds)
            yield Gone(stripe_id=note.id, total=note.otherwise, net=net, note=note)
