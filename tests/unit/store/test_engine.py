"""Which failures of the database are worth another try, on both databases."""

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from ileen.store.engine import Database, DatabaseUrlInvalid, is_transient


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database is locked"),
        psycopg.errors.DeadlockDetected(),
        psycopg.errors.LockNotAvailable(),
        psycopg.OperationalError("connection lost"),
        OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked")),
    ],
)
def test_a_busy_or_lost_database_is_tried_again(error: Exception) -> None:
    """Bulk statements run on bare cursors: the drivers' own errors must count as well as the toolkit's."""
    assert is_transient(error)


@pytest.mark.parametrize("error", [sqlite3.IntegrityError(), psycopg.errors.UniqueViolation(), ValueError()])
def test_a_mistake_of_ours_is_not_tried_again(error: Exception) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_cannot_be_used_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match=r"[.]$"):
        Database.open(url)
