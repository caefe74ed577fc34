"""The book of notices: owed, sent, failed. Each function works inside a transaction the caller opened."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ileen import jobs
from ileen.base.address import address
from ileen.base.clock import Instant
from ileen.base.errors import NotFound
from ileen.base.ids import Ids
from ileen.catalogue import locale_of
from ileen.notices.kinds import KINDS, check
from ileen.store.schema import notice as table

JOB: Final = "notice.send"
"""The kind of job that sends a notice."""
_INVALID: Final = "the address is not one that mail can be sent to"


class NoticeState(StrEnum):
    """A notice is owed until it is sent, or has failed for good."""

    OWED = "owed"
    SENT = "sent"
    FAILED = "failed"


class Notice(Struct, frozen=True, kw_only=True):
    """One mail. `facts` hold no secrets; `secrets` are the links with tokens, None once blanked."""

    id: str
    account_id: str | None
    kind: str
    key: str
    to: str
    locale: str
    facts: dict[str, str]
    secrets: dict[str, str] | None
    state: NoticeState
    created_at: Instant
    ended_at: Instant | None
    error: str | None


def owe(
    connection: Connection,
    *,
    ids: Ids,
    now: Instant,
    kind: str,
    account_id: str | None,
    to: str | None,
    locale: str | None,
    values: Mapping[str, str],
    key: str,
) -> str:
    """Owe a mail in the caller's transaction and return its id; the same `key` owes nothing more.

    `values` are those `KINDS[kind]` declares. A wrong address does not raise, because money may depend on this
    transaction: the notice has then failed, visibly. Raises: ValuesWrong, a mistake in the program.
    """
    facts, secrets = check(kind, values)
    recipient = address(to or "")
    id_ = ids.mint("notice")
    row = {
        "id": id_,
        "account_id": account_id,
        "kind": kind,
        "key": key,
        "recipient": recipient or "",
        "locale": locale_of(locale),
        "facts": msgspec.json.encode(facts).decode(),
        "secrets": msgspec.json.encode(secrets).decode() if secrets and recipient else None,
        "state": NoticeState.OWED.value if recipient else NoticeState.FAILED.value,
        "created_at": now,
        "ended_at": None if recipient else now,
        "error": None if recipient else _INVALID,
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = connection.execute(insert(table).values(row).on_conflict_do_nothing().returning(table.c.id))
    if added.scalar_one_or_none() is None:
        return connection.execute(select(table.c.id).where(table.c.key == key)).scalar_one()
    if recipient:
        jobs.enqueue(connection, ids=ids, kind=JOB, payload={"notice": id_}, now=now, key=id_)
    return id_


def get(connection: Connection, notice_id: str) -> Notice:
    """Return a notice. Raises: NotFound."""
    row = connection.execute(select(table).where(table.c.id == notice_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no notice '{notice_id}'.", what="notice", id=notice_id)
    return _notice(row)


def find(
    connection: Connection, *, state: NoticeState | None = None, account_id: str | None = None, limit: int = 100
) -> list[Notice]:
    """Return notices, newest first, of one state or account if named."""
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(table.c.state == state.value)
    if account_id is not None:
        query = query.where(table.c.account_id == account_id)
    return [_notice(row) for row in connection.execute(query)]


def sent(connection: Connection, notice_id: str, *, now: Instant) -> None:
    """Record that a notice went out, and blank its secrets."""
    _end(connection, notice_id, NoticeState.SENT, now=now, error=None)


def failed(connection: Connection, notice_id: str, *, error: str, now: Instant) -> None:
    """Record that a notice will not go out by itself, and blank its secrets."""
    _end(connection, notice_id, NoticeState.FAILED, now=now, error=error)


def reopen(connection: Connection, notice_id: str, *, ids: Ids, now: Instant) -> None:
    """Owe a failed notice again.

    Raises: NotFound if there is no failed notice of that id, if its address is none, or if its link was blanked.
    """
    revived = connection.execute(
        update(table)
        .where(
            table.c.id == notice_id,
            table.c.state == NoticeState.FAILED.value,
            table.c.recipient != "",
            table.c.kind.not_in([name for name, kind in KINDS.items() if kind.secrets]),
        )
        .values(state=NoticeState.OWED.value, ended_at=None, error=None)
    )
    if not revived.rowcount:
        raise NotFound(f"There is no failed notice '{notice_id}' that can be sent.", what="notice", id=notice_id)
    jobs.enqueue(connection, ids=ids, kind=JOB, payload={"notice": notice_id}, now=now, key=notice_id)


def _end(connection: Connection, notice_id: str, state: NoticeState, *, now: Instant, error: str | None) -> None:
    connection.execute(
        update(table)
        .where(table.c.id == notice_id, table.c.state != NoticeState.SENT.value)
        .values(state=state.value, ended_at=now, error=error, secrets=None)
    )


def _notice(row: Row[tuple[object, ...]]) -> Notice:
    return Notice(
        id=row.id,
        account_id=row.account_id,
        kind=row.kind,
        key=row.key,
        to=row.recipient,
        locale=row.locale,
        facts=msgspec.json.decode(row.facts, type=dict[str, str]),
        secrets=None if row.secrets is None else msgspec.json.decode(row.secrets, type=dict[str, str]),
        state=NoticeState(row.state),
        created_at=row.created_at,
        ended_at=row.ended_at,
        error=row.error,
    )
