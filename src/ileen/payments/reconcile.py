"""Reconciliation: every purchase, invoice, payment and lot of a period compared; what does not match is a break.

Owns: the comparison and its words. Changes no books; a purchase that Stripe says is paid is looked at again.
Refuses to know: how a break came about, and how it is put right (that is a person's work).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

import structlog
from msgspec import Struct

from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.ids import Ids, PurchaseId, WalletId, wallet_of
from ileen.jobs import Job
from ileen.ledger import Ledger
from ileen.ledger.model import Lot, Source
from ileen.payments import records
from ileen.payments.amounts import credits_of
from ileen.payments.model import ENDED, Alarm, PurchaseState
from ileen.payments.rules import Record, differences, is_covered
from ileen.payments.stripe import Invoice, Stripe, invoices
from ileen.store.engine import Database

RECONCILE: Final = "payments.reconcile"
"""The kind of the daily job."""
_DAYS_BACK_US: Final = 4 * 24 * 3600 * SECOND
"""What a daily run covers: Stripe repeats a webhook for three days, so that anything late is seen once more."""
_GRACE_US: Final = 600 * SECOND
"""How long a purchase may be under way before its state and Stripe's must agree."""
_SKEW_S: Final = 300

_log = structlog.get_logger()


class BreakKind(StrEnum):
    """What does not match."""

    INVOICE_MISSING = "invoice_missing"
    INVOICE_DIFFERS = "invoice_differs"
    INVOICE_NOT_PAID = "invoice_not_paid"
    INVOICE_NOT_CLOSED = "invoice_not_closed"
    INVOICE_UNCOVERED = "invoice_uncovered"
    INVOICE_FOREIGN = "invoice_foreign"
    INVOICE_STRAY = "invoice_stray"
    PURCHASE_NOT_SETTLED = "purchase_not_settled"
    PURCHASE_STUCK = "purchase_stuck"
    LOT_MISSING = "lot_missing"
    LOT_DIFFERS = "lot_differs"
    LOT_TWICE = "lot_twice"
    LOT_FOREIGN = "lot_foreign"


class Break(Struct, frozen=True, kw_only=True):
    """One thing that does not match, in a sentence that names it."""

    kind: BreakKind
    purchase: str | None
    invoice: str | None
    lot: str | None
    detail: str


Lots = Mapping[str, list[tuple[WalletId, Lot]]]
"""Lots of purchases by what they say paid for them."""


class Reconciler:
    """Compares. Reads only, but for the alarm a daily run raises."""

    def __init__(
        self, database: Database, ledger: Ledger, *, stripe: Stripe, clock: Clock, ids: Ids, alarm: Alarm
    ) -> None:
        self._database, self._ledger, self._stripe = database, ledger, stripe
        self._clock, self._ids, self._alarm = clock, ids, alarm

    def run(self, since: Instant, until: Instant) -> list[Break]:
        """Compare what began in a period, `until` excluded, with Stripe and with the ledger.

        Raises: StripeUnavailable.
        """
        now = self._clock.now()
        with self._database.read() as connection:
            purchases = records.created_between(connection, since, until)
        lots = _by_reference(self._ledger.acquired(Source.PURCHASE, since=since, until=now))
        found = {
            each.id: each
            for each in invoices.listed(
                self._stripe, since_s=since // SECOND - _SKEW_S, until_s=until // SECOND + _SKEW_S
            )
        }
        breaks: list[Break] = []
        for record in purchases:
            breaks += compare(record, self._invoice_of(record, found), now=now)
            breaks += compare_lots(record, lots.get(record.id, []))
        for invoice in found.values():
            if since <= invoice.created_s * SECOND < until:
                breaks += self._origin(invoice)
        return breaks + _foreign_lots(self._database, lots, until)

    def daily(self, job: Job) -> None:
        """Compare the last days; alarm the operator if there are breaks, have the purchases concerned looked at."""
        until = self._clock.now()
        breaks = self.run(Instant(until - _DAYS_BACK_US), until)
        _log.info("payments.books.reconciled", breaks=len(breaks))
        if not breaks:
            return
        with self._database.write() as connection:
            for each in breaks:
                _log.error("payments.books.break", kind=each.kind.value, purchase=each.purchase, detail=each.detail)
                if each.purchase is not None:
                    records.nudge(connection, PurchaseId(each.purchase), now=until)
            summary = f"{len(breaks)} breaks between our books and Stripe"
            detail = "; ".join(each.detail for each in breaks)
            self._alarm(connection, summary=summary, detail=detail, key=f"reconcile:{job.id}")

    def _invoice_of(self, record: Record, found: Mapping[str, Invoice]) -> Invoice | None:
        if record.invoice_id is None:
            return None
        return found.get(record.invoice_id) or invoices.read(self._stripe, record.invoice_id)

    def _origin(self, invoice: Invoice) -> Iterator[Break]:
        if invoice.purchase_id is None:
            if invoice.status == "paid":
                yield _break(BreakKind.INVOICE_FOREIGN, f"invoice {invoice.id} was paid and is no purchase", invoice)
            return
        with self._database.read() as connection:
            record = records.lookup(connection, invoice.purchase_id)
        if record is None or record.invoice_id != invoice.id:
            detail = f"invoice {invoice.id} names purchase {invoice.purchase_id}, which knows nothing of it"
            yield _break(BreakKind.INVOICE_STRAY, detail, invoice)


def books(database: Database, ledger: Ledger, *, now: Instant) -> list[Break]:
    """Compare all purchases with all lots of purchases, without asking Stripe."""
    until = Instant(now + SECOND)
    lots = _by_reference(ledger.acquired(Source.PURCHASE, since=Instant(0), until=until))
    with database.read() as connection:
        purchases = records.created_between(connection, Instant(0), until)
    breaks = [each for record in purchases for each in compare_lots(record, lots.get(record.id, []))]
    return breaks + _foreign_lots(database, lots, until)


def compare(record: Record, invoice: Invoice | None, *, now: Instant) -> list[Break]:
    """Compare one purchase with its invoice. Pure."""
    young = now - record.created_at < _GRACE_US
    if record.state not in ENDED:
        return [] if young else _under_way(record, invoice)
    if record.state is PurchaseState.SETTLED:
        return _settled(record, invoice)
    if invoice is not None and invoice.status == "paid":
        return [_of(record, BreakKind.PURCHASE_NOT_SETTLED, f"is {record.state.value}, its invoice is paid")]
    if invoice is not None and invoice.status != "void":
        return [_of(record, BreakKind.INVOICE_NOT_CLOSED, f"is {record.state.value}, its invoice {invoice.status}")]
    return []


def compare_lots(record: Record, lots: list[tuple[WalletId, Lot]]) -> list[Break]:
    """Compare one purchase with the lots that name it. Pure."""
    settled = record.state is PurchaseState.SETTLED
    if settled and not lots:
        return [_of(record, BreakKind.LOT_MISSING, "is settled, and there is no lot of it")]
    if len(lots) > 1:
        return [_of(record, BreakKind.LOT_TWICE, f"has {len(lots)} lots")]
    for _, lot in lots:
        if settled and (lot.amount != credits_of(record.net) or lot.id != record.lot_id):
            detail = f"is over {credits_of(record.net)} nano-credits in {record.lot_id}, not {lot.amount} in {lot.id}"
            return [_of(record, BreakKind.LOT_DIFFERS, detail)]
        # Funded and not yet written down as settled is the one moment between two steps; later it is a break.
        if record.state in {PurchaseState.FAILED, PurchaseState.VOID}:
            return [_of(record, BreakKind.PURCHASE_NOT_SETTLED, f"is {record.state.value}, and has the lot {lot.id}")]
    return []


def _foreign_lots(database: Database, lots: Lots, until: Instant) -> list[Break]:
    breaks: list[Break] = []
    for reference, mine in lots.items():
        with database.read() as connection:
            record = records.lookup(connection, reference)
        for wallet, lot in mine:
            known = record is not None and wallet_of(record.account_id) == wallet
            if not known and lot.created_at < until:
                detail = f"lot {lot.id} of {wallet} says purchase {reference} paid for it"
                breaks.append(Break(kind=BreakKind.LOT_FOREIGN, purchase=None, invoice=None, lot=lot.id, detail=detail))
    return breaks


def _settled(record: Record, invoice: Invoice | None) -> list[Break]:
    if invoice is None:
        return [_of(record, BreakKind.INVOICE_MISSING, f"is settled, and Stripe has no invoice {record.invoice_id}")]
    if invoice.status != "paid":
        return [_of(record, BreakKind.INVOICE_NOT_PAID, f"is settled, its invoice {invoice.status}")]
    if found := differences(record, invoice):
        return [_of(record, BreakKind.INVOICE_DIFFERS, f"differs from its invoice: {'; '.join(found)}")]
    if not is_covered(invoice):
        return [_of(record, BreakKind.INVOICE_UNCOVERED, "is settled, and no payment covers its invoice")]
    return []


def _under_way(record: Record, invoice: Invoice | None) -> list[Break]:
    if invoice is not None and invoice.status == "paid":
        return [_of(record, BreakKind.PURCHASE_NOT_SETTLED, f"is {record.state.value}, its invoice is paid")]
    if record.state not in {PurchaseState.ACTION_REQUIRED, PurchaseState.PROCESSING}:
        return [_of(record, BreakKind.PURCHASE_STUCK, f"has been {record.state.value} for long")]
    return []


def _of(record: Record, kind: BreakKind, what: str) -> Break:
    return Break(
        kind=kind,
        purchase=record.id,
        invoice=record.invoice_id,
        lot=record.lot_id,
        detail=f"purchase {record.id} {what}",
    )


def _break(kind: BreakKind, detail: str, invoice: Invoice) -> Break:
    return Break(kind=kind, purchase=None, invoice=invoice.id, lot=None, detail=detail)


def _by_reference(acquired: list[tuple[WalletId, Lot]]) -> Lots:
    found: dict[str, list[tuple[WalletId, Lot]]] = defaultdict(list)
    for wallet, lot in acquired:
        found[lot.reference or ""].append((wallet, lot))
    return found
