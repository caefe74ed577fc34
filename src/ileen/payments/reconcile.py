"""Reconciliation: every purchase, invoice, payment and lot of a period compared; what does not match is a break.

Owns: the comparison and its words. Changes no books; a purchase that Stripe says is paid is looked at again.
Refuses to know: how a break came about, and how it is put right (that is a person's work).
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from itertools import groupby, islice
from typing import Final

import structlog
from msgspec import Struct
from sqlalchemy import Connection

from ileen import jobs
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.ids import Ids, PurchaseId, WalletId, wallet_of
from ileen.jobs import Job
from ileen.ledger import reads
from ileen.ledger.model import Lot, Source
from ileen.payments import records
from ileen.payments.amounts import credits_of
from ileen.payments.model import ENDED, Alarm, PurchaseState
from ileen.payments.refunds.compare import differences as differences_back
from ileen.payments.refunds.returns import RETURNED
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
_PAID_FOR: Final = (Source.PURCHASE, Source.REFILL)
"""The sources of lots that an invoice stands behind."""
BREAKS_MAX: Final = 100
"""How many breaks are told at once: the first ones tell the story."""
_BREAKS_KEPT: Final = 10_000
"""How many breaks between purchases and lots one run finds at most; the next run finds the others."""
_PAGE: Final = 500

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
    REFUND_MISSING = "refund_missing"
    REFUND_DIFFERS = "refund_differs"
    CREDIT_NOTE_DIFFERS = "credit_note_differs"
    DISPUTE_DIFFERS = "dispute_differs"


class Break(Struct, frozen=True, kw_only=True):
    """One thing that does not match, in a sentence that names it."""

    kind: BreakKind
    purchase: str | None
    invoice: str | None
    lot: str | None
    detail: str


class Reconciler:
    """Compares. Reads only, but for the alarm a daily run raises."""

    def __init__(
        self, database: Database, *, stripe: Stripe, clock: Clock, ids: Ids, alarm: Alarm, page: int = _PAGE
    ) -> None:
        """`page` is how many purchases are in memory at once."""
        self._database, self._stripe, self._page = database, stripe, page
        self._clock, self._ids, self._alarm = clock, ids, alarm

    def run(self, since: Instant, until: Instant) -> list[Break]:
        """Compare what began in a period, `until` excluded, with Stripe and the ledger; the first `BREAKS_MAX` breaks.

        Raises: StripeUnavailable.
        """
        return list(islice(self.breaks(since, until), BREAKS_MAX))

    def breaks(self, since: Instant, until: Instant) -> Iterator[Break]:
        """Yield what does not match of a period, `until` excluded, with a page of purchases in memory.

        Raises: StripeUnavailable.
        """
        now = self._clock.now()
        start, after = since, None
        while True:
            with self._database.read() as connection:
                page = records.created_page(connection, since, until, after=after, limit=self._page)
            whole = len(page) == self._page
            # Ids sort by time but for the skew of several machines' clocks, which the slices of invoices allow for.
            end = max(start, Instant(max(each.created_at for each in page) + 1)) if whole else until
            yield from self._with_stripe(page, start, end, now=now)
            if not whole:
                break
            start, after = end, page[-1].id
        yield from _with_lots(self._database, since, until)
        for each in differences_back(self._database, self._stripe, since, until):
            kind, detail = BreakKind(each.kind.value), each.detail
            yield Break(kind=kind, purchase=each.purchase, invoice=each.invoice, lot=None, detail=detail)

    def daily(self, job: Job) -> None:
        """Compare the last days; alarm the operator if there are breaks, have the purchases concerned looked at."""
        until = self._clock.now()
        told: list[str] = []
        count = 0
        for each in self.breaks(Instant(until - _DAYS_BACK_US), until):
            _log.error("payments.books.break", kind=each.kind.value, purchase=each.purchase, detail=each.detail)
            count += 1
            if len(told) < BREAKS_MAX:
                told.append(each.detail)
            if each.purchase is not None:
                with self._database.write() as connection:
                    records.nudge(connection, PurchaseId(each.purchase), now=until)
                    payload = {"purchase": each.purchase}
                    jobs.enqueue(
                        connection, ids=self._ids, kind=RETURNED, payload=payload, now=until, key=each.purchase
                    )
        _log.info("payments.books.reconciled", breaks=count)
        if told:
            with self._database.write() as connection:
                summary = f"{count} breaks between our books and Stripe"
                self._alarm(connection, summary=summary, detail="; ".join(told), key=f"reconcile:{job.id}")

    def _with_stripe(self, page: list[Record], start: Instant, end: Instant, *, now: Instant) -> Iterator[Break]:
        """Compare a page of purchases, and the invoices created from `start` to `end`, with each other."""
        wanted = {each.invoice_id for each in page}
        found: dict[str, Invoice] = {}
        listed = invoices.listed(self._stripe, since_s=start // SECOND - _SKEW_S, until_s=-(-end // SECOND) + _SKEW_S)
        for invoice in listed:
            if invoice.id in wanted:
                found[invoice.id] = invoice
            if start <= invoice.created_s * SECOND < end:
                yield from self._origin(invoice)
        for record in page:
            yield from compare(record, self._invoice_of(record, found), now=now)

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


def books(database: Database) -> list[Break]:
    """Compare all purchases with all lots of purchases, on one snapshot; return the first `BREAKS_MAX` breaks.

    Asks nobody. Both are read side by side in the order of the purchases' ids, so that memory is bounded.
    """
    with (
        database.snapshot() as connection,
        closing(records.stream(connection)) as purchases,
        closing(reads.by_reference(connection, _PAID_FOR)) as lots,
    ):
        return list(islice(_compared(purchases, lots), BREAKS_MAX))


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


def _with_lots(database: Database, since: Instant, until: Instant) -> Iterator[Break]:
    """Compare the purchases of a period with all lots since, on one snapshot; nobody is asked meanwhile.

    The lots have no end: purchases of the period may have been settled while Stripe was asked, or by a server whose
    clock is ahead of ours.
    """
    with (
        database.snapshot() as connection,
        closing(records.stream(connection, since=since, until=until)) as purchases,
        closing(reads.by_reference(connection, _PAID_FOR, since=since)) as lots,
    ):
        # Collected first, and no more than so many: the snapshot must not stay open while breaks are worked on.
        found = list(islice(_compared(purchases, lots, _Outside(connection, until)), _BREAKS_KEPT))
    yield from found


def _compared(
    purchases: Iterator[Record], lots: Iterator[tuple[WalletId, Lot]], outside: "_Outside | None" = None
) -> Iterator[Break]:
    by_reference = groupby(lots, key=lambda each: each[1].reference or "")
    named = ((reference, list(mine)) for reference, mine in by_reference)
    for record, mine in _side_by_side(purchases, named):
        if record is not None:
            yield from compare_lots(record, mine)
        payer = record if record is not None or outside is None else outside.purchase(mine)
        foreign = [(wallet, lot) for wallet, lot in mine if not _is_payer(payer, wallet)]
        yield from (
            _foreign(wallet, lot) for wallet, lot in foreign if outside is None or lot.created_at < outside.until
        )


class _Outside:
    """Purchases of before a period, whose lots came within it."""

    def __init__(self, connection: Connection, until: Instant) -> None:
        self._connection, self.until = connection, until

    def purchase(self, lots: list[tuple[WalletId, Lot]]) -> Record | None:
        return records.lookup(self._connection, lots[0][1].reference or "")


def _side_by_side(
    purchases: Iterator[Record], lots: Iterator[tuple[str, list[tuple[WalletId, Lot]]]]
) -> Iterator[tuple[Record | None, list[tuple[WalletId, Lot]]]]:
    """Yield each purchase with the lots that name it, and lots that name none; both come in the order of ids."""
    record, named = next(purchases, None), next(lots, None)
    while record is not None or named is not None:
        if named is None or (record is not None and record.id < named[0]):
            yield record, []
            record = next(purchases, None)
        elif record is None or named[0] < record.id:
            yield None, named[1]
            named = next(lots, None)
        else:
            yield record, named[1]
            record, named = next(purchases, None), next(lots, None)


def _is_payer(record: Record | None, wallet: WalletId) -> bool:
    return record is not None and wallet_of(record.account_id) == wallet


def _foreign(wallet: WalletId, lot: Lot) -> Break:
    detail = f"lot {lot.id} of {wallet} says purchase {lot.reference} paid for it"
    return Break(kind=BreakKind.LOT_FOREIGN, purchase=None, invoice=None, lot=lot.id, detail=detail)


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
