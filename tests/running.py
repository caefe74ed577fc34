"""How tests run the real product: `ileen` as a process, with its own data."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

ILEEN = [sys.executable, "-m", "ileen"]


def run(data: Path, *arguments: str, code: int = 0) -> str:
    environment = {**os.environ, "ILEEN_DATA_DIR": str(data)}
    done = subprocess.run([*ILEEN, *arguments], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
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
    child = subprocess.Popen(
        [*ILEEN, "up", "--json", "--port", "0"],
        env={**os.environ, "ILEEN_DATA_DIR": str(data), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stderr is not None
    try:
        line = child.stdout.readline()
        assert line, child.stderr.read()
        yield json.loads(line), child
    finally:
        child.send_signal(signal.SIGTERM)
        rest, errors = child.communicate(timeout=60)
        assert rest == "", "standard output carries the one line of JSON and nothing else"
        assert "Traceback" not in errors, errors


def wallet(facts: dict[str, Any]) -> dict[str, str]:
    answer = httpx2.get(f"{facts['url']}/v1/wallet", headers={"Authorization": f"Bearer {facts['api_key']}"})
    assert answer.status_code == 200, answer.text
    return answer.json()
