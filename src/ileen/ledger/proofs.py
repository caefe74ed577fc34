"""What one wallet's rows must come to: the audit's proofs, on bare rows, without a database.

Owns: the comparison of a wallet's row, journal, holds, lots and counters. Refuses to know: how rows are read.
Works on bare rows: there are millions, and turning each into an object took longer than all checks but the hash.
A proof returns what is wrong as half a sentence; who is wrong stands before it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final

from ileen.base.clock import SECOND, Instant
from ileen.ledger import journal
from ileen.ledger.calendar import windows
from ileen.ledger.model import Book, HoldState, Lot, Spender, Usage, Wallet

GRACE_US: Final = 60 * SECOND
"""How long a hold may stay open past its time: the sweeper runs every second, and restarts take a while."""
TAKEN: Final = ("capture", "overrun", "borrow", "absorb", "charge")
OF_HOLDS: Final = ("authorize", "void", "expire", *TAKEN)
BURNS: Final = ("capture", "overrun", "charge", "repay")
_OF_HOLDS: Final = frozenset(OF_HOLDS)
_BURNS: Final = frozenset(BURNS)
_OF_LOTS: Final = frozenset(("fund", "adjust", "return", "remove", "restore"))
_REMOVES: Final = {"remove": 1, "restore": -1}
_AVAILABLE: Final = Book.AVAILABLE.value
_ENDS: Final = {
    HoldState.OPEN.value: (0, 0, 0),
    HoldState.CAPTURED.value: (1, 0, 0),  # after an expiry or without
    HoldState.VOIDED.value: (0, 1, 0),
    HoldState.EXPIRED.value: (0, 0, 1),
}
"""How many captures or charges, voids and expiries the entries of a hold in each state tell of."""
_TOTALS: Final = ("spent", "purchased", "bonus", "adjusted", "absorbed", "refunded", "disputed")


class Books:
    """One wallet's rows of one bucket, as far as they were read, and what they come to."""

    def __init__(self) -> None:
        self.wallet: Wallet | None = None
        self.unreadable = False
        self.lots: list[Lot] = []
        self.spenders: dict[str, Spender] = {}
        self.days: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self.drawn: dict[str, int] = defaultdict(int)
        """By lot: its draws, and what was removed from it."""
        self._acquired: dict[str, int] = {}
        self._removed = self._burnt = 0
        self._books: dict[str, int] = {book.value: 0 for book in Book}
        self._seq = 0
        self._head = b""
        self._broken = False
        self._entries_of_holds = self._entries_of_known_holds = 0
        self._held: dict[str, int] = defaultdict(int)
        self._days: dict[tuple[Any, ...], list[int]] = {}

    # Journal ---------------------------------------------------------------------------------------------------

    def follow(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
        """Check the wallet's next entries, each with what was drawn for it.

        After a first fault the chain and balances are not followed: everything after would follow from it.
        """
        books = self._books
        for row in rows:
            kind, debit, amount, drawn = row[4], row[5], row[7], row[17]
            if kind in _OF_HOLDS:
                self._entries_of_holds += 1
            elif kind in _OF_LOTS:
                self._note_lot(row)
            if kind in _BURNS or (kind == "adjust" and debit == _AVAILABLE):
                self._burnt += amount
                if drawn != amount and (drawn is not None or amount):
                    yield f"entry {row[2]} was not drawn from lots by its amount"
            if self._broken:
                continue
            seq = self._seq + 1
            head = journal.chain(row[1:16], self._head)
            if row[2] != seq or head != row[16] or debit not in books or row[6] not in books:
                self._broken = True
                yield self._break(row, head)
                continue
            self._seq, self._head = seq, head
            books[debit] -= amount
            books[row[6]] += amount
            available, held, frozen, debt = books["available"], books["held"], books["frozen"], -books["debt"]
            if row[9:13] != (available + held - debt, held, frozen, debt):
                self._broken = True
                yield f"entry {seq} states other running balances than the movements up to it"
            elif available < 0 or held < 0 or frozen < 0 or debt < 0:
                self._broken = True
                yield f"entry {seq} takes a book below zero"

    def _break(self, row: Sequence[Any], head: bytes) -> str:
        if row[2] != self._seq + 1:
            return f"entry {self._seq + 1} is missing (the next is {row[2]})"
        if head != row[16]:
            return f"entry {row[2]} was changed or replaced: its hash does not match"
        return f"entry {row[2]} moves credits between books that do not exist"

    def _note_lot(self, row: Sequence[Any]) -> None:
        if sign := _REMOVES.get(row[4]):
            self.drawn[row[8]] += sign * row[7]
            self._removed += sign * row[7]
        elif row[6] == _AVAILABLE:
            self._acquired[row[8]] = row[7]

    # Holds -----------------------------------------------------------------------------------------------------

    def count(self, row: Sequence[Any], now: Instant) -> str | None:
        """Check the wallet's next hold, with its usage record and what its entries tell, and add it up."""
        key, at = row[6], row[11]
        self._entries_of_known_holds += row[17] or 0
        if row[4] == "open":
            for name in ("", key) if key else ("",):
                self._held[name] += row[3]
        if at is not None and self.wallet:
            day, _ = windows(at, self.wallet.time_zone)
            group = (day, row[7] or "", row[8] or "", row[9] or "", key or "")
            sums = self._days.get(group)
            if sums is None:
                sums = self._days[group] = [0, 0, 0, 0]
            sums[0] += 1
            sums[1] += row[12]
            sums[2] += row[13]
            sums[3] += row[14]
        fault = _fault_of(row, now)
        return fault and f"hold {row[2]} {fault}"

    # All together ------------------------------------------------------------------------------------------------

    def close(self) -> Iterator[str]:
        """Check what only shows when all rows of the wallet were read."""
        wallet = self.wallet
        if wallet is None:
            if not self.unreadable:
                yield "has rows, but the wallet does not exist"
            return
        yield from self._close_journal(wallet)
        yield from self._close_holds(wallet)
        yield from self._close_lots(wallet)

    def _close_journal(self, wallet: Wallet) -> Iterator[str]:
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

    def _close_holds(self, wallet: Wallet) -> Iterator[str]:
        told, known = self._entries_of_holds, self._entries_of_known_holds
        if told != known:
            yield f"its entries tell of holds, not all of them exist: {told} entries, {known} of them with a hold"
        if self._held[""] != wallet.held:
            yield "its open holds come to another amount than is held"
        spent, windowed = self._spent()
        for name in sorted({*self._held, *spent, *self.spenders}):
            spender = self.spenders.get(name) or Spender(api_key=name)
            who = f"spender '{name}'" if name else "the account's spender row"
            if spender.held != self._held[name]:
                yield f"{who} counts another amount held than its open holds"
            if spender.spent_total != spent[name]:
                yield f"{who} counts another total spent than its captures"
            if spender.spent_day != windowed[name, "day", spender.day]:
                yield f"{who} counts another amount for its day than its captures"
            if spender.spent_month != windowed[name, "month", spender.month]:
                yield f"{who} counts another amount for its month than its captures"
        for key in sorted({*self._days, *self.days}):
            if tuple(self._days.get(key, (0, 0, 0, 0))) != self.days.get(key, (0, 0, 0, 0)):
                yield f"the daily sums of usage {key} differ from its usage records"

    def _spent(self) -> tuple[dict[str, int], dict[tuple[str, str, int], int]]:
        """Add up the charges of each spender: over its life, and by day and month."""
        spent: dict[str, int] = defaultdict(int)
        windowed: dict[tuple[str, str, int], int] = defaultdict(int)
        for (day, _, _, _, key), (_, charge, _, _) in self._days.items():
            of = date.fromordinal(day)
            for name in ("", key) if key else ("",):
                spent[name] += charge
                windowed[name, "day", day] += charge
                windowed[name, "month", of.year * 12 + of.month - 1] += charge
        return spent, windowed

    def _close_lots(self, wallet: Wallet) -> Iterator[str]:
        if sum(self.drawn.values()) - self._removed != self._burnt:
            yield "another amount was drawn from its lots than its entries burn"
        acquired, drawn = dict(self._acquired), dict(self.drawn)
        for lot in self.lots:
            if acquired.pop(lot.id, None) != lot.amount:
                yield f"lot {lot.id} was not acquired with the amount it states"
            if lot.left != lot.amount - drawn.pop(lot.id, 0):
                yield f"lot {lot.id} has another amount left than its draws and removals leave"
        for lot_id in sorted({*acquired, *drawn}):
            yield f"lot {lot_id} is told of by entries but does not exist"
        if sum(lot.left - lot.frozen for lot in self.lots) != wallet.settled + wallet.debt:
            yield "its lots hold another amount than its balance"
        if sum(lot.frozen for lot in self.lots) != wallet.frozen:
            yield "the frozen parts of its lots differ from what is frozen"


def _fault_of(row: Sequence[Any], now: Instant) -> str | None:
    """Compare a hold with its usage record and with what its entries tell."""
    (
        _, _, _, amount, state, expires_at, _, _, _, _, charged, at, charge, input_tokens, output_tokens, request,
        record, told, authorized, taken, captures, voids, expiries, charges, note,
    ) = row  # fmt: skip
    captured = state == "captured"
    if told is None:
        return "has no entries"
    if authorized != amount:
        return "states another amount than was authorized"
    if (captures + charges, voids, 0 if captures else expiries) != _ENDS.get(state):
        return f"is {state}, its entries tell of another end"
    if state == "open" and expires_at + GRACE_US < now:
        return "is open past its time"
    if captured != (at is not None):
        return f"is {state}, its usage record says otherwise"
    if not captured:
        return None
    if not charged == taken == charge:
        return "and its entries and usage record state different charges"
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, provider_request_id=request, record=record)
    if journal.digest(usage) != note:
        return "has a usage record that was changed after the capture"
    return None
