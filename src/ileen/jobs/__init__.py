"""Durable jobs in our own database: work that must happen, once it was decided, whatever dies in between.

Owns: the table `job`. Refuses to know: what any kind of job does; handlers are given by name.
J1  a job is enqueued inside the caller's transaction: it exists if and only if what caused it was committed.
J2  a job is run by one worker at a time (a lease); a worker that dies loses its lease, and another runs it again.
    Handlers must therefore be idempotent.
J3  at most one open job per kind and key; enqueuing another is a no-op that returns the open one.
J4  a failing job is tried again with doubling pauses, then laid aside as dead, visible, to be retried by hand.
"""

from ileen.jobs.queue import Job, JobState, dead, enqueue, finish, retry
from ileen.jobs.worker import ATTEMPTS_MAX, Handler, Worker

__all__ = ["ATTEMPTS_MAX", "Handler", "Job", "JobState", "Worker", "dead", "enqueue", "finish", "retry"]
