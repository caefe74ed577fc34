"""Webhooks that did not arrive: read back at Stripe, into the same inbox.

Owns: the job `payments.missed`, due every minute, and how far it has come. Refuses to know: what events mean.
M1  how far it has come moves on only after every event before was stored, or together with a job for the rest of them;
    after a crash some are read twice, and the inbox counts each once.
M2  a run reads so many pages and no more; the rest is a job of its own, which goes on where the run stopped.
"""

from typing import Final

import structlog

from ileen import jobs
from ileen.base import crash
from ileen.base.clock import SECOND, Clock
from ileen.base.errors import StripeUnavailable
from ileen.base.ids import Ids
from ileen.jobs import Job
from ileen.payments.inbox import Inbox
from ileen.payments.stripe import Stripe, events
from ileen.payments.stripe.setting_up import EVENTS
from ileen.store.engine import Database

MISSED: Final = "payments.missed"
MISSED_EVERY_S: Final = 60

_REACHED: Final = "payments.missed:created_s"
_FIRST_S: Final = 3 * 86_400
"""How far back the first run looks: as long as Stripe itself repeats a webhook."""
_OVERLAP_S: Final = 600
"""What is read again each time: an event may become visible after later ones, and clocks differ."""
_GRACE_S: Final = 60
"""How long a webhook may be on its way before it counts as missed."""
_PAGE: Final = 100
_PAGES_MAX: Final = 20

_log = structlog.get_logger()


class Missed:
    """Handles the job."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        *,
        stripe: Stripe,
        clock: Clock,
        ids: Ids,
        page: int = _PAGE,
        pages_max: int = _PAGES_MAX,
    ) -> None:
        """`page` is how many events are read at once, `pages_max` how many pages in one run."""
        self._database, self._inbox, self._stripe, self._clock, self._ids = database, inbox, stripe, clock, ids
        self._page, self._pages_max = page, pages_max

    def fetch(self, job: Job) -> None:
        """Store the events since the last run that were not delivered, or go on with what an earlier run left."""
        if "after" in job.payload:
            given = job.payload
            self._read(since_s=int(given["since_s"]), until_s=int(given["until_s"]), after=given["after"])
            return
        until_s = self._clock.now() // SECOND - _GRACE_S
        with self._database.read() as connection:
            reached = jobs.reached(connection, _REACHED)
        since_s = until_s - _FIRST_S if reached is None else reached - _OVERLAP_S
        try:
            self._read(since_s=since_s, until_s=until_s, after=None)
        except StripeUnavailable as error:  # the next run, in a minute, begins where this one did
            _log.warning("payments.missed.unread", error=error.detail)

    def _read(self, *, since_s: int, until_s: int, after: str | None) -> None:
        for _ in range(self._pages_max):
            page = events.undelivered(self._stripe, since_s=since_s, until_s=until_s, after=after, limit=self._page)
            stored = self._inbox.take([raw for type_, raw in page.events if type_ in EVENTS])
            if stored:
                _log.warning("payments.webhooks.missed", events=stored)
            crash.point("payments.missed.stored")
            after = page.last
            if after is None:
                break
        with self._database.write() as connection:
            jobs.reach(connection, _REACHED, until_s)
            if after is not None:
                rest = {"since_s": str(since_s), "until_s": str(until_s), "after": after}
                key, now = f"{until_s}:{after}", self._clock.now()
                jobs.enqueue(connection, ids=self._ids, kind=MISSED, payload=rest, now=now, key=key)
