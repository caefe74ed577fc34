"""The rules of credits: one function per command. Deterministic: no clock, no database, no randomness.

`decide(state, command, at)` answers with a `Receipt`, having changed `state`, or with a `Refused`, having changed
nothing: every rule checks all there is to check before it moves the first amount.
Checks run in one fixed order, so that the same command in the same state is always refused for the same reason:
replay of the key, existence of wallet / hold / lot, form of the amount, state of hold and key, caps of the account
(day, month, total), caps of the key (day, month, total), available credits.

R1  settled = available + held - debt, and debt > 0 only while available = 0.
R2  an authorization never takes more than is available: nothing can be overspent by authorizing.
R3  a hold ends exactly once; an expired one can still be captured, once, from what is available, then as debt up
    to the wallet's bound, the rest absorbed by the operator (booked, visible).
R4  debt beyond the bound arises in one way: money went back whose credits were spent (`Seize`).
R5  what is spent is drawn from lots: bonus and adjustments first, then purchases, oldest first; frozen parts never.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from msgspec.structs import replace

from ileen.base.clock import Instant
from ileen.base.errors import (
    AmountInvalid,
    DebtLimitReached,
    HoldClosed,
    InsufficientCredits,
    KeyReused,
    LotShort,
    NotFound,
    Refused,
)
from ileen.base.money import AMOUNT_NANO_MAX, write
from ileen.ledger import model, spenders
from ileen.ledger.calendar import windows
from ileen.ledger.journal import digest, fingerprint_of, key_of
from ileen.ledger.model import Book, Hold, HoldState, Lot, Receipt, Source, Usage, Wallet
from ileen.ledger.state import Answered, Measured, State, Step, receipt_of

_BOOK_OF: Final = {
    Source.PURCHASE: Book.PURCHASED,
    Source.REFILL: Book.PURCHASED,
    Source.BONUS: Book.BONUS,
    Source.ADJUSTMENT: Book.ADJUSTED,
}
_CAPTURABLE: Final = {HoldState.OPEN, HoldState.EXPIRED}
_CALL_NANO_MAX: Final = AMOUNT_NANO_MAX // 1024
"""The most one movement can be: sums of very many of them still fit 64 bits."""


def decide(state: State, command: model.Command, at: Instant) -> Receipt | Refused:
    """Decide one command at one instant and, if it is accepted, carry it out on `state`."""
    rule = _RULES.get(type(command))
    if rule is None:
        return _set_up(state, cast("model.Setup", command), at)
    command = cast("model.Movement", command)
    key, fingerprint = key_of(command), fingerprint_of(command)
    answered = state.answers.get(key)
    if answered is not None:
        return replace(answered.receipt, replayed=True) if answered.fingerprint == fingerprint else KeyReused()
    if state.wallet is None:
        return NotFound(what="wallet", id=command.wallet)
    before = state.wallet.settled
    answer = rule(state, command, Step(state, state.wallet, at, key, fingerprint))
    if isinstance(answer, Receipt):
        state.answers[key] = Answered(fingerprint, answer)
        _note_low(state, state.wallet, answer, before)
    return answer


def _note_low(state: State, wallet: Wallet, answer: Receipt, before: int) -> None:
    """Note a command that lowers the balance to a mark of the wallet; the first of a batch for the low mark."""
    after, low_mark, notice_mark = answer.settled, wallet.low_mark, wallet.notice_mark
    if after >= before:
        return
    if low_mark is not None and after <= low_mark and state.lowered is None:
        state.lowered = answer
    if notice_mark is not None and after <= notice_mark:
        if before > notice_mark:
            state.crossed.append(("low", answer))
        if before > 0 >= after:
            state.crossed.append(("empty", answer))


def _set_up(state: State, command: model.Setup, at: Instant) -> Receipt | Refused:
    if isinstance(command, model.OpenWallet):
        if state.wallet is None:
            state.wallet = Wallet(
                id=command.wallet,
                time_zone=command.time_zone,
                debt_max=command.debt_max,
                created_at=at,
                notice_mark=command.notice_mark,
            )
            state.changed = True
    elif state.wallet is None:
        return NotFound(what="wallet", id=command.wallet)
    elif isinstance(command, model.SetCaps):
        if refused := spenders.set_caps(state, command):
            return refused
    else:
        spenders.close(state, command)
    return receipt_of(state.wallet, at=at, ref=state.wallet.id, amount=0)


# Calls: authorize, capture, void, expire, charge ---------------------------------------------------------------


def _authorize(state: State, command: model.Authorize, step: Step) -> Receipt | Refused:
    at_least = command.amount if command.at_least is None else command.at_least
    if command.hold in state.holds:
        return KeyReused()
    if refused := _check_amount(command.amount) or _check_amount(at_least, high=command.amount):
        return refused
    by = spenders.involved(state, command.attribution)
    if refused := spenders.check_open(by):
        return refused
    allowed = spenders.granted(by, command.amount, at_least=at_least, at=step.at, wallet=step.wallet)
    if isinstance(allowed, Refused):
        return allowed
    available = step.wallet.available
    if available < at_least:
        return InsufficientCredits(needed=write(at_least), available=write(max(available, 0)))
    granted = min(allowed, step.free)
    step.move("authorize", Book.AVAILABLE, Book.HELD, granted, command.hold)
    hold = Hold(
        id=command.hold,
        amount=granted,
        state=HoldState.OPEN,
        created_at=step.at,
        expires_at=Instant(step.at + command.lifetime_us),
        attribution=command.attribution,
        tariff=command.tariff,
    )
    state.put_hold(hold)
    spenders.hold(state, by, granted)
    return step.done(hold.id, granted)


def _capture(state: State, command: model.Capture, step: Step) -> Receipt | Refused:
    hold = state.holds.get(command.hold)
    if hold is None:
        return NotFound(what="hold", id=command.hold)
    if refused := _check_amount(command.amount):
        return refused
    if hold.state not in _CAPTURABLE:
        return HoldClosed(hold=hold.id, state=hold.state.value)
    still_held = hold.amount if hold.state is HoldState.OPEN else 0
    taken = min(command.amount, still_held)
    step.move("capture", Book.HELD, Book.SPENT, taken, hold.id, digest(command.usage))
    step.burn(taken)
    step.move("release", Book.HELD, Book.AVAILABLE, still_held - taken, hold.id)
    step.repay(hold.id)
    over = command.amount - taken
    borrowed, absorbed = _overrun(step, over, hold) if over else (0, 0)
    _close(state, hold, HoldState.CAPTURED, step)
    hold.captured = command.amount
    by = spenders.involved(state, hold.attribution)
    spenders.spend(state, by, command.amount, freed=still_held, at=step.at, wallet=step.wallet)
    _completed(state, hold, command.usage, step)
    return step.done(hold.id, command.amount, overrun=over, borrowed=borrowed, absorbed=absorbed)


def _overrun(step: Step, over: int, hold: Hold) -> tuple[int, int]:
    """Take what a capture exceeds its hold by; return the parts that became debt and that the operator bears."""
    from_free = min(over, step.free)
    step.move("overrun", Book.AVAILABLE, Book.SPENT, from_free, hold.id)
    step.burn(from_free)
    borrowed = min(over - from_free, max(step.wallet.debt_max - step.wallet.debt, 0))
    step.move("borrow", Book.DEBT, Book.SPENT, borrowed, hold.id)
    absorbed = over - from_free - borrowed
    step.move("absorb", Book.ABSORBED, Book.SPENT, absorbed, hold.id)
    return borrowed, absorbed


def _free(state: State, command: model.Void | model.Expire, step: Step) -> Receipt | Refused:
    hold = state.holds.get(command.hold)
    if hold is None:
        return NotFound(what="hold", id=command.hold)
    if hold.state is not HoldState.OPEN:
        return HoldClosed(hold=hold.id, state=hold.state.value)
    if isinstance(command, model.Expire):
        if step.at < hold.expires_at:
            return HoldClosed(hold=hold.id, state="not yet due")
        kind, after, reason = "expire", HoldState.EXPIRED, None
    else:
        kind, after, reason = "void", HoldState.VOIDED, command.reason
    step.move(kind, Book.HELD, Book.AVAILABLE, hold.amount, hold.id, reason)
    step.repay(hold.id)
    _close(state, hold, after, step)
    hold.reason = reason
    by = spenders.involved(state, hold.attribution)
    spenders.spend(state, by, 0, freed=hold.amount, at=step.at, wallet=step.wallet)
    return step.done(hold.id, hold.amount)


def _charge(state: State, command: model.Charge, step: Step) -> Receipt | Refused:
    if command.hold in state.holds:
        return KeyReused()
    if refused := _check_amount(command.amount):
        return refused
    by = spenders.involved(state, command.attribution)
    if refused := spenders.check_open(by):
        return refused
    from_free = min(command.amount, step.free)
    borrowed = command.amount - from_free
    if borrowed and step.wallet.debt + borrowed > step.wallet.debt_max:
        return DebtLimitReached(needed=write(command.amount), debt_max=write(step.wallet.debt_max))
    step.move("charge", Book.AVAILABLE, Book.SPENT, from_free, command.hold, digest(command.usage))
    step.burn(from_free)
    step.move("borrow", Book.DEBT, Book.SPENT, borrowed, command.hold)
    hold = Hold(
        id=command.hold,
        amount=0,
        state=HoldState.CAPTURED,
        created_at=step.at,
        expires_at=step.at,
        attribution=command.attribution,
        tariff=command.tariff,
        captured=command.amount,
        closed_at=step.at,
    )
    state.put_hold(hold)
    spenders.spend(state, by, command.amount, freed=0, at=step.at, wallet=step.wallet)
    _completed(state, hold, command.usage, step)
    return step.done(hold.id, command.amount, overrun=borrowed, borrowed=borrowed)


def _close(state: State, hold: Hold, after: HoldState, step: Step) -> None:
    hold.state, hold.closed_at = after, step.at
    state.put_hold(hold)


def _completed(state: State, hold: Hold, usage: Usage, step: Step) -> None:
    """Keep the usage of a completed call."""
    day, _ = windows(step.at, step.wallet.time_zone)
    assert hold.captured is not None
    state.measured.append(Measured(hold, step.at, hold.captured, day, usage))


# Lots: fund, adjust, freeze, unfreeze, remove, seize, restore, forgive ---------------------------------------------


def _fund(state: State, command: model.Fund, step: Step) -> Receipt | Refused:
    lot = Lot(
        id=command.lot,
        source=command.source,
        amount=command.amount,
        left=command.amount,
        frozen=0,
        created_at=step.at,
        reference=command.reference,
        reason=command.reason,
    )
    answer = _add_lot(state, lot, "fund", step)
    if command.by is not None and isinstance(answer, Receipt):
        state.given.append((lot.id, command.by, step.at))
    return answer


def _adjust(state: State, command: model.Adjust, step: Step) -> Receipt | Refused:
    if command.amount >= 0:
        lot = Lot(
            id=command.lot,
            source=Source.ADJUSTMENT,
            amount=command.amount,
            left=command.amount,
            frozen=0,
            created_at=step.at,
            reason=command.reason,
        )
        return _add_lot(state, lot, "adjust", step)
    burnt = -command.amount
    if burnt > AMOUNT_NANO_MAX:
        return AmountInvalid(field="amount", reason="it is out of bounds")
    if burnt > step.free:
        return InsufficientCredits(needed=write(burnt), available=write(step.free))
    step.move("adjust", Book.AVAILABLE, Book.ADJUSTED, burnt, command.lot, command.reason)
    step.burn(burnt)
    return step.done(command.lot, command.amount)


def _add_lot(state: State, lot: Lot, kind: str, step: Step) -> Receipt | Refused:
    if lot.id in state.lots:
        return KeyReused()
    if lot.amount == 0:
        return AmountInvalid(field="amount", reason="it must be more than zero")
    if refused := _check_amount(lot.amount):
        return refused
    wallet = step.wallet
    if max(wallet.purchased, wallet.bonus, wallet.adjusted, step.free) + lot.amount > AMOUNT_NANO_MAX:
        return AmountInvalid(field="amount", reason="the wallet cannot hold that much")
    step.move(kind, _BOOK_OF[lot.source], Book.AVAILABLE, lot.amount, lot.id, lot.reason)
    state.put_lot(lot)
    step.repay(lot.id)
    return step.done(lot.id, lot.amount)


def _freeze(state: State, command: model.Freeze | model.Unfreeze | model.Remove, step: Step) -> Receipt | Refused:
    lot = state.lots.get(command.lot)
    if lot is None:
        return NotFound(what="lot", id=command.lot)
    if refused := _check_amount(command.amount):
        return refused
    amount = command.amount
    room = min(lot.left - lot.frozen, step.free) if isinstance(command, model.Freeze) else lot.frozen
    if amount > room:
        return LotShort(lot=lot.id, available=write(room))
    if isinstance(command, model.Remove) and (refused := _check_out(command.to, "to")):
        return refused
    state.put_lot(lot)
    match command:
        case model.Freeze():
            step.move("freeze", Book.AVAILABLE, Book.FROZEN, amount, lot.id, command.reason)
            lot.frozen += amount
        case model.Unfreeze():
            step.move("unfreeze", Book.FROZEN, Book.AVAILABLE, amount, lot.id, command.reason)
            lot.frozen -= amount
            step.repay(lot.id)
        case model.Remove():
            step.move("remove", Book.FROZEN, command.to, amount, lot.id, command.reason)
            lot.frozen -= amount
            lot.left -= amount
    return step.done(lot.id, amount)


def _seize(state: State, command: model.Seize, step: Step) -> Receipt | Refused:
    lot = state.lots.get(command.lot)
    if lot is None:
        return NotFound(what="lot", id=command.lot)
    if refused := _check_amount(command.amount) or _check_out(command.to, "to"):
        return refused
    frozen = min(lot.left - lot.frozen, step.free, command.amount)
    step.move("freeze", Book.AVAILABLE, Book.FROZEN, frozen, lot.id, command.reason)
    lot.frozen += frozen
    state.put_lot(lot)
    owed = command.amount - frozen
    step.move("owe", Book.DEBT, command.to, owed, lot.id, command.reason)
    step.repay(lot.id)
    return step.done(lot.id, frozen, borrowed=owed)


def _restore(state: State, command: model.Restore, step: Step) -> Receipt | Refused:
    lot = state.lots.get(command.lot)
    if lot is None:
        return NotFound(what="lot", id=command.lot)
    if refused := _check_amount(command.amount) or _check_out(command.out_of, "out_of"):
        return refused
    gone = min(lot.amount - lot.left, _total(step.wallet, command.out_of))
    if command.amount > gone:
        return LotShort(lot=lot.id, available=write(gone))
    step.move("restore", command.out_of, Book.AVAILABLE, command.amount, lot.id, command.reason)
    lot.left += command.amount
    state.put_lot(lot)
    step.repay(lot.id)
    return step.done(lot.id, command.amount)


def _forgive(state: State, command: model.Forgive, step: Step) -> Receipt | Refused:
    if command.lot in state.lots:
        return KeyReused()
    if refused := _check_amount(command.amount) or _check_out(command.out_of, "out_of"):
        return refused
    gone = _total(step.wallet, command.out_of)
    if command.amount > gone:
        return LotShort(lot=command.lot, available=write(gone))
    owed = min(step.wallet.debt, command.amount)
    step.move("forgive", command.out_of, Book.DEBT, owed, command.lot, command.reason)
    paid = command.amount - owed
    step.move("return", command.out_of, Book.AVAILABLE, paid, command.lot, command.reason)
    if paid:
        state.put_lot(
            Lot(
                id=command.lot,
                source=Source.ADJUSTMENT,
                amount=paid,
                left=paid,
                frozen=0,
                created_at=step.at,
                reason=command.reason,
            )
        )
    return step.done(command.lot, owed)


def _total(wallet: Wallet, out_of: Book) -> int:
    return wallet.refunded if out_of is Book.REFUNDED else wallet.disputed


def _check_out(book: Book, field: str) -> AmountInvalid | None:
    if book in {Book.REFUNDED, Book.DISPUTED}:
        return None
    return AmountInvalid(field=field, reason="money goes back as 'refunded' or 'disputed'")


def _check_amount(amount: int, *, high: int = _CALL_NANO_MAX) -> AmountInvalid | None:
    if amount < 0:
        return AmountInvalid(field="amount", reason="it must not be negative")
    if amount > high:
        return AmountInvalid(field="amount", reason="it is too large")
    return None


_RULES: Final[Mapping[type, Callable[[State, Any, Step], Receipt | Refused]]] = {
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
    model.Seize: _seize,
    model.Restore: _restore,
    model.Forgive: _forgive,
}
