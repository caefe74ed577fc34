"""The audit: proves the books of a live database, in bounded memory, and names the first row that is wrong.

Owns: which rows are read, in what order. What they must come to is in `proofs`. Writes nothing.
Works on one snapshot, by ranges of buckets: the bucket leads every key, so a query reads one slice of a table. Thin
buckets share a range, for each query costs the same however little it finds; a bucket is never divided. In memory are
only a range's wallets with their lots and counters; entries, holds and usage records stream past.

Checked, per wallet:
A1  entries are numbered 1, 2, 3 … without a gap, and each carries the hash over itself and the one before.
A2  each entry's running balances are what the movements up to it add up to; no book goes below zero.
A3  the wallet's row equals its last entry and the totals of its journal.
A4  held = its open holds; each hold's amount and end are those its entries tell; none is open past its time.
A5  available + held + frozen = what its lots have left; each lot = acquired - drawn - removed; each burn is drawn.
A6  each capture has one usage record of the same charge, unchanged since; daily sums and counters agree with them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, and_, case, func, select

from ileen.base.clock import Clock, Instant, SystemClock
from ileen.base.ids import WalletId
from ileen.ledger import rows
from ileen.ledger.model import Book
from ileen.ledger.places import bucket_of
from ileen.ledger.proofs import BURNS, OF_HOLDS, TAKEN, Books
from ileen.store import schema
from ileen.store.bulk import pages
from ileen.store.engine import Database

BREACHES_MAX: Final = 100
"""The audit stops here: the first ones tell the story."""
_RANGE_ROWS: Final = 100_000
"""Rows of the journal, wallets and counters read together, unless one bucket alone has more."""
_PAGE: Final = 2000
_BUCKETS: Final = (-(2**15), 2**15 - 1)
"""All that fit the column, so that a row moved out of the buckets there should be is read all the same."""

Progress = Callable[[int, int], None]
"""Told how many entries have been checked, of how many."""


class AuditReport(Struct, frozen=True, kw_only=True):
    """What was checked, and each breach as a sentence that names the row. No breach: the books balance."""

    wallets: int
    entries: int
    breaches: list[str]


class _Full(Exception):  # not an error: enough has been found
    """Enough breaches."""


def audit(database: Database, progress: Progress | None = None, *, clock: Clock | None = None) -> AuditReport:
    """Check every invariant of the ledger on one snapshot. Locks nothing; safe beside running servers."""
    with database.snapshot() as connection:
        return _Audit(connection, (clock or SystemClock()).now(), progress).run()


class _Audit:
    def __init__(self, connection: Connection, now: Instant, progress: Progress | None) -> None:
        self._connection = connection
        self._now = now
        self._progress = progress
        self._checked = self._wallets = self._total = 0
        self._breaches: list[str] = []

    def run(self) -> AuditReport:
        try:
            for buckets in self._ranges():
                self._check(buckets)
        except _Full:
            pass
        self._tell()
        return AuditReport(wallets=self._wallets, entries=self._checked, breaches=self._breaches)

    def _ranges(self) -> list[tuple[int, int]]:
        """Divide all buckets into ranges of about as many rows."""
        weights: dict[int, int] = defaultdict(int)
        for table in (schema.entry, schema.wallet, schema.lot, schema.spender, schema.usage_day):
            for bucket, count in self._rows(select(table.c.bucket, func.count()).group_by(table.c.bucket)):
                weights[bucket] += count
                self._total += count if table is schema.entry else 0
        lowest, highest = _BUCKETS
        ranges: list[tuple[int, int]] = []
        gathered = 0
        for bucket in sorted(weights):
            if gathered and gathered + weights[bucket] > _RANGE_ROWS:
                ranges.append((lowest, bucket - 1))
                lowest, gathered = bucket, 0
            gathered += weights[bucket]
        return [*ranges, (lowest, highest)]

    def _check(self, buckets: tuple[int, int]) -> None:
        books: dict[tuple[int, str], Books] = defaultdict(Books)
        self._load(buckets, books)
        self._check_journals(buckets, books)
        self._check_holds(buckets, books)
        for place, of_wallet in books.items():
            self._note(place[1], of_wallet.close())

    def _load(self, buckets: tuple[int, int], books: dict[tuple[int, str], Books]) -> None:
        for row in self._rows(_of(schema.wallet, buckets)):
            of_wallet = books[row[0], row[1]]
            self._wallets += 1
            try:
                of_wallet.wallet = rows.wallet_of(row)
            except (KeyError, TypeError, ValueError) as error:
                of_wallet.unreadable = True
                self._note(row[1], [f"wallet row cannot be read, so it says something else than it did: {error}"])
            if bucket_of(WalletId(row[1])) != row[0]:
                self._note(row[1], [f"wallet row stands in bucket {row[0]}, its id belongs elsewhere"])
        for row in self._rows(_of(schema.lot, buckets)):
            books[row[0], row[1]].lots.append(rows.lot_of(row))
        for row in self._rows(_of(schema.spender, buckets)):
            books[row[0], row[1]].spenders[row[2]] = rows.spender_of(row)
        for row in self._rows(_of(schema.usage_day, buckets)):
            books[row[0], row[1]].days[row[2:7]] = row[7:]
        for bucket, wallet, lot, amount in self._rows(_draws(buckets)):
            books[bucket, wallet].drawn[lot] += int(amount)

    def _check_journals(self, buckets: tuple[int, int], books: dict[tuple[int, str], Books]) -> None:
        for page in pages(self._connection, _entries_with_draws(buckets), _PAGE):
            for place, of_one in groupby(page, key=itemgetter(0, 1)):
                self._note(place[1], books[place].follow(of_one))
            self._checked += len(page)
            self._tell()

    def _check_holds(self, buckets: tuple[int, int], books: dict[tuple[int, str], Books]) -> None:
        records, now = 0, self._now
        for row in self._rows(_holds_with_entries(buckets)):
            records += row[11] is not None
            fault = books[row[0], row[1]].count(row, now)
            if fault:
                self._note(row[1], [fault])
        record = schema.usage_record
        query = select(func.count()).select_from(record).where(record.c.bucket.between(*buckets))
        ((kept,),) = self._rows(query)
        if kept != records:
            where = f"buckets {buckets[0]} to {buckets[1]}"
            self._note(where, [f"there are {kept} usage records, {records} of them belong to a hold"])

    # -------------------------------------------------------------------------------------------------------------

    def _rows(self, query: Any) -> Iterator[tuple[Any, ...]]:
        for page in pages(self._connection, query, _PAGE):
            yield from page

    def _note(self, where: str, faults: Iterable[str]) -> None:
        for what in faults:
            self._breaches.append(f"{where}: {what}")
            if len(self._breaches) >= BREACHES_MAX:
                raise _Full

    def _tell(self) -> None:
        if self._progress:
            self._progress(self._checked, self._total)


# Queries -----------------------------------------------------------------------------------------------------------


def _of(table: Any, buckets: tuple[int, int]) -> Any:
    return select(table).where(table.c.bucket.between(*buckets))


def _draws(buckets: tuple[int, int]) -> Any:
    """Select how much was drawn from each lot."""
    place = (schema.lot_draw.c.bucket, schema.lot_draw.c.wallet_id, schema.lot_draw.c.lot_id)
    drawn = select(*place, func.sum(schema.lot_draw.c.amount))
    return drawn.where(schema.lot_draw.c.bucket.between(*buckets)).group_by(*place)


def _entries_with_draws(buckets: tuple[int, int]) -> Any:
    """Select the journals in their order; an entry that burns credits comes with what was drawn from lots for it."""
    entry, draw = schema.entry, schema.lot_draw
    of_entry = and_(draw.c.bucket == entry.c.bucket, draw.c.wallet_id == entry.c.wallet_id, draw.c.seq == entry.c.seq)
    drawn = select(func.sum(draw.c.amount)).where(of_entry).correlate(entry).scalar_subquery()
    burns = entry.c.kind.in_(BURNS) | and_(entry.c.kind == "adjust", entry.c.debit == Book.AVAILABLE.value)
    query = select(entry, case((burns, drawn))).where(entry.c.bucket.between(*buckets))
    return query.order_by(entry.c.bucket, entry.c.wallet_id, entry.c.seq)


def _holds_with_entries(buckets: tuple[int, int]) -> Any:
    """Select holds, each with its usage record and what its entries tell of it."""
    entry, hold, record = schema.entry, schema.hold, schema.usage_record

    def count(kind: str) -> Any:
        return func.count(case((entry.c.kind == kind, 1)))

    told = (
        select(
            entry.c.bucket,
            entry.c.wallet_id,
            entry.c.ref,
            func.count().label("told"),
            func.sum(case((entry.c.kind == "authorize", entry.c.amount), else_=0)).label("authorized"),
            func.sum(case((entry.c.kind.in_(TAKEN), entry.c.amount), else_=0)).label("taken"),
            count("capture").label("captures"),
            count("void").label("voids"),
            count("expire").label("expiries"),
            count("charge").label("charges"),
            func.max(case((entry.c.kind.in_(("capture", "charge")), entry.c.note))).label("note"),
        )
        .where(entry.c.bucket.between(*buckets), entry.c.kind.in_(OF_HOLDS))
        .group_by(entry.c.bucket, entry.c.wallet_id, entry.c.ref)
        .subquery()
    )
    of_hold = and_(told.c.bucket == hold.c.bucket, told.c.wallet_id == hold.c.wallet_id, told.c.ref == hold.c.id)
    on_record = and_(
        record.c.bucket == hold.c.bucket, record.c.wallet_id == hold.c.wallet_id, record.c.hold_id == hold.c.id
    )
    of = ("bucket", "wallet_id", "id", "amount", "state", "expires_at", "api_key", "mode", "activity", "model")
    measured = ("at", "charge", "input_tokens", "output_tokens", "provider_request_id", "record")
    names = ("told", "authorized", "taken", "captures", "voids", "expiries", "charges", "note")
    return (
        select(
            *(hold.c[name] for name in (*of, "captured")),
            *(record.c[name] for name in measured),
            *(told.c[name] for name in names),
        )
        .select_from(hold.outerjoin(record, on_record).outerjoin(told, of_hold))
        .where(hold.c.bucket.between(*buckets))
    )
