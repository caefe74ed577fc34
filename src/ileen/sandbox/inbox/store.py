"""The inbox's memory: raw mails in one SQLite file, read back as people and tests want them.

Used by one thread, the event loop's; each write is committed at once.
"""

import re
import sqlite3
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Self

_TABLES = """
CREATE TABLE IF NOT EXISTS mail (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
    raw BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS mail_recipient ON mail (recipient, id);
"""
_HREF = re.compile(r'<a\b[^>]*?\bhref="([^"]+)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it came, for one recipient. `at`: microseconds since 1970 UTC."""

    id: int
    at: int
    sender: str
    recipient: str
    raw: bytes
    message: EmailMessage

    @classmethod
    def read(cls, row: tuple[int, int, str, str, bytes]) -> Self:
        """Read a mail from its row."""
        message = message_from_bytes(row[4], policy=policy.default)
        return cls(id=row[0], at=row[1], sender=row[2], recipient=row[3], raw=row[4], message=message)

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message.get("Subject", ""))

    @property
    def html(self) -> str | None:
        """The HTML part, if there is one."""
        return self._part("html")

    @property
    def text(self) -> str | None:
        """The text part, if there is one."""
        return self._part("plain")

    @property
    def links(self) -> list[str]:
        """The addresses that the HTML part links to, each once, in order."""
        return list(dict.fromkeys(unescape(link) for link in _HREF.findall(self.html or "")))

    def _part(self, kind: str) -> str | None:
        body = self.message.get_body(preferencelist=(kind,))
        return None if body is None else str(body.get_content())


class Store:
    """All mails."""

    def __init__(self, path: Path | None) -> None:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._database.executescript(_TABLES)

    def add(self, *, at: int, sender: str, recipient: str, raw: bytes) -> None:
        """Keep a mail for one recipient."""
        values = (at, sender, recipient.lower(), raw)
        self._database.execute("INSERT INTO mail (at, sender, recipient, raw) VALUES (?, ?, ?, ?)", values)

    def get(self, id_: int) -> Mail | None:
        """Return a mail, if it exists."""
        rows = self._select("id = ?", (id_,), 1)
        return rows[0] if rows else None

    def find(self, *, to: str | None, after: int = 0, limit: int = 200) -> list[Mail]:
        """Return mails newer than the id `after`, newest first, of one recipient if named."""
        if to is None:
            return self._select("id > ?", (after,), limit)
        return self._select("recipient = ? AND id > ?", (to.lower(), after), limit)

    def recipients(self) -> list[tuple[str, int]]:
        """Return who got mail and how much, the last to get some first."""
        query = "SELECT recipient, count(*) FROM mail GROUP BY recipient ORDER BY max(id) DESC"
        return self._database.execute(query).fetchall()

    def clear(self) -> None:
        """Throw everything away; ids go on counting."""
        self._database.execute("DELETE FROM mail")

    def _select(self, condition: str, values: tuple[object, ...], limit: int) -> list[Mail]:
        query = f"SELECT id, at, sender, recipient, raw FROM mail WHERE {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608  # conditions are written above
        return [Mail.read(row) for row in self._database.execute(query, (*values, limit))]
