"""The working state of a batch: what the rules see of one wallet, and the one way they change it.

Owns: `State`, and `Step`, which turns one accepted command into entries, draws and new balances. Refuses to know:
when a command is acceptable (`rules`), where states come from and go to (`rows`).

A state belongs to one batch and is changed in place: a wallet that a batch names a hundred times is read once and
written once, as it ended. If anything breaks half-way, the batch's states are thrown away with its transaction.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from ileen.base.clock import Instant
from ileen.base.ids import HoldId, LotId
from ileen.ledger.journal import chain
from ileen.ledger.model import Book, Entry, Hold, Lot, Receipt, Source, Spender, Usage, Wallet

_BURNS_FIRST: Final = {Source.BONUS: 0, Source.ADJUSTMENT: 0, Source.PURCHASE: 1, Source.REFILL: 1}


class Answered(Struct, frozen=True, gc=False):
    """A command the journal remembers: its fingerprint and its first answer."""

    fingerprint: bytes
    receipt: Receipt


class Draw(Struct, frozen=True, gc=False):
    """The part of an entry that came out of one lot."""

    seq: int
    lot: LotId
    amount: int


class Measured(Struct, frozen=True, gc=False):
    """A completed call's usage, to be kept beside its capture. `day` is the account's own."""

    hold: Hold
    at: Instant
    charge: int
    day: int
    usage: Usage


class State(Struct):
    """One wallet's parts as far as a batch's commands name them, its live lots, and what the batch changed so far."""

    wallet: Wallet | None = None
    holds: dict[HoldId, Hold] = {}
    lots: dict[LotId, Lot] = {}
    spenders: dict[str, Spender] = {}
    answers: dict[str, Answered] = {}
    changed: bool = False
    changed_holds: dict[HoldId, Hold] = {}
    changed_lots: dict[LotId, Lot] = {}
    changed_spenders: dict[str, Spender] = {}
    entries: list[Entry] = []
    draws: list[Draw] = []
    measured: list[Measured] = []
    burning: list[Lot] | None = None
    lowered: Receipt | None = None
    crossed: list[tuple[str, Receipt]] = []
    given: list[tuple[LotId, str, Instant]] = []

    def put_hold(self, hold: Hold) -> None:
        """Add a hold, or note that it has changed."""
        self.holds[hold.id] = self.changed_holds[hold.id] = hold

    def put_lot(self, lot: Lot) -> None:
        """Add a lot, or note that it has changed."""
        if lot.id not in self.lots:
            self.burning = None
        self.lots[lot.id] = self.changed_lots[lot.id] = lot

    def put_spender(self, spender: Spender) -> None:
        """Add a spender, or note that it has changed."""
        self.spenders[spender.api_key] = self.changed_spenders[spender.api_key] = spender


class Step:
    """One accepted command under way: each `move` books an amount and writes its entry with the balances after it."""

    __slots__ = ("_fingerprint", "_key", "at", "state", "wallet")

    def __init__(self, state: State, wallet: Wallet, at: Instant, key: str, fingerprint: bytes) -> None:
        self.state, self.wallet, self.at = state, wallet, at
        self._key: str | None = key
        self._fingerprint: bytes | None = fingerprint

    @property
    def free(self) -> int:
        """What book `available` has: never below zero, unlike a wallet's `available`, which counts debt against it."""
        wallet = self.wallet
        return wallet.settled - wallet.held + wallet.debt

    def move(self, kind: str, debit: Book, credit: Book, amount: int, ref: str, note: str | None = None) -> None:
        """Add one entry. A command's first entry is written even for an amount of zero: it carries the key."""
        if amount == 0 and self._key is None:
            return
        assert amount >= 0, "an entry never moves a negative amount"
        wallet = self.wallet
        _BOOKS[debit](wallet, -amount)
        _BOOKS[credit](wallet, amount)
        wallet.seq += 1
        fields = (
            wallet.id, wallet.seq, self.at, kind, debit, credit, amount, ref, wallet.settled, wallet.held,
            wallet.frozen, wallet.debt, self._key, self._fingerprint, note,
        )  # fmt: skip
        wallet.head = chain(fields, wallet.head)
        self.state.entries.append(Entry(*fields, wallet.head))
        self._key = self._fingerprint = None

    def burn(self, amount: int) -> None:
        """Draw the last entry's amount from lots, in burn order."""
        if amount == 0:
            return
        state, seq = self.state, self.wallet.seq
        if state.burning is None:
            state.burning = burn_order(state.lots.values())
        for lot in state.burning:
            part = min(amount, lot.left - lot.frozen)
            if part > 0:
                lot.left -= part
                state.changed_lots[lot.id] = lot
                state.draws.append(Draw(seq, lot.id, part))
                amount -= part
                if amount == 0:
                    return
        msg = "lots hold less than the wallet"
        raise AssertionError(msg)

    def repay(self, ref: str) -> None:
        """Pay a debt from what has become available; the lots bear it now."""
        if self.wallet.debt:
            amount = min(self.wallet.debt, self.free)
            if amount:
                self.move("repay", Book.AVAILABLE, Book.DEBT, amount, ref)
                self.burn(amount)

    def done(self, ref: str, amount: int, *, overrun: int = 0, borrowed: int = 0, absorbed: int = 0) -> Receipt:
        """Check that the books still make sense and compose the answer."""
        wallet, free = self.wallet, self.free
        assert free >= 0 and wallet.held >= 0 and wallet.frozen >= 0 and wallet.debt >= 0
        assert wallet.debt == 0 or free == 0
        self.state.changed = True
        return receipt_of(
            wallet, at=self.at, ref=ref, amount=amount, overrun=overrun, borrowed=borrowed, absorbed=absorbed
        )


def receipt_of(
    wallet: Wallet,
    *,
    at: Instant,
    ref: str,
    amount: int,
    overrun: int = 0,
    borrowed: int = 0,
    absorbed: int = 0,
) -> Receipt:
    """Compose an answer from a wallet as it is now."""
    return Receipt(
        wallet=wallet.id,
        seq=wallet.seq,
        at=at,
        ref=ref,
        amount=amount,
        settled=wallet.settled,
        held=wallet.held,
        frozen=wallet.frozen,
        debt=wallet.debt,
        overrun=overrun,
        borrowed=borrowed,
        absorbed=absorbed,
    )


def burn_order(lots: Iterable[Lot]) -> list[Lot]:
    """Sort lots as they burn: bonus and adjustments first, then purchases; oldest first within each."""
    return sorted(lots, key=lambda lot: (_BURNS_FIRST[lot.source], lot.created_at, lot.id))


def _available(wallet: Wallet, amount: int) -> None:
    wallet.settled += amount


def _held(wallet: Wallet, amount: int) -> None:
    wallet.settled += amount
    wallet.held += amount


def _debt(wallet: Wallet, amount: int) -> None:
    wallet.settled += amount
    wallet.debt -= amount  # what the wallet owes is a book below zero


def _frozen(wallet: Wallet, amount: int) -> None:
    wallet.frozen += amount


def _into(total: str) -> Callable[[Wallet, int], None]:
    """Return what counts amounts that leave for one of the books outside; `total` names it in the wallet."""
    return lambda wallet, amount: setattr(wallet, total, getattr(wallet, total) + amount)


def _out_of(total: str) -> Callable[[Wallet, int], None]:
    """Return what counts amounts that come from one of the books outside."""
    return lambda wallet, amount: setattr(wallet, total, getattr(wallet, total) - amount)


_BOOKS: Final[dict[Book, Callable[[Wallet, int], None]]] = {
    Book.AVAILABLE: _available,
    Book.HELD: _held,
    Book.DEBT: _debt,
    Book.FROZEN: _frozen,
    Book.SPENT: _into("spent"),
    Book.REFUNDED: _into("refunded"),
    Book.DISPUTED: _into("disputed"),
    Book.PURCHASED: _out_of("purchased"),
    Book.BONUS: _out_of("bonus"),
    Book.ADJUSTED: _out_of("adjusted"),
    Book.ABSORBED: _out_of("absorbed"),
}
"""How each book adds an amount to the wallet's row: settled = available + held - debt."""
