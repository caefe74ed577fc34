"""Between rows and the ledger's types: loads what a batch needs, writes what it decided, in bulk.

Owns: the ledger tables' row forms. Refuses to know: why anything changes.
Locks: `load` locks the wallets' rows in the order of their keys; everything else of a wallet is guarded by that lock.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

from ileen.base.clock import Instant
from ileen.base.ids import HoldId, KeyId, LotId, WalletId
from ileen.jobs import queue
from ileen.ledger import given, journal, low, model
from ileen.ledger.model import Attribution, Book, Entry, Hold, HoldState, Lot, Source, Spender, Wallet
from ileen.ledger.places import bucket_of
from ileen.ledger.state import Answered, Measured, State
from ileen.store import schema
from ileen.store.bulk import Channel, Fetch, Row, Via, Write

_ENTRIES_PER_COMMAND_MAX = 8
"""No rule writes more: capture, release, repay, overrun, borrow, absorb are six."""

_BUCKET = schema.wallet.c.bucket
_OF_WALLET = "t.bucket = k.k0 AND t.wallet_id = k.k1"


def _of_wallet(column: Any) -> Fetch:
    """Return the fetch of one table's rows by wallet and one more column."""
    table = column.table
    matches = f'{_OF_WALLET} AND t."{column.name}" = k.k2'
    return Fetch(table, keys=(_BUCKET, table.c.wallet_id, column), matches=matches)


_WALLETS = Fetch(
    schema.wallet, keys=(_BUCKET, schema.wallet.c.id), matches="t.bucket = k.k0 AND t.id = k.k1", lock=True
)
_HOLDS = _of_wallet(schema.hold.c.id)
_SPENDERS = _of_wallet(schema.spender.c.api_key)
_SPENDERS_OF_HOLDS = Fetch(
    schema.spender,
    keys=(_BUCKET, schema.hold.c.wallet_id, schema.hold.c.id),
    via=Via(schema.hold, "h.bucket = k.k0 AND h.wallet_id = k.k1 AND h.id = k.k2"),
    matches="t.bucket = h.bucket AND t.wallet_id = h.wallet_id AND t.api_key = h.api_key",
)
_LIVE_LOTS = Fetch(schema.lot, keys=(_BUCKET, schema.lot.c.wallet_id), matches=f"{_OF_WALLET} AND NOT t.used_up")
_LOTS = _of_wallet(schema.lot.c.id)
_ENTRIES_BY_KEY = _of_wallet(schema.entry.c.key)
_ENTRIES = _of_wallet(schema.entry.c.seq)

_PUT_WALLETS = Write.put(schema.wallet)
_PUT_SPENDERS = Write.put(schema.spender)
_PUT_LOTS = Write.put(schema.lot)
_PUT_HOLDS = Write.put(schema.hold)
_ADD_ENTRIES = Write.add(schema.entry)
_ADD_DRAWS = Write.add(schema.lot_draw)
_ADD_RECORDS = Write.add(schema.usage_record)
_ADD_UP_DAYS = Write.accumulate(schema.usage_day)


def load(channel: Channel, commands: Iterable[model.Command]) -> dict[WalletId, State]:
    """Read and lock the wallets of a batch, and of each the parts its commands name."""
    wanted = _Wanted()
    for command in commands:
        wanted.note(command)
    states = wanted.states
    wallets, holds, spenders, theirs, live, lots, answered = channel.fetch(
        # The wallets first: each later statement sees what others committed before it had their locks.
        (_WALLETS, sorted(wanted.places)),
        (_HOLDS, wanted.holds),
        (_SPENDERS, list(wanted.spenders)),
        (_SPENDERS_OF_HOLDS, wanted.ending),
        (_LIVE_LOTS, list(wanted.drawing)),
        (_LOTS, wanted.lots),
        (_ENTRIES_BY_KEY, wanted.keys),
    )
    for row in wallets:
        states[row[1]].wallet = wallet_of(row)
    for row in holds:
        states[row[1]].holds[row[2]] = hold_of(row)
    for row in (*spenders, *theirs):
        states[row[1]].spenders[row[2]] = spender_of(row)
    for row in (*live, *lots):
        states[row[1]].lots[row[2]] = lot_of(row)
    if answered:
        _recall(channel, states, [entry_of(row) for row in answered])
    return states


def write(channel: Channel, states: Iterable[State]) -> None:
    """Write all that a batch changed. A row changed several times is written once, as it ended."""
    wallets: list[Row] = []
    spenders: list[Row] = []
    lots: list[Row] = []
    holds: list[Row] = []
    entries: list[Row] = []
    draws: list[Row] = []
    records: list[Row] = []
    told: list[Row] = []
    days: dict[Row, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for state in states:
        wallet = state.wallet
        if wallet is None:
            continue
        place = (bucket_of(wallet.id), wallet.id)
        if state.changed:
            wallets.append(_wallet_row(place[0], wallet))
        spenders += [_spender_row(place, spender) for spender in state.changed_spenders.values()]
        lots += [_lot_row(place, lot) for lot in state.changed_lots.values()]
        holds += [_hold_row(place, hold) for hold in state.changed_holds.values()]
        entries += [_entry_row(place[0], entry) for entry in state.entries]
        draws += [(*place, draw.seq, draw.lot, draw.amount) for draw in state.draws]
        if state.lowered is not None:
            told.append(low.row(state.lowered))
        told += [low.crossed_row(*each) for each in state.crossed]
        told += [given.row(wallet.id, *each) for each in state.given]
        for measured in state.measured:
            records.append(_record_row(place, measured))
            _count(days[_day_key(place, measured)], measured)
    channel.write(
        (_PUT_WALLETS, wallets),
        (_PUT_SPENDERS, spenders),
        (_PUT_LOTS, lots),
        (_PUT_HOLDS, holds),
        (_ADD_ENTRIES, entries),
        (_ADD_DRAWS, draws),
        (_ADD_RECORDS, records),
        (_ADD_UP_DAYS, [(*key, *sums) for key, sums in days.items()]),
        (queue.UNLESS_OPEN, told),
    )


def _recall(channel: Channel, states: dict[WalletId, State], firsts: Sequence[Entry]) -> None:
    """Compose the first answers to commands from their entries: the one with the key and those without after it."""
    after = [
        (bucket_of(first.wallet), first.wallet, first.seq + i)
        for first in firsts
        for i in range(1, _ENTRIES_PER_COMMAND_MAX)
    ]
    (found,) = channel.fetch((_ENTRIES, after))
    following = {(row[1], row[2]): entry_of(row) for row in found}
    for first in firsts:
        entries = [first]
        while (entry := following.get((first.wallet, entries[-1].seq + 1))) and entry.key is None:
            entries.append(entry)
        assert first.key is not None and first.fingerprint is not None
        states[first.wallet].answers[first.key] = Answered(first.fingerprint, journal.recall(entries))


class _Wanted:
    """The keys of all rows a batch needs to see, and a state to fill for each of its wallets."""

    def __init__(self) -> None:
        self.states: dict[WalletId, State] = {}
        self._places: dict[WalletId, tuple[int, WalletId]] = {}
        self.holds: list[Row] = []
        self.ending: list[Row] = []
        self.spenders: set[Row] = set()
        self.drawing: set[Row] = set()
        self.lots: list[Row] = []
        self.keys: list[Row] = []

    @property
    def places(self) -> Iterable[tuple[int, WalletId]]:
        return self._places.values()

    def note(self, command: model.Command) -> None:
        place = self._places.get(command.wallet) or self._meet(command.wallet)
        match command:
            case model.Authorize() | model.Charge():
                self.holds.append((*place, command.hold))
                if command.attribution.api_key:
                    self.spenders.add((*place, command.attribution.api_key))
            case model.Capture() | model.Void() | model.Expire():
                self.holds.append((*place, command.hold))
                self.ending.append((*place, command.hold))
            case model.OpenWallet():
                return
            case model.SetCaps() | model.CloseKey():
                self.spenders.add((*place, command.api_key or ""))
                return
            case _:
                self.lots.append((*place, command.lot))
        self.keys.append((*place, journal.key_of(command)))
        if not isinstance(command, model.Authorize):
            self.drawing.add(place)

    def _meet(self, wallet: WalletId) -> tuple[int, WalletId]:
        place = self._places[wallet] = (bucket_of(wallet), wallet)
        self.states[wallet] = State()
        self.spenders.add((*place, ""))
        return place


# Rows to types and back ------------------------------------------------------------------------------------------

# Looked up per row: an enum's own `X(value)` and `.value` take five times as long.
_BOOKS: Final[dict[str, Book]] = {book.value: book for book in Book}
_SOURCES: Final[dict[str, Source]] = {source.value: source for source in Source}
_HOLD_STATES: Final[dict[str, HoldState]] = {state.value: state for state in HoldState}
_NAMES: Final[dict[StrEnum, str]] = {word: word.value for words in (Book, Source, HoldState) for word in words}


def wallet_of(row: Row) -> Wallet:
    """Read a row of `wallet`."""
    return Wallet(
        id=WalletId(row[1]),
        time_zone=row[2],
        debt_max=row[3],
        created_at=Instant(row[4]),
        seq=row[5],
        settled=row[6],
        held=row[7],
        frozen=row[8],
        debt=row[9],
        spent=row[10],
        purchased=row[11],
        bonus=row[12],
        adjusted=row[13],
        absorbed=row[14],
        refunded=row[15],
        disputed=row[16],
        head=bytes(row[17]),
        low_mark=row[18],
        notice_mark=row[19],
    )


def _wallet_row(bucket: int, w: Wallet) -> Row:
    return (
        bucket, w.id, w.time_zone, w.debt_max, w.created_at, w.seq, w.settled, w.held, w.frozen, w.debt,
        w.spent, w.purchased, w.bonus, w.adjusted, w.absorbed, w.refunded, w.disputed, w.head, w.low_mark,
        w.notice_mark,
    )  # fmt: skip


def spender_of(row: Row) -> Spender:
    """Read a row of `spender`."""
    return Spender(
        api_key=row[2],
        cap_day=row[3],
        cap_month=row[4],
        cap_total=row[5],
        held=row[6],
        day=row[7],
        spent_day=row[8],
        month=row[9],
        spent_month=row[10],
        spent_total=row[11],
        closed=bool(row[12]),
    )


def _spender_row(place: Row, s: Spender) -> Row:
    return (
        *place, s.api_key, s.cap_day, s.cap_month, s.cap_total, s.held, s.day, s.spent_day, s.month, s.spent_month,
        s.spent_total, int(s.closed),
    )  # fmt: skip


def lot_of(row: Row) -> Lot:
    """Read a row of `lot`."""
    return Lot(
        id=LotId(row[2]),
        source=_SOURCES[row[3]],
        amount=row[4],
        left=row[5],
        frozen=row[6],
        created_at=Instant(row[7]),
        reference=row[8],
        reason=row[9],
    )


def _lot_row(place: Row, lot: Lot) -> Row:
    return (
        *place, lot.id, _NAMES[lot.source], lot.amount, lot.left, lot.frozen, lot.created_at, lot.reference, lot.reason,
        int(lot.left == 0),
    )  # fmt: skip


def hold_of(row: Row) -> Hold:
    """Read a row of `hold`."""
    return Hold(
        id=HoldId(row[2]),
        amount=row[3],
        state=_HOLD_STATES[row[4]],
        created_at=Instant(row[5]),
        expires_at=Instant(row[6]),
        attribution=Attribution(
            api_key=KeyId(row[7]) if row[7] else None,
            mode=row[8],
            activity=row[9],
            run=row[10],
            parent_run=row[11],
            provider=row[12],
            model=row[13],
        ),
        tariff=row[14],
        captured=row[15],
        closed_at=None if row[16] is None else Instant(row[16]),
        reason=row[17],
    )


def _hold_row(place: Row, hold: Hold) -> Row:
    a = hold.attribution
    return (
        *place, hold.id, hold.amount, _NAMES[hold.state], hold.created_at, hold.expires_at, a.api_key, a.mode,
        a.activity, a.run, a.parent_run, a.provider, a.model, hold.tariff, hold.captured, hold.closed_at, hold.reason,
    )  # fmt: skip


def entry_of(row: Row) -> Entry:
    """Read a row of `entry`."""
    _, wallet, seq, at, kind, debit, credit, amount, ref, settled, held, frozen, debt, key, fingerprint, note, hash_ = (
        row
    )
    return Entry(
        wallet,
        seq,
        at,
        kind,
        _BOOKS[debit],
        _BOOKS[credit],
        amount,
        ref,
        settled,
        held,
        frozen,
        debt,
        key,
        None if fingerprint is None else bytes(fingerprint),
        note,
        bytes(hash_),
    )


def _entry_row(bucket: int, e: Entry) -> Row:
    return (
        bucket, e.wallet, e.seq, e.at, e.kind, _NAMES[e.debit], _NAMES[e.credit], e.amount, e.ref, e.settled, e.held,
        e.frozen, e.debt, e.key, e.fingerprint, e.note, e.hash,
    )  # fmt: skip


def _record_row(place: Row, measured: Measured) -> Row:
    usage = measured.usage
    return (
        *place, measured.hold.id, measured.at, measured.charge, usage.input_tokens, usage.output_tokens,
        usage.provider_request_id, usage.record,
    )  # fmt: skip


def _day_key(place: Row, measured: Measured) -> Row:
    a = measured.hold.attribution
    return (*place, measured.day, a.mode or "", a.activity or "", a.model or "", a.api_key or "")


def _count(sums: list[int], measured: Measured) -> None:
    sums[0] += 1
    sums[1] += measured.charge
    sums[2] += measured.usage.input_tokens
    sums[3] += measured.usage.output_tokens
