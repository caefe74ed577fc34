"""The rows of purchases: insert, read, change step by step, lease. Functions work in the caller's transaction.

Owns: the tables `purchase`, `purchase_step`, `purchase_key`. Refuses to know: what a step means.
D1  a change names the version it was decided on; if another process was faster, nothing is written (`Overtaken`).
D2  every change is kept as a step, which the database refuses to alter.
D3  one open purchase per account, and one purchase per idempotency key: by unique indexes, not by looking first.
"""

from collections.abc import Generator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Insert, Row, and_, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ileen.base.clock import Instant, to_instant
from ileen.base.errors import KeyReused, NotFound
from ileen.base.ids import AccountId, PurchaseId, is_id
from ileen.payments.model import ENDED, PurchaseState
from ileen.payments.rules import Record
from ileen.store.engine import byte_order
from ileen.store.schema import purchase as table
from ileen.store.schema import purchase_key as keys
from ileen.store.schema import purchase_step as steps

_DUE_MAX: Final = 200
_STREAMED: Final = {"stream_results": True, "yield_per": 500}


class Overtaken(Exception):  # not an error: somebody else did it
    """Another process changed the purchase since it was read."""


def add(connection: Connection, record: Record, *, key: str, fingerprint: bytes, now: Instant) -> Record:
    """Insert a purchase, or return the one that was there: by the same key, else the account's open one.

    The key is bound to whichever it is, so that repeating it answers the same for ever.
    Raises: KeyReused, Overtaken (the open one ended this moment; try again).
    """
    known = of_key(connection, record.account_id, key=key, fingerprint=fingerprint)
    if known is not None:
        return known
    inserted = connection.execute(
        _insert(connection, table).values(msgspec.to_builtins(record)).on_conflict_do_nothing().returning(table.c.id)
    ).scalar_one_or_none()
    kept = record if inserted is not None else open_of(connection, record.account_id)
    if kept is None:
        raise Overtaken
    bind(connection, kept, key=key, fingerprint=fingerprint, now=now)
    if inserted is not None:
        _keep_step(connection, record, step="quote", at=now, key=key, detail=None)
    return kept


def join(connection: Connection, account: AccountId, *, key: str, fingerprint: bytes, now: Instant) -> Record | None:
    """Return the purchase this key belongs to, or bind it to the open one; None if there is neither.

    An open one that gives way is as good as none. Raises: KeyReused, Overtaken.
    """
    known = of_key(connection, account, key=key, fingerprint=fingerprint)
    if known is not None:
        return known
    under_way = open_of(connection, account)
    if under_way is None or under_way.gives_way:
        return None
    bind(connection, under_way, key=key, fingerprint=fingerprint, now=now)
    return under_way


def of_key(connection: Connection, account: AccountId, *, key: str, fingerprint: bytes) -> Record | None:
    """Return the purchase an idempotency key was answered with. Raises: KeyReused."""
    query = select(keys).where(keys.c.account_id == account, keys.c.key == key)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise KeyReused
    return get(connection, PurchaseId(row.purchase_id))


def open_of(connection: Connection, account: AccountId) -> Record | None:
    """Return the account's one purchase that has not ended."""
    is_open = table.c.state.not_in([state.value for state in ENDED])
    row = connection.execute(select(table).where(table.c.account_id == account, is_open)).one_or_none()
    return None if row is None else _record(row)


def get(connection: Connection, id_: PurchaseId) -> Record:
    """Return a purchase. Raises: NotFound."""
    found = lookup(connection, id_)
    if found is None:
        raise NotFound(what="purchase", id=id_)
    return found


def lookup(connection: Connection, id_: str) -> Record | None:
    """Return a purchase if there is one of that id."""
    row = None
    if is_id(id_, "pur"):
        row = connection.execute(select(table).where(table.c.id == id_)).one_or_none()
    return None if row is None else _record(row)


def of_invoice(connection: Connection, invoice_id: str) -> Record | None:
    """Return the purchase an invoice belongs to."""
    row = connection.execute(select(table).where(table.c.invoice_id == invoice_id)).one_or_none()
    return None if row is None else _record(row)


def of_intent(connection: Connection, intent_id: str) -> Record | None:
    """Return the purchase that a payment at Stripe has paid."""
    row = connection.execute(select(table).where(table.c.intent_id == intent_id)).one_or_none()
    return None if row is None else _record(row)


def of_account(
    connection: Connection, account: AccountId, *, limit: int, before: PurchaseId | None = None
) -> list[Record]:
    """Return an account's purchases, newest first."""
    query = select(table).where(table.c.account_id == account).order_by(table.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.id < before)
    return [_record(row) for row in connection.execute(query)]


def newest(
    connection: Connection, *, account: AccountId | None, state: PurchaseState | None, limit: int
) -> list[Record]:
    """Return the newest purchases, of all accounts and in all states unless one is named."""
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if account is not None:
        query = query.where(table.c.account_id == account)
    if state is not None:
        query = query.where(table.c.state == state.value)
    return [_record(row) for row in connection.execute(query)]


def created_page(
    connection: Connection, since: Instant, until: Instant, *, after: PurchaseId | None, limit: int
) -> list[Record]:
    """Return some purchases recorded in a span of time, `until` excluded, in the order of their ids."""
    span = and_(table.c.created_at >= since, table.c.created_at < until)
    id_ = byte_order(connection, table.c.id)
    query = select(table).where(span).order_by(id_).limit(limit)
    if after is not None:
        query = query.where(id_ > after)
    return [_record(row) for row in connection.execute(query)]


def paid_around(connection: Connection, day: date, *, email: str) -> list[Record]:
    """Return the settled purchases of an address that were paid on a day in any time zone of the world."""
    start = to_instant(datetime.combine(day, time(), UTC) - timedelta(hours=14))
    end = to_instant(datetime.combine(day, time(), UTC) + timedelta(hours=24 + 12))
    span = and_(table.c.paid_at >= start, table.c.paid_at < end, table.c.state == PurchaseState.SETTLED.value)
    theirs = func.lower(table.c.email) == email.lower()
    return [_record(row) for row in connection.execute(select(table).where(span, theirs).order_by(table.c.id))]


def stream(connection: Connection, *, since: Instant | None = None, until: Instant | None = None) -> Generator[Record]:
    """Stream all purchases, or those of a span of time, in the order of their ids, a page in memory; close it after."""
    query = select(table).order_by(byte_order(connection, table.c.id))
    if since is not None:
        query = query.where(table.c.created_at >= since)
    if until is not None:
        query = query.where(table.c.created_at < until)
    with connection.execute(query, execution_options=_STREAMED) as found:
        for row in found:
            yield _record(row)


def change(
    connection: Connection,
    record: Record,
    *,
    step: str,
    at: Instant,
    key: str | None = None,
    detail: str | None = None,
    **values: Any,
) -> Record:
    """Change a purchase and keep the step; `values` name columns. Raises: Overtaken."""
    changed = msgspec.structs.replace(record, version=record.version + 1, **values)
    mine = and_(table.c.id == record.id, table.c.version == record.version)
    columns = {name: _plain(value) for name, value in values.items()}
    done = connection.execute(update(table).where(mine).values(columns | {"version": changed.version}))
    if done.rowcount != 1:
        raise Overtaken
    _keep_step(connection, changed, step=step, at=at, key=key, detail=detail)
    return changed


def lease(connection: Connection, id_: PurchaseId, *, now: Instant, until: Instant) -> Record | None:
    """Take a purchase for oneself until an instant; None if another process has it. Locks: its row.

    Nothing is decided by taking it, so no step is kept; the version moves on, so that whoever had it before is
    overtaken.
    """
    free = and_(table.c.id == id_, table.c.leased_until <= now)
    taken = {"leased_until": until, "look_at": until, "version": table.c.version + 1}
    row = connection.execute(update(table).where(free).values(taken).returning(table)).one_or_none()
    return None if row is None else _record(row)


def release(connection: Connection, record: Record, *, look_at: Instant | None) -> None:
    """Give a purchase back, to be looked at again at an instant or never; a nudge meanwhile is not lost."""
    mine = and_(table.c.id == record.id, table.c.version == record.version)
    connection.execute(update(table).where(mine).values(leased_until=0))
    unnudged = and_(mine, table.c.look_at == record.look_at)
    connection.execute(update(table).where(unnudged).values(look_at=look_at))


def nudge(connection: Connection, id_: PurchaseId, *, now: Instant) -> None:
    """Have a purchase looked at as soon as nobody has it."""
    connection.execute(update(table).where(table.c.id == id_).values(look_at=now))


def due(connection: Connection, *, now: Instant) -> list[PurchaseId]:
    """Return the purchases to be looked at now that nobody has, longest overdue first."""
    query = (
        select(table.c.id)
        .where(table.c.look_at <= now, table.c.leased_until <= now)
        .order_by(table.c.look_at)
        .limit(_DUE_MAX)
    )
    return [PurchaseId(row.id) for row in connection.execute(query)]


def steps_of(connection: Connection, id_: PurchaseId) -> list[Row[Any]]:
    """Return everything that was decided about a purchase, in order."""
    return list(connection.execute(select(steps).where(steps.c.purchase_id == id_).order_by(steps.c.version)))


def bind(connection: Connection, record: Record, *, key: str, fingerprint: bytes, now: Instant) -> None:
    """Have an idempotency key answered with a purchase from now on. Raises: Overtaken."""
    row = {"account_id": record.account_id, "key": key, "fingerprint": fingerprint, "purchase_id": record.id}
    bound = connection.execute(
        _insert(connection, keys).values(row | {"created_at": now}).on_conflict_do_nothing().returning(keys.c.key)
    ).scalar_one_or_none()
    if bound is None:  # the same key, at the same moment, for another purchase: what it was bound to counts
        raise Overtaken


def _keep_step(
    connection: Connection, record: Record, *, step: str, at: Instant, key: str | None, detail: str | None
) -> None:
    row = {"purchase_id": record.id, "version": record.version, "at": at, "state": record.state.value, "step": step}
    connection.execute(insert(steps).values(row | {"key": key, "detail": detail}))


def _insert(connection: Connection, into: Any) -> Any:
    """Return an insert that can leave conflicts alone, as each database spells it."""
    made: Insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(into)
    return made


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _record(row: Row[Any]) -> Record:
    return msgspec.convert(row, type=Record, from_attributes=True)
