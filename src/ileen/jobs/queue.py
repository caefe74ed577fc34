"""The queue: enqueue, claim, finish. Each function works inside a transaction the caller opened."""

from enum import StrEnum

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ileen.base.clock import SECOND, Instant
from ileen.base.errors import NotFound
from ileen.base.ids import Ids
from ileen.store.schema import job as table

LEASE_US = 60 * SECOND
"""How long a claim lasts: it must outlive the slowest handler, since a job whose lease ran out is run again."""


class JobState(StrEnum):
    """A job is ready until claimed, running while leased, then done, ready again after a failure, or dead."""

    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


class Job(Struct, frozen=True, kw_only=True):
    """One piece of durable work. `payload` holds ids, never secrets."""

    id: str
    kind: str
    key: str | None
    payload: dict[str, str]
    state: JobState
    run_at: Instant
    attempts: int
    lease: str | None
    error: str | None


def enqueue(
    connection: Connection,
    *,
    ids: Ids,
    kind: str,
    payload: dict[str, str],
    now: Instant,
    key: str | None = None,
    run_at: Instant | None = None,
) -> str:
    """Add a job to the caller's transaction and return its id; with a `key`, return the open one's if there is one."""
    id_ = ids.mint("job")
    values = {
        "id": id_,
        "kind": kind,
        "key": key,
        "payload": msgspec.json.encode(payload).decode(),
        "state": JobState.READY.value,
        "run_at": run_at if run_at is not None else now,
        "created_at": now,
        "attempts": 0,
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = connection.execute(insert(table).values(values).on_conflict_do_nothing().returning(table.c.id))
    if added.scalar_one_or_none() is not None:
        return id_
    open_ = table.c.state.in_((JobState.READY.value, JobState.RUNNING.value))
    return connection.execute(select(table.c.id).where(table.c.kind == kind, table.c.key == key, open_)).scalar_one()


def claim(connection: Connection, *, ids: Ids, now: Instant, limit: int) -> list[Job]:
    """Lease due jobs, and those whose worker's lease ran out. Locks: those rows; rows others lock are skipped."""
    due = and_(table.c.state == JobState.READY.value, table.c.run_at <= now)
    lost = and_(table.c.state == JobState.RUNNING.value, table.c.leased_until <= now)
    query = select(table).where(or_(due, lost)).order_by(table.c.run_at, table.c.id).limit(limit)
    found = connection.execute(query.with_for_update(skip_locked=True)).all()
    lease = ids.mint("lease")
    for row in found:
        connection.execute(
            update(table)
            .where(table.c.id == row.id)
            .values(state=JobState.RUNNING.value, lease=lease, leased_until=now + LEASE_US, attempts=row.attempts + 1)
        )
    return [_job(row, state=JobState.RUNNING, attempts=row.attempts + 1, lease=lease) for row in found]


def finish(connection: Connection, done: Job, *, now: Instant) -> bool:
    """Mark a leased job done; False if its lease was lost to another worker, who will finish it."""
    return _end(connection, done, {"state": JobState.DONE.value, "finished_at": now, "error": None})


def fail(connection: Connection, failed: Job, *, error: str, retry_at: Instant | None, now: Instant) -> bool:
    """Put a failed job back until `retry_at`, or lay it aside as dead; False if its lease was lost."""
    if retry_at is None:
        return _end(connection, failed, {"state": JobState.DEAD.value, "finished_at": now, "error": error})
    return _end(connection, failed, {"state": JobState.READY.value, "run_at": retry_at, "error": error})


def dead(connection: Connection, *, limit: int = 100) -> list[Job]:
    """Return the jobs that were given up, newest first."""
    query = select(table).where(table.c.state == JobState.DEAD.value).order_by(table.c.finished_at.desc()).limit(limit)
    return [_job(row, state=JobState.DEAD, attempts=row.attempts, lease=None) for row in connection.execute(query)]


def retry(connection: Connection, job_id: str, *, now: Instant) -> None:
    """Make a dead job ready again. Raises: NotFound."""
    revived = connection.execute(
        update(table)
        .where(table.c.id == job_id, table.c.state == JobState.DEAD.value)
        .values(state=JobState.READY.value, run_at=now, attempts=0, finished_at=None)
    )
    if not revived.rowcount:
        raise NotFound(what="dead job", id=job_id)


def _end(connection: Connection, ended: Job, values: dict[str, object]) -> bool:
    mine = and_(table.c.id == ended.id, table.c.lease == ended.lease, table.c.state == JobState.RUNNING.value)
    cleared = {**values, "lease": None, "leased_until": None}
    return connection.execute(update(table).where(mine).values(cleared)).rowcount == 1


def _job(row: Row[tuple[object, ...]], *, state: JobState, attempts: int, lease: str | None) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        key=row.key,
        payload=msgspec.json.decode(row.payload, type=dict[str, str]),
        state=state,
        run_at=row.run_at,
        attempts=attempts,
        lease=lease,
        error=row.error,
    )
