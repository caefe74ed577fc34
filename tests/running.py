"""How tests run the real product: `ileen` as a process, with its own data."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx2
from sqlalchemy import select
from typer.testing import CliRunner

from ileen.cli import app
from ileen.ledger.audit import audit
from ileen.payments.reconcile import books
from ileen.store.engine import Database
from ileen.store.schema import account

ILEEN = [sys.executable, "-m", "ileen"]


def run(data: Path, *arguments: str, code: int = 0) -> str:
    """Run a command as a person does, as a process of its own."""
    environment = {**os.environ, "ILEEN_DATA_DIR": str(data)}
    done = subprocess.run([*ILEEN, *arguments], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout


def command(data: Path, *arguments: str, code: int = 0) -> str:
    """Run a command in this process, which takes a twentieth of the time of a process of its own."""
    done = CliRunner().invoke(app, arguments, env={"ILEEN_DATA_DIR": str(data)})
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def start(data: Path, **environment: str) -> "tuple[subprocess.Popen[str], dict[str, Any]]":
    """Start `ileen up` and return it with what it printed when ready; nothing if it ended before."""
    child = subprocess.Popen(
        [*ILEEN, "up", "--json", "--port", "0"],
        env={**os.environ, "ILEEN_DATA_DIR": str(data), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        child.stdout.close()
    return child, json.loads(line) if line else {}


@contextmanager
def up(data: Path, **environment: str) -> Iterator[tuple[dict[str, Any], "subprocess.Popen[str]"]]:
    """Run `ileen up` for a block. What it logs goes to a file: a pipe that nobody reads fills up and stops it."""
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            [*ILEEN, "up", "--json", "--port", "0"],
            env={**os.environ, "ILEEN_DATA_DIR": str(data), **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert child.stdout is not None
        try:
            line = child.stdout.readline()
            assert line, _read(log)
            yield json.loads(line), child
        finally:
            child.send_signal(signal.SIGTERM)
            rest, _ = child.communicate(timeout=60)
            logged = _read(log)
            assert rest == "", "standard output carries the one line of JSON and nothing else"
            assert "Traceback" not in logged, logged[max(0, logged.index("Traceback") - 2000) :][:8000]


def _read(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


def breaches(data: Path) -> list[str]:
    """What `ileen audit` would complain of, asked in this process: starting another takes seconds."""
    database = Database.open(f"sqlite:///{data}/ileen.sqlite3")
    try:
        return [*audit(database).breaches, *(each.detail for each in books(database))]
    finally:
        database.close()


def account_names(data: Path) -> list[str]:
    """The names of all accounts, oldest first."""
    database = Database.open(f"sqlite:///{data}/ileen.sqlite3")
    try:
        with database.read() as connection:
            return list(connection.scalars(select(account.c.name).order_by(account.c.id)))
    finally:
        database.close()


def calls(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The demo account's calls, newest first."""
    answer = httpx2.get(f"{facts['url']}/v1/calls", headers={"Authorization": f"Bearer {facts['api_key']}"})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def wallet(facts: dict[str, Any]) -> dict[str, str]:
    answer = httpx2.get(f"{facts['url']}/v1/wallet", headers={"Authorization": f"Bearer {facts['api_key']}"})
    assert answer.status_code == 200, answer.text
    return answer.json()
