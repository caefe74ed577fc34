"""The rows of refunds: insert, read, change step by step, lease. Functions work in the caller's transaction.

Owns: the tables `refund` and `refund_step`. Refuses to know: what a step means.
D1  a change names the version it was decided on; if another process was faster, nothing is written (`Overtaken`).
D2  every change is kept as a step, which the database refuses to alter.
D3  one refund per caller's key and per refund at Stripe: by unique indexes, not by looking first.
"""

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, and_, insert, select, update

from ileen.base.clock import Instant
from ileen.base.errors import KeyReused, NotFound
from ileen.base.ids import AccountId, PurchaseId, RefundId, is_id
from ileen.payments.records import Overtaken
from ileen.payments.refunds.model import ENDED, Refund, RefundState, Step
from ileen.store.bulk import insert_new
from ileen.store.schema import purchase as purchases
from ileen.store.schema import refund as table
from ileen.store.schema import refund_step as steps

_DUE_MAX: Final = 200


def lock_purchase(connection: Connection, id_: PurchaseId) -> None:
    """Keep others from beginning refunds of a purchase until the transaction ends. Locks: the purchase's row."""
    connection.execute(select(purchases.c.id).where(purchases.c.id == id_).with_for_update()).one()


def add(connection: Connection, refund: Refund, *, step: str) -> Refund | None:
    """Insert a refund; None if there is one of the same key, or of the same refund at Stripe."""
    if not insert_new(connection, table, msgspec.to_builtins(refund)):
        return None
    _keep_step(connection, refund, step=step, at=refund.created_at, by=refund.by, key=refund.key, detail=refund.reason)
    return refund


def of_key(connection: Connection, account: AccountId, *, key: str, fingerprint: str) -> Refund | None:
    """Return the refund a caller's key was answered with. Raises: KeyReused."""
    found = _one(connection, and_(table.c.account_id == account, table.c.key == key))
    if found is not None and found.fingerprint != fingerprint:
        raise KeyReused
    return found


def get(connection: Connection, id_: str) -> Refund:
    """Return a refund. Raises: NotFound."""
    found = lookup(connection, id_)
    if found is None:
        raise NotFound(what="refund", id=id_[:64])
    return found


def lookup(connection: Connection, id_: str) -> Refund | None:
    """Return a refund if there is one of that id."""
    return _one(connection, table.c.id == id_) if is_id(id_, "ref") else None


def of_stripe(connection: Connection, stripe_id: str) -> Refund | None:
    """Return the refund that is known at Stripe by this id."""
    return _one(connection, table.c.stripe_id == stripe_id)


def of_purchase(connection: Connection, id_: PurchaseId) -> list[Refund]:
    """Return all refunds of a purchase, oldest first."""
    query = select(table).where(table.c.purchase_id == id_).order_by(table.c.id)
    return [_refund(row) for row in connection.execute(query)]


def of_account(
    connection: Connection, account: AccountId, *, limit: int, before: RefundId | None = None
) -> list[Refund]:
    """Return an account's refunds, newest first."""
    query = select(table).where(table.c.account_id == account).order_by(table.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.id < before)
    return [_refund(row) for row in connection.execute(query)]


def newest(connection: Connection, *, state: RefundState | None, limit: int) -> list[Refund]:
    """Return the newest refunds of all accounts, in all states unless one is named."""
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(table.c.state == state.value)
    return [_refund(row) for row in connection.execute(query)]


def steps_of(connection: Connection, id_: RefundId) -> list[Step]:
    """Return everything that was decided about a refund, in order."""
    found = connection.execute(select(steps).where(steps.c.refund_id == id_).order_by(steps.c.version))
    return [msgspec.convert(row, type=Step, from_attributes=True) for row in found]


def change(
    connection: Connection,
    refund: Refund,
    *,
    step: str,
    at: Instant,
    by: str,
    key: str | None = None,
    detail: str | None = None,
    **values: Any,
) -> Refund:
    """Change a refund and keep the step; `values` name columns. Raises: Overtaken."""
    changed = msgspec.structs.replace(refund, version=refund.version + 1, **values)
    if changed.state in ENDED and changed.ended_at is None:
        changed = msgspec.structs.replace(changed, ended_at=at)
    mine = and_(table.c.id == refund.id, table.c.version == refund.version)
    done = connection.execute(update(table).where(mine).values(msgspec.to_builtins(changed)))
    if done.rowcount != 1:
        raise Overtaken
    _keep_step(connection, changed, step=step, at=at, by=by, key=key, detail=detail)
    return changed


def lease(connection: Connection, id_: str, *, now: Instant, until: Instant) -> Refund | None:
    """Take a refund for oneself until an instant; None if another process has it. Locks: its row."""
    free = and_(table.c.id == id_, table.c.leased_until <= now)
    taken = {"leased_until": until, "look_at": until, "version": table.c.version + 1}
    row = connection.execute(update(table).where(free).values(taken).returning(table)).one_or_none()
    return None if row is None else _refund(row)


def release(connection: Connection, refund: Refund, *, look_at: Instant | None) -> None:
    """Give a refund back, to be looked at again at an instant or never; a nudge meanwhile is not lost."""
    mine = and_(table.c.id == refund.id, table.c.version == refund.version)
    connection.execute(update(table).where(mine).values(leased_until=0))
    unnudged = and_(mine, table.c.look_at == refund.look_at)
    connection.execute(update(table).where(unnudged).values(look_at=look_at))


def nudge(connection: Connection, id_: RefundId, *, now: Instant) -> None:
    """Have a refund looked at as soon as nobody has it."""
    connection.execute(update(table).where(table.c.id == id_).values(look_at=now))


def due(connection: Connection, *, now: Instant) -> list[RefundId]:
    """Return the refunds to be looked at now that nobody has, longest overdue first."""
    waits = and_(table.c.look_at <= now, table.c.leased_until <= now)
    query = select(table.c.id).where(waits).order_by(table.c.look_at).limit(_DUE_MAX)
    return [RefundId(row.id) for row in connection.execute(query)]


def _keep_step(
    connection: Connection, refund: Refund, *, step: str, at: Instant, by: str, key: str | None, detail: str | None
) -> None:
    row = {"refund_id": refund.id, "version": refund.version, "at": at, "state": refund.state.value, "step": step}
    connection.execute(insert(steps).values(row | {"by": by, "key": key, "detail": detail}))


def _one(connection: Connection, condition: Any) -> Refund | None:
    row = connection.execute(select(table).where(condition)).one_or_none()
    return None if row is None else _refund(row)


def _refund(row: Row[Any]) -> Refund:
    return msgspec.convert(row, type=Refund, from_attributes=True)
