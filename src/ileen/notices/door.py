"""The door of the room: owes, sends what is owed, and shows what was."""

from collections.abc import Mapping
from typing import Final

import structlog
from sqlalchemy import Connection

from ileen import jobs
from ileen.base import crash
from ileen.base.clock import Clock, to_text
from ileen.base.ids import Ids
from ileen.jobs import Handler, Job
from ileen.notices import book
from ileen.notices.book import JOB, Notice, NoticeState
from ileen.notices.kinds import KINDS
from ileen.notices.post import Mailer, MailRefused
from ileen.notices.render import render
from ileen.store.engine import Database

_BLANKED: Final = "its link was blanked; it has to be asked for again"
_log = structlog.get_logger()


class Notices:
    """Mails of one Ileen. Thread-safe."""

    def __init__(self, database: Database, *, mailer: Mailer, operator: str, clock: Clock, ids: Ids) -> None:
        self._database, self._mailer, self._operator = database, mailer, operator
        self._clock, self._ids = clock, ids

    def handlers(self) -> Mapping[str, Handler]:
        """Return the jobs of this room."""
        return {JOB: self._send}

    def owe(
        self,
        connection: Connection,
        *,
        kind: str,
        account_id: str | None,
        to: str,
        locale: str,
        values: Mapping[str, str],
        key: str,
    ) -> None:
        """Owe a mail in the caller's transaction; see `book.owe`."""
        book.owe(
            connection,
            ids=self._ids,
            now=self._clock.now(),
            kind=kind,
            account_id=account_id,
            to=to,
            locale=locale,
            values=values,
            key=key,
        )

    def alarm(self, connection: Connection, *, summary: str, detail: str, key: str) -> None:
        """Log an alarm and owe the operator a mail about it in the caller's transaction, if they gave an address.

        `summary` is one line, `detail` some, both in English and without secrets; the same `key` is mailed once.
        """
        _log.error("notices.alarm.raised", summary=summary, detail=detail, key=key)
        if not self._operator:
            return
        at = to_text(self._clock.now())
        values = {"summary": summary, "detail": detail, "at": at, "time_zone": "UTC", "link": "/"}
        self.owe(connection, kind="alarm", account_id=None, to=self._operator, locale="en", values=values, key=key)

    def get(self, notice_id: str) -> Notice:
        """Return a notice. Raises: NotFound."""
        with self._database.read() as connection:
            return book.get(connection, notice_id)

    def find(
        self, *, state: NoticeState | None = None, account_id: str | None = None, limit: int = 100
    ) -> list[Notice]:
        """Return notices, newest first, of one state or account if named."""
        with self._database.read() as connection:
            return book.find(connection, state=state, account_id=account_id, limit=limit)

    def resend(self, notice_id: str) -> None:
        """Owe a failed notice again. Raises: NotFound if there is none that can be sent."""
        with self._database.write() as connection:
            book.reopen(connection, notice_id, ids=self._ids, now=self._clock.now())

    def _send(self, job: Job) -> None:
        notice = self.get(job.payload["notice"])
        if notice.state is NoticeState.SENT:
            return
        if KINDS[notice.kind].secrets and notice.secrets is None:
            self._fail(notice, notice.error or _BLANKED)
            return
        try:
            self._mailer.send(notice, render(notice, self._mailer.house), now=self._clock.now())
        except MailRefused as refused:
            self._fail(notice, str(refused))
            return
        except Exception as error:
            # The last try: the job is laid aside after it, and a link must not be kept for a mail that never goes.
            if job.attempts >= jobs.ATTEMPTS_MAX:
                self._fail(notice, f"{type(error).__name__}: {error}")
            raise
        crash.point("notices.sent")
        with self._database.write() as connection:
            book.sent(connection, notice.id, now=self._clock.now())
        _log.info("notices.notice.sent", notice=notice.id, kind=notice.kind)

    def _fail(self, notice: Notice, error: str) -> None:
        with self._database.write() as connection:
            book.failed(connection, notice.id, error=error, now=self._clock.now())
        _log.warning("notices.notice.failed", notice=notice.id, kind=notice.kind, error=error)
