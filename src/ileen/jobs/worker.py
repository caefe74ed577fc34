"""A worker: claims due jobs and runs their handlers, one transaction to claim, none while running, one to finish."""

from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import Final

import structlog

from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.ids import Ids
from ileen.jobs import queue
from ileen.jobs.bell import bell_of
from ileen.jobs.queue import LEASE_US, Job
from ileen.jobs.schedule import RECURRING_KEY, Recurring, Schedule, daily
from ileen.store.engine import Database

ATTEMPTS_MAX: Final = 10
"""Tries before a job is laid aside; with the pauses below, a little over an hour and a half."""
HANDLER_S_MAX: Final = 900
"""How long a handler may take before its lease is no longer renewed and another worker runs the job too: long
enough for a day's reconciliation, short enough that a handler that hangs does not hold its job for good."""
_PAUSE_FIRST_US: Final = 5 * SECOND
_PAUSE_MAX_US: Final = 1800 * SECOND
_CLAIM_MAX: Final = 10
_KEEP_US: Final = 14 * 86_400 * SECOND
"""How long done jobs are kept: long enough to look into what a customer writes about."""
_PURGE: Final = "jobs.purge"

Handler = Callable[[Job], None]
"""Does a job's work. May be run again after a crash, so it must be idempotent; an exception means: try again later."""

_log = structlog.get_logger()


class Worker:
    """Runs jobs until stopped. Any number of workers, in any number of processes, share the queue."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        clock: Clock,
        ids: Ids,
        recurring: Sequence[Recurring] = (),
        lease_us: int = LEASE_US,
    ) -> None:
        self._database, self._clock, self._ids, self._lease_us = database, clock, ids, lease_us
        self._handlers: dict[str, Handler] = {_PURGE: self._purge, **handlers}
        self._schedule = Schedule(database, [daily(3, _PURGE), *recurring], clock=clock, ids=ids)
        self._bell = bell_of(database.engine)
        self._stopping = Event()
        self._threads: list[Thread] = []
        self._held: dict[str, tuple[Instant, Instant]] = {}  # lease: since when, last renewed
        self._held_lock = Lock()

    def start(self, *, threads: int = 2, every_s: int = 1) -> None:
        """Work in `threads` threads of its own, woken by jobs of this process, looking every `every_s` seconds."""
        for number in range(threads):
            self._threads.append(Thread(target=self._work, args=(every_s,), name=f"ileen-jobs-{number}", daemon=True))
        self._threads.append(Thread(target=self._keep, name="ileen-jobs-keeper", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the jobs under way, then stop."""
        self._stopping.set()
        self._bell.ring()
        for thread in self._threads:
            thread.join()

    def run_due(self, *, limit: int = _CLAIM_MAX) -> int:
        """Claim and run what is due now, at most `limit` jobs; return how many were run."""
        now = self._clock.now()
        with self._database.read() as connection:
            if not queue.is_due(connection, now=now):
                return 0
        with self._database.write() as connection:
            jobs = queue.claim(connection, ids=self._ids, now=now, limit=limit, lease_us=self._lease_us)
        crash.point("jobs.claimed")
        for job in jobs:
            self._run(job)
        return len(jobs)

    def tick(self) -> int:
        """Enqueue recurring jobs that have become due; return how many."""
        return self._schedule.tick()

    def _work(self, every_s: int) -> None:
        while not self._stopping.is_set():
            heard = self._bell.rings()
            try:
                # One at a time: a job must not wait behind another's slow call while a thread is free.
                idle = self.run_due(limit=1) == 0
            except Exception:  # noqa: BLE001  # the database may be away; the worker must outlive that
                _log.warning("jobs.claim.failed", exc_info=True)
                idle = True
            if idle and not self._stopping.is_set():
                self._bell.wait(heard, every_s)

    def _keep(self) -> None:
        """Renew the leases of jobs under way, and enqueue recurring ones, once a second or as leases need it."""
        every_s = min(1, self._lease_us // SECOND / 4)
        while not self._stopping.wait(every_s):
            try:
                self._schedule.tick()
                self._renew()
            except Exception:  # noqa: BLE001  # as above: a lease that cannot be renewed is lost, which is safe
                _log.warning("jobs.keeper.failed", exc_info=True)

    def _renew(self) -> None:
        now = self._clock.now()
        with self._held_lock:
            old = {
                lease: (since, now)
                for lease, (since, renewed) in self._held.items()
                if now - renewed >= self._lease_us // 3 and now - since <= HANDLER_S_MAX * SECOND
            }
        if not old:
            return
        with self._database.write() as connection:
            queue.renew(connection, old, until=Instant(now + self._lease_us))
        with self._held_lock:
            self._held |= {lease: times for lease, times in old.items() if lease in self._held}

    def _run(self, job: Job) -> None:
        began = self._clock.now()
        error = self._attempt(job)
        crash.point("jobs.handled")
        now = self._clock.now()
        took_ms = (now - began) // 1000
        with self._database.write() as connection:
            if error is None:
                queue.finish(connection, job, now=now)
                # Recurring jobs mostly find nothing to do, every few seconds.
                tell = _log.debug if job.key == RECURRING_KEY else _log.info
                tell("jobs.job.done", job=job.id, kind=job.kind, attempts=job.attempts, took_ms=took_ms)
            else:
                _log.warning("jobs.job.failed", job=job.id, kind=job.kind, attempts=job.attempts, error=error)
                queue.fail(connection, job, error=error, retry_at=_retry_at(job, now), now=now)

    def _attempt(self, job: Job) -> str | None:
        """Run the handler with its lease kept, and return what went wrong, if anything."""
        handler = self._handlers.get(job.kind)
        if handler is None:
            return f"no handler for jobs of kind '{job.kind}'"
        assert job.lease is not None, "a claimed job has a lease"
        now = self._clock.now()
        with self._held_lock:
            self._held[job.lease] = (now, now)
        try:
            handler(job)
        except Exception as failure:  # noqa: BLE001  # whatever it was, it is kept with the job and tried again
            return f"{type(failure).__name__}: {failure}"
        finally:
            with self._held_lock:
                del self._held[job.lease]
        return None

    def _purge(self, _: Job) -> None:
        """Delete done jobs that nobody will ask about any more."""
        before = Instant(self._clock.now() - _KEEP_US)
        while True:
            with self._database.write() as connection:
                if not queue.purge(connection, before=before):
                    return


def _retry_at(job: Job, now: Instant) -> Instant | None:
    if job.attempts >= ATTEMPTS_MAX:
        return None
    return Instant(now + min(_PAUSE_FIRST_US * 2 ** (job.attempts - 1), _PAUSE_MAX_US))
