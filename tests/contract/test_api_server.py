"""The API behind a real server and real sockets: nothing is overspent, and the Python client keeps its word."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import httpx2
import pytest
import uvicorn

from ileen.accounts import Accounts
from ileen.accounts.people import People
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds, wallet_of
from ileen.base.money import parse
from ileen.client import AsyncClient, Client, IleenApiError
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import Fund, Source
from ileen.pricing import Prices
from ileen.settings import Settings
from ileen.store.engine import Database
from ileen.web import build

USAGE = {"prompt_tokens": 1200, "completion_tokens": 350, "total_tokens": 1550}


@dataclass(frozen=True)
class Served:
    url: str
    secret: str
    database: Database


async def no_gateway(_scope, _receive, _send) -> None:
    raise AssertionError("these tests call no models")


@contextlib.contextmanager
def serving(app) -> Iterator[str]:
    """Serve an application in a thread until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def served(database: Database) -> Iterator[Served]:
    """A server with one account, whose wallet has 5.00."""
    clock = SystemClock()
    ids = RandomIds(clock)
    ledger = Ledger(database, clock=clock)
    ledger.start()
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    account = accounts.create("Ada")
    _, secret = accounts.create_key(account.id, name="laptop")
    lot = ids.mint("lot")
    ledger.run(Fund(wallet=wallet_of(account.id), key=lot, lot=lot, amount=parse("5.00"), source=Source.BONUS))
    app = build(
        ledger=ledger,
        accounts=accounts,
        people=People(database, accounts, clock=clock, ids=ids),
        prices=Prices.load(fx_rate="0.90"),
        gateway=no_gateway,
        settings=Settings(),
        clock=clock,
        ids=ids,
        database=database,
    )
    with serving(app) as url:
        yield Served(url, secret, database)
    accounts.close()
    ledger.stop()
    assert audit(database).breaches == []


async def test_a_thousand_parallel_holds_of_a_tenth_on_five_credits_admit_exactly_fifty(served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.secret}"}
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(base_url=served.url, headers=headers, limits=limits, timeout=120) as http:
        asked = [http.post("/v1/holds", json={"amount": "0.10"}) for _ in range(1000)]
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
        wallet = (await http.get("/v1/wallet")).json()

    assert (statuses.count(201), statuses.count(402)) == (50, 950)
    assert (wallet["held"], wallet["available"], wallet["settled"]) == ("5.00", "0.00", "5.00")


def test_the_client_captures_what_a_call_cost(served: Served) -> None:
    with Client(served.url, served.secret) as client:
        with client.hold(model="gpt-4o-mini", input_tokens=1200, output_tokens=400, run="r") as hold:
            charged = hold.capture(usage=USAGE, surface="openai.chat", provider_request_id="req-1")

        assert Decimal(0) < charged.charge <= hold.amount
        assert client.wallet().settled == Decimal(5) - charged.charge
        call = client.call(charged.call)
        assert (call.state, call.charge, call.provider_request_id) == ("captured", charged.charge, "req-1")
        assert client.calls(run="r").data == [call]
        (row,) = client.usage(group_by="run")
        assert (row.group, row.calls, row.charge) == ("r", 1, charged.charge)


def test_a_block_that_fails_or_forgets_to_capture_voids_its_hold(served: Served) -> None:
    with Client(served.url, served.secret) as client:
        with pytest.raises(RuntimeError, match="no answer"), client.hold(amount="1.00") as failed:
            raise RuntimeError("no answer")
        with client.hold(amount=Decimal("1.00")) as forgotten:
            assert client.wallet().held == 1

        assert client.wallet().held == 0
        assert client.call(failed.call).reason == "the block failed: RuntimeError"
        assert client.call(forgotten.call).state == "voided"


def test_the_client_raises_the_problem_with_its_code_and_amounts(served: Served) -> None:
    with Client(served.url, served.secret) as client:
        with pytest.raises(IleenApiError) as refused, client.hold(amount=6):
            raise AssertionError("the block must not run")
        assert (refused.value.code, refused.value.status) == ("insufficient_credits", 402)
        assert refused.value.fields == {"needed": "6.00", "available": "5.00"}
        with pytest.raises(TypeError, match="float"), client.hold(amount=0.1):
            raise AssertionError("the block must not run")


def test_a_charge_sent_twice_with_one_key_is_booked_once(served: Served) -> None:
    with Client(served.url, served.secret) as client:
        first = client.charge(amount="0.25", idempotency_key="req-1", activity="changelog")
        again = client.charge(amount="0.25", idempotency_key="req-1", activity="changelog")

        assert again == first
        assert client.wallet().spent == Decimal("0.25")


async def test_the_asynchronous_client_does_the_same(served: Served) -> None:
    async with AsyncClient(served.url, served.secret) as client:
        async with client.hold(amount="1.00") as hold:
            charged = await hold.capture(amount="0.25")
        with pytest.raises(RuntimeError):
            async with client.hold(amount="1.00"):
                raise RuntimeError("no answer")
        with pytest.raises(IleenApiError) as refused:
            await client.call("call_01KB2Z8M6T0000000000000000")

        wallet = await client.wallet()
        assert (wallet.settled, wallet.held) == (Decimal("4.75"), 0)
        assert (await client.calls()).data[-1].id == charged.call
        assert (await client.usage(group_by="day"))[0].calls == 1
        assert refused.value.code == "not_found"


@pytest.mark.parametrize("lost", ["before", "after"])
def test_an_answer_lost_on_the_way_is_asked_for_again_and_booked_once(served: Served, lost: str) -> None:
    dropped = []

    async def losing(scope, receive, send) -> None:
        """A proxy that loses the first request on its way there, or its answer on the way back."""
        request = b""
        more = True
        while more:
            message = await receive()
            request += message.get("body", b"")
            more = message.get("more_body", False)
        first = not dropped
        dropped.append(scope["path"])
        answer = None
        if not (first and lost == "before"):
            async with httpx2.AsyncClient(base_url=served.url) as http:
                answer = await http.request(
                    scope["method"], scope["path"], content=request, headers=httpx2.Headers(scope["headers"])
                )
        status = 503 if first or answer is None else answer.status_code
        body = b"" if first or answer is None else answer.content
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with serving(losing) as url, Client(url, served.secret) as client:
        charged = client.charge(amount="0.25")

    direct = Client(served.url, served.secret)
    with direct as client:
        assert len(dropped) == 2
        assert client.wallet().spent == charged.charge == Decimal("0.25")


def test_a_server_that_is_not_there_is_an_error_of_its_own(served: Served) -> None:
    nowhere = replace(served, url="http://127.0.0.1:1")

    with Client(nowhere.url, nowhere.secret) as client, pytest.raises(IleenApiError) as refused:
        client.wallet()

    assert (refused.value.code, refused.value.status) == ("unreachable", 0)
