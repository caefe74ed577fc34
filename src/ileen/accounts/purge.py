"""Purging: rows of this room that have had their time are deleted; who did what stays in the audit events.

Owns: how long ended sessions, used or expired links, sign-ups, invitations and sign-in flows are kept.
Refuses to know: what they mean. A row that is gone answers exactly as one that has ended, so deleting changes nothing.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, or_

from ileen.accounts.sessions import IDLE_S
from ileen.base.clock import SECOND, Instant
from ileen.store import schema

KEPT_S: Final = 24 * 3600
"""How long a row outlives its end: a day to look into what went wrong. Networks and addresses are not for keeping."""


def purge(connection: Connection, *, now: Instant) -> None:
    """Delete what ended more than `KEPT_S` ago, in the caller's transaction."""
    before = now - KEPT_S * SECOND
    for table, ended in _ended(before):
        connection.execute(delete(table).where(ended))


def _ended(before: int) -> list[tuple[Any, ColumnElement[bool]]]:
    session, link, sign_up = schema.session.c, schema.mail_link.c, schema.sign_up.c
    invitation, ui_session, flow = schema.invitation.c, schema.ui_session.c, schema.oidc_flow.c
    unused = session.last_seen_at < before - IDLE_S * SECOND
    answered = or_(invitation.accepted_at < before, invitation.revoked_at < before)
    return [
        (schema.session, or_(session.expires_at < before, session.ended_at < before, unused)),
        (schema.mail_link, or_(link.expires_at < before, link.used_at < before)),
        (schema.sign_up, or_(sign_up.expires_at < before, sign_up.used_at < before)),
        (schema.invitation, or_(invitation.expires_at < before, answered)),
        (schema.ui_session, or_(ui_session.expires_at < before, ui_session.revoked_at < before)),
        (schema.oidc_flow, flow.expires_at < before),
    ]
