"""What was done in an account, for its owners: the audit events page by page, and the names of those who acted.

Owns: nothing; it reads. Refuses to know: what the actions mean, and any account but the one it is asked about.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from ileen.accounts.audit import AuditEvent, events
from ileen.base.ids import AccountId
from ileen.store.engine import Database
from ileen.store.schema import api_key as keys_table
from ileen.store.schema import member as members_table
from ileen.store.schema import person as persons_table


class Activity:
    """The audit events of accounts, to be read. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def events(self, account: AccountId, *, limit: int, before: str | None = None) -> Sequence[AuditEvent]:
        """Return an account's events, newest first; `before` is the id of the last one of the page before."""
        with self._database.read() as connection:
            return events(connection, account_id=account, limit=limit, before=before)

    def people(self, account: AccountId) -> Mapping[str, str]:
        """Return the names of the account's members by `mem_…` and `per_…`, also of those who have left."""
        query = (
            select(members_table.c.id, members_table.c.person_id, persons_table.c.name)
            .join(persons_table, persons_table.c.id == members_table.c.person_id)
            .where(members_table.c.account_id == account)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {id_: row.name for row in rows for id_ in (row.id, row.person_id)}

    def keys(self, account: AccountId) -> Mapping[str, str]:
        """Return the names of the account's API keys by `key_…`, also of revoked ones."""
        query = select(keys_table.c.id, keys_table.c.name).where(keys_table.c.account_id == account)
        with self._database.read() as connection:
            return {row.id: row.name for row in connection.execute(query)}
