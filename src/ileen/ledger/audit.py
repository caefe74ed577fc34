"""The audit: proves the books of a live database, in bounded memory, and names the first row that is wrong.

Owns: the check of every invariant of the ledger. Writes nothing. Works on one snapshot, bucket by bucket: the
bucket leads every key, so each step reads a slice of each table and holds only that slice's wallets in memory.

Checked, per wallet:
A1  entries are numbered 1, 2, 3 … without a gap, and each carries the hash over itself and the one before.
A2  each entry's running balances are what the movements up to it add up to; no book goes below zero.
A3  the wallet's row equals its last entry and the totals of its journal.
A4  held = its open holds; each hold's amount and end are those its entries tell; none is open past its time.
A5  available + held + frozen = what its lots have left; each lot = acquired - drawn - removed; each burn is drawn.
A6  each capture has one usage record of the same charge, unchanged since; daily sums and counters agree with them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, cast

from msgspec import Struct
from sqlalchemy import Connection, and_, case, func, select, union

from ileen.base.clock import SECOND, Clock, Instant, SystemClock
from ileen.base.ids import WalletId
from ileen.ledger import journal, rows
from ileen.ledger.calendar import windows
from ileen.ledger.model import Book, Hold, HoldState, Lot, Spender, Usage, Wallet
from ileen.ledger.places import bucket_of
from ileen.store import schema
from ileen.store.engine import Database

BREACHES_MAX: Final = 100
"""The audit stops here: the first ones tell the story."""
GRACE_US: Final = 60 * SECOND
"""How long a hold may stay open past its time: the sweeper runs every second, and restarts take a while."""
_PAGE: Final = 2000
_TAKEN: Final = ("capture", "overrun", "borrow", "absorb", "charge")
_BURNS: Final = ("capture", "overrun", "charge", "repay")
_ENDS: Final = {
    HoldState.OPEN: (0, 0, 0),
    HoldState.CAPTURED: (1, 0, 0),  # after an expiry or without
    HoldState.VOIDED: (0, 1, 0),
    HoldState.EXPIRED: (0, 0, 1),
}
"""How many captures or charges, voids and expiries the entries of a hold in each state tell of."""
_TOTALS: Final = ("spent", "purchased", "bonus", "adjusted", "absorbed", "refunded", "disputed")

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


class _Slice(Struct):
    """What is kept in memory of one bucket: its wallets, and what their rows should come to."""

    wallets: dict[WalletId, Wallet]
    lots: dict[WalletId, list[Lot]]
    spenders: dict[WalletId, dict[str, Spender]]
    days: dict[WalletId, dict[tuple[Any, ...], tuple[int, ...]]]


class _Audit:
    def __init__(self, connection: Connection, now: Instant, progress: Progress | None) -> None:
        self._connection = connection.execution_options(stream_results=True, yield_per=_PAGE)
        self._now = now
        self._progress = progress
        self._checked = self._wallets = 0
        self._breaches: list[str] = []
        self._total = connection.execute(select(func.count()).select_from(schema.entry)).scalar_one()

    def run(self) -> AuditReport:
        tables = (schema.wallet, schema.entry, schema.hold, schema.lot, schema.spender, schema.usage_record)
        buckets = union(*(select(table.c.bucket).distinct() for table in tables)).order_by("bucket")
        try:
            for bucket in [row[0] for row in self._connection.execute(buckets)]:
                self._check_bucket(bucket)
        except _Full:
            pass
        self._tell()
        return AuditReport(wallets=self._wallets, entries=self._checked, breaches=self._breaches)

    def _check_bucket(self, bucket: int) -> None:
        part = self._load(bucket)
        self._wallets += len(part.wallets)
        for wallet in part.wallets.values():
            if bucket_of(wallet.id) != bucket:
                self._breach(wallet.id, f"wallet row stands in bucket {bucket}, its id belongs elsewhere")
        self._check_journals(bucket, part)
        self._check_holds(bucket, part)
        self._check_lots(bucket, part)
        self._check_draws(bucket)

    def _load(self, bucket: int) -> _Slice:
        part = _Slice({}, defaultdict(list), defaultdict(dict), defaultdict(dict))
        for row in self._rows(schema.wallet, bucket):
            try:
                part.wallets[row[1]] = rows.wallet_of(row)
            except (KeyError, TypeError, ValueError) as error:
                self._breach(row[1], f"wallet row cannot be read, so it says something else than it did: {error}")
        for row in self._rows(schema.lot, bucket):
            part.lots[row[1]].append(rows.lot_of(row))
        for row in self._rows(schema.spender, bucket):
            part.spenders[row[1]][row[2]] = rows.spender_of(row)
        for row in self._rows(schema.usage_day, bucket):
            part.days[row[1]][tuple(row[2:7])] = tuple(row[7:])
        return part

    # Journal -------------------------------------------------------------------------------------------------

    def _check_journals(self, bucket: int, part: _Slice) -> None:
        table = schema.entry
        query = select(table).where(table.c.bucket == bucket).order_by(table.c.wallet_id, table.c.seq)
        journals: dict[WalletId, _Journal] = {}
        for page in self._connection.execute(query).partitions(_PAGE):
            for row in cast("Sequence[tuple[Any, ...]]", page):
                journal = journals.get(row[1])
                if journal is None:
                    journal = journals[row[1]] = _Journal(row[1])
                    if row[1] not in part.wallets:
                        self._breach(row[1], f"entry {row[2]} belongs to a wallet that does not exist")
                fault = journal.follow(row)
                if fault:
                    self._breach(row[1], fault)
            self._checked += len(page)
            self._tell()
        for wallet in part.wallets.values():
            for fault in (journals.get(wallet.id) or _Journal(wallet.id)).close(wallet):
                self._breach(wallet.id, fault)

    # Holds, usage records, counters ------------------------------------------------------------------------------

    def _check_holds(self, bucket: int, part: _Slice) -> None:
        sums: dict[WalletId, _Sums] = {wallet: _Sums() for wallet in part.wallets}
        seen = records = 0
        found = cast("Iterable[tuple[Any, ...]]", self._connection.execute(_holds_with_entries(bucket)))
        for row in found:
            width = len(schema.hold.columns)
            hold, record, told = rows.hold_of(row), row[width : width + 6], row[width + 6 :]
            wallet = part.wallets.get(row[1])
            seen += told[0] is not None
            records += record[0] is not None
            if wallet is None:
                self._breach(row[1], f"hold {hold.id} belongs to a wallet that does not exist")
                continue
            for fault in _hold_faults(hold, record, told, self._now):
                self._breach(wallet.id, fault)
            sums[wallet.id].count(hold, record, wallet)
        self._check_orphans(bucket, seen, records)
        for id_, wallet in part.wallets.items():
            faults = sums[id_].faults(wallet, part.spenders.get(id_, {}), part.days.get(id_, {}))
            for fault in faults:
                self._breach(id_, fault)

    def _check_orphans(self, bucket: int, holds_told: int, records: int) -> None:
        entry, record = schema.entry, schema.usage_record
        distinct = select(entry.c.wallet_id, entry.c.ref).where(entry.c.bucket == bucket, _of_hold(entry)).distinct()
        told = self._connection.execute(select(func.count()).select_from(distinct.subquery())).scalar_one()
        if told != holds_told:
            self._breach(f"bucket {bucket}", f"entries tell of {told} holds, {holds_told} of them exist")
        kept = self._connection.execute(select(func.count()).where(record.c.bucket == bucket)).scalar_one()
        if kept != records:
            self._breach(f"bucket {bucket}", f"there are {kept} usage records, {records} of them belong to a hold")

    # Lots --------------------------------------------------------------------------------------------------------

    def _check_lots(self, bucket: int, part: _Slice) -> None:
        drawn: dict[tuple[str, str], int] = defaultdict(int)
        acquired: dict[tuple[str, str], int] = {}
        table, entry = schema.lot_draw, schema.entry
        query = select(table.c.wallet_id, table.c.lot_id, func.sum(table.c.amount)).where(table.c.bucket == bucket)
        for wallet, lot, amount in self._connection.execute(query.group_by(table.c.wallet_id, table.c.lot_id)):
            drawn[wallet, lot] += int(amount)
        of_lots = and_(entry.c.bucket == bucket, entry.c.kind.in_(("fund", "adjust", "remove")))
        for row in self._connection.execute(select(entry).where(of_lots)):
            if row.kind == "remove":
                drawn[row.wallet_id, row.ref] += row.amount
            elif row.credit == Book.AVAILABLE:
                acquired[row.wallet_id, row.ref] = row.amount
        for id_, lots in part.lots.items():
            for lot in lots:
                key = (id_, lot.id)
                if acquired.pop(key, None) != lot.amount:
                    self._breach(id_, f"lot {lot.id} was not acquired with the amount it states")
                if lot.left != lot.amount - drawn.pop(key, 0):
                    self._breach(id_, f"lot {lot.id} has another amount left than its draws and removals leave")
        for id_, lot in [*acquired, *drawn]:
            self._breach(id_, f"lot {lot} is told of by entries but does not exist")
        for wallet in part.wallets.values():
            lots = part.lots.get(wallet.id, [])
            if sum(lot.left - lot.frozen for lot in lots) != wallet.settled + wallet.debt:
                self._breach(wallet.id, "its lots hold another amount than its balance")
            if sum(lot.frozen for lot in lots) != wallet.frozen:
                self._breach(wallet.id, "the frozen parts of its lots differ from what is frozen")

    def _check_draws(self, bucket: int) -> None:
        entry, draw = schema.entry, schema.lot_draw
        on = and_(draw.c.bucket == entry.c.bucket, draw.c.wallet_id == entry.c.wallet_id, draw.c.seq == entry.c.seq)
        burnt = entry.c.kind.in_(_BURNS) | and_(entry.c.kind == "adjust", entry.c.debit == Book.AVAILABLE.value)
        expected = case((burnt, entry.c.amount), else_=0)
        query = (
            select(entry.c.wallet_id, entry.c.seq)
            .select_from(entry.outerjoin(draw, on))
            .where(entry.c.bucket == bucket)
            .group_by(entry.c.wallet_id, entry.c.seq, entry.c.kind, entry.c.debit, entry.c.amount)
            .having(func.coalesce(func.sum(draw.c.amount), 0) != expected)
            .order_by(entry.c.wallet_id, entry.c.seq)
            .limit(BREACHES_MAX)
        )
        for wallet, seq in self._connection.execute(query):
            self._breach(wallet, f"entry {seq} was not drawn from lots by its amount")

    # ---------------------------------------------------------------------------------------------------------------

    def _rows(self, table: Any, bucket: int) -> Iterator[Sequence[Any]]:
        return iter(self._connection.execute(select(table).where(table.c.bucket == bucket)))

    def _breach(self, where: str, what: str) -> None:
        self._breaches.append(f"{where}: {what}")
        if len(self._breaches) >= BREACHES_MAX:
            raise _Full

    def _tell(self) -> None:
        if self._progress:
            self._progress(self._checked, self._total)


class _Journal:
    """Follows one wallet's entries; after its first fault it stays quiet, for everything after would follow from it.

    Works on bare rows: there are millions, and turning each into an `Entry` took longer than all checks but the hash.
    """

    def __init__(self, wallet: str) -> None:
        self._wallet = wallet
        self._books: dict[str, int] = {book.value: 0 for book in Book}
        self._seq = 0
        self._head = b""
        self._broken = False

    def follow(self, row: tuple[Any, ...]) -> str | None:
        """Check the next entry; return what is wrong with it."""
        if self._broken:
            return None
        fault = self._fault(row)
        self._broken = fault is not None
        return fault

    def close(self, wallet: Wallet) -> Iterator[str]:
        """Check the wallet's row against its journal."""
        if self._broken:
            return
        if wallet.seq != self._seq or wallet.head != self._head:
            yield f"wallet row says {wallet.seq} entries, the journal ends at entry {self._seq} or with another hash"
            return
        books = self._books
        debt = -books["debt"]
        balances = (books["available"] + books["held"] - debt, books["held"], books["frozen"], debt)
        if (wallet.settled, wallet.held, wallet.frozen, wallet.debt) != balances:
            yield "wallet row states other balances than its last entry"
        for name in _TOTALS:
            sign = 1 if name in {"spent", "refunded", "disputed"} else -1
            if getattr(wallet, name) != sign * books[name]:
                yield f"wallet row states another total '{name}' than its journal"

    def _fault(self, row: tuple[Any, ...]) -> str | None:
        seq = row[2]
        if seq != self._seq + 1:
            return f"entry {self._seq + 1} is missing (the next is {seq})"
        head = journal.chain(tuple(row[1:16]), self._head)
        if head != row[16]:
            return f"entry {seq} was changed or replaced: its hash does not match"
        self._seq, self._head = seq, head
        books, amount = self._books, row[7]
        if row[5] not in books or row[6] not in books:
            return f"entry {seq} moves credits between books that do not exist"
        books[row[5]] -= amount
        books[row[6]] += amount
        available, held, frozen, debt = books["available"], books["held"], books["frozen"], -books["debt"]
        if row[9:13] != (available + held - debt, held, frozen, debt):
            return f"entry {seq} states other running balances than the movements up to it"
        if available < 0 or held < 0 or frozen < 0 or debt < 0:
            return f"entry {seq} takes a book below zero"
        return None


class _Sums:
    """What one wallet's holds and usage records come to."""

    def __init__(self) -> None:
        self._held: dict[str, int] = defaultdict(int)
        self._spent: dict[str, int] = defaultdict(int)
        self._days: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._by_window: dict[tuple[str, str, int], int] = defaultdict(int)

    def count(self, hold: Hold, record: Sequence[Any], wallet: Wallet) -> None:
        a = hold.attribution
        spenders = ("", a.api_key) if a.api_key else ("",)
        if hold.state is HoldState.OPEN:
            for name in spenders:
                self._held[name] += hold.amount
        if record[0] is None:
            return
        day, month = windows(Instant(record[0]), wallet.time_zone)
        for name in spenders:
            self._spent[name] += record[1]
            self._by_window[name, "day", day] += record[1]
            self._by_window[name, "month", month] += record[1]
        sums = self._days[day, a.mode or "", a.activity or "", a.model or "", a.api_key or ""]
        for index, value in enumerate((1, record[1], record[2], record[3])):
            sums[index] += value

    def faults(
        self, wallet: Wallet, spenders: dict[str, Spender], days: dict[tuple[Any, ...], tuple[int, ...]]
    ) -> Iterator[str]:
        if self._held[""] != wallet.held:
            yield "its open holds come to another amount than is held"
        for name in sorted({*self._held, *self._spent, *spenders}):
            spender = spenders.get(name) or Spender(api_key=name)
            who = f"spender '{name}'" if name else "the account's spender row"
            if spender.held != self._held[name]:
                yield f"{who} counts another amount held than its open holds"
            if spender.spent_total != self._spent[name]:
                yield f"{who} counts another total spent than its captures"
            if spender.spent_day != self._by_window[name, "day", spender.day]:
                yield f"{who} counts another amount for its day than its captures"
            if spender.spent_month != self._by_window[name, "month", spender.month]:
                yield f"{who} counts another amount for its month than its captures"
        for key in sorted({*self._days, *days}):
            if tuple(self._days[key]) != days.get(key, (0, 0, 0, 0)):
                yield f"the daily sums of usage {key} differ from its usage records"


def _hold_faults(hold: Hold, record: Sequence[Any], told: Sequence[Any], now: Instant) -> Iterator[str]:
    """Compare a hold with its usage record and with what its entries tell."""
    authorized, taken, captures, voids, expiries, charges, note = told
    name = f"hold {hold.id}"
    if authorized is None:
        yield f"{name} has no entries"
        return
    if authorized != hold.amount:
        yield f"{name} states another amount than was authorized"
    if (captures + charges, voids, 0 if captures else expiries) != _ENDS[hold.state]:
        yield f"{name} is {hold.state.value}, its entries tell of another end"
    if hold.state is HoldState.OPEN and hold.expires_at + GRACE_US < now:
        yield f"{name} is open past its time"
    captured = hold.state is HoldState.CAPTURED
    if captured != (record[0] is not None):
        yield f"{name} is {hold.state.value}, its usage record says otherwise"
    if not captured or record[0] is None:
        return
    if not hold.captured == taken == record[1]:
        yield f"{name}: hold, entries and usage record state different charges"
    usage = Usage(input_tokens=record[2], output_tokens=record[3], provider_request_id=record[4], record=record[5])
    if journal.digest(usage) != note:
        yield f"{name}: its usage record was changed after the capture"


def _of_hold(entry: Any) -> Any:
    return entry.c.kind.in_(("authorize", "void", "expire", *_TAKEN))


def _holds_with_entries(bucket: int) -> Any:
    """Select a bucket's holds, each with its usage record and what its entries tell of it."""
    entry, hold, record = schema.entry, schema.hold, schema.usage_record

    def count(kind: str) -> Any:
        return func.sum(case((entry.c.kind == kind, 1), else_=0))

    told = (
        select(
            entry.c.wallet_id,
            entry.c.ref,
            func.sum(case((entry.c.kind == "authorize", entry.c.amount), else_=0)).label("authorized"),
            func.sum(case((entry.c.kind.in_(_TAKEN), entry.c.amount), else_=0)).label("taken"),
            count("capture").label("captures"),
            count("void").label("voids"),
            count("expire").label("expiries"),
            count("charge").label("charges"),
            func.max(case((entry.c.kind.in_(("capture", "charge")), entry.c.note))).label("note"),
        )
        .where(entry.c.bucket == bucket, _of_hold(entry))
        .group_by(entry.c.wallet_id, entry.c.ref)
        .subquery()
    )
    on_record = and_(
        record.c.bucket == hold.c.bucket, record.c.wallet_id == hold.c.wallet_id, record.c.hold_id == hold.c.id
    )
    joined = hold.outerjoin(record, on_record).outerjoin(
        told, and_(told.c.wallet_id == hold.c.wallet_id, told.c.ref == hold.c.id)
    )
    columns = ("at", "charge", "input_tokens", "output_tokens", "provider_request_id", "record")
    names = ("authorized", "taken", "captures", "voids", "expiries", "charges", "note")
    return (
        select(hold, *(record.c[name] for name in columns), *(told.c[name] for name in names))
        .select_from(joined)
        .where(hold.c.bucket == bucket)
    )
