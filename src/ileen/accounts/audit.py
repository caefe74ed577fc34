"""Audit events: who did what, kept for good.

Owns: the table `audit_event`, append-only (the database refuses changes). Other rooms write through `note`, inside
the transaction of what they note, so that an event exists if and only if its action was committed.
Refuses to know: what the actions of other rooms mean. An action is named `thing.verb`, in the past tense.
Never put secrets, passwords, tokens or card numbers into `detail`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, insert, select

from ileen.base.clock import Instant
from ileen.base.ids import AccountId, Ids
from ileen.store.schema import audit_event as table

OPERATOR: Final = "operator"
"""The actor of what is done on the command line."""
SYSTEM: Final = "system"
"""The actor of what Ileen does by itself: a job, a webhook."""

_ACTION: Final = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")
_DETAIL_CHARACTERS_MAX: Final = 500


class AuditEvent(Struct, frozen=True, kw_only=True):
    """One thing that was done. `actor` is the id of a member, person, key, host key or UI session, or a fixed word."""

    id: str
    at: Instant
    account: AccountId | None
    actor: str
    action: str
    subject: str
    detail: dict[str, str]


def note(
    connection: Connection,
    *,
    ids: Ids,
    now: Instant,
    actor: str,
    action: str,
    subject: str,
    account_id: AccountId | None = None,
    detail: Mapping[str, str] | None = None,
) -> str:
    """Add an event to the caller's transaction and return its id.

    `actor` is who acted (`mem_…`, `per_…`, `key_…`, `hk_…`, `uis_…`, OPERATOR or SYSTEM), `action` what was done
    (`key.created`), `subject` the id of the thing it was done to. Texts in `detail` are cut to 500 characters.
    """
    assert _ACTION.fullmatch(action), f"an action is named thing.verb, not '{action}'"
    assert actor and subject, "an event names who acted and on what"
    kept = {name: text[:_DETAIL_CHARACTERS_MAX] for name, text in (detail or {}).items()}
    row = {
        "id": ids.mint("evt"),
        "at": now,
        "account_id": account_id,
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": msgspec.json.encode(kept).decode(),
    }
    connection.execute(insert(table).values(row))
    return str(row["id"])


def events(connection: Connection, *, account_id: AccountId, limit: int, before: str | None = None) -> list[AuditEvent]:
    """Return an account's events, newest first; `before` is the id of the last one of the page before."""
    query = select(table).where(table.c.account_id == account_id).order_by(table.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.id < before)
    return [_event(row) for row in connection.execute(query)]


def actor_of(connection: Connection, *, account_id: AccountId, action: str, subject: str) -> str | None:
    """Return who did `action` to `subject` last, None if nobody did."""
    mine = (table.c.account_id == account_id) & (table.c.action == action) & (table.c.subject == subject)
    return connection.execute(select(table.c.actor).where(mine).order_by(table.c.id.desc()).limit(1)).scalar()


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        id=row.id,
        at=row.at,
        account=row.account_id,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        detail=msgspec.json.decode(row.detail, type=dict[str, str]),
    )
