"""Durable jobs in our own database: work that must happen, once it was decided, whatever dies in between.

Owns: the table `job`. Refuses to know: what any kind of job does; handlers are given by name.
J1  a job is enqueued inside the caller's transaction: it exists if and only if what caused it was committed.
J2  a job is run by one worker at a time: a lease of a minute, renewed while the handler runs, up to a quarter of an
    hour. A worker that dies loses its lease, and another runs the job again. Handlers must therefore be idempotent.
J3  at most one open job per kind and key; enqueuing another is a no-op that returns the open one.
J4  a failing job is tried again with doubling pauses, then laid aside as dead, visible, to be retried by hand.
J5  a recurring job is enqueued once per time slot, however many processes keep the schedule.
"""

from ileen.jobs.queue import (
    Counts,
    Job,
    JobState,
    claim,
    counts,
    dead,
    enqueue,
    find,
    finish,
    get,
    is_open,
    purge,
    retry,
    retry_all,
)
from ileen.jobs.schedule import Recurring, Schedule, daily, every, reach, reached
from ileen.jobs.worker import ATTEMPTS_MAX, HANDLER_S_MAX, Handler, Worker

__all__ = [
    "ATTEMPTS_MAX",
    "HANDLER_S_MAX",
    "Counts",
    "Handler",
    "Job",
    "JobState",
    "Recurring",
    "Schedule",
    "Worker",
    "claim",
    "counts",
    "daily",
    "dead",
    "enqueue",
    "every",
    "find",
    "finish",
    "get",
    "is_open",
    "purge",
    "reach",
    "reached",
    "retry",
    "retry_all",
]
