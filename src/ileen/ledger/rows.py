"""Between rows and the ledger's types: loads what a batch needs, writes what it decided, in bulk.

Owns: the ledger tables' row forms. Refuses to know: why anything changes.
Locks: `load` locks the wallets' rows in the order of their keys; everything else of a wallet is guarded by that lock.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any
from zlib import crc32

from sqlalchemy import Connection

from ileen.base.clock import Instant
from ileen.base.ids import HoldId, KeyId, LotId, WalletId, body
from ileen.ledger import model, rules
from ileen.ledger.model import Attribution, Book, Entry, Hold, HoldState, Lot, Source, Spender, Wallet
from ileen.ledger.rules import Answered, Decision, State
from ileen.store import schema
from ileen.store.bulk import Bulk, Row

_ENTRIES_PER_COMMAND_MAX = 8
"""No rule writes more: capture, release, repay, overrun, borrow, absorb are six."""


def bucket_of(wallet: WalletId) -> int:
    """Return the shard prefix of a wallet's rows: 0 to 1023, fixed for ever by its id."""
    return crc32(body(wallet).encode()) % 1024


class Rows:
    """Bulk access to the ledger's tables in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        self.wallets = Bulk(dialect, schema.wallet)
        self.spenders = Bulk(dialect, schema.spender)
        self.lots = Bulk(dialect, schema.lot)
        self.holds = Bulk(dialect, schema.hold)
        self.entries = Bulk(dialect, schema.entry)
        self.draws = Bulk(dialect, schema.lot_draw)
        self.records = Bulk(dialect, schema.usage_record)
        self.days = Bulk(dialect, schema.usage_day)

    def load(self, connection: Connection, commands: Iterable[model.Command]) -> dict[WalletId, State]:
        """Read and lock the wallets of a batch, and of each the parts its commands name."""
        wanted = _Wanted()
        for command in commands:
            wanted.note(command)
        states = {wallet: State(None, {}, {}, {}, {}) for wallet in wanted.wallets}
        keys = sorted((bucket_of(wallet), wallet) for wallet in wanted.wallets)
        for row in self.wallets.fetch(connection, keys, by=("bucket", "id"), lock=True):
            states[row[1]].wallet = wallet_of(row)
        for row in self.holds.fetch(connection, wanted.holds, by=("bucket", "wallet_id", "id")):
            hold = hold_of(row)
            states[row[1]].holds[hold.id] = hold
            if hold.attribution.api_key:
                wanted.spenders.add((row[0], row[1], hold.attribution.api_key))
        for row in self.spenders.fetch(connection, wanted.spenders, by=("bucket", "wallet_id", "api_key")):
            states[row[1]].spenders[row[2]] = spender_of(row)
        for row in self.lots.fetch(connection, wanted.drawing, by=("bucket", "wallet_id"), where='t."left" > 0'):
            states[row[1]].lots[row[2]] = lot_of(row)
        for row in self.lots.fetch(connection, wanted.lots, by=("bucket", "wallet_id", "id")):
            states[row[1]].lots[row[2]] = lot_of(row)
        for row in self.entries.fetch(connection, wanted.keys, by=("bucket", "wallet_id", "key")):
            first = entry_of(row)
            assert first.key is not None
            states[first.wallet].answers[first.key] = self._answered(connection, first)
        return states

    def write(self, connection: Connection, decided: Sequence[tuple[State, Decision]]) -> None:
        """Write all that a batch decided. A row changed several times is written once, as it ended."""
        wallets: dict[WalletId, Wallet] = {}
        spenders: dict[tuple[WalletId, str], Spender] = {}
        lots: dict[tuple[WalletId, LotId], Lot] = {}
        holds: dict[tuple[WalletId, HoldId], Hold] = {}
        entries: list[Row] = []
        draws: list[Row] = []
        records: list[Row] = []
        days: dict[Row, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for _, decision in decided:
            wallet = decision.wallet.id
            bucket = bucket_of(wallet)
            wallets[wallet] = decision.wallet
            for spender in decision.spenders:
                spenders[wallet, spender.api_key] = spender
            for lot in decision.lots:
                lots[wallet, lot.id] = lot
            if decision.hold is not None:
                holds[wallet, decision.hold.id] = decision.hold
            entries += [_entry_row(bucket, entry) for entry in decision.entries]
            draws += [(bucket, wallet, draw.seq, draw.lot, draw.amount) for draw in decision.draws]
            if decision.measured is not None:
                records.append(_record_row(bucket, wallet, decision.measured, decision.receipt.at))
                _count(days[_day_key(bucket, wallet, decision.measured)], decision.measured)
        self.wallets.put(connection, [_wallet_row(wallet) for wallet in wallets.values()])
        self.spenders.put(connection, [_spender_row(wallet, spender) for (wallet, _), spender in spenders.items()])
        self.lots.put(connection, [_lot_row(wallet, lot) for (wallet, _), lot in lots.items()])
        self.holds.put(connection, [_hold_row(wallet, hold) for (wallet, _), hold in holds.items()])
        self.entries.add(connection, entries)
        self.draws.add(connection, draws)
        self.records.add(connection, records)
        self.days.accumulate(connection, [(*key, *sums) for key, sums in days.items()])

    def _answered(self, connection: Connection, first: Entry) -> Answered:
        """Compose the first answer to a command from its entries: its first one and those without a key after it."""
        bucket = bucket_of(first.wallet)
        after = [(bucket, first.wallet, first.seq + i) for i in range(1, _ENTRIES_PER_COMMAND_MAX)]
        following = sorted(
            map(entry_of, self.entries.fetch(connection, after, by=("bucket", "wallet_id", "seq"))), key=lambda e: e.seq
        )
        grouped = groupby(following, key=lambda entry: entry.key is None)
        keyless, rest = next(grouped, (False, iter(())))
        assert first.fingerprint is not None
        return Answered(first.fingerprint, rules.recall([first, *(rest if keyless else ())]))


class _Wanted:
    """The keys of all rows a batch needs to see."""

    def __init__(self) -> None:
        self.wallets: set[WalletId] = set()
        self.holds: set[Row] = set()
        self.spenders: set[Row] = set()
        self.drawing: set[Row] = set()
        self.lots: set[Row] = set()
        self.keys: set[Row] = set()

    def note(self, command: model.Command) -> None:
        wallet = command.wallet
        bucket = bucket_of(wallet)
        self.wallets.add(wallet)
        match command:
            case model.OpenWallet():
                return
            case model.SetCaps() | model.CloseKey():
                self.spenders.add((bucket, wallet, command.api_key or ""))
                return
            case model.Authorize() | model.Charge():
                self.holds.add((bucket, wallet, command.hold))
                self.spenders.add((bucket, wallet, ""))
                if command.attribution.api_key:
                    self.spenders.add((bucket, wallet, command.attribution.api_key))
            case model.Capture() | model.Void() | model.Expire():
                self.holds.add((bucket, wallet, command.hold))
                self.spenders.add((bucket, wallet, ""))
            case _:
                self.lots.add((bucket, wallet, command.lot))
        self.keys.add((bucket, wallet, rules.key_of(command)))
        if not isinstance(command, model.Authorize):
            self.drawing.add((bucket, wallet))


# Rows to types and back ------------------------------------------------------------------------------------------


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
    )


def _wallet_row(w: Wallet) -> Row:
    return (
        bucket_of(w.id), w.id, w.time_zone, w.debt_max, w.created_at, w.seq, w.settled, w.held, w.frozen, w.debt,
        w.spent, w.purchased, w.bonus, w.adjusted, w.absorbed, w.refunded, w.disputed, w.head,
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


def _spender_row(wallet: WalletId, s: Spender) -> Row:
    return (
        bucket_of(wallet), wallet, s.api_key, s.cap_day, s.cap_month, s.cap_total, s.held, s.day, s.spent_day,
        s.month, s.spent_month, s.spent_total, s.closed,
    )  # fmt: skip


def lot_of(row: Row) -> Lot:
    """Read a row of `lot`."""
    return Lot(
        id=LotId(row[2]),
        source=Source(row[3]),
        amount=row[4],
        left=row[5],
        frozen=row[6],
        created_at=Instant(row[7]),
        reference=row[8],
        reason=row[9],
    )


def _lot_row(wallet: WalletId, lot: Lot) -> Row:
    return (
        bucket_of(wallet), wallet, lot.id, lot.source.value, lot.amount, lot.left, lot.frozen, lot.created_at,
        lot.reference, lot.reason,
    )  # fmt: skip


def hold_of(row: Row) -> Hold:
    """Read a row of `hold`."""
    return Hold(
        id=HoldId(row[2]),
        amount=row[3],
        state=HoldState(row[4]),
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


def _hold_row(wallet: WalletId, hold: Hold) -> Row:
    a = hold.attribution
    return (
        bucket_of(wallet), wallet, hold.id, hold.amount, hold.state.value, hold.created_at, hold.expires_at, a.api_key,
        a.mode, a.activity, a.run, a.parent_run, a.provider, a.model, hold.tariff, hold.captured, hold.closed_at,
        hold.reason,
    )  # fmt: skip


def entry_of(row: Row) -> Entry:
    """Read a row of `entry`."""
    return Entry(
        wallet=WalletId(row[1]),
        seq=row[2],
        at=Instant(row[3]),
        kind=row[4],
        debit=Book(row[5]),
        credit=Book(row[6]),
        amount=row[7],
        ref=row[8],
        settled=row[9],
        held=row[10],
        frozen=row[11],
        debt=row[12],
        key=row[13],
        fingerprint=None if row[14] is None else bytes(row[14]),
        note=row[15],
        hash=bytes(row[16]),
    )


def _entry_row(bucket: int, e: Entry) -> Row:
    return (
        bucket, e.wallet, e.seq, e.at, e.kind, e.debit.value, e.credit.value, e.amount, e.ref, e.settled, e.held,
        e.frozen, e.debt, e.key, e.fingerprint, e.note, e.hash,
    )  # fmt: skip


def _record_row(bucket: int, wallet: WalletId, measured: rules.Measured, at: Instant) -> Row:
    usage = measured.usage
    return (
        bucket, wallet, measured.hold.id, at, measured.charge, usage.input_tokens, usage.output_tokens,
        usage.provider_request_id, usage.record,
    )  # fmt: skip


def _day_key(bucket: int, wallet: WalletId, measured: rules.Measured) -> Row:
    a = measured.hold.attribution
    return (bucket, wallet, measured.day, a.mode or "", a.activity or "", a.model or "", a.api_key or "")


def _count(sums: list[Any], measured: rules.Measured) -> None:
    sums[0] += 1
    sums[1] += measured.charge
    sums[2] += measured.usage.input_tokens
    sums[3] += measured.usage.output_tokens
