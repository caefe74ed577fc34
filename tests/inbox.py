"""How tests run the offline inbox: a process of its own, asked over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2


@dataclass
class Inbox:
    url: str
    smtp_url: str

    @property
    def smtp_host(self) -> str:
        return str(urlsplit(self.smtp_url).hostname)

    @property
    def smtp_port(self) -> int:
        return int(urlsplit(self.smtp_url).port or 0)

    def mails(self, to: str | None, *, wait_s: int = 15, after: int = 0) -> list[dict[str, Any]]:
        """Return the mails to an address, newest first; wait for the first one."""
        asked = {"wait_s": wait_s, "after": after} | ({"to": to} if to else {})
        answer = httpx2.get(f"{self.url}/api/messages", params=asked, timeout=wait_s + 10)
        assert answer.status_code == 200, answer.text
        return answer.json()["messages"]


@contextmanager
def inbox(data: Path, *arguments: str) -> Iterator[Inbox]:
    child = subprocess.Popen(
        [sys.executable, "-m", "ileen.sandbox.inbox", "--data", str(data), "--until-stdin-closes", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    try:
        line = child.stdout.readline()
        assert line, child.stderr.read().decode()
        yield Inbox(**json.loads(line))
    finally:
        child.stdin.close()
        child.wait(timeout=20)
        child.stdout.close()
        child.stderr.close()
