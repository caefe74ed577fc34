"""Through the HTTP API, with the server killed in the middle: fifty of a thousand holds, and the books balance."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from ileen.accounts import Accounts
from ileen.base.clock import SystemClock
from ileen.base.ids import AccountId, RandomIds, wallet_of
from ileen.base.money import parse
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import Fund, Source
from ileen.store.engine import Database

SERVER = """
import sys
import uvicorn
from ileen.accounts import Accounts
from ileen.accounts.people import People
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds
from ileen.ledger import Ledger
from ileen.pricing import Prices
from ileen.settings import Settings
from ileen.store.engine import Database
from ileen.web import build

async def no_gateway(scope, receive, send):
    raise AssertionError("this test calls no models")

url, port = sys.argv[1:]
clock = SystemClock()
ids = RandomIds(clock)
database = Database.open(url)
ledger = Ledger(database, clock=clock)
ledger.start()
accounts = Accounts(database, ledger, clock=clock, ids=ids)
app = build(ledger=ledger, accounts=accounts, prices=Prices.load(fx_rate="0.90"), gateway=no_gateway,
            settings=Settings(), people=People(database, accounts, clock=clock, ids=ids),
            clock=clock, ids=ids, database=database)
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="critical", lifespan="off", backlog=2048)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Process:
    """A server process that can be killed and started again on the same port."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", SERVER, self._database_url, str(self.port)])

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def processes(database_url: str, count: int) -> Iterator[list[Process]]:
    running = [Process(database_url) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()


@pytest.fixture
def secret(database: Database) -> Iterator[tuple[AccountId, str]]:
    """An account whose wallet has 5.00, and a key of it."""
    clock = SystemClock()
    ids = RandomIds(clock)
    ledger = Ledger(database, clock=clock)
    ledger.start()
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    account = accounts.create("Ada")
    _, made = accounts.create_key(account.id, name="laptop")
    lot = ids.mint("lot")
    ledger.run(Fund(wallet=wallet_of(account.id), key=lot, lot=lot, amount=parse("5.00"), source=Source.BONUS))
    yield account.id, made
    accounts.close()
    ledger.stop()


async def ask(http: httpx2.AsyncClient, bases: list[str], number: int) -> int:
    """Ask for one hold, again and again under the same key until there is an answer; from another server each time."""
    for attempt in range(600):
        base = bases[(number + attempt) % len(bases)]
        try:
            answer = await http.post(
                base + "/v1/holds", json={"amount": "0.10"}, headers={"Idempotency-Key": f"hold-{number}"}
            )
        except httpx2.TransportError:
            await asyncio.sleep(0.1)
            continue
        if answer.status_code != 503:
            return answer.status_code
        await asyncio.sleep(0.1)
    raise AssertionError("no answer in a minute")


async def overwhelm(running: list[Process], secret: str) -> list[int]:
    """A thousand parallel requests; after the first hundred answers, the first server is killed and started again."""
    headers = {"Authorization": f"Bearer {secret}"}
    limits = httpx2.Limits(max_connections=50, max_keepalive_connections=0)
    async with httpx2.AsyncClient(headers=headers, limits=limits, timeout=60) as http:
        bases = [process.base for process in running]
        await asyncio.gather(*(ready(http, base) for base in bases))
        tasks = [asyncio.create_task(ask(http, bases, number)) for number in range(1000)]
        while sum(task.done() for task in tasks) < 20:
            await asyncio.sleep(0.005)
        running[0].kill()
        running[0].start()
        return await asyncio.gather(*tasks)


async def ready(http: httpx2.AsyncClient, base: str) -> None:
    for _ in range(300):
        try:
            if (await http.get(base + "/healthz")).status_code == 200:
                return
        except httpx2.TransportError:
            await asyncio.sleep(0.1)
    raise AssertionError("the server did not start")


async def test_a_killed_server_neither_loses_nor_doubles_a_hold(
    database: Database, database_url: str, secret: tuple[AccountId, str]
) -> None:
    account, key = secret
    with processes(database_url, 2 if database.dialect == "postgresql" else 1) as running:
        statuses = await overwhelm(running, key)

    assert (statuses.count(201), statuses.count(402)) == (50, 950)
    wallet = Ledger(database).wallet(wallet_of(account))
    assert (wallet.held, wallet.available) == (parse("5.00"), 0)
    assert audit(database).breaches == []
