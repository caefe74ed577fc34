"""Recurring jobs: enqueued once per time slot, however many processes look at the clock.

A slot is a number that grows by one at each due time. Whoever first records a new one enqueues the job, in the same
transaction. Slots that passed while nobody was running are made up for once, not once each.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from ileen.base.clock import SECOND, Clock, Instant, to_text
from ileen.base.ids import Ids
from ileen.jobs import queue
from ileen.store.engine import Database
from ileen.store.schema import job_slot as table

_DAY_S: Final = 86_400
RECURRING_KEY: Final = "recurring"
"""The key of every recurring job: one of a kind is open at most."""


class Recurring(Struct, frozen=True, kw_only=True):
    """A kind of job that is due every `every_s` seconds, counted from `offset_s` after midnight UTC, 1970.

    Its payload is `due_at`, the instant it is due for (RFC 3339): the same however late it is run or retried.
    """

    kind: str
    every_s: int
    offset_s: int = 0

    def slot(self, now: Instant) -> int:
        """Return the number of the last slot that has begun."""
        return (now - self.offset_s * SECOND) // (self.every_s * SECOND)

    def begins(self, slot: int) -> Instant:
        """Return when a slot begins."""
        return Instant((slot * self.every_s + self.offset_s) * SECOND)


def every(seconds: int, kind: str) -> Recurring:
    """Return a job that is due every so many seconds."""
    assert seconds > 0
    return Recurring(kind=kind, every_s=seconds)


def daily(hour: int, kind: str) -> Recurring:
    """Return a job that is due once a day, at a full hour UTC."""
    assert 0 <= hour < 24
    return Recurring(kind=kind, every_s=_DAY_S, offset_s=hour * 3600)


class Schedule:
    """Enqueues recurring jobs when they are due. Any number of processes may keep the same schedule."""

    def __init__(self, database: Database, entries: Sequence[Recurring], *, clock: Clock, ids: Ids) -> None:
        assert len({entry.kind for entry in entries}) == len(entries), "a kind recurs in one way"
        # In one order everywhere, so that two processes that take several slots never wait for each other in a circle.
        self._entries = tuple(sorted(entries, key=lambda entry: entry.kind))
        self._database, self._clock, self._ids = database, clock, ids
        self._seen: dict[str, int] = {}

    def tick(self) -> int:
        """Enqueue what has become due and was not yet, here or elsewhere; return how many jobs that was."""
        now = self._clock.now()
        begun = [(entry, entry.slot(now)) for entry in self._entries]
        new = [(entry, slot) for entry, slot in begun if self._seen.get(entry.kind) != slot]
        if not new:
            return 0
        with self._database.write() as connection:
            taken = [(entry, slot) for entry, slot in new if _take(connection, entry.kind, slot)]
            for entry, slot in taken:
                payload = {"due_at": to_text(entry.begins(slot))}
                queue.enqueue(connection, ids=self._ids, kind=entry.kind, payload=payload, now=now, key=RECURRING_KEY)
        self._seen |= {entry.kind: slot for entry, slot in new}
        return len(taken)


def reached(connection: Connection, name: str) -> int | None:
    """Return how far work of this name has come, None if it never began."""
    return connection.execute(select(table.c.slot).where(table.c.name == name)).scalar_one_or_none()


def reach(connection: Connection, name: str, number: int) -> None:
    """Write down how far work of this name has come; it never goes back. Locks: the name's row."""
    _take(connection, name, number)


def _take(connection: Connection, name: str, slot: int) -> bool:
    """Record that a slot is being taken care of; False if it already was. Locks: the entry's row."""
    insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)
    first = insert.values(name=name, slot=slot)
    later = first.on_conflict_do_update(
        index_elements=[table.c.name], set_={"slot": first.excluded.slot}, where=table.c.slot < first.excluded.slot
    )
    return connection.execute(later.returning(table.c.name)).first() is not None
