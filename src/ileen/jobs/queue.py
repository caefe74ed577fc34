"""The queue: enqueue, claim, finish, look. Each function works inside a transaction the caller opened."""

from collections.abc import Collection
from enum import StrEnum

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from ileen.base.clock import SECOND, Instant
from ileen.base.errors import NotFound
from ileen.base.ids import Ids
from ileen.jobs.bell import bell_of
from ileen.store.bulk import Row as BulkRow
from ileen.store.bulk import Write
from ileen.store.engine import after_commit
from ileen.store.schema import job as table

LEASE_US = 60 * SECOND
"""How long a claim lasts unless renewed: how late the jobs of a worker that died are taken up again."""
_PURGE_MAX = 1000
UNLESS_OPEN = Write.unless(table)
"""Adds `ready_row`s in bulk, but for those whose kind and key are open already (J3)."""
# Written out rather than bound, because a partial index serves only a condition that the planner can read.
_READY = text("state = 'ready'")
_RUNNING = text("state = 'running'")
_OPEN = text("state IN ('ready', 'running')")
_DONE = text("state = 'done'")


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


class Counts(Struct, frozen=True, kw_only=True):
    """How the queue stands. `lag_s`: whole seconds for which the oldest due job has been waiting."""

    ready: int
    running: int
    done: int
    dead: int
    lag_s: int


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
    id_, due = ids.mint("job"), run_at if run_at is not None else now
    values = {
        "id": id_,
        "kind": kind,
        "key": key,
        "payload": msgspec.json.encode(payload).decode(),
        "state": JobState.READY.value,
        "run_at": due,
        "created_at": now,
        "attempts": 0,
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = connection.execute(insert(table).values(values).on_conflict_do_nothing().returning(table.c.id))
    if added.scalar_one_or_none() is not None:
        if due <= now:
            after_commit(connection, bell_of(connection.engine).ring)
        return id_
    return connection.execute(select(table.c.id).where(table.c.kind == kind, table.c.key == key, _OPEN)).scalar_one()


def is_open(connection: Connection, *, kind: str, key: str) -> bool:
    """Tell whether a job of this kind and key waits or runs."""
    query = select(table.c.id).where(table.c.kind == kind, table.c.key == key, _OPEN)
    return connection.execute(query).first() is not None


def ready_row(id_: str, *, kind: str, key: str, payload: dict[str, str], now: Instant) -> BulkRow:
    """Return a job as a row for `UNLESS_OPEN`: for whoever writes in bulk, outside of an SQLAlchemy transaction.

    Workers find it at their next look, since no bell rings.
    """
    encoded = msgspec.json.encode(payload).decode()
    return (id_, kind, key, encoded, JobState.READY.value, now, now, 0, None, None, None, None)


def is_due(connection: Connection, *, now: Instant) -> bool:
    """Tell whether there is anything to claim, without a lock: an idle worker must not get in the writers' way."""
    return connection.execute(select(table.c.id).where(_due(now)).limit(1)).first() is not None


def claim(connection: Connection, *, ids: Ids, now: Instant, limit: int, lease_us: int = LEASE_US) -> list[Job]:
    """Lease due jobs, and those whose worker's lease ran out. Locks: those rows; rows others lock are skipped."""
    query = select(table).where(_due(now)).order_by(table.c.run_at, table.c.id).limit(limit)
    found = connection.execute(query.with_for_update(skip_locked=True)).all()
    lease = ids.mint("lease")
    for row in found:
        connection.execute(
            update(table)
            .where(table.c.id == row.id)
            .values(state=JobState.RUNNING.value, lease=lease, leased_until=now + lease_us, attempts=row.attempts + 1)
        )
    return [_job(row, state=JobState.RUNNING, attempts=row.attempts + 1, lease=lease) for row in found]


def renew(connection: Connection, leases: Collection[str], *, until: Instant) -> None:
    """Keep jobs leased that are still being run. A lease already lost stays lost."""
    held = and_(table.c.lease.in_(leases), table.c.state == JobState.RUNNING.value)
    connection.execute(update(table).where(held).values(leased_until=until))


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
    return find(connection, states=(JobState.DEAD,), limit=limit)


def find(connection: Connection, *, states: Collection[JobState], limit: int) -> list[Job]:
    """Return jobs in any of these states, newest first."""
    named = table.c.state.in_([state.value for state in states])
    query = select(table).where(named).order_by(table.c.id.desc()).limit(limit)
    return [_job(row) for row in connection.execute(query)]


def get(connection: Connection, job_id: str) -> Job:
    """Return a job. Raises: NotFound."""
    row = connection.execute(select(table).where(table.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no job '{job_id}'.", what="job", id=job_id)
    return _job(row)


def counts(connection: Connection, *, now: Instant) -> Counts:
    """Return how many jobs are in each state, and how late the oldest due one is."""
    query = select(table.c.state, func.count()).group_by(table.c.state)
    by_state = {str(state): int(number) for state, number in connection.execute(query)}
    oldest = connection.execute(select(func.min(table.c.run_at)).where(_READY)).scalar()
    lag_s = 0 if oldest is None else max(0, now - oldest) // SECOND
    return Counts(**{state.value: by_state.get(state.value, 0) for state in JobState}, lag_s=lag_s)


def retry(connection: Connection, job_id: str, *, now: Instant) -> None:
    """Make a dead job ready again. Raises: NotFound."""
    if not _revive(connection, [job_id], now):
        raise NotFound(f"There is no dead job '{job_id}'.", what="dead job", id=job_id)


def retry_all(connection: Connection, *, now: Instant) -> int:
    """Make every dead job ready again, and return how many there were."""
    named = select(table.c.id).where(table.c.state == JobState.DEAD.value)
    return _revive(connection, list(connection.execute(named).scalars()), now)


def purge(connection: Connection, *, before: Instant) -> int:
    """Delete done jobs that ended before an instant, some at a time, and return how many. Dead ones are kept."""
    old = and_(_DONE, table.c.finished_at < before)
    some = select(table.c.id).where(old).limit(_PURGE_MAX)
    return connection.execute(delete(table).where(table.c.id.in_(some))).rowcount


def _due(now: Instant) -> ColumnElement[bool]:
    due = and_(_READY, table.c.run_at <= now)
    lost = and_(_RUNNING, table.c.leased_until <= now)
    return or_(due, lost)


def _revive(connection: Connection, job_ids: list[str], now: Instant) -> int:
    """Make those of these jobs ready that are dead, unless the same work is open again under another id."""
    revived = 0
    for job_id in job_ids:
        row = connection.execute(select(table).where(table.c.id == job_id)).one_or_none()
        if row is None or row.state != JobState.DEAD.value:
            continue
        same = select(table.c.id).where(table.c.kind == row.kind, table.c.key == row.key, _OPEN)
        taken_over = row.key is not None and connection.execute(same).first() is not None
        state = JobState.DONE if taken_over else JobState.READY
        finished_at = now if taken_over else None
        values = {"state": state.value, "run_at": now, "attempts": 0, "finished_at": finished_at}
        connection.execute(update(table).where(table.c.id == job_id).values(values))
        revived += 1
    after_commit(connection, bell_of(connection.engine).ring)
    return revived


def _end(connection: Connection, ended: Job, values: dict[str, object]) -> bool:
    mine = and_(table.c.id == ended.id, table.c.lease == ended.lease, table.c.state == JobState.RUNNING.value)
    cleared = {**values, "lease": None, "leased_until": None}
    return connection.execute(update(table).where(mine).values(cleared)).rowcount == 1


def _job(
    row: Row[tuple[object, ...]],
    *,
    state: JobState | None = None,
    attempts: int | None = None,
    lease: str | None = None,
) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        key=row.key,
        payload=msgspec.json.decode(row.payload, type=dict[str, str]),
        state=state or JobState(row.state),
        run_at=row.run_at,
        attempts=row.attempts if attempts is None else attempts,
        lease=lease or row.lease,
        error=row.error,
    )
