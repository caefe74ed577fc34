"""The studio's own file: runs, the answered calls of each, keys, and the index of files. Nothing of it is Ileen's.

Owns: one SQLite file in the data directory, readable by its owner alone (it holds prompts, answers and keys).
Refuses to know: models and pages. Every read names the account, and for runs the person: there is no other way in.
"""

import os
import sqlite3
import threading
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from ileen.base.clock import SECOND, Instant
from ileen.base.ids import AccountId
from ileen.studio.model import Run, RunId, RunState

T = TypeVar("T")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS account_key (account TEXT PRIMARY KEY, secret TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, member TEXT NOT NULL, activity TEXT NOT NULL, thread TEXT NOT NULL,
    state TEXT NOT NULL, updated_at INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS run_of_person ON run (account, member, id);
CREATE INDEX IF NOT EXISTS run_in_thread ON run (thread, id);
CREATE INDEX IF NOT EXISTS run_unfinished ON run (state, updated_at) WHERE state IN ('running', 'paused');
CREATE TABLE IF NOT EXISTS step (
    run TEXT NOT NULL, name TEXT NOT NULL, result BLOB NOT NULL, PRIMARY KEY (run, name)
) STRICT;
CREATE TABLE IF NOT EXISTS chunk (
    account TEXT NOT NULL, project TEXT NOT NULL, number INTEGER NOT NULL, path TEXT NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (account, project, number)
) STRICT;
CREATE TABLE IF NOT EXISTS release (
    account TEXT NOT NULL, environment TEXT NOT NULL, version TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (account, environment, at)
) STRICT;
"""
_PAUSED_FOR_US: Final = 7 * 24 * 3600 * SECOND
"""How long a paused run waits for credits by itself; afterwards its button still resumes it."""
_encode = msgspec.json.encode


class Chunk(Struct, frozen=True, kw_only=True):
    """Some lines of an indexed file, with the vector they were embedded as."""

    path: str
    first: int
    last: int
    text: str
    vector: list[float]


class Release(Struct, frozen=True, kw_only=True):
    """A version that was deployed to an environment."""

    environment: str
    version: str
    at: Instant


class Store:
    """All of the studio's data. Thread-safe; calls block for as long as a small local write takes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        # NORMAL: a power cut may lose the last words of a run; what was paid for is in Ileen's own, stricter file.
        self._connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # Keys ----------------------------------------------------------------------------------------------------

    def secret(self, account: AccountId) -> str | None:
        """Return the secret of the studio's key for an account, if it has one."""
        rows = self._rows("SELECT secret FROM account_key WHERE account = ?", account)
        return rows[0][0] if rows else None

    def keep_secret(self, account: AccountId, secret: str) -> None:
        """Keep the secret of a key in place of the one before."""
        self._run("INSERT OR REPLACE INTO account_key VALUES (?, ?)", account, secret)

    def forget_secret(self, account: AccountId, secret: str) -> None:
        """Forget a secret that is worth nothing any more, unless another took its place."""
        self._run("DELETE FROM account_key WHERE account = ? AND secret = ?", account, secret)

    # Runs ----------------------------------------------------------------------------------------------------

    def add(self, run: Run) -> None:
        """Keep a new run."""
        row = (run.id, run.account, run.member, run.activity, run.thread, run.state, run.updated_at, _encode(run))
        self._run("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *row)

    def keep(self, run: Run) -> None:
        """Keep what a run has become."""
        row = (run.state, run.updated_at, _encode(run), run.id)
        self._run("UPDATE run SET state = ?, updated_at = ?, body = ? WHERE id = ?", *row)

    def claim(self, run: Run, *, at: Instant) -> bool:
        """Have a run that stands go on; tell whether it was this caller who set it going."""
        before = (run.state, run.updated_at)
        run.state, run.updated_at, run.refusal = RunState.RUNNING, at, None
        row = (run.state, at, _encode(run), run.id, *before)
        return self._run(
            "UPDATE run SET state = ?, updated_at = ?, body = ? WHERE id = ? AND state = ? AND updated_at = ?", *row
        )

    def run(self, account: AccountId, member: str, run_id: str) -> Run | None:
        """Return a run of this person in this account, or None."""
        query = "SELECT body FROM run WHERE id = ? AND account = ? AND member = ?"
        return next(iter(self._read(query, run_id, account, member)), None)

    def runs(self, account: AccountId, member: str, *, activity: str | None = None, limit: int = 20) -> list[Run]:
        """Return the person's runs in this account, newest first; a conversation is its first run."""
        query = """SELECT body FROM run WHERE account = ?1 AND member = ?2 AND (?3 IS NULL OR activity = ?3)
            AND id = thread ORDER BY id DESC LIMIT ?4"""
        return self._read(query, account, member, activity, limit)

    def thread(self, run: Run) -> list[Run]:
        """Return the runs of a conversation, oldest first."""
        query = "SELECT body FROM run WHERE thread = ? AND account = ? AND member = ? ORDER BY id"
        return self._read(query, run.thread, run.account, run.member)

    def paused(self, *, now: Instant) -> list[Run]:
        """Return all runs, of whatever account, that wait for credits."""
        query = "SELECT body FROM run WHERE state = 'paused' AND updated_at > ? ORDER BY id LIMIT 500"
        return self._read(query, now - _PAUSED_FOR_US)

    # Steps ---------------------------------------------------------------------------------------------------

    def step(self, run: RunId, name: str, type_: type[T]) -> T | None:
        """Return the result of a step that a run has behind it, or None."""
        rows = self._rows("SELECT result FROM step WHERE run = ? AND name = ?", run, name)
        return msgspec.json.decode(rows[0][0], type=type_) if rows else None

    def keep_step(self, run: RunId, name: str, result: object) -> None:
        """Keep the result of a step."""
        self._run("INSERT OR REPLACE INTO step VALUES (?, ?, ?)", run, name, _encode(result))

    # The index -----------------------------------------------------------------------------------------------

    def keep_index(self, account: AccountId, project: str, chunks: Iterable[Chunk]) -> None:
        """Keep the index of a project in place of the one before."""
        rows = [
            (account, project, number, each.path, each.first, each.last, each.text, array("f", each.vector).tobytes())
            for number, each in enumerate(chunks)
        ]

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM chunk WHERE account = ? AND project = ?", (account, project))
            connection.executemany("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

        self._within(replace)

    def index(self, account: AccountId, project: str) -> list[Chunk]:
        """Return the index of a project of this account; empty if there is none."""
        rows = self._rows(
            "SELECT path, first, last, text, vector FROM chunk WHERE account = ? AND project = ? ORDER BY number",
            account,
            project,
        )
        return [
            Chunk(path=path, first=first, last=last, text=text, vector=array("f", vector).tolist())
            for path, first, last, text, vector in rows
        ]

    def projects(self, account: AccountId) -> list[str]:
        """Return the names of the account's indexed projects."""
        rows = self._rows("SELECT DISTINCT project FROM chunk WHERE account = ? ORDER BY project", account)
        return [name for (name,) in rows]

    # Releases ------------------------------------------------------------------------------------------------

    def add_release(self, account: AccountId, release: Release) -> None:
        """Note that a version was deployed."""
        row = (account, release.environment, release.version, release.at)
        self._run("INSERT OR REPLACE INTO release VALUES (?, ?, ?, ?)", *row)

    def releases(self, account: AccountId) -> list[Release]:
        """Return what was deployed in this account, newest first."""
        rows = self._rows(
            "SELECT environment, version, at FROM release WHERE account = ? ORDER BY at DESC LIMIT 20", account
        )
        return [Release(environment=environment, version=version, at=at) for environment, version, at in rows]

    # The file ------------------------------------------------------------------------------------------------

    def _read(self, query: str, *values: object) -> list[Run]:
        return [msgspec.json.decode(body, type=Run) for (body,) in self._rows(query, *values)]

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def _run(self, statement: str, *values: object) -> bool:
        with self._lock:
            return self._connection.execute(statement, values).rowcount == 1

    def _within(self, changes: Callable[[sqlite3.Connection], None]) -> None:
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            changes(self._connection)
