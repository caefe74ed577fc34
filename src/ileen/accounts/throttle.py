"""Throttles: how fast something may be tried, kept in the database so that all servers count together.

Owns: the table `throttle`. Refuses to know: what is tried.
One number per name: the moment from which the next try is free (the generic cell rate algorithm). A burst is allowed
at once, then one try per interval. Nothing is ever locked for good; waiting one interval always allows one more try.
"""

import hashlib

from msgspec import Struct
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from ileen.base.clock import SECOND, Instant
from ileen.base.errors import TooManyAttempts
from ileen.store.schema import throttle as table


class Pace(Struct, frozen=True, kw_only=True):
    """`burst` tries at once, then one every `every_s` seconds."""

    name: str
    burst: int
    every_s: int


def take(connection: Connection, pace: Pace, *, of: str, now: Instant) -> None:
    """Count one try of `of` in the caller's transaction. Raises: TooManyAttempts, with `retry_after_s`; not counted.

    Locks: the row of this name, so that tries at the same moment are all counted.
    """
    key = _key(pace, of)
    put = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(put(table).values(key=key, next_at=now).on_conflict_do_nothing())
    row = connection.execute(select(table.c.next_at).where(table.c.key == key).with_for_update()).one()
    wait_us = _wait_us(pace, next_at=row.next_at, now=now)
    if wait_us > 0:
        raise TooManyAttempts(retry_after_s=-(-wait_us // SECOND))
    later = max(row.next_at, now) + pace.every_s * SECOND
    connection.execute(table.update().where(table.c.key == key).values(next_at=later))


def forgive(connection: Connection, pace: Pace, *, of: str) -> None:
    """Forget the tries of `of`, in the caller's transaction: it has succeeded."""
    connection.execute(delete(table).where(table.c.key == _key(pace, of)))


def sweep(connection: Connection, *, now: Instant) -> None:
    """Delete what no longer slows anything, so that the table stays as small as what was tried lately."""
    connection.execute(delete(table).where(table.c.next_at < now))


def _wait_us(pace: Pace, *, next_at: int, now: Instant) -> int:
    return next_at - now - (pace.burst - 1) * pace.every_s * SECOND


def _key(pace: Pace, of: str) -> str:
    """Names are hashed: they contain e-mail addresses of people who may not be ours."""
    return f"{pace.name}:{hashlib.sha256(of.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
