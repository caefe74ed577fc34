"""The gateway on real sockets, with the official clients, a real ledger, and a provider scripted byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import anthropic
import openai
import pytest
import uvicorn

from ileen.accounts import Accounts
from ileen.base.clock import SystemClock
from ileen.base.ids import HoldId, LotId, RandomIds, wallet_of
from ileen.base.money import NANO, parse, write
from ileen.gateway import Gateway
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import CloseKey, Fund, HoldState, Source, Wallet
from ileen.pricing import Prices, Tariff, normalise
from ileen.settings import Settings
from ileen.store.engine import Database

CHAT_USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
RESPONSE_USAGE = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
MESSAGE_USAGE = {"input_tokens": 9, "output_tokens": 3}


def chat_chunk(text: str | None, finish: str | None = None, **more: object) -> bytes:
    delta = {"role": "assistant", "content": text} if text else {}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return sse({**CHUNK, "choices": choices, "usage": None, **more})


def sse(document: dict[str, object], *, named: bool = False) -> bytes:
    name = f"event: {document['type']}\n".encode() if named else b""
    return name + b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-4o-mini", "status": "completed",
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": RESPONSE_USAGE,
    "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}],
}  # fmt: skip
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Hello"}], "usage": MESSAGE_USAGE,
}  # fmt: skip
COMPLETION = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "usage": CHAT_USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}  # fmt: skip
EMBEDDINGS = {
    "object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 9, "total_tokens": 9},
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}],
}  # fmt: skip
STREAMS: dict[str, list[bytes]] = {
    "chat": [
        chat_chunk("Hel"),
        chat_chunk("lo"),
        chat_chunk(None, "stop"),
        sse({**CHUNK, "choices": [], "usage": CHAT_USAGE}),
        b"data: [DONE]\n\n",
    ],
    "responses": [
        sse({"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "usage": None}}, named=True),
        sse({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1", "output_index": 0,
             "content_index": 0, "delta": "Hello", "logprobs": []}, named=True),
        sse({"type": "response.completed", "sequence_number": 2, "response": RESPONSE}, named=True),
    ],
    "messages": [
        sse({"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None,
             "usage": {"input_tokens": 9, "output_tokens": 1}}}, named=True),
        sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, named=True),
        sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}, named=True),
        sse({"type": "content_block_stop", "index": 0}, named=True),
        sse({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
             "usage": {"output_tokens": 3}}, named=True),
        sse({"type": "message_stop"}, named=True),
    ],
}  # fmt: skip
PATHS = {
    "chat": "/openai/v1/chat/completions",
    "responses": "/openai/v1/responses",
    "messages": "/anthropic/v1/messages",
}
ASKS: dict[str, dict[str, object]] = {
    "chat": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 500},
    "responses": {"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 500},
    "messages": {
        "model": "claude-haiku-4-5",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "Hi"}],
    },
}


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: dict[str, object]


@dataclass
class Provider:
    """Answers each request with the script; a `None` in it breaks the connection there, a number waits seconds."""

    script: list[bytes | float | None] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def answers(self, document: object, status: int = 200) -> None:
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n"
        self.script = [(head + f"content-length: {len(body)}\r\n\r\n").encode() + body]

    def streams(self, events: list[bytes | float | None], *, end: bool = True) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        chunks = [b"%x\r\n%b\r\n" % (len(item), item) if isinstance(item, bytes) else item for item in events]
        self.script = [head, *chunks, b"0\r\n\r\n" if end else None]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
                raw = await reader.readexactly(int(headers.get("content-length", "0")))
                self.asked.append(Asked(lines[0].split(" ")[1], headers, json.loads(raw or b"{}")))
                for item in self.script:
                    if item is None:
                        return
                    if isinstance(item, bytes):
                        writer.write(item)
                        await writer.drain()
                    await asyncio.sleep(0.005 if isinstance(item, bytes) else item)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@dataclass
class World:
    """A running gateway, its provider, and one account with a key."""

    url: str
    secret: str
    provider: Provider
    ledger: Ledger
    accounts: Accounts
    account: str
    key: str
    gateway: Gateway

    @property
    def wallet(self) -> Wallet:
        return self.ledger.wallet(wallet_of(self.account))

    def openai(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(api_key=self.secret, base_url=self.url + "/openai/v1", max_retries=0)

    def anthropic(self) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(api_key=self.secret, base_url=self.url + "/anthropic", max_retries=0)

    def fund(self, amount: str) -> None:
        wallet = wallet_of(self.account)
        self.ledger.run(
            Fund(
                wallet=wallet,
                key=amount,
                lot=LotId(f"lot_{amount}"),
                amount=parse(amount),
                source=Source.BONUS,
            )
        )

    async def settled(self) -> Wallet:
        """Wait until nothing is held any more."""
        for _ in range(200):
            if self.wallet.held == 0:
                break
            await asyncio.sleep(0.01)
        return self.wallet


Build = Callable[..., "asyncio.Future[World]"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SystemClock()
    database = Database.open(f"sqlite:///{tmp_path}/ileen.sqlite3")
    database.migrate()
    ledger = Ledger(database, clock=clock)
    ledger.start()
    ids = RandomIds(clock)
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    account = accounts.create("Test")
    key, secret = accounts.create_key(account.id, name="test", calls_max=2)
    provider = Provider()
    serving = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    settings = Settings(
        openai_base_url=provider.url + "/v1",
        openai_api_key="provider-key",
        anthropic_base_url=provider.url,
        anthropic_api_key="provider-key",
        stall_timeout_s=1,
        call_timeout_s=2,
        body_bytes_max=100_000,
        buy_url="https://shop.example",
    )
    prices = Prices.load(fx_rate="0.9")
    gateway = Gateway(ledger=ledger, accounts=accounts, prices=prices, settings=settings, clock=clock, ids=ids)
    await gateway.start()
    server = uvicorn.Server(uvicorn.Config(gateway, port=0, log_level="critical", lifespan="off", ws="none"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield World(url, secret, provider, ledger, accounts, account.id, key.id, gateway)
    server.should_exit = True
    await running
    await gateway.stop()
    serving.close()
    ledger.stop()
    accounts.close()
    assert audit(database, None).breaches == []
    database.close()


def expected_charge(world: World, surface: str, usage: dict[str, object]) -> int:
    call = world.ledger.calls(wallet_of(world.account), limit=1)[0]
    assert call.hold.tariff is not None
    return Tariff.read(world.ledger.tariff(call.hold.tariff)).charge(normalise(surface, usage)).nano


async def post(world: World, path: str, body: object, **headers: str) -> tuple[int, dict[str, str], bytes]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": f"Bearer {world.secret}", "content-type": "application/json", **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.url + path, data=raw, headers=sent) as response,
    ):
        parts: list[bytes] = []
        try:
            async for part in response.content.iter_any():
                parts.append(part)
        except aiohttp.ClientPayloadError:
            parts.append(b"<cut>")
        return response.status, {k.lower(): v for k, v in response.headers.items()}, b"".join(parts)


async def test_a_chat_completion_is_captured_exactly(world: World) -> None:
    world.fund("5.00")
    world.provider.answers(COMPLETION)

    async with world.openai() as client:
        raw = await client.chat.completions.with_raw_response.create(**ASKS["chat"])

    assert raw.parse().choices[0].message.content == "Hello"
    charge = expected_charge(world, "openai.chat", CHAT_USAGE)
    assert charge > 0
    assert write(charge) == raw.headers["ileen-charge"]
    assert write(5 * NANO - charge) == raw.headers["ileen-balance"]
    call = world.ledger.call(wallet_of(world.account), HoldId("hold_" + raw.headers["ileen-call-id"][5:]))
    assert (charge, 9, 3, "req_1") == (
        call.charge,
        call.input_tokens,
        call.output_tokens,
        call.provider_request_id,
    )
    assert (5 * NANO - charge, 0) == (world.wallet.settled, world.wallet.held)
    asked = world.provider.asked[0]
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "bearer provider-key"
    assert world.secret.lower() not in str(asked.headers)


async def test_responses_embeddings_and_messages_are_captured(world: World) -> None:
    world.fund("5.00")
    async with world.openai() as client, world.anthropic() as claude:
        world.provider.answers(RESPONSE)
        assert (await client.responses.create(**ASKS["responses"])).output_text == "Hello"
        assert expected_charge(world, "openai.responses", RESPONSE_USAGE) == world.wallet.spent
        world.provider.answers(EMBEDDINGS)
        await client.embeddings.create(model="text-embedding-3-small", input="Hi", encoding_format="float")
        world.provider.answers(MESSAGE)
        assert (await claude.messages.create(**ASKS["messages"])).content[0].text == "Hello"
        world.provider.answers({"input_tokens": 7})
        counted = await claude.messages.count_tokens(model="claude-haiku-4-5", messages=ASKS["messages"]["messages"])

    assert counted.input_tokens == 7
    assert world.provider.asked[2].headers["x-api-key"] == "provider-key"
    assert len(world.ledger.calls(wallet_of(world.account), limit=9)) == 3
    assert world.wallet.held == 0


async def test_the_official_clients_read_streams(world: World) -> None:
    world.fund("5.00")
    async with world.openai() as client, world.anthropic() as claude:
        world.provider.streams(STREAMS["chat"])
        chunks = [chunk async for chunk in await client.chat.completions.create(**ASKS["chat"], stream=True)]
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello"
        assert all(chunk.usage is None for chunk in chunks)
        assert world.provider.asked[0].body["stream_options"] == {"include_usage": True}
        options = {"include_usage": True}
        again = await client.chat.completions.create(**ASKS["chat"], stream=True, stream_options=options)
        assert [chunk async for chunk in again][-1].usage.total_tokens == 12
        world.provider.streams(STREAMS["responses"])
        events = [event async for event in await client.responses.create(**ASKS["responses"], stream=True)]
        assert events[-1].type == "response.completed"
        world.provider.streams(STREAMS["messages"])
        async with claude.messages.stream(**ASKS["messages"]) as stream:
            assert await stream.get_final_text() == "Hello"

    assert len(world.ledger.calls(wallet_of(world.account), limit=9)) == 4
    assert world.wallet.held == 0
    assert (
        expected_charge(world, "anthropic.messages", MESSAGE_USAGE)
        == world.ledger.calls(wallet_of(world.account), limit=1)[0].charge
    )


@pytest.mark.parametrize("surface", STREAMS)
async def test_the_capture_is_durable_before_the_last_chunk(world: World, surface: str) -> None:
    world.fund("5.00")
    world.provider.streams(STREAMS[surface])
    last = STREAMS[surface][-1].strip().rsplit(b"\n", 1)[-1]
    headers = {"authorization": f"Bearer {world.secret}"}
    seen = b""
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.url + PATHS[surface], json={**ASKS[surface], "stream": True}, headers=headers) as response,
    ):
        async for part in response.content.iter_any():
            seen += part
            if last in seen:
                assert world.wallet.spent > 0
                assert world.wallet.held == 0

    assert last in seen


@pytest.mark.parametrize("surface", STREAMS)
async def test_a_stream_cut_at_any_chunk_is_not_charged(world: World, surface: str) -> None:
    world.fund("5.00")
    events = STREAMS[surface]
    for cut in range(len(events)):
        world.provider.streams(list(events[:cut]), end=False)

        _, _, body = await post(world, PATHS[surface], {**ASKS[surface], "stream": True})

        assert body.endswith(b"<cut>"), cut
        wallet = await world.settled()
        assert (wallet.held, wallet.settled) == (0, 5 * NANO), cut
        call = world.ledger.calls(wallet_of(world.account), limit=1)[0]
        assert HoldState.VOIDED is call.hold.state, cut


@pytest.mark.parametrize("surface", STREAMS)
async def test_a_client_that_leaves_is_charged_for_the_completed_call(world: World, surface: str) -> None:
    world.fund("5.00")
    events = STREAMS[surface]
    world.provider.streams([events[0], 0.3, *events[1:]])
    headers = {"authorization": f"Bearer {world.secret}"}
    async with aiohttp.ClientSession() as session:
        response = await session.post(
            world.url + PATHS[surface], json={**ASKS[surface], "stream": True}, headers=headers
        )
        await response.content.readany()
        response.close()

    wallet = await world.settled()

    assert wallet.spent > 0
    assert wallet.held == 0


@pytest.mark.parametrize("surface", STREAMS)
async def test_a_stalled_stream_is_voided(world: World, surface: str) -> None:
    world.fund("5.00")
    world.provider.streams([STREAMS[surface][0], 30.0])

    _, _, body = await post(world, PATHS[surface], {**ASKS[surface], "stream": True})

    assert body.endswith(b"<cut>")
    assert (await world.settled()).available == 5 * NANO


@pytest.mark.parametrize("surface", PATHS)
async def test_a_providers_error_is_passed_on_and_costs_nothing(world: World, surface: str) -> None:
    world.fund("5.00")
    world.provider.answers({"error": {"message": "slow down"}}, status=429)

    status, headers, body = await post(world, PATHS[surface], ASKS[surface])

    assert (status, json.loads(body)) == (429, {"error": {"message": "slow down"}})
    assert headers["ileen-call-id"].startswith("call_")
    assert world.wallet.available == 5 * NANO


@pytest.mark.parametrize(
    "script",
    [
        [None],
        [30.0],
        [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{", None],
    ],
)
async def test_a_provider_that_fails_is_a_502_and_costs_nothing(
    world: World, script: list[bytes | float | None]
) -> None:
    world.fund("5.00")
    world.provider.script = script

    status, _, body = await post(world, PATHS["chat"], ASKS["chat"])

    assert (status, json.loads(body)["error"]["code"]) == (502, "provider_failed")
    assert world.wallet.available == 5 * NANO


@pytest.mark.parametrize("usage", [None, {}, {**CHAT_USAGE, "completion_tokens": -3}, {"prompt_tokens": "many"}])
async def test_missing_or_wrong_usage_is_passed_on_and_costs_nothing(world: World, usage: object) -> None:
    world.fund("5.00")
    world.provider.answers({**COMPLETION, "usage": usage})

    status, headers, body = await post(world, PATHS["chat"], ASKS["chat"])

    assert (200, {**COMPLETION, "usage": usage}) == (status, json.loads(body))
    assert "ileen-charge" not in headers
    assert world.wallet.available == 5 * NANO


async def test_an_empty_wallet_is_told_in_the_surfaces_own_shape(world: World) -> None:
    async with world.openai() as client, world.anthropic() as claude:
        with pytest.raises(openai.APIStatusError) as first:
            await client.chat.completions.create(**ASKS["chat"])
        with pytest.raises(anthropic.APIStatusError) as second:
            await claude.messages.create(**ASKS["messages"])

    for refusal in (first.value, second.value):
        assert refusal.status_code == 402
        error = refusal.response.json()["error"]
        assert (
            error["code"],
            error["available"],
            error["buy_url"],
        ) == ("insufficient_credits", "0.00", "https://shop.example")
        assert parse(error["needed"]) > 0
    assert world.provider.asked == []


async def test_the_output_limit_is_lowered_to_what_the_wallet_covers(world: World) -> None:
    world.fund("0.01")
    world.provider.answers(COMPLETION)

    status, headers, _ = await post(world, PATHS["chat"], {**ASKS["chat"], "max_tokens": 100_000})

    assert status == 200
    limit = int(headers["ileen-output-limit"])
    assert 256 <= limit < 100_000
    assert limit == world.provider.asked[0].body["max_tokens"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        (PATHS["chat"], b"{", {}, 400, "request_malformed"),
        (PATHS["chat"], {"model": "no-such-model-9", "messages": []}, {}, 400, "model_not_priced"),
        (PATHS["chat"], {**ASKS["chat"], "service_tier": "priority"}, {}, 400, "extra_not_priced"),
        (
            PATHS["messages"],
            {**ASKS["messages"], "tools": [{"type": "web_search_20250305"}]},
            {},
            400,
            "extra_not_priced",
        ),
        (PATHS["chat"], ASKS["chat"], {"ileen-activity": "dream"}, 400, "activity_unknown"),
        (PATHS["chat"], b"x" * 100_001, {}, 413, "too_large"),
        (PATHS["messages"], ASKS["messages"], {"authorization": "Bearer ileen_sk_no"}, 401, "key_invalid"),
        ("/openai/v1/files", {}, {}, 404, "not_found"),
        ("/anthropic/v1/complete", {}, {}, 404, "not_found"),
    ],
)
async def test_a_bad_request_is_refused_before_any_provider_is_asked(
    world: World, path: str, body: object, headers: dict[str, str], status: int, code: str
) -> None:
    world.fund("5.00")

    answered, _, document = await post(world, path, body, **headers)

    assert (status, code) == (answered, json.loads(document)["error"]["code"])
    assert world.provider.asked == []
    assert world.wallet.available == 5 * NANO


async def test_calls_at_once_are_bounded_by_the_key(world: World) -> None:
    world.fund("5.00")
    world.provider.streams([STREAMS["chat"][0], 0.5, *STREAMS["chat"][1:]])
    body = {**ASKS["chat"], "stream": True}

    answers = await asyncio.gather(*(post(world, PATHS["chat"], body) for _ in range(3)))

    assert sorted(status for status, _, _ in answers) == [200, 200, 429]


async def test_a_revoked_key_cannot_spend_though_it_is_remembered(world: World) -> None:
    world.fund("5.00")
    world.provider.answers(COMPLETION)
    assert (await post(world, PATHS["chat"], ASKS["chat"]))[0] == 200
    world.ledger.run(CloseKey(wallet=wallet_of(world.account), api_key=world.key))

    assert (await post(world, PATHS["chat"], ASKS["chat"]))[0] == 401


async def test_attribution_is_kept_and_models_are_listed(world: World) -> None:
    world.fund("5.00")
    world.provider.answers(COMPLETION)
    headers = {"ileen-activity": "code_query", "ileen-run": "run-7", "ileen-parent-run": "run-1"}
    await post(world, PATHS["chat"], ASKS["chat"], **headers)
    world.provider.answers({"object": "list", "data": []})

    async with world.openai() as client:
        models = await client.models.list()

    kept = world.ledger.calls(wallet_of(world.account), limit=1)[0].hold.attribution
    assert models.data == []
    assert ("code_query", "run-7", "run-1", world.key) == (
        kept.activity,
        kept.run,
        kept.parent_run,
        kept.api_key,
    )
    assert (kept.provider, kept.model) == ("openai", "gpt-4o-mini")


async def test_the_last_credits_admit_only_what_they_cover(world: World) -> None:
    world.fund("0.0005")
    world.provider.answers(COMPLETION)

    answers = await asyncio.gather(*(post(world, PATHS["chat"], ASKS["chat"]) for _ in range(2)))

    assert {200} >= {status for status, _, _ in answers} - {402}
    assert world.wallet.available >= 0


@pytest.mark.parametrize("silent_after", [None, 30.0])
async def test_a_client_that_stops_reading_counts_as_gone(world: World, silent_after: float | None) -> None:
    world.fund("5.00")
    large = [chat_chunk("x" * 500_000)] * 40
    end = STREAMS["chat"][-2:] if silent_after is None else [silent_after]
    world.provider.streams([*large, *end])
    headers = {"authorization": f"Bearer {world.secret}"}
    async with aiohttp.ClientSession(read_bufsize=1024) as session:
        response = await session.post(world.url + PATHS["chat"], json={**ASKS["chat"], "stream": True}, headers=headers)
        await asyncio.sleep(0.1)
        assert world.wallet.held > 0

        wallet = await asyncio.wait_for(_until_free(world), 4)
        response.close()

    assert (wallet.spent > 0) is (silent_after is None)


async def _until_free(world: World) -> Wallet:
    while world.wallet.held:
        await asyncio.sleep(0.02)
    return world.wallet


async def test_a_stopping_gateway_waits_for_calls_under_way(world: World) -> None:
    world.fund("5.00")
    world.provider.streams([STREAMS["chat"][0], 0.4, *STREAMS["chat"][1:]])
    under_way = asyncio.create_task(post(world, PATHS["chat"], {**ASKS["chat"], "stream": True}))
    while not world.wallet.held:
        await asyncio.sleep(0.005)

    await world.gateway.stop()

    assert world.wallet.spent > 0
    assert b"[DONE]" in (await under_way)[2]


async def test_another_method_is_refused_in_the_surfaces_shape(world: World) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(world.url + PATHS["messages"]) as response,
    ):
        document = await response.json()

    assert (response.status, document["type"], document["error"]["code"]) == (405, "error", "method_not_allowed")
