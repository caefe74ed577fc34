"""The inbox: what Stripe tells us, stored before it is answered, applied by a job that asks Stripe again.

Owns: the table `inbox_event`; which events concern purchases. Refuses to know: HTTP, and what an event's body claims:
only ids are taken from it, the rest is read afresh, so that order, delay and repetition do not matter.
I1  an event is stored together with its job, in one transaction, before Stripe is answered; its id counts once.
I2  of the types that happen once per object, a second event about the same object is kept as a duplicate.
I3  an event is marked as applied after it was. Until then its job is tried again, then laid aside, visible.
I4  events of unknown types, and about things that are not ours, are kept and answered like any other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ileen import jobs
from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import PaymentsDisabled, WebhookInvalid
from ileen.base.ids import Ids
from ileen.jobs import Job
from ileen.payments import records, signature
from ileen.payments.machine import Machine
from ileen.payments.model import PurchaseState
from ileen.payments.rules import Record
from ileen.payments.stripe import Stripe, invoices
from ileen.store.engine import Database
from ileen.store.schema import inbox_event as table

APPLY: Final = "payments.event"
"""The kind of job that applies an event."""

_ONCE: Final = frozenset({"invoice.paid", "invoice.payment_succeeded", "invoice.voided", "invoice_payment.paid"})
"""Types that happen once per object, so that a second event of the type says nothing new."""
_TELLING: Final = frozenset(
    {
        "invoice.deleted",
        "invoice.finalization_failed",
        "invoice.marked_uncollectible",
        "invoice.overpaid",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
        "invoice.payment_succeeded",
        "invoice.voided",
        "invoice_payment.paid",
    }
)
"""Types after which an open purchase is looked at. Others (created, finalized, updated) are its own steps' echo."""
_OUTRUN_US: Final = 600 * SECOND
"""How long an event about an unknown purchase of ours is tried again: it may have outrun our own commit, or a replica.
Later it belongs to another Ileen on the same Stripe account."""

_log = structlog.get_logger()


class Event(Struct, frozen=True, kw_only=True):
    """A stored event. `object` is the thing as it was then; use its ids only."""

    id: str
    type: str
    object_id: str
    object: dict[str, Any]
    received_at: Instant


Hook = Callable[[str, str | None], None]
"""What to do on events of one type, given the object's id and its customer's: reads at Stripe what is so now."""
Listener = Callable[[Event], str]
"""The same for a whole event, of which only ids are to be taken; answers with the outcome in a word."""


class PurchaseUnknown(Exception):  # not for callers: it makes the job try again
    """An event names a purchase that is not there, or not there yet."""


class Inbox:
    """Takes webhooks and applies them. Thread-safe."""

    def __init__(
        self,
        database: Database,
        machine: Machine,
        *,
        stripe: Stripe,
        secrets: Sequence[str],
        clock: Clock,
        ids: Ids,
        hooks: Mapping[str, Hook],
        listeners: Mapping[str, Listener],
    ) -> None:
        """`hooks` and `listeners` are what other parts of the room do, by type of event."""
        self._database, self._machine, self._stripe = database, machine, stripe
        self._secrets, self._clock, self._ids = tuple(each for each in secrets if each), clock, ids
        self._hooks, self._listeners = dict(hooks), dict(listeners)

    def receive(self, raw: bytes, header: str) -> None:
        """Check and store a webhook; the answer may be given once this returns.

        Raises: PaymentsDisabled (no secret is set), WebhookInvalid.
        """
        if not self._secrets:
            raise PaymentsDisabled
        now = self._clock.now()
        signature.check(raw, header, secrets=self._secrets, now=now)
        told = self._told(raw)
        with self._database.write() as connection:
            self._owe(connection, told, raw, now)
        crash.point("payments.inbox.stored")

    def take(self, raws: Sequence[bytes]) -> int:
        """Store events that were read at Stripe itself, all or none; return how many were new.

        Raises: WebhookInvalid.
        """
        found = [(self._told(raw), raw) for raw in raws]
        if not found:
            return 0
        now = self._clock.now()
        with self._database.write() as connection:
            return sum(self._owe(connection, told, raw, now) for told, raw in found)

    def apply(self, job: Job) -> None:
        """Apply one stored event; again after a crash. Raises whatever keeps it from being applied."""
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.id == job.payload["event"])).one()
        if row.applied_at is not None:
            return
        told = _read(row.body.encode())
        event = Event(
            id=told.id, type=told.type, object_id=told.object_id, object=told.data.object, received_at=row.received_at
        )
        outcome = self._apply(event)
        crash.point("payments.inbox.applied")
        with self._database.write() as connection:
            done = {"outcome": outcome, "applied_at": self._clock.now()}
            connection.execute(update(table).where(table.c.id == event.id).values(done))
        _log.info("payments.event.applied", event_id=event.id, type=event.type, outcome=outcome)

    def _told(self, raw: bytes) -> "_Told":
        told = _read(raw)
        if told.livemode != self._stripe.live:
            _log.error("payments.webhook.other_mode", event_id=told.id, livemode=told.livemode)
            raise WebhookInvalid(reason="it is of the other mode, live or test")
        return told

    def _owe(self, connection: Connection, told: "_Told", raw: bytes, now: Instant) -> bool:
        """Store an event with the job that applies it; tell whether there is something to apply."""
        if not self._store(connection, told, raw, now):
            return False
        jobs.enqueue(connection, ids=self._ids, kind=APPLY, payload={"event": told.id}, now=now, key=told.id)
        return True

    def _store(self, connection: Connection, told: "_Told", raw: bytes, now: Instant) -> bool:
        """Insert an event; tell whether there is something to apply."""
        once = f"{told.type}:{told.object_id}" if told.type in _ONCE else None
        row = {
            "id": told.id,
            "type": told.type,
            "object_id": told.object_id,
            "once": once,
            "created_s": told.created,
            "received_at": now,
            "livemode": told.livemode,
            "body": raw.decode(),
            "outcome": "received",
        }
        into = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
        if connection.execute(into.values(row).on_conflict_do_nothing().returning(table.c.id)).scalar_one_or_none():
            return True
        # Either this very event is stored, also by a delivery of this moment, or another event has told the same about
        # the same object (I2), and this one is kept as its duplicate.
        duplicate = {"once": None, "outcome": "duplicate", "applied_at": now}
        connection.execute(into.values(row | duplicate).on_conflict_do_nothing())
        return False

    def _apply(self, event: Event) -> str:
        """Apply an event and return the outcome in a word."""
        if hook := self._hooks.get(event.type):
            customer = event.object.get("customer")
            hook(event.object_id, customer if isinstance(customer, str) else None)
            return "applied"
        if listener := self._listeners.get(event.type):
            return listener(event)
        if event.type.startswith("invoice."):
            return self._apply_to(event, event.object_id)
        paid_invoice = event.object.get("invoice")
        if event.type in _TELLING and isinstance(paid_invoice, str):
            return self._apply_to(event, paid_invoice)
        return "kept"

    # Purchases ---------------------------------------------------------------------------------------------------

    def _apply_to(self, event: Event, invoice_id: str) -> str:
        record = self._known(invoice_id, event)
        if record is not None and record.state is PurchaseState.SETTLED:
            return "applied"
        if record is not None and record.ended_at is None and event.type not in _TELLING:
            return "kept"
        invoice = invoices.read(self._stripe, invoice_id)
        if record is None and invoice is not None and invoice.purchase_id is not None:
            record = self._lookup(invoice.purchase_id)
        if record is None:
            return self._unknown(event, None if invoice is None else invoice.purchase_id)
        if invoice is not None and record.invoice_id not in {None, invoice.id}:
            _log.error("payments.invoice.stray", purchase=record.id, invoice=invoice.id)
            return "stray"
        self._machine.attend(record.id, invoice)
        return "applied"

    def _known(self, invoice_id: str, event: Event) -> Record | None:
        with self._database.read() as connection:
            found = records.of_invoice(connection, invoice_id)
        metadata: dict[str, Any] = event.object.get("metadata") or {}
        hint = metadata.get(invoices.METADATA)
        return self._lookup(str(hint)) if found is None and hint else found

    def _lookup(self, purchase_id: str) -> Record | None:
        with self._database.read() as connection:
            return records.lookup(connection, purchase_id)

    def _unknown(self, event: Event, purchase_id: str | None) -> str:
        if purchase_id is None:
            return "foreign"
        if self._clock.now() - event.received_at < _OUTRUN_US:
            raise PurchaseUnknown(f"the event {event.id} names the purchase {purchase_id}, which is not there yet")
        _log.error("payments.invoice.unknown", event_id=event.id, purchase=purchase_id)
        return "foreign"


class _Data(Struct, frozen=True):
    object: dict[str, Any]


class _Told(Struct, frozen=True):
    id: str
    type: str
    created: int
    livemode: bool
    data: _Data

    @property
    def object_id(self) -> str:
        return str(self.data.object.get("id") or "")


def _read(raw: bytes) -> _Told:
    try:
        told = msgspec.json.decode(raw, type=_Told)
        raw.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookInvalid(reason="it is not an event") from error
    if not told.id.isprintable() or not 1 <= len(told.id) <= 255 or "\x00" in told.type:
        raise WebhookInvalid(reason="it is not an event")
    return told
