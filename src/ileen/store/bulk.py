"""Many rows at once, in each database's own fast way, from the one schema.

Owns: `Fetch` and `Write`, statements for any number of keys or rows, and `Channel`, a connection kept for them.
Refuses to know: what rows mean.

SQLite has no round trips, but the driver gives up the interpreter's lock at every step of a statement, and getting
it back beside a busy event loop costs more than the step. So rows go many to a statement: few steps, few hand-overs.
PostgreSQL pays for round trips: each column travels as one array and is unnested there, and all statements of a
transaction share two trips (what is read, what is written with its commit).
"""

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

import msgspec
import psycopg
from sqlalchemy import BigInteger, Boolean, Column, Connection, LargeBinary, Select, SmallInteger, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

Row = Sequence[Any]
"""One row's values, in the order of the table's columns. Truth values are 0 and 1."""

_POSTGRESQL_TYPES: dict[type, str] = {
    Text: "text",
    BigInteger: "bigint",
    SmallInteger: "smallint",
    LargeBinary: "bytea",
    Boolean: "boolean",
}
_CHUNKS: Final = (64, 16, 4, 1)
"""Rows per SQLite statement. A few sizes make up any number, so that all statements stay prepared."""

_encode = msgspec.json.Encoder().encode


class Via(NamedTuple):
    """A table `h` between the keys and the rows that are wanted: found by `matches`, it leads on to them."""

    table: Table
    matches: str


class Fetch:
    """Selects the rows `t` of a table that `matches` pairs with keys `k.k0`, `k.k1`, …; built once, run often.

    `keys` are the columns whose types the keys have. `via` looks up rows `h` of another table in between; each row
    `t` is then found once. With `lock`, PostgreSQL locks the rows found, in the order of the keys; SQLite's writing
    transactions exclude each other anyway.
    """

    def __init__(
        self,
        table: Table,
        *,
        keys: Sequence[Column[Any]],
        matches: str,
        via: Via | None = None,
        lock: bool = False,
    ) -> None:
        columns = ", ".join(f"t.{_quote(c.name)}" for c in table.columns)
        names = ", ".join(f"k{i}" for i in range(len(keys)))
        select = f"SELECT {'DISTINCT ' if via else ''}{columns} FROM"
        # CROSS JOIN fixes the order on SQLite: from each key into the index, never through the table.
        joins = f"{f'CROSS JOIN {_quote(via.table.name)} AS h ' if via else ''}CROSS JOIN {_quote(table.name)} AS t"
        where = f"WHERE {f'{via.matches} AND ' if via else ''}{matches}"
        key = f"({', '.join('?' * len(keys))})"
        self._by_size = {
            size: f"WITH k({names}) AS (VALUES {', '.join([key] * size)}) {select} k {joins} {where}"
            for size in _CHUNKS
        }
        arrays = ", ".join(f"%s::{_type(c)}[]" for c in keys)
        between = _lookup(via.table, "h", via.matches) if via else ""
        wanted = _lookup(table, "t", matches, " FOR UPDATE" if lock else "")
        self.postgresql = f"{select} unnest({arrays}) AS k({names}){between}{wanted}".encode()
        self.dump = _dumper(keys)

    def sqlite(self, size: int) -> str:
        """Return the statement for so many keys."""
        return self._by_size[size]


class Write:
    """Writes rows into a table; what happens to a row whose key is there already is said by how it was made."""

    def __init__(self, table: Table, on_conflict: str) -> None:
        names = ", ".join(_quote(c.name) for c in table.columns)
        insert = f"INSERT INTO {_quote(table.name)} ({names}) "
        row = f"({', '.join('?' * len(table.columns))})"
        self._by_size = {size: f"{insert}VALUES {', '.join([row] * size)}{on_conflict}" for size in _CHUNKS}
        arrays = ", ".join(f"%s::{_type(c)}[]" for c in table.columns)
        self.postgresql = f"{insert}SELECT * FROM unnest({arrays}){on_conflict}".encode()  # noqa: S608  # names from the schema
        self.dump = _dumper(list(table.columns))

    def sqlite(self, size: int) -> str:
        """Return the statement for so many rows."""
        return self._by_size[size]

    @classmethod
    def add(cls, table: Table) -> "Write":
        """Insert new rows; an existing key is an error."""
        return cls(table, "")

    @classmethod
    def put(cls, table: Table) -> "Write":
        """Insert rows, or replace those with the same key. No two rows of one call may share a key."""
        return cls(table, _on_conflict(table, "{name} = excluded.{name}"))

    @classmethod
    def unless(cls, table: Table) -> "Write":
        """Insert rows; one that stands against any unique column or index is left out."""
        return cls(table, " ON CONFLICT DO NOTHING")

    @classmethod
    def accumulate(cls, table: Table) -> "Write":
        """Insert rows, or add their numbers to those with the same key. No two rows of one call may share a key."""
        return cls(table, _on_conflict(table, "{name} = {table}.{name} + excluded.{name}"))


class Channel(Protocol):
    """One connection, kept open for one thread's transactions; opened anew after it was lost."""

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """Open a transaction that may write; commit at the end, roll back on an exception."""
        ...

    def fetch(self, *asked: tuple[Fetch, Sequence[Row]]) -> list[list[Row]]:
        """Return the rows found by each fetch for its keys, in one go."""
        ...

    def write(self, *told: tuple[Write, Sequence[Row]]) -> None:
        """Write rows, in the order given. On PostgreSQL an error may show only when the transaction commits."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class SqliteChannel:
    """A `Channel` on SQLite: statements of many rows, built for a few sizes."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """Open a transaction that may write; commit at the end, roll back on an exception."""
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def fetch(self, *asked: tuple[Fetch, Sequence[Row]]) -> list[list[Row]]:
        """Return the rows found by each fetch for its keys."""
        execute = self._connection.execute
        return [
            [row for size, part in _chunks(keys) for row in execute(fetch.sqlite(size), part).fetchall()]
            for fetch, keys in asked
        ]

    def write(self, *told: tuple[Write, Sequence[Row]]) -> None:
        """Write rows, in the order given."""
        for write, rows in told:
            for size, part in _chunks(rows):
                self._connection.execute(write.sqlite(size), part)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PostgresqlChannel:
    """A `Channel` on PostgreSQL: statements are sent without waiting for the answers of those before."""

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """Open a transaction that may write; commit at the end, roll back on an exception."""
        if self._connection is None:
            self._connection = self._open()
        connection = self._connection
        try:
            with connection.pipeline():
                connection.execute("BEGIN")
                yield
                connection.execute("COMMIT")
        except BaseException:
            # After a failure inside a pipeline a fresh connection is the state that is known.
            self.close()
            raise

    def fetch(self, *asked: tuple[Fetch, Sequence[Row]]) -> list[list[Row]]:
        """Return the rows found by each fetch for its keys; all are sent before the first answer is read."""
        assert self._connection is not None
        execute = self._connection.execute
        cursors = [execute(fetch.postgresql, fetch.dump(keys)) if keys else None for fetch, keys in asked]
        return [cursor.fetchall() if cursor else [] for cursor in cursors]

    def write(self, *told: tuple[Write, Sequence[Row]]) -> None:
        """Send rows to be written, in the order given. Errors show when the transaction commits."""
        assert self._connection is not None
        for write, rows in told:
            if rows:
                self._connection.execute(write.postgresql, write.dump(rows))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> "psycopg.Connection[Any]":
        connection = self._connect()
        connection.autocommit = True  # BEGIN and COMMIT are ours, above: they travel with the rest
        connection.prepare_threshold = 0
        for method in ("seqscan", "bitmapscan"):  # see `_lookup`
            connection.execute(f"SET enable_{method} = off")
        return connection


def _chunks(rows: Sequence[Row]) -> Iterator[tuple[int, list[Any]]]:
    """Cut rows into pieces of the sizes there are statements for, each flattened to one list of values."""
    start, left = 0, len(rows)
    for size in _CHUNKS:
        while left >= size:
            yield size, list(itertools.chain.from_iterable(rows[start : start + size]))
            start += size
            left -= size


def _lookup(table: Table, alias: str, matches: str, lock: str = "") -> str:
    # OFFSET 0 keeps the planner from turning the look-up around. The plan of a prepared statement outlives the small
    # table it was made for, and a plan that reads the whole table is right only as long as there is no history.
    found = f"SELECT {alias}.* FROM {_quote(table.name)} AS {alias} WHERE {matches} OFFSET 0{lock}"  # noqa: S608  # names from the schema
    return f" CROSS JOIN LATERAL ({found}) AS {alias}"


def _on_conflict(table: Table, assignment: str) -> str:
    keys = ", ".join(_quote(c.name) for c in table.primary_key.columns)
    changes = ", ".join(
        assignment.format(name=_quote(c.name), table=_quote(table.name)) for c in table.columns if not c.primary_key
    )
    return f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"


def _dumper(columns: Sequence[Column[Any]]) -> Callable[[Sequence[Row]], list[str]]:
    """Return what turns rows into PostgreSQL's text form of one array per column.

    The driver's own way looks at each value by itself; whole columns at once take a tenth of the time.
    """
    texts = [_DUMPERS[_type(column)] for column in columns]

    def dump(rows: Sequence[Row]) -> list[str]:
        return [text(column) for text, column in zip(texts, zip(*rows, strict=True), strict=True)]

    return dump


def _text_array(column: Sequence[str | None]) -> str:
    if None in column:
        return "{" + ",".join("NULL" if value is None else _text_element(value) for value in column) + "}"
    joined = "\0".join(cast("Sequence[str]", column))
    if joined.count("\0") != len(column) - 1:
        raise psycopg.DataError("PostgreSQL text cannot contain NUL.")
    return '{"' + joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","') + '"}'


def _text_element(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number_array(column: Sequence[int | None]) -> str:
    return "{" + _encode(column)[1:-1].decode() + "}"  # JSON's null is an array's NULL


def _bytes_array(column: Sequence[bytes | None]) -> str:
    return "{" + ",".join("NULL" if value is None else f'"\\\\x{value.hex()}"' for value in column) + "}"


_DUMPERS: Final[dict[str, Callable[[Sequence[Any]], str]]] = {
    "text": _text_array,
    "bigint": _number_array,
    "smallint": _number_array,
    "boolean": _number_array,
    "bytea": _bytes_array,
}


def _quote(name: str) -> str:
    return f'"{name}"'


def _type(column: Column[Any]) -> str:
    return _POSTGRESQL_TYPES[type(column.type)]


def pages(connection: Connection, query: Select[Any], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield a query's rows as the driver makes them, so many at a time; no more than one page is held in memory.

    Read one query to its end, or close it, before the next. SQLAlchemy's own rows take half as long again.
    """
    statement = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    driver: Any = connection.connection.driver_connection
    # On PostgreSQL only a named cursor leaves the rows with the server until they are asked for.
    cursor = driver.cursor("ileen_pages") if connection.dialect.name == "postgresql" else driver.cursor()
    with contextlib.closing(cursor):
        cursor.execute(str(statement))
        while page := cursor.fetchmany(size):
            yield page


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert one row unless a unique column stands against it; tell whether it was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # RETURNING, because the count of rows is not told with it on PostgreSQL.
    added = insert(table).values(**row).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return connection.execute(added).first() is not None
