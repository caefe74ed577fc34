"""The gateway before the offline provider, on both databases: every fault costs nothing, every answer its charge."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anthropic
import httpx2
import openai
import pytest
import uvicorn

from ileen.accounts import Accounts
from ileen.base.clock import SystemClock
from ileen.base.ids import AccountId, LotId, RandomIds, wallet_of
from ileen.base.money import NANO
from ileen.gateway import Gateway
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import Fund, HoldState, Source
from ileen.pricing import Prices
from ileen.sandbox.llm import build
from ileen.settings import Settings
from ileen.store.engine import Database

TURN = [{"role": "user", "content": "Tell me of prepaid credits."}]


@dataclass
class World:
    """A gateway before the sandbox, and one funded account."""

    url: str
    secret: str
    ledger: Ledger
    account: AccountId

    def openai(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(api_key=self.secret, base_url=self.url + "/openai/v1", max_retries=0)

    def anthropic(self) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(api_key=self.secret, base_url=self.url + "/anthropic", max_retries=0)

    async def ask(self, surface: str, *, stream: bool, fault: str | None = None) -> None:
        """Make one call with the official client and read its answer to the end."""
        headers = {"Ileen-Sandbox-Fault": fault} if fault else {}
        async with self.openai() as client, self.anthropic() as claude:
            if surface == "chat":
                model, most = "gpt-4o-mini", 300
                answer = await client.chat.completions.create(
                    model=model, messages=TURN, max_tokens=most, stream=stream, extra_headers=headers
                )
            elif surface == "responses":
                answer = await client.responses.create(
                    model="gpt-4o-mini", input="Hi", max_output_tokens=300, stream=stream, extra_headers=headers
                )
            else:
                answer = await claude.messages.create(
                    model="claude-haiku-4-5", messages=TURN, max_tokens=300, stream=stream, extra_headers=headers
                )
            if stream:
                async for _ in answer:
                    pass

    async def settled(self) -> tuple[int, int]:
        """Return what is held and spent, once nothing is held any more."""
        for _ in range(300):
            wallet = self.ledger.wallet(wallet_of(self.account))
            if wallet.held == 0:
                break
            await asyncio.sleep(0.01)
        return wallet.held, wallet.spent


async def serve(app: object) -> tuple[uvicorn.Server, "asyncio.Task[None]", str]:
    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    return server, running, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    clock = SystemClock()
    ids = RandomIds(clock)
    ledger = Ledger(database, clock=clock)
    ledger.start()
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    account = accounts.create("Test")
    _, secret = accounts.create_key(account.id, name="test")
    wallet = wallet_of(account.id)
    ledger.run(Fund(wallet=wallet, key="f", lot=LotId(ids.mint("lot")), amount=5 * NANO, source=Source.BONUS))
    sandbox, sandbox_task, sandbox_url = await serve(build())
    settings = Settings(
        openai_base_url=sandbox_url + "/openai/v1",
        openai_api_key="k",
        anthropic_base_url=sandbox_url + "/anthropic",
        anthropic_api_key="k",
        stall_timeout_s=2,
        call_timeout_s=5,
    )
    prices = Prices.load(fx_rate="0.9")
    gateway = Gateway(ledger=ledger, accounts=accounts, prices=prices, settings=settings, clock=clock, ids=ids)
    await gateway.start()
    server, server_task, url = await serve(gateway)
    yield World(url, secret, ledger, account.id)
    server.should_exit = True
    await server_task
    await gateway.stop()
    sandbox.force_exit = sandbox.should_exit = True
    await sandbox_task
    ledger.stop()
    accounts.close()
    assert audit(database, None).breaches == []


@pytest.mark.parametrize("surface", ["chat", "responses", "messages"])
async def test_every_completed_call_is_charged(world: World, surface: str) -> None:
    await world.ask(surface, stream=False)
    _, plain = await world.settled()
    await world.ask(surface, stream=True)
    held, both = await world.settled()

    assert held == 0
    assert 0 < plain < both


@pytest.mark.parametrize("surface", ["chat", "responses", "messages"])
async def test_a_stream_cut_at_every_chunk_costs_nothing(world: World, surface: str) -> None:
    completed_at = None
    for cut in range(200):
        try:
            await world.ask(surface, stream=True, fault=f"cut-{cut}")
        except (openai.OpenAIError, anthropic.AnthropicError, httpx2.HTTPError):
            assert await world.settled() == (0, 0), cut
            continue
        completed_at = cut
        break

    assert completed_at is not None, "the stream is shorter than 200 chunks"
    held, spent = await world.settled()
    assert held == 0
    assert spent > 0


@pytest.mark.parametrize("surface", ["chat", "responses", "messages"])
@pytest.mark.parametrize("fault", ["status-500", "status-429", "cut-0", "stall"])
async def test_a_fault_of_an_unstreamed_call_costs_nothing(world: World, surface: str, fault: str) -> None:
    with pytest.raises((openai.OpenAIError, anthropic.AnthropicError)):
        await world.ask(surface, stream=False, fault=fault)

    assert await world.settled() == (0, 0)
    assert HoldState.VOIDED is world.ledger.calls(wallet_of(world.account), limit=1)[0].hold.state


@pytest.mark.parametrize("surface", ["chat", "responses", "messages"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["no-usage", "wrong-usage"])
async def test_usage_that_is_missing_or_wrong_costs_nothing(
    world: World, surface: str, stream: bool, fault: str
) -> None:
    # The client may stumble over what the provider left out, as it would without us.
    with contextlib.suppress(openai.OpenAIError, anthropic.AnthropicError, AttributeError, TypeError, ValueError):
        await world.ask(surface, stream=stream, fault=fault)

    assert await world.settled() == (0, 0)


async def test_a_fault_in_the_models_name_is_priced_as_the_model(world: World) -> None:
    async with world.openai() as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="gpt-4o-mini#status-500", messages=TURN)

    assert await world.settled() == (0, 0)
