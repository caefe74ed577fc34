"""What every part of the people's side of `accounts` works with, as one value, and two shorthands over it.

Owns: nothing. Refuses to know: any rule.
"""

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Connection

from ileen import notices
from ileen.accounts import audit
from ileen.base.clock import SECOND, Clock, Instant, to_text
from ileen.base.ids import AccountId, Ids
from ileen.store.engine import Database


class Means(Struct, frozen=True, kw_only=True):
    """The database, the time and fresh ids."""

    database: Database
    clock: Clock
    ids: Ids

    def after(self, seconds: int) -> Instant:
        """Return the instant that is `seconds` from now."""
        return Instant(self.clock.now() + seconds * SECOND)

    def note(
        self,
        connection: Connection,
        action: str,
        subject: str,
        *,
        by: str,
        account: AccountId | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Add an audit event to the caller's transaction."""
        audit.note(
            connection,
            ids=self.ids,
            now=self.clock.now(),
            actor=by,
            action=action,
            subject=subject,
            account_id=account,
            detail=detail,
        )

    def mail(
        self,
        connection: Connection,
        kind: str,
        *,
        to: str,
        locale: str,
        time_zone: str,
        key: str,
        values: Mapping[str, str],
        account: AccountId | None = None,
    ) -> None:
        """Owe a mail in the caller's transaction; once per `key`."""
        notices.owe(
            connection,
            ids=self.ids,
            now=self.clock.now(),
            kind=kind,
            account_id=account,
            to=to,
            locale=locale,
            values={**values, "time_zone": time_zone},
            key=key,
        )

    def mail_link(
        self,
        connection: Connection,
        kind: str,
        *,
        to: str,
        locale: str,
        time_zone: str,
        id_: str,
        path: str,
        expires_at: Instant,
    ) -> None:
        """Owe a mail with a link that works once. The notice keeps the link until it is sent, then blanks it."""
        values = {"link": path, "expires_at": to_text(expires_at)}
        self.mail(connection, kind, to=to, locale=locale, time_zone=time_zone, key=f"{kind}:{id_}", values=values)
