"""The rows of disputes. Functions work in the caller's transaction.

Owns: the table `dispute`. Refuses to know: what a state means.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, select, update

from ileen.base.ids import AccountId, PurchaseId
from ileen.payments.disputes.model import Dispute, DisputeState
from ileen.payments.records import Overtaken
from ileen.store.bulk import insert_new
from ileen.store.schema import dispute as table


def add(connection: Connection, dispute: Dispute) -> bool:
    """Insert a dispute unless it is known; tell whether it was inserted."""
    return insert_new(connection, table, msgspec.to_builtins(dispute))


def change(connection: Connection, dispute: Dispute, **values: Any) -> Dispute:
    """Change a dispute; `values` name columns. Raises: Overtaken."""
    changed = msgspec.structs.replace(dispute, version=dispute.version + 1, **values)
    mine = and_(table.c.id == dispute.id, table.c.version == dispute.version)
    if connection.execute(update(table).where(mine).values(msgspec.to_builtins(changed))).rowcount != 1:
        raise Overtaken
    return changed


def lookup(connection: Connection, id_: str) -> Dispute | None:
    """Return a dispute if it is known."""
    row = connection.execute(select(table).where(table.c.id == id_)).one_or_none()
    return None if row is None else _dispute(row)


def of_purchase(connection: Connection, id_: PurchaseId) -> list[Dispute]:
    """Return all disputes of a purchase, oldest first."""
    query = select(table).where(table.c.purchase_id == id_).order_by(table.c.created_at, table.c.id)
    return [_dispute(row) for row in connection.execute(query)]


def open_of(connection: Connection, account: AccountId) -> list[Dispute]:
    """Return the account's disputes in which the bank has the money, oldest first."""
    mine = and_(table.c.account_id == account, table.c.state == DisputeState.OPEN.value)
    return [_dispute(row) for row in connection.execute(select(table).where(mine).order_by(table.c.created_at))]


def locked(connection: Connection) -> frozenset[AccountId]:
    """Return all accounts with an open dispute."""
    query = select(table.c.account_id).where(table.c.state == "open").distinct()
    return frozenset(AccountId(each) for each in connection.execute(query).scalars())


def newest(connection: Connection, *, state: DisputeState | None, limit: int) -> list[Dispute]:
    """Return the newest disputes of all accounts, in all states unless one is named."""
    query = select(table).order_by(table.c.created_at.desc(), table.c.id).limit(limit)
    if state is not None:
        query = query.where(table.c.state == state.value)
    return [_dispute(row) for row in connection.execute(query)]


def _dispute(row: Row[Any]) -> Dispute:
    return msgspec.convert(row, type=Dispute, from_attributes=True)
