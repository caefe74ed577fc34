"""The poller: leaves no purchase in an open state, whatever died and whatever Stripe's webhooks missed.

Owns: two kinds of jobs. `payments.sweep`, due every few seconds, finds the purchases to be looked at that nobody has
and gives each a `payments.drive`, which reads it at Stripe and carries it on.
"""

from typing import Final

from ileen import jobs
from ileen.base.clock import Clock
from ileen.base.ids import Ids, PurchaseId
from ileen.jobs import Job
from ileen.payments import records
from ileen.payments.machine import DRIVE, Machine
from ileen.store.engine import Database

SWEEP: Final = "payments.sweep"
SWEEP_EVERY_S: Final = 5


class Poller:
    """Handlers of the poller's jobs."""

    def __init__(self, database: Database, machine: Machine, *, clock: Clock, ids: Ids) -> None:
        self._database, self._machine, self._clock, self._ids = database, machine, clock, ids

    def sweep(self, _: Job) -> None:
        """Give every purchase that is due a job of its own, so that a slow one keeps no other waiting."""
        now = self._clock.now()
        with self._database.read() as connection:  # mostly there is none, and nobody who writes should wait for that
            due = records.due(connection, now=now)
        if not due:
            return
        with self._database.write() as connection:
            for id_ in due:
                jobs.enqueue(connection, ids=self._ids, kind=DRIVE, payload={"purchase": id_}, now=now, key=id_)

    def drive(self, job: Job) -> None:
        """Carry one purchase on. If another process has it, it stays due and the next sweep finds it."""
        self._machine.drive(PurchaseId(job.payload["purchase"]))
