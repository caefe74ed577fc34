"""Through the gateway itself: a thousand calls at once on a wallet of 5.00 that covers fifty, also with the server
killed in the middle and started again. On both databases."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

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
from running import ILEEN

CARD = """
[[cards]]
version = "flat"
effective = 2026-01-01
default_tier = "flat"
[cards.tiers.flat]
markup = "0"
fee = "0.10"
[cards.modes.develop]
code_query = "flat"
"""
"""Every call costs 0.10, whatever its tokens: what is held is what is charged, so what fits is known exactly."""
CALLS = 1000
BODY = {"model": "gpt-4o-mini", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}


class Server:
    """`ileen up` on one port, to be killed and started again."""

    def __init__(self, data: Path, database_url: str) -> None:
        card = data / "card.toml"
        card.write_text(CARD)
        self._environment = {
            **os.environ,
            "ILEEN_DATA_DIR": str(data),
            "ILEEN_DATABASE_URL": database_url,
            "ILEEN_RATE_CARD": str(card),
            "ILEEN_CALLS_MAX": str(CALLS),
            "ILEEN_CALL_TIMEOUT_S": "20",
            "ILEEN_HOLD_LIFETIME_S": "25",
        }
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.start()

    def start(self) -> None:
        command = [*ILEEN, "up", "--json", "--port", str(self._port)]
        self._process = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.facts: dict[str, Any] = json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def server(tmp_path: Path, database: Database, database_url: str) -> Iterator[Server]:
    running = Server(tmp_path, database_url)
    yield running
    running.kill()


def account_with_five(database: Database) -> tuple[AccountId, str]:
    """Make an account whose wallet has 5.00; return it and the secret of a key of it."""
    clock = SystemClock()
    ids = RandomIds(clock)
    ledger = Ledger(database, clock=clock)
    ledger.start()
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    account = accounts.create("Ada")
    _, secret = accounts.create_key(account.id, name="laptop")
    lot = ids.mint("lot")
    ledger.run(Fund(wallet=wallet_of(account.id), key=lot, lot=lot, amount=parse("5.00"), source=Source.BONUS))
    accounts.close()
    ledger.stop()
    return account.id, secret


async def call(http: httpx2.AsyncClient, url: str) -> int:
    """Call the model, again whenever the server goes away, until there is an answer; return its status."""
    for _ in range(600):
        try:
            return (await http.post(url, json=BODY)).status_code
        except httpx2.TransportError:
            await asyncio.sleep(0.1)
    raise AssertionError("no answer in a minute")


async def overwhelm(server: Server, secret: str, *, kill_after: int | None) -> list[int]:
    """Make a thousand calls at once; after so many answers, kill the server and start it again."""
    limits = httpx2.Limits(max_connections=100)
    headers = {"Authorization": f"Bearer {secret}"}
    url = f"{server.facts['openai_base_url']}/chat/completions"
    async with httpx2.AsyncClient(headers=headers, limits=limits, timeout=60) as http:
        tasks = [asyncio.create_task(call(http, url)) for _ in range(CALLS)]
        if kill_after is not None:
            while sum(task.done() for task in tasks) < kill_after:
                await asyncio.sleep(0.002)
            server.kill()
            await asyncio.to_thread(server.start)
        return await asyncio.gather(*tasks)


async def spend_the_rest(server: Server, secret: str) -> int:
    """Wait until no hold of the killed server is left, then call until refused; return how many calls passed."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        for _ in range(600):
            shown = (await http.get(f"{server.facts['url']}/v1/wallet")).json()
            if Decimal(shown["held"]) == 0:
                break
            await asyncio.sleep(0.1)
        passed = 0
        while await call(http, f"{server.facts['openai_base_url']}/chat/completions") == 200:
            passed += 1
        return passed


async def test_a_thousand_calls_at_once_admit_the_fifty_that_fit(server: Server, database: Database) -> None:
    account, secret = account_with_five(database)

    statuses = await overwhelm(server, secret, kill_after=None)

    assert (statuses.count(200), statuses.count(402)) == (50, 950)
    wallet = Ledger(database).wallet(wallet_of(account))
    assert (wallet.spent, wallet.settled, wallet.held, wallet.debt) == (parse("5.00"), 0, 0, 0)
    assert audit(database).breaches == []


async def test_a_killed_server_charges_fifty_of_a_thousand_calls_and_not_one_more(
    server: Server, database: Database
) -> None:
    """A call whose answer the kill swallowed may have been charged: it completed. Its caller asks anew."""
    account, secret = account_with_five(database)

    statuses = await overwhelm(server, secret, kill_after=10)
    statuses += [200] * await spend_the_rest(server, secret)

    assert set(statuses) == {200, 402}
    charged = Ledger(database).calls(wallet_of(account), limit=200)
    captured = [it for it in charged if it.charge is not None]
    assert len(captured) == 50
    assert 10 <= statuses.count(200) <= 50
    wallet = Ledger(database).wallet(wallet_of(account))
    assert (wallet.spent, wallet.settled, wallet.held, wallet.debt) == (parse("5.00"), 0, 0, 0)
    assert audit(database).breaches == []
