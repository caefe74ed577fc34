"""One database, opened once per process: short transactions on SQLite or PostgreSQL.

Owns: connections and their settings, the two kinds of transaction, migrations.
SQLite: write-ahead log, `synchronous=FULL` (an answered commit survives a power cut), writers begin IMMEDIATE so
that they queue instead of failing half-way. PostgreSQL: READ COMMITTED with explicit row locks, lock timeout 10 s.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Self

import psycopg
import sqlalchemy
from sqlalchemy import ColumnElement, Connection, Engine, collate, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from ileen.store.bulk import Channel, PostgresqlChannel, SqliteChannel

_DRIVER_ERRORS = (
    sqlite3.OperationalError,
    sqlite3.InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
_POSTGRESQL = "postgresql+psycopg"
_AFTER_COMMIT = "ileen_after_commit"
_SQLITE_PRAGMAS = (
    "busy_timeout=10000",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-65536",  # 64 MiB of pages
    # Pages are copied from the log into the file every 32 MiB, not every 4: a page that changes in every commit is
    # then copied once for many. What is answered is in the log, so durability does not depend on this.
    "wal_autocheckpoint=8192",
    "journal_size_limit=67108864",
)
_SQLITE_STATEMENTS_CACHED = 512
"""Bulk statements come in a few sizes for each table; the driver's own 128 would be too few to keep them prepared."""


class DatabaseUrlInvalid(ValueError):
    """The database URL cannot be used; the sentence says why."""


class Database:
    """A handle on the database. Thread-safe; transactions are per call."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name

    @classmethod
    def open(cls, url: str) -> Self:
        """Open `sqlite:///path` or `postgresql://…`. Raises: DatabaseUrlInvalid."""
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise DatabaseUrlInvalid("The database URL cannot be read.") from error
        backend = parsed.get_backend_name()
        if backend == "sqlite":
            return cls(_open_sqlite(parsed))
        if backend in {"postgresql", "postgres"}:
            return cls(_open_postgresql(parsed.set(drivername=_POSTGRESQL)))
        raise DatabaseUrlInvalid(f"The database '{backend}' is not supported; use sqlite or postgresql.")

    @contextlib.contextmanager
    def write(self) -> Generator[Connection]:
        """Open a transaction that may write; commit at the end, roll back on an exception. Keep it short."""
        with self.engine.connect().execution_options(ileen_writes=True) as connection:
            connection.info.pop(_AFTER_COMMIT, None)  # left over from a transaction that was rolled back
            with connection.begin():
                yield connection
            calls = connection.info.pop(_AFTER_COMMIT, ())
        for call in calls:
            call()

    @contextlib.contextmanager
    def read(self) -> Generator[Connection]:
        """Open a transaction that only reads, on one snapshot where the database has them."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def snapshot(self) -> Generator[Connection]:
        """Open a transaction that only reads, on one snapshot, for as long as reading everything takes."""
        with self.read() as connection:
            if self.dialect == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1")  # plan for all rows, not the first
            yield connection

    def channel(self) -> Channel:
        """Return a connection of its own for one thread's bulk transactions. It connects when it is first used."""
        return SqliteChannel(self._detached) if self.dialect == "sqlite" else PostgresqlChannel(self._detached)

    def migrate(self) -> None:
        """Bring the schema to this version. Safe from several processes at once (PostgreSQL: advisory lock)."""
        from alembic import command  # noqa: PLC0415  # Alembic is slow to import and needed once
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:
            if self.dialect == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1229735245)")  # one number, ours
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _detached(self) -> Any:
        pooled = self.engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        return connection


def after_commit(connection: Connection, call: Callable[[], None]) -> None:
    """Have `call` called once the caller's `Database.write` is committed; never if it is rolled back.

    For hints within this process only, such as waking a worker: a crash after the commit loses the call.
    """
    connection.info.setdefault(_AFTER_COMMIT, []).append(call)


def byte_order(connection: Connection, column: ColumnElement[str]) -> ColumnElement[str]:
    """Return what to order a column of text by, so that rows come as Python compares them, whatever the locale."""
    return collate(column, "C") if connection.dialect.name == "postgresql" else column


def is_transient(error: BaseException) -> bool:
    """Tell whether trying the same transaction again can help: a busy lock, a deadlock, a lost connection."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    # Bulk statements run on bare cursors, so that the drivers' own errors come through unwrapped.
    return isinstance(error, _DRIVER_ERRORS)


def _open_sqlite(url: sqlalchemy.URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise DatabaseUrlInvalid("An SQLite database needs a file, such as sqlite:///data/ileen.sqlite3.")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    connect_args = {"cached_statements": _SQLITE_STATEMENTS_CACHED}
    engine = sqlalchemy.create_engine(url, pool_size=32, max_overflow=32, connect_args=connect_args)

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ileen_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
    return engine


def _open_postgresql(url: sqlalchemy.URL) -> Engine:
    return sqlalchemy.create_engine(
        url,
        pool_size=16,
        max_overflow=32,
        pool_pre_ping=True,
        connect_args={"options": "-c lock_timeout=10000 -c statement_timeout=60000", "application_name": "ileen"},
    )
