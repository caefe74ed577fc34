"""Time as a value: instants are whole microseconds since 1970 UTC, read from a clock that is passed in.

Owns: the unit and the conversions at the edge. Refuses to know: time zones of accounts (that is `ledger`).
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, NewType, Protocol

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND: Final = 1_000_000
"""Microseconds in a second; durations in the code carry `_us` or `_s` in their name."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Anything that tells the time. The system's in production, a manual one in tests and simulated worlds."""

    def now(self) -> Instant:
        """Return the present instant."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> Instant:
        """Return the present instant."""
        return Instant(time.time_ns() // 1000)


class ManualClock:
    """A clock that only moves when told to, for tests and simulated worlds."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = to_instant(start) if start else Instant(1_767_225_600_000_000)  # 2026-01-01

    def now(self) -> Instant:
        """Return the instant it was last set to."""
        return self._now

    def advance(self, seconds: int) -> None:
        """Move forward (or, to provoke trouble, backward) by whole seconds."""
        self._now = Instant(self._now + seconds * SECOND)


def to_instant(moment: datetime) -> Instant:
    """Turn an aware datetime into an instant."""
    assert moment.tzinfo is not None, "a naive datetime has no instant"
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))


def to_datetime(instant: Instant) -> datetime:
    """Turn an instant into an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=instant)


def to_text(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC with microseconds: "2026-11-24T00:00:00.000000Z"."""
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
