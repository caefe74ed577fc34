"""The rules of credits: pure decisions, no clock, no database, no randomness.

`decide(state, command, at)` answers with a `Decision` (what changes) or a `Refused` (and nothing changes).
Checks run in one fixed order, so that the same command in the same state is always refused for the same reason:
replay of the key, existence of wallet / hold / lot, form of the amount, state of hold and key, caps of the account
(day, month, total), caps of the key (day, month, total), available credits.

R1  settled = available + held - debt, and debt > 0 only while available = 0.
R2  an authorization never takes more than is available: nothing can be overspent by authorizing.
R3  a hold ends exactly once; an expired one can still be captured, once, from what is available, then as debt up
    to the wallet's bound, the rest absorbed by the operator (booked, visible).
R4  what is spent is drawn from lots: bonus and adjustments first, then purchases, oldest first; frozen parts never.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ileen.base.clock import SECOND, Instant, to_datetime
from ileen.base.errors import (
    AmountInvalid,
    CapReached,
    DebtLimitReached,
    HoldClosed,
    InsufficientCredits,
    KeyInvalid,
    KeyReused,
    LotShort,
    NotFound,
    Refused,
)
from ileen.base.ids import HoldId, LotId
from ileen.base.money import AMOUNT_NANO_MAX, write
from ileen.ledger import model
from ileen.ledger.model import Book, Entry, Hold, HoldState, Lot, Receipt, Source, Spender, Usage, Wallet

_encode = msgspec.json.Encoder().encode

_BOOK_OF: Final = {
    Source.PURCHASE: Book.PURCHASED,
    Source.REFILL: Book.PURCHASED,
    Source.BONUS: Book.BONUS,
    Source.ADJUSTMENT: Book.ADJUSTED,
}
_BURNS_FIRST: Final = {Source.BONUS: 0, Source.ADJUSTMENT: 0, Source.PURCHASE: 1, Source.REFILL: 1}


class Answered(Struct, frozen=True):
    """A command the journal remembers: its fingerprint and its first answer."""

    fingerprint: bytes
    receipt: Receipt


class State(Struct):
    """What the rules need to see of one wallet: the parts a batch's commands name, and its live lots."""

    wallet: Wallet | None
    holds: dict[HoldId, Hold]
    lots: dict[LotId, Lot]
    spenders: dict[str, Spender]
    answers: dict[str, Answered]


class Draw(Struct, frozen=True):
    """The part of an entry that came out of one lot."""

    seq: int
    lot: LotId
    amount: int


class Measured(Struct, frozen=True):
    """A completed call's usage, to be kept beside its capture."""

    hold: Hold
    charge: int
    day: int
    usage: Usage


class Decision(Struct, frozen=True, kw_only=True):
    """Everything an accepted command changes. Applied whole, or not at all."""

    receipt: Receipt
    wallet: Wallet
    entries: Sequence[Entry] = ()
    hold: Hold | None = None
    lots: Sequence[Lot] = ()
    spenders: Sequence[Spender] = ()
    draws: Sequence[Draw] = ()
    measured: Measured | None = None


def decide(state: State, command: model.Command, at: Instant) -> Decision | Refused:
    """Decide one command at one instant. Deterministic and without effects; `state` is not changed."""
    if isinstance(command, model.Setup):
        return _set_up(state, command, at)
    key = key_of(command)
    fingerprint = fingerprint_of(command)
    answered = state.answers.get(key)
    if answered is not None:
        if answered.fingerprint != fingerprint:
            return KeyReused()
        assert state.wallet is not None
        return Decision(receipt=replace(answered.receipt, replayed=True), wallet=state.wallet)
    if state.wallet is None:
        return NotFound(what="wallet", id=command.wallet)
    return _RULES[type(command)](state, command, _Draft(state, state.wallet, at, key, fingerprint))


def apply(state: State, decision: Decision) -> None:
    """Make `state` what it is after the decision, so that the next command of a batch is decided on it."""
    state.wallet = decision.wallet
    if decision.hold is not None:
        state.holds[decision.hold.id] = decision.hold
    for lot in decision.lots:
        state.lots[lot.id] = lot
    for spender in decision.spenders:
        state.spenders[spender.api_key] = spender
    if decision.entries:
        first = decision.entries[0]
        assert first.key is not None and first.fingerprint is not None, "a command's first entry carries its key"
        state.answers[first.key] = Answered(first.fingerprint, decision.receipt)


def key_of(command: model.Movement) -> str:
    """Return the idempotency key; an expiry, which has no caller, is known by its hold."""
    return f"expire:{command.hold}" if isinstance(command, model.Expire) else command.key


def fingerprint_of(command: model.Movement) -> bytes:
    """Hash a command's content: all but the wallet, the key and the ids of what it would create."""
    name = type(command).__name__
    content: tuple[object, ...]
    match command:
        case model.Authorize():
            content = (command.amount, command.at_least, command.lifetime_us, command.attribution, command.tariff)
        case model.Capture():
            content = (command.hold, command.amount, _usage_content(command.usage))
        case model.Charge():
            content = (command.amount, command.attribution, command.tariff, _usage_content(command.usage))
        case model.Void():
            content = (command.hold,)  # the reason is a remark
        case model.Expire():
            content = (command.hold,)
        case model.Fund():
            content = (command.amount, command.source, command.reference, command.reason)
        case model.Freeze() | model.Unfreeze():
            content = (command.lot, command.amount)
        case model.Remove():
            content = (command.lot, command.amount, command.to)
        case model.Adjust():
            content = (command.amount, command.reason)
    return hashlib.sha256(_encode((name, content))).digest()


def seal(entry: Entry, before: bytes) -> bytes:
    """Return the hash of an entry: over every field of it, and the hash of the wallet's entry before."""
    fields = (
        entry.wallet, entry.seq, entry.at, entry.kind, entry.debit, entry.credit, entry.amount, entry.ref,
        entry.settled, entry.held, entry.frozen, entry.debt, entry.key, entry.fingerprint, entry.note,
    )  # fmt: skip
    return hashlib.sha256(before + _encode(fields)).digest()


def digest(usage: Usage) -> str:
    """Return what a capture's entry notes of its usage record, so that the chain vouches for it too."""
    return hashlib.sha256(_encode(usage)).hexdigest()


def burn_order(lots: Iterable[Lot]) -> list[Lot]:
    """Sort lots as they burn: bonus and adjustments first, then purchases; oldest first within each."""
    return sorted(lots, key=lambda lot: (_BURNS_FIRST[lot.source], lot.created_at, lot.id))


@lru_cache(maxsize=4096)
def _windows_of_quarter(quarter: int, time_zone: str) -> tuple[int, int]:
    local: datetime = to_datetime(Instant(quarter * 900 * SECOND)).astimezone(ZoneInfo(time_zone))
    return local.toordinal(), local.year * 12 + local.month - 1


def windows(at: Instant, time_zone: str) -> tuple[int, int]:
    """Return the day (ordinal) and month (year × 12 + month - 1) an instant falls in, in a time zone.

    Looked up per quarter of an hour: no zone in use has changed its offset off a quarter since 1972.
    """
    return _windows_of_quarter(at // (900 * SECOND), time_zone)


def day_start(ordinal: int, time_zone: str) -> Instant:
    """Return the instant a day begins in a time zone."""
    local = datetime.fromordinal(ordinal).replace(tzinfo=ZoneInfo(time_zone))
    return Instant(int(local.timestamp()) * SECOND)


def _usage_content(usage: Usage) -> tuple[object, ...]:
    # `record` holds timings that a caller who asks again would measure anew; the entry's note vouches for it.
    return (usage.input_tokens, usage.output_tokens, usage.provider_request_id)


# The draft: one command's changes while they are decided -------------------------------------------------------


class _Draft:
    """Collects entries, draws and changed parts of one command, keeping the running balances right."""

    def __init__(self, state: State, wallet: Wallet, at: Instant, key: str, fingerprint: bytes) -> None:
        self.at = at
        self.wallet = wallet
        self.books: dict[Book, int] = {}
        self.available = wallet.available + wallet.debt
        self.held, self.frozen, self.debt = wallet.held, wallet.frozen, wallet.debt
        self.lots: dict[LotId, Lot] = {}
        self.entries: list[Entry] = []
        self.draws: list[Draw] = []
        self._state = state
        self._key: str | None = key
        self._fingerprint: bytes | None = fingerprint
        self._head = wallet.head

    def move(self, kind: str, debit: Book, credit: Book, amount: int, ref: str, note: str | None = None) -> None:
        """Add one entry. A command's first entry is written even for an amount of zero: it carries the key."""
        if amount == 0 and self.entries:
            return
        assert amount >= 0, "an entry never moves a negative amount"
        self._book(debit, -amount)
        self._book(credit, amount)
        entry = Entry(
            wallet=self.wallet.id,
            seq=self.wallet.seq + len(self.entries) + 1,
            at=self.at,
            kind=kind,
            debit=debit,
            credit=credit,
            amount=amount,
            ref=ref,
            settled=self.available + self.held - self.debt,
            held=self.held,
            frozen=self.frozen,
            debt=self.debt,
            key=self._key,
            fingerprint=self._fingerprint,
            note=note,
        )
        self._head = seal(entry, self._head)
        self.entries.append(replace(entry, hash=self._head))
        self._key = self._fingerprint = None

    def burn(self, amount: int) -> None:
        """Draw the last entry's amount from lots, in burn order."""
        if amount == 0:
            return
        seq = self.entries[-1].seq
        for lot in burn_order({**self._state.lots, **self.lots}.values()):
            part = min(amount, lot.left - lot.frozen)
            if part > 0:
                self.lots[lot.id] = replace(lot, left=lot.left - part)
                self.draws.append(Draw(seq, lot.id, part))
                amount -= part
                if amount == 0:
                    return
        msg = "lots hold less than the wallet"
        raise AssertionError(msg)

    def repay(self, ref: str) -> None:
        """Pay a debt from what has become available; the lots bear it now."""
        amount = min(self.debt, self.available)
        if amount:
            self.move("repay", Book.AVAILABLE, Book.DEBT, amount, ref)
            self.burn(amount)

    def done(self, ref: str, amount: int, **changes: Any) -> Decision:
        """Seal the draft into a decision; `changes` are the parts of `Decision` besides the wallet's."""
        assert self.available >= 0 and self.held >= 0 and self.frozen >= 0 and self.debt >= 0
        assert self.debt == 0 or self.available == 0
        wallet = self.wallet
        books = self.books
        spent, bonus = books.get(Book.SPENT, 0), -books.get(Book.BONUS, 0)
        after = replace(
            wallet,
            seq=wallet.seq + len(self.entries),
            head=self._head,
            settled=self.available + self.held - self.debt,
            held=self.held,
            frozen=self.frozen,
            debt=self.debt,
            spent=wallet.spent + spent,
            bonus=wallet.bonus + bonus,
            purchased=wallet.purchased - books.get(Book.PURCHASED, 0),
            adjusted=wallet.adjusted - books.get(Book.ADJUSTED, 0),
            absorbed=wallet.absorbed - books.get(Book.ABSORBED, 0),
            refunded=wallet.refunded + books.get(Book.REFUNDED, 0),
            disputed=wallet.disputed + books.get(Book.DISPUTED, 0),
        )
        receipt = receipt_of(self.entries, ref=ref, amount=amount)
        return Decision(
            receipt=receipt,
            wallet=after,
            entries=self.entries,
            lots=list(self.lots.values()),
            draws=self.draws,
            **changes,
        )

    def _book(self, book: Book, amount: int) -> None:
        if book is Book.AVAILABLE:
            self.available += amount
        elif book is Book.HELD:
            self.held += amount
        elif book is Book.FROZEN:
            self.frozen += amount
        elif book is Book.DEBT:
            self.debt -= amount  # what the wallet owes is a book below zero
        else:
            self.books[book] = self.books.get(book, 0) + amount


def receipt_of(entries: Sequence[Entry], *, ref: str, amount: int) -> Receipt:
    """Compose the answer to a command from its entries; used for the first answer and for replays alike."""
    last = entries[-1]
    parts = {entry.kind: entry.amount for entry in entries}
    borrowed, absorbed = parts.get("borrow", 0), parts.get("absorb", 0)
    return Receipt(
        wallet=last.wallet,
        seq=last.seq,
        at=last.at,
        ref=ref,
        amount=amount,
        settled=last.settled,
        held=last.held,
        frozen=last.frozen,
        debt=last.debt,
        overrun=parts.get("overrun", 0) + borrowed + absorbed,
        borrowed=borrowed,
        absorbed=absorbed,
    )


def recall(entries: Sequence[Entry]) -> Receipt:
    """Compose a replay's answer from the command's entries, as the journal keeps them."""
    first = entries[0]
    taken = sum(e.amount for e in entries if e.kind in {"capture", "overrun", "borrow", "absorb", "charge"})
    amount = taken if first.kind in {"capture", "charge"} else first.amount
    if first.kind == "adjust" and first.credit is Book.ADJUSTED:
        amount = -amount
    return receipt_of(entries, ref=first.ref, amount=amount)


# One rule per command ------------------------------------------------------------------------------------------


def _set_up(state: State, command: model.Setup, at: Instant) -> Decision | Refused:
    wallet = state.wallet
    spenders: list[Spender] = []
    match command:
        case model.OpenWallet():
            wallet = wallet or Wallet(
                id=command.wallet, time_zone=command.time_zone, debt_max=command.debt_max, created_at=at
            )
        case model.SetCaps():
            if wallet is None:
                return NotFound(what="wallet", id=command.wallet)
            for cap in (command.day, command.month, command.total):
                if cap is not None and not 0 <= cap <= AMOUNT_NANO_MAX:
                    return AmountInvalid(field="cap", reason="it is out of bounds")
            before = _spender(state, command.api_key)
            spenders = [replace(before, cap_day=command.day, cap_month=command.month, cap_total=command.total)]
        case model.CloseKey():
            if wallet is None:
                return NotFound(what="wallet", id=command.wallet)
            spenders = [replace(_spender(state, command.api_key), closed=True)]
    receipt = Receipt(
        wallet=wallet.id,
        seq=wallet.seq,
        at=at,
        ref=wallet.id,
        amount=0,
        settled=wallet.settled,
        held=wallet.held,
        frozen=wallet.frozen,
        debt=wallet.debt,
    )
    return Decision(receipt=receipt, wallet=wallet, spenders=spenders)


def _authorize(state: State, command: model.Authorize, draft: _Draft) -> Decision | Refused:
    at_least = command.amount if command.at_least is None else command.at_least
    if command.hold in state.holds:
        return KeyReused()
    if refused := _check_amount(command.amount) or _check_amount(at_least, high=command.amount):
        return refused
    spenders = _spenders(state, command.attribution, draft)
    granted = command.amount
    for spender in spenders:
        if spender.closed:
            return KeyInvalid()
    for spender in spenders:
        for period, room in _room(spender):
            if room < at_least:
                return _cap_reached(spender, period, at_least, room)
            granted = min(granted, room)
    if draft.available - draft.debt < at_least:
        available = draft.available - draft.debt
        return InsufficientCredits(needed=write(at_least), available=write(max(available, 0)))
    granted = min(granted, draft.available)
    draft.move("authorize", Book.AVAILABLE, Book.HELD, granted, command.hold)
    hold = Hold(
        id=command.hold,
        amount=granted,
        state=HoldState.OPEN,
        created_at=draft.at,
        expires_at=Instant(draft.at + command.lifetime_us),
        attribution=command.attribution,
        tariff=command.tariff,
    )
    held = [replace(spender, held=spender.held + granted) for spender in spenders]
    return draft.done(command.hold, granted, hold=hold, spenders=held)


def _capture(state: State, command: model.Capture, draft: _Draft) -> Decision | Refused:
    hold = state.holds.get(command.hold)
    if hold is None:
        return NotFound(what="hold", id=command.hold)
    if refused := _check_amount(command.amount):
        return refused
    if hold.state not in {HoldState.OPEN, HoldState.EXPIRED}:
        return HoldClosed(hold=hold.id, state=hold.state.value)
    still_held = hold.amount if hold.state is HoldState.OPEN else 0
    taken = min(command.amount, still_held)
    draft.move("capture", Book.HELD, Book.SPENT, taken, hold.id, digest(command.usage))
    draft.burn(taken)
    draft.move("release", Book.HELD, Book.AVAILABLE, still_held - taken, hold.id)
    draft.repay(hold.id)
    over = command.amount - taken
    from_available = min(over, draft.available)
    draft.move("overrun", Book.AVAILABLE, Book.SPENT, from_available, hold.id)
    draft.burn(from_available)
    borrowed = min(over - from_available, max(draft.wallet.debt_max - draft.debt, 0))
    draft.move("borrow", Book.DEBT, Book.SPENT, borrowed, hold.id)
    draft.move("absorb", Book.ABSORBED, Book.SPENT, over - from_available - borrowed, hold.id)
    captured = replace(hold, state=HoldState.CAPTURED, captured=command.amount, closed_at=draft.at)
    spenders = _spend(_spenders(state, hold.attribution, draft), command.amount, freed=still_held)
    measured = _measure(captured, command.usage, draft)
    return draft.done(hold.id, command.amount, hold=captured, spenders=spenders, measured=measured)


def _free(state: State, command: model.Void | model.Expire, draft: _Draft) -> Decision | Refused:
    hold = state.holds.get(command.hold)
    if hold is None:
        return NotFound(what="hold", id=command.hold)
    if hold.state is not HoldState.OPEN:
        return HoldClosed(hold=hold.id, state=hold.state.value)
    if isinstance(command, model.Expire):
        if draft.at < hold.expires_at:
            return HoldClosed(hold=hold.id, state="not yet due")
        kind, after, reason = "expire", HoldState.EXPIRED, None
    else:
        kind, after, reason = "void", HoldState.VOIDED, command.reason
    draft.move(kind, Book.HELD, Book.AVAILABLE, hold.amount, hold.id, reason)
    draft.repay(hold.id)
    freed = replace(hold, state=after, closed_at=draft.at, reason=reason)
    spenders = _spend(_spenders(state, hold.attribution, draft), 0, freed=hold.amount)
    return draft.done(hold.id, hold.amount, hold=freed, spenders=spenders)


def _charge(state: State, command: model.Charge, draft: _Draft) -> Decision | Refused:
    if command.hold in state.holds:
        return KeyReused()
    if refused := _check_amount(command.amount):
        return refused
    spenders = _spenders(state, command.attribution, draft)
    for spender in spenders:
        if spender.closed:
            return KeyInvalid()
    from_available = min(command.amount, draft.available)
    borrowed = command.amount - from_available
    if borrowed and draft.debt + borrowed > draft.wallet.debt_max:
        return DebtLimitReached(needed=write(command.amount), debt_max=write(draft.wallet.debt_max))
    draft.move("charge", Book.AVAILABLE, Book.SPENT, from_available, command.hold, digest(command.usage))
    draft.burn(from_available)
    draft.move("borrow", Book.DEBT, Book.SPENT, borrowed, command.hold)
    hold = Hold(
        id=command.hold,
        amount=0,
        state=HoldState.CAPTURED,
        created_at=draft.at,
        expires_at=draft.at,
        attribution=command.attribution,
        tariff=command.tariff,
        captured=command.amount,
        closed_at=draft.at,
    )
    measured = _measure(hold, command.usage, draft)
    spent = _spend(spenders, command.amount, freed=0)
    return draft.done(hold.id, command.amount, hold=hold, spenders=spent, measured=measured)


def _fund(state: State, command: model.Fund, draft: _Draft) -> Decision | Refused:
    return _add_lot(
        state, command.lot, command.amount, command.source, command.reference, command.reason, draft, "fund"
    )


def _adjust(state: State, command: model.Adjust, draft: _Draft) -> Decision | Refused:
    if command.amount >= 0:
        source = Source.ADJUSTMENT
        return _add_lot(state, command.lot, command.amount, source, None, command.reason, draft, "adjust")
    burnt = -command.amount
    if burnt > AMOUNT_NANO_MAX:
        return AmountInvalid(field="amount", reason="it is out of bounds")
    if burnt > draft.available:
        return InsufficientCredits(needed=write(burnt), available=write(draft.available))
    draft.move("adjust", Book.AVAILABLE, Book.ADJUSTED, burnt, command.lot, command.reason)
    draft.burn(burnt)
    return draft.done(command.lot, command.amount)


def _add_lot(
    state: State,
    id_: LotId,
    amount: int,
    source: Source,
    reference: str | None,
    reason: str | None,
    draft: _Draft,
    kind: str,
) -> Decision | Refused:
    if id_ in state.lots:
        return KeyReused()
    if amount == 0:
        return AmountInvalid(field="amount", reason="it must be more than zero")
    if refused := _check_amount(amount):
        return refused
    wallet = draft.wallet
    if max(wallet.purchased, wallet.bonus, wallet.adjusted, draft.available) + amount > AMOUNT_NANO_MAX:
        return AmountInvalid(field="amount", reason="the wallet cannot hold that much")
    draft.move(kind, _BOOK_OF[source], Book.AVAILABLE, amount, id_, reason)
    draft.lots[id_] = Lot(
        id=id_,
        source=source,
        amount=amount,
        left=amount,
        frozen=0,
        created_at=draft.at,
        reference=reference,
        reason=reason,
    )
    draft.repay(id_)
    return draft.done(id_, amount)


def _freeze(state: State, command: model.Freeze | model.Unfreeze | model.Remove, draft: _Draft) -> Decision | Refused:
    lot = state.lots.get(command.lot)
    if lot is None:
        return NotFound(what="lot", id=command.lot)
    if refused := _check_amount(command.amount):
        return refused
    amount, frozen = command.amount, lot.frozen
    room = min(lot.left - frozen, draft.available) if isinstance(command, model.Freeze) else frozen
    if amount > room:
        return LotShort(lot=lot.id, available=write(room))
    match command:
        case model.Freeze():
            draft.move("freeze", Book.AVAILABLE, Book.FROZEN, amount, lot.id, command.reason)
            draft.lots[lot.id] = replace(lot, frozen=frozen + amount)
        case model.Unfreeze():
            draft.move("unfreeze", Book.FROZEN, Book.AVAILABLE, amount, lot.id, command.reason)
            draft.lots[lot.id] = replace(lot, frozen=frozen - amount)
            draft.repay(lot.id)
        case model.Remove():
            if command.to not in {Book.REFUNDED, Book.DISPUTED}:
                return AmountInvalid(field="to", reason="credits are removed to 'refunded' or 'disputed'")
            draft.move("remove", Book.FROZEN, command.to, amount, lot.id, command.reason)
            draft.lots[lot.id] = replace(lot, frozen=frozen - amount, left=lot.left - amount)
    return draft.done(lot.id, amount)


_RULES: Final[Mapping[type, Callable[[State, Any, _Draft], Decision | Refused]]] = {
    model.Authorize: _authorize,
    model.Capture: _capture,
    model.Void: _free,
    model.Expire: _free,
    model.Charge: _charge,
    model.Fund: _fund,
    model.Adjust: _adjust,
    model.Freeze: _freeze,
    model.Unfreeze: _freeze,
    model.Remove: _freeze,
}


# Spenders ----------------------------------------------------------------------------------------------------


def _spender(state: State, api_key: str | None) -> Spender:
    return state.spenders.get(api_key or "") or Spender(api_key=api_key or "")


def _spenders(state: State, attribution: model.Attribution, draft: _Draft) -> list[Spender]:
    """Return the account's and the key's spender, their windows rolled to now. A window never rolls back."""
    day, month = windows(draft.at, draft.wallet.time_zone)
    found = [_spender(state, None)]
    if attribution.api_key:
        found.append(_spender(state, attribution.api_key))
    return [_roll(spender, day, month) for spender in found]


def _roll(spender: Spender, day: int, month: int) -> Spender:
    if day > spender.day:
        spender = replace(spender, day=day, spent_day=0)
    if month > spender.month:
        spender = replace(spender, month=month, spent_month=0)
    return spender


def _spend(spenders: list[Spender], amount: int, *, freed: int) -> list[Spender]:
    return [
        replace(
            spender,
            held=spender.held - freed,
            spent_day=spender.spent_day + amount,
            spent_month=spender.spent_month + amount,
            spent_total=spender.spent_total + amount,
        )
        for spender in spenders
    ]


def _room(spender: Spender) -> list[tuple[str, int]]:
    """Return what each cap leaves, open holds counted as spent: they may all be captured in this window."""
    rooms: list[tuple[str, int]] = []
    if spender.cap_day is not None:
        rooms.append(("daily", spender.cap_day - spender.spent_day - spender.held))
    if spender.cap_month is not None:
        rooms.append(("monthly", spender.cap_month - spender.spent_month - spender.held))
    if spender.cap_total is not None:
        rooms.append(("total", spender.cap_total - spender.spent_total - spender.held))
    return rooms


def _cap_reached(spender: Spender, period: str, needed: int, room: int) -> CapReached:
    name = "API key" if spender.api_key else "account"
    return CapReached(period=period, spender=name, needed=write(needed), available=write(max(room, 0)))


def _measure(hold: Hold, usage: Usage, draft: _Draft) -> Measured:
    day, _ = windows(draft.at, draft.wallet.time_zone)
    assert hold.captured is not None
    return Measured(hold, hold.captured, day, usage)


def _check_amount(amount: int, *, high: int = AMOUNT_NANO_MAX // 1024) -> AmountInvalid | None:
    if amount < 0:
        return AmountInvalid(field="amount", reason="it must not be negative")
    if amount > high:
        return AmountInvalid(field="amount", reason="it is too large")
    return None
