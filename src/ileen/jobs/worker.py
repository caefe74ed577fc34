"""A worker: claims due jobs and runs their handlers, one transaction to claim, none while running, one to finish."""

from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Final

import structlog

from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.ids import Ids
from ileen.jobs import queue
from ileen.jobs.queue import Job
from ileen.store.engine import Database

ATTEMPTS_MAX: Final = 10
"""Tries before a job is laid aside; with the pauses below, a little over an hour and a half."""
_PAUSE_FIRST_US: Final = 5 * SECOND
_PAUSE_MAX_US: Final = 1800 * SECOND
_CLAIM_MAX: Final = 10

Handler = Callable[[Job], None]
"""Does a job's work. May be run again after a crash, so it must be idempotent; an exception means: try again later."""

_log = structlog.get_logger()


class Worker:
    """Runs jobs until stopped. Any number of workers, in any number of processes, share the queue."""

    def __init__(self, database: Database, handlers: Mapping[str, Handler], *, clock: Clock, ids: Ids) -> None:
        self._database, self._handlers, self._clock, self._ids = database, dict(handlers), clock, ids
        self._stopping = Event()
        self._thread: Thread | None = None

    def start(self, *, every_s: int = 1) -> None:
        """Work in a thread of its own, looking for due jobs every `every_s` seconds."""
        self._thread = Thread(target=self._work, args=(every_s,), name="ileen-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the job under way, then stop."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def run_due(self) -> int:
        """Claim and run what is due now; return how many jobs were run."""
        with self._database.write() as connection:
            jobs = queue.claim(connection, ids=self._ids, now=self._clock.now(), limit=_CLAIM_MAX)
        crash.point("jobs.claimed")
        for job in jobs:
            self._run(job)
        return len(jobs)

    def _work(self, every_s: int) -> None:
        while not self._stopping.is_set():
            try:
                idle = self.run_due() == 0
            except Exception:  # noqa: BLE001  # the database may be away; the worker must outlive that
                _log.warning("jobs.claim.failed", exc_info=True)
                idle = True
            if idle:
                self._stopping.wait(every_s)

    def _run(self, job: Job) -> None:
        handler = self._handlers.get(job.kind)
        error = None if handler else f"no handler for jobs of kind '{job.kind}'"
        try:
            if handler:
                handler(job)
        except Exception as failure:  # noqa: BLE001  # whatever it was, it is kept with the job and tried again
            error = f"{type(failure).__name__}: {failure}"
        crash.point("jobs.handled")
        now = self._clock.now()
        with self._database.write() as connection:
            if error is None:
                queue.finish(connection, job, now=now)
            else:
                _log.warning("jobs.job.failed", job=job.id, kind=job.kind, attempts=job.attempts, error=error)
                queue.fail(connection, job, error=error, retry_at=_retry_at(job, now), now=now)


def _retry_at(job: Job, now: Instant) -> Instant | None:
    if job.attempts >= ATTEMPTS_MAX:
        return None
    return Instant(now + min(_PAUSE_FIRST_US * 2 ** (job.attempts - 1), _PAUSE_MAX_US))
