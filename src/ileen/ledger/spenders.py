"""Caps: what an account and its API keys may spend per day, per month and in total. Pure.

A spender is the account itself (`api_key` "") or one of its keys. Windows are the account's own days and months; one
that has begun is never rolled back. Open holds count as spent in every window: they may all be captured in this one.
"""

from ileen.base.clock import Instant
from ileen.base.errors import AmountInvalid, CapReached, KeyInvalid
from ileen.base.money import AMOUNT_NANO_MAX, write
from ileen.ledger import model
from ileen.ledger.calendar import windows
from ileen.ledger.model import Attribution, Spender, Wallet
from ileen.ledger.state import State


def find(state: State, api_key: str | None) -> Spender:
    """Return a spender as it is known; one that has never spent is all zero, and not yet part of the state."""
    return state.spenders.get(api_key or "") or Spender(api_key=api_key or "")


def involved(state: State, attribution: Attribution) -> list[Spender]:
    """Return who spends: the account, and the key if there is one."""
    found = [find(state, None)]
    if attribution.api_key:
        found.append(find(state, attribution.api_key))
    return found


def check_open(spenders: list[Spender]) -> KeyInvalid | None:
    """Refuse a closed key."""
    for spender in spenders:
        if spender.closed:
            return KeyInvalid()
    return None


def granted(spenders: list[Spender], amount: int, *, at_least: int, at: Instant, wallet: Wallet) -> int | CapReached:
    """Return how much of `amount` the caps leave, or the first cap that leaves less than `at_least`."""
    for spender in spenders:
        for period, room in _rooms(spender, at, wallet):
            if room < at_least:
                who = "API key" if spender.api_key else "account"
                return CapReached(period=period, spender=who, needed=write(at_least), available=write(max(room, 0)))
            amount = min(amount, room)
    return amount


def hold(state: State, spenders: list[Spender], amount: int) -> None:
    """Count an amount as held."""
    for spender in spenders:
        spender.held += amount
        state.put_spender(spender)


def spend(state: State, spenders: list[Spender], amount: int, *, freed: int, at: Instant, wallet: Wallet) -> None:
    """Count an amount as spent in the windows of `at`, and what its hold held as freed."""
    day, month = windows(at, wallet.time_zone)
    for spender in spenders:
        if day > spender.day:
            spender.day, spender.spent_day = day, 0
        if month > spender.month:
            spender.month, spender.spent_month = month, 0
        spender.held -= freed
        spender.spent_day += amount
        spender.spent_month += amount
        spender.spent_total += amount
        state.put_spender(spender)


def set_caps(state: State, command: model.SetCaps) -> AmountInvalid | None:
    """Set what a spender may spend."""
    for cap in (command.day, command.month, command.total):
        if cap is not None and not 0 <= cap <= AMOUNT_NANO_MAX:
            return AmountInvalid(field="cap", reason="it is out of bounds")
    spender = find(state, command.api_key)
    spender.cap_day, spender.cap_month, spender.cap_total = command.day, command.month, command.total
    state.put_spender(spender)
    return None


def close(state: State, command: model.CloseKey) -> None:
    """Close a key for ever."""
    spender = find(state, command.api_key)
    spender.closed = True
    state.put_spender(spender)


def _rooms(spender: Spender, at: Instant, wallet: Wallet) -> list[tuple[str, int]]:
    rooms: list[tuple[str, int]] = []
    if spender.cap_day is not None or spender.cap_month is not None:
        day, month = windows(at, wallet.time_zone)
        if spender.cap_day is not None:
            spent = spender.spent_day if day <= spender.day else 0
            rooms.append(("daily", spender.cap_day - spent - spender.held))
        if spender.cap_month is not None:
            spent = spender.spent_month if month <= spender.month else 0
            rooms.append(("monthly", spender.cap_month - spent - spender.held))
    if spender.cap_total is not None:
        rooms.append(("total", spender.cap_total - spender.spent_total - spender.held))
    return rooms
