"""Many rows in one statement, in each database's own fast way, from the one schema.

SQLite has no round trips: a prepared statement run for each row is fastest. PostgreSQL pays for each round trip:
all rows travel as one array per column and are unnested there. Statements are built once per table.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, LargeBinary, SmallInteger, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

Row = Sequence[Any]
"""One row's values, in the order of the table's columns."""

_POSTGRESQL_TYPES: dict[type, str] = {
    Text: "text",
    BigInteger: "bigint",
    SmallInteger: "smallint",
    LargeBinary: "bytea",
    Boolean: "boolean",
}


class Bulk:
    """Bulk statements for one table: fetch by key prefix, add, put (insert or replace), accumulate."""

    def __init__(self, dialect: str, table: Table) -> None:
        self._postgresql = dialect == "postgresql"
        self._columns: list[Column[Any]] = list(table.columns)
        self._keys: list[Column[Any]] = list(table.primary_key.columns)
        self._name = _quote(table.name)
        self._select = ", ".join(f"t.{_quote(c.name)}" for c in self._columns)
        values = [c for c in self._columns if not c.primary_key]
        conflict = ", ".join(_quote(c.name) for c in self._keys)
        replace = ", ".join(f"{_quote(c.name)} = excluded.{_quote(c.name)}" for c in values)
        add_up = ", ".join(
            f"{_quote(c.name)} = {self._name}.{_quote(c.name)} + excluded.{_quote(c.name)}" for c in values
        )
        self._add = self._insert()
        self._put = f"{self._add} ON CONFLICT ({conflict}) DO UPDATE SET {replace}"
        self._accumulate = f"{self._add} ON CONFLICT ({conflict}) DO UPDATE SET {add_up}"

    def fetch(
        self,
        connection: Connection,
        keys: Iterable[Row],
        *,
        by: Sequence[str],
        where: str = "",
        lock: bool = False,
    ) -> list[Row]:
        """Return the rows whose columns `by` equal one of `keys`; `where` adds a fixed condition on `t`.

        Locks: with `lock`, on PostgreSQL, the rows found, in the order of their keys.
        """
        wanted = list(keys)
        if not wanted:
            return []
        condition = f" AND {where}" if where else ""
        if not self._postgresql:
            matches = " AND ".join(f"t.{_quote(name)} = ?" for name in by)
            statement = f"SELECT {self._select} FROM {self._name} AS t WHERE {matches}{condition}"  # noqa: S608  # names from the schema
            cursor = _cursor(connection)
            rows: list[Row] = []
            for key in wanted:
                rows += cursor.execute(statement, key).fetchall()
            return rows
        types = {c.name: _type(c) for c in self._columns}
        arrays = ", ".join(f"%s::{types[name]}[]" for name in by)
        names = ", ".join(f"k{i}" for i in range(len(by)))
        matches = " AND ".join(f"t.{_quote(name)} = k.k{i}" for i, name in enumerate(by))
        order = f" ORDER BY {', '.join('t.' + _quote(c.name) for c in self._keys)} FOR UPDATE OF t" if lock else ""
        statement = (
            f"SELECT {self._select} FROM unnest({arrays}) AS k({names}) "  # noqa: S608  # names from the schema
            f"JOIN {self._name} AS t ON {matches}{condition}{order}"
        )
        cursor = _cursor(connection)
        cursor.execute(statement, [list(column) for column in zip(*wanted, strict=True)])
        return list(cursor.fetchall())

    def add(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert new rows; an existing key is an error."""
        self._run(connection, self._add, rows)

    def put(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same key. No two rows may share a key."""
        self._run(connection, self._put, rows)

    def accumulate(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows, or add their numbers to those with the same key. No two rows may share a key."""
        self._run(connection, self._accumulate, rows)

    def _insert(self) -> str:
        names = ", ".join(_quote(c.name) for c in self._columns)
        if not self._postgresql:
            return f"INSERT INTO {self._name} ({names}) VALUES ({', '.join('?' * len(self._columns))})"  # noqa: S608
        arrays = ", ".join(f"%s::{_type(c)}[]" for c in self._columns)
        return f"INSERT INTO {self._name} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608  # names from the schema

    def _run(self, connection: Connection, statement: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if self._postgresql:
            _cursor(connection).execute(statement, [list(column) for column in zip(*rows, strict=True)])
        else:
            _cursor(connection).executemany(statement, rows)


def _cursor(connection: Connection) -> Any:
    """Return a bare cursor: the statements are fixed, and the toolkit's own bookkeeping would double their cost."""
    return connection.connection.cursor()


def _quote(name: str) -> str:
    return f'"{name}"'


def _type(column: Column[Any]) -> str:
    return _POSTGRESQL_TYPES[type(column.type)]


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert one row unless a unique column stands against it; tell whether it was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return connection.execute(insert(table).values(**row).on_conflict_do_nothing()).rowcount == 1
