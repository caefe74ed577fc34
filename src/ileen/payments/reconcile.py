"""Reconciliation: every purchase, invoice, payment and lot of a period compared; what does not match is a break.

Owns: the comparison and its words. Changes no books; a purchase that Stripe says is paid is looked at again.
Refuses to know: how a break came about, and how it is put right (that is a person's work).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from itertools import groupby
from typing import Final

import structlog
from msgspec import Struct

from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.ids import Ids, PurchaseId, WalletId, wallet_of
from ileen.jobs import Job
from ileen.ledger import Ledger, reads
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
_PAID_FOR: Final = (Source.PURCHASE, Source.REFILL)
"""The sources of lots that an invoice stands behind."""
BREAKS_MAX: Final = 100
"""How many breaks are told of the whole books: the first ones tell the story."""

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
        lots = _by_reference(self._ledger.acquired(_PAID_FOR, since=since, until=now))
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


def books(database: Database) -> list[Break]:
    """Compare all purchases with all lots of purchases, on one snapshot; return the first `BREAKS_MAX` breaks.

    Asks nobody. Both are read side by side in the order of the purchases' ids, so that memory is bounded.
    """
    breaks: list[Break] = []
    with (
        database.snapshot() as connection,
        closing(records.all_of_them(connection)) as purchases,
        closing(reads.by_reference(connection, _PAID_FOR)) as lots,
    ):
        by_reference = groupby(lots, key=lambda each: each[1].reference or "")
        named = ((reference, list(mine)) for reference, mine in by_reference)
        for record, mine in _side_by_side(purchases, named):
            if record is not None:
                breaks += compare_lots(record, mine)
            breaks += (_foreign(wallet, lot) for wallet, lot in mine if not _is_payer(record, wallet))
            if len(breaks) >= BREAKS_MAX:
                break
    return breaks[:BREAKS_MAX]


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
        breaks += (
            _foreign(wallet, lot) for wallet, lot in mine if lot.created_at < until and not _is_payer(record, wallet)
        )
    return breaks


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


def _by_reference(acquired: list[tuple[WalletId, Lot]]) -> Lots:
    found: dict[str, list[tuple[WalletId, Lot]]] = defaultdict(list)
    for wallet, lot in acquired:
        found[lot.reference or ""].append((wallet, lot))
    return found
