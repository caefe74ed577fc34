"""The sandbox's memory: one SQLite file of JSON documents, a movable clock, and one transaction per request.

Owns: the tables, ids, the clock's offset and settings that outlive a restart. Refuses to know: what documents mean.
S1  one connection, used by one thread: requests are serial, so every read sees every earlier write.
S2  a transaction is committed whole or leaves nothing behind.
S3  a document's keys that begin with "_" are the sandbox's own and are never shown (`views`).
"""

import json
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ileen.base.clock import SECOND, Clock
from ileen.sandbox.stripe.errors import Json, no_such

Entropy = Callable[[int], bytes]
"""Where ids come from: as many bytes as asked for. The system's, or a seeded source that a simulated world replays."""

_TABLES = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
    customer TEXT, invoice TEXT, payment_intent TEXT, charge TEXT, status TEXT, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, seq);
CREATE INDEX IF NOT EXISTS object_customer ON object (customer, kind);
CREATE INDEX IF NOT EXISTS object_invoice ON object (invoice, kind);
CREATE INDEX IF NOT EXISTS object_intent ON object (payment_intent, kind);
CREATE INDEX IF NOT EXISTS object_charge ON object (charge, kind);
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, created INTEGER NOT NULL, status INTEGER NOT NULL,
    body BLOB NOT NULL, request_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS due (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, action TEXT NOT NULL,
    arguments TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS due_at ON due (at, seq);
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, rank INTEGER NOT NULL, event TEXT NOT NULL, endpoint TEXT NOT NULL,
    due INTEGER NOT NULL, tries INTEGER NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (state, due, rank);
CREATE INDEX IF NOT EXISTS delivery_event ON delivery (event);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_NAMED = ("object", "answer", "due", "delivery", "setting")
_KEPT_ON_RESET = ("secret_key",)
_INDEXED = ("customer", "invoice", "payment_intent", "charge", "status")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

KIND_OF = {
    "cus": "customer", "pm": "payment_method", "txi": "tax_id", "in": "invoice", "ii": "invoiceitem",
    "inpay": "invoice_payment", "pi": "payment_intent", "ch": "charge", "txn": "balance_transaction",
    "cbtxn": "customer_balance_transaction", "seti": "setup_intent", "evt": "event", "we": "webhook_endpoint",
    "bpc": "billing_portal.configuration", "bps": "billing_portal.session", "txr": "tax_rate", "cn": "credit_note",
    "re": "refund", "du": "dispute", "issfr": "radar.early_fraud_warning", "prod": "product", "price": "price",
    "taxreg": "tax.registration",
}  # fmt: skip
"""Kind of an object by its id's prefix."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What an event's `request` says: the API call behind a change, or nothing for everything else."""

    request_id: str | None = None
    key: str | None = None


@dataclass(slots=True)
class Tx:
    """One transaction at one instant. Every function that changes the sandbox's world takes one."""

    connection: sqlite3.Connection
    now: int  # Unix seconds on the sandbox's clock
    base_url: str
    cause: Cause = Cause()
    entropy: Entropy = os.urandom
    delivered_inline: list[int] = field(default_factory=list[int])  # deliveries to make before the answer is sent

    def mint(self, prefix: str) -> str:
        """Return a fresh id in Stripe's form."""
        return f"{prefix}_{random_text(24, self.entropy)}"

    def find(self, kind: str, id_: str | None) -> Json | None:
        """Return a copy of a document, or None."""
        found = self.connection.execute("SELECT body FROM object WHERE id = ? AND kind = ?", (id_, kind)).fetchone()
        return json.loads(found[0]) if found else None

    def get(self, kind: str, id_: str, *, param: str = "id", status: int = 404) -> Json:
        """Return a copy of a document. Raises: resource_missing (404, or 400 for an id among parameters)."""
        found = self.find(kind, id_)
        if found is None or found.get("_deleted"):
            raise no_such(kind, id_, param=param, status=status)
        return found

    def save(self, body: Json) -> Json:
        """Insert or replace a document; it keeps its place in lists."""
        kind, id_ = body["object"], body["id"]
        indexed = [_index(body, name) for name in _INDEXED]
        self.connection.execute(
            "INSERT INTO object (kind, id, created, customer, invoice, payment_intent, charge, status, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET customer = excluded.customer,"
            " invoice = excluded.invoice, payment_intent = excluded.payment_intent, charge = excluded.charge,"
            " status = excluded.status, body = excluded.body",
            (kind, id_, body.get("created") or body.get("date") or self.now, *indexed, json.dumps(body)),
        )
        return body

    def remove(self, id_: str) -> None:
        """Delete a document for good."""
        self.connection.execute("DELETE FROM object WHERE id = ?", (id_,))

    def select(self, kind: str, **equal: str | None) -> list[Json]:
        """Return copies of all documents of a kind, newest first, filtered on indexed columns (None: no filter)."""
        return list(self.scan(kind, **equal))

    def scan(self, kind: str, **equal: str | None) -> Generator[Json]:
        """Yield what `select` returns one by one, so that a reader of a long list may stop early."""
        assert set(equal) <= set(_INDEXED), equal
        wanted = {name: value for name, value in equal.items() if value is not None}
        where = "".join(f" AND {name} = ?" for name in wanted)
        rows = self.connection.execute(
            f"SELECT body FROM object WHERE kind = ?{where} ORDER BY seq DESC",  # noqa: S608  # names are ours
            (kind, *wanted.values()),
        )
        for (text,) in rows:
            body = json.loads(text)
            if not body.get("_deleted"):
                yield body

    def schedule(self, at: int, action: str, **arguments: str) -> None:
        """Have `action` (registered in `due`) done when the sandbox's clock reaches `at`."""
        self.connection.execute(
            "INSERT INTO due (at, action, arguments) VALUES (?, ?, ?)", (at, action, json.dumps(arguments))
        )

    def setting(self, name: str) -> str | None:
        """Read a setting that outlives a restart."""
        found = self.connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else None

    def set(self, name: str, value: str | None) -> None:
        """Write a setting, or forget it."""
        if value is None:
            self.connection.execute("DELETE FROM setting WHERE name = ?", (name,))
            return
        self.connection.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (name, value))


class State:
    """The open file. Not safe for use from two threads: the server is one event loop."""

    def __init__(self, path: Path | None, clock: Clock, *, entropy: Entropy = os.urandom) -> None:
        """Open or create the file at `path`; None keeps everything in memory. Ids are drawn from `entropy`."""
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_TABLES)
        self._clock = clock
        self._entropy = entropy
        self._offset = 0
        self.base_url = ""
        with self.transaction() as tx:
            if tx.setting("secret_key") is None:
                tx.set("secret_key", f"sk_test_{random_text(48)}")
            self.secret_key = tx.setting("secret_key") or ""
            self._offset = int(tx.setting("clock_offset") or 0)

    def now(self) -> int:
        """Return the present Unix second on the sandbox's clock."""
        return self._clock.now() // SECOND + self._offset

    @contextmanager
    def transaction(self, cause: Cause | None = None) -> Generator[Tx]:
        """Open a transaction; it is committed at the end, or undone by whatever is raised inside."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield Tx(
                self._connection,
                now=self.now(),
                base_url=self.base_url,
                cause=cause or Cause(),
                entropy=self._entropy,
            )
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def move_clock(self, to: int) -> None:
        """Set the clock forward to `to`; it never goes back."""
        self._offset += max(0, to - self.now())
        with self.transaction() as tx:
            tx.set("clock_offset", str(self._offset))

    def reset(self, *, to: int | None = None) -> None:
        """Forget everything but the secret key; the clock returns to the present, or to the Unix second `to`."""
        with self.transaction() as tx:
            for table in _NAMED[:-1]:
                tx.connection.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
            tx.connection.execute("DELETE FROM setting WHERE name NOT IN (?)", _KEPT_ON_RESET)
            self._offset = 0 if to is None else to - self._clock.now() // SECOND
            tx.set("clock_offset", str(self._offset))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def random_text(length: int, entropy: Entropy = os.urandom) -> str:
    """Return letters and digits, drawn from the operating system's randomness unless told otherwise."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in entropy(length))


def _index(body: Json, name: str) -> str | None:
    value = body.get(name)
    if name == "payment_intent" and body["object"] == "invoice_payment":
        value = body["payment"].get("payment_intent")
    return value if isinstance(value, str) else None
