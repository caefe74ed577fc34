"""The billing gate in front of model calls: on both databases, with the offline Stripe and the offline provider."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import uvicorn

from ileen.base.ids import wallet_of
from ileen.gateway import Gateway
from ileen.ledger.model import Source
from ileen.payments.gate import GateRule
from ileen.pricing import Prices
from ileen.sandbox.llm.app import build
from ileen.settings import Settings
from paying import Paying, paying
from stripe_sandbox import stripe_process, stripe_sandbox

__all__ = ["paying", "stripe_process", "stripe_sandbox"]

TURN = [{"role": "user", "content": "Hi"}]
CHAT = ("/openai/v1/chat/completions", {"model": "gpt-4.1-mini", "messages": TURN, "max_tokens": 300})
MESSAGES = ("/anthropic/v1/messages", {"model": "claude-haiku-4-5", "messages": TURN, "max_tokens": 300})
surfaces = pytest.mark.parametrize(("path", "body"), [CHAT, MESSAGES])


@dataclass
class World:
    paying: Paying
    http: httpx2.AsyncClient

    def spent(self) -> int:
        return self.paying.ledger.wallet(wallet_of(self.paying.account.id)).spent


@pytest.fixture
def gate_rule() -> GateRule:
    return GateRule.CREDITS


@pytest.fixture
async def world(paying: Paying, gate_rule: GateRule) -> AsyncIterator[World]:
    provider = uvicorn.Server(uvicorn.Config(build(), port=0, log_level="critical", lifespan="off", ws="none"))
    serving = asyncio.create_task(provider.serve())
    while not provider.started:
        await asyncio.sleep(0.005)
    url = f"http://127.0.0.1:{provider.servers[0].sockets[0].getsockname()[1]}"
    gateway = Gateway(
        ledger=paying.ledger,
        accounts=paying.accounts,
        prices=Prices.load(fx_rate="0.9"),
        settings=Settings(
            openai_base_url=url + "/openai/v1",
            openai_api_key="k",
            anthropic_base_url=url + "/anthropic",
            anthropic_api_key="k",
        ),
        clock=paying.clock,
        ids=paying.ids,
        gate=paying.billing.spending_gate(gate_rule),
    )
    await gateway.start()
    _, secret = paying.accounts.create_key(paying.account.id, name="agent")
    headers = {"authorization": f"Bearer {secret}"}
    transport: Any = httpx2.ASGITransport(app=gateway)
    async with httpx2.AsyncClient(transport=transport, base_url="http://ileen", headers=headers) as http:
        yield World(paying, http)
    await gateway.stop()
    provider.force_exit = provider.should_exit = True
    await serving


@surfaces
async def test_who_never_passed_and_is_short_is_told_the_step_in_the_protocols_shape(world: World, path, body) -> None:
    answer = await world.http.post(path, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (402, "billing_error", "gate_closed")
    assert (error["step"], error["gate_url"]) == ("payment_method", "https://credits.example.com/gate")
    assert "https://credits.example.com/gate" in error["message"]


async def test_bonus_credits_are_spent_before_the_gate_and_a_buyer_is_told_that_they_are_short(world: World) -> None:
    path, body = CHAT
    world.paying.fund("0.10", Source.BONUS)

    served = await world.http.post(path, json=body)
    world.paying.fund("0.000000001")
    dear = {
        **body,
        "model": "gpt-5.5-pro",
        "max_tokens": 100_000,
        "messages": [{"role": "user", "content": "x" * 9999}],
    }
    short = await world.http.post(path, json=dear)

    assert served.status_code == 200, served.text
    assert world.spent() > 0
    assert (short.status_code, short.json()["error"]["code"]) == (402, "insufficient_credits")


@surfaces
@pytest.mark.parametrize("gate_rule", [GateRule.STRICT])
async def test_strict_nothing_is_spent_before_the_gate_and_everything_after(world: World, path, body) -> None:
    world.paying.fund("5.00", Source.BONUS)

    refused = await world.http.post(path, json=body)
    before = world.spent()
    world.paying.fund("5.00")
    served = await world.http.post(path, json=body)

    assert (refused.status_code, refused.json()["error"]["code"], before) == (402, "gate_closed", 0)
    assert served.status_code == 200, served.text
    assert world.spent() > 0
