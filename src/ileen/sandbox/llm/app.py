"""The sandbox provider's HTTP side: routes, authentication, streaming, faults. Plain ASGI, so that it is fast."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Requests are JSON of any form here: a provider reads what it understands of them.

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from itertools import count
from typing import Any

import msgspec

from ileen.sandbox.llm import anthropic, openai
from ileen.sandbox.llm.faults import Faults

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Json = dict[str, Any]

MODELS = (
    "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5", "gpt-5-mini", "gpt-5-nano", "o4-mini",
    "text-embedding-3-small", "text-embedding-3-large", "claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5",
)  # fmt: skip
"""The models it has. A dated name of one of them is that model; another name is answered 404, as providers do."""
_CREATED = 1_767_225_600  # the sandbox's models are all of one day
_NO_MODEL = "model_not_found"
_SEEN_MAX = 10_000  # prompts remembered for cached tokens, before all are forgotten
_encode = msgspec.json.encode


class Cut(Exception):  # raised to make the server drop the connection
    """Break the connection here."""


class Provider:
    """The ASGI application. State: counters, and the prompts seen (for cached tokens)."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.last_body: Any = None
        self.seen: set[str] = set()
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        raw = await _read(receive)
        answer = _Answer(send, f"req_{next(self._numbers):012d}")
        if path == "/_sandbox/state":
            await answer.json(200, {"calls": dict(self.calls), "last_body": self.last_body})
            return
        if path == "/_sandbox/reset":
            self.calls.clear()
            self.seen.clear()
            self.last_body = None
            await answer.json(200, {})
            return
        surface, _, rest = path.lstrip("/").partition("/v1/")
        speaks_anthropic = surface == "anthropic"
        if not headers.get("x-api-key") and len(headers.get("authorization", "")) <= len("Bearer "):
            await answer.error(401, "Missing API key", anthropic=speaks_anthropic)
            return
        if scope["method"] == "GET" and rest.split("/")[0] == "models":
            await self._models(answer, rest, anthropic=speaks_anthropic)
            return
        try:
            body = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            body = None
        if scope["method"] != "POST" or not isinstance(body, dict):
            await answer.error(400, "The body is not a JSON object", anthropic=speaks_anthropic)
            return
        self.calls[path] += 1
        self._forget()
        self.last_body = body
        model, _, suffix = str(body.get("model", "")).partition("#")
        if not _is_known(model, anthropic=speaks_anthropic):
            await answer.error(404, f"The model '{model}' does not exist", anthropic=speaks_anthropic, code=_NO_MODEL)
            return
        body["model"] = model
        faults = Faults.read(f"{headers.get('ileen-sandbox-fault', '')},{suffix}")
        answer.faults = faults
        if faults.latency_ms:
            await asyncio.sleep(faults.latency_ms / 1000)
        if faults.status:
            await answer.error(faults.status, "The sandbox was asked to fail", anthropic=speaks_anthropic)
            return
        await self._serve(answer, f"{surface}/{rest}", body)

    def _forget(self) -> None:
        if len(self.seen) > _SEEN_MAX:
            self.seen.clear()

    async def _serve(self, answer: "_Answer", route: str, body: Json) -> None:
        id_ = f"{next(self._numbers):024d}"
        faults, streamed = answer.faults, bool(body.get("stream"))
        match route:
            case "openai/chat/completions":
                chat = openai.chat_asked(body, self.seen)
                if streamed:
                    chunks = openai.chat_chunks(body, chat, "chatcmpl-" + id_, _CREATED, faults)
                    await answer.stream(chunks, named=False)
                else:
                    await answer.json(200, openai.chat(body, chat, "chatcmpl-" + id_, _CREATED, faults))
            case "openai/responses":
                asked = openai.responses_asked(body, self.seen)
                if streamed:
                    await answer.stream(
                        openai.response_events(body, asked, "resp_" + id_, _CREATED, faults), named=True
                    )
                else:
                    await answer.json(200, openai.response(body, asked, "resp_" + id_, _CREATED, faults))
            case "openai/embeddings":
                await answer.json(200, openai.embeddings(body, faults))
            case "anthropic/messages":
                message = anthropic.Asked(body, self.seen)
                if streamed:
                    await answer.stream(anthropic.events(message, "msg_" + id_, faults), named=True)
                else:
                    await answer.json(200, anthropic.message(message, "msg_" + id_, faults))
            case "anthropic/messages/count_tokens":
                await answer.json(200, {"input_tokens": anthropic.Asked(body, set()).total_input})
            case _:
                await answer.error(404, f"There is no {route}", anthropic=route.startswith("anthropic"))

    async def _models(self, answer: "_Answer", rest: str, *, anthropic: bool) -> None:
        known = [_model(name, anthropic=anthropic) for name in MODELS if name.startswith("claude") == anthropic]
        _, _, wanted = rest.partition("/")
        if not wanted:
            ends = {"has_more": False, "first_id": known[0]["id"], "last_id": known[-1]["id"]} if anthropic else {}
            await answer.json(200, {"object": "list", "data": known, **ends})
            return
        found = [model for model in known if model["id"] == wanted]
        if found:
            await answer.json(200, found[0])
        else:
            await answer.error(404, f"The model '{wanted}' does not exist", anthropic=anthropic, code=_NO_MODEL)


class _Answer:
    """One answer under way, with its faults."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.faults = Faults()

    async def json(self, status: int, value: Json, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        body = _encode(value)
        if status == 200 and self.faults.stall:  # an HTTP status
            await asyncio.sleep(3600)
        length = (b"content-length", str(len(body)).encode())
        await self._start(status, b"application/json", [length, *headers])
        if status == 200 and self.faults.cut is not None:  # an HTTP status
            await self._body(body[: len(body) // 2], more=True)
            raise Cut
        await self._body(body, more=False)

    async def stream(self, events: Iterable[Json | str], *, named: bool) -> None:
        faults = self.faults
        await self._start(200, b"text/event-stream; charset=utf-8", [])
        if faults.slow_first_ms:
            await asyncio.sleep(faults.slow_first_ms / 1000)
        for number, event in enumerate(events):
            if faults.cut == number:
                raise Cut
            data = event.encode() if isinstance(event, str) else _encode(event)
            name = f"event: {event['type']}\n".encode() if named and isinstance(event, dict) else b""
            await self._body(name + b"data: " + data + b"\n\n", more=True)
            if faults.pace_ms:
                await asyncio.sleep(faults.pace_ms / 1000)
            if faults.stall:
                await asyncio.sleep(3600)
        if faults.cut is not None:  # more chunks than there were: the end of the stream is what breaks
            raise Cut
        await self._body(b"", more=False)

    async def error(self, status: int, sentence: str, *, anthropic: bool, code: str | None = None) -> None:
        headers: list[tuple[bytes, bytes]] = []
        if self.faults.retry_after_s is not None:
            headers.append((b"retry-after", str(self.faults.retry_after_s).encode()))
        kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
        kind = kinds.get(status, "api_error" if status >= 500 else "invalid_request_error")
        error: Json = {"type": kind, "message": sentence}
        if anthropic:
            await self.json(status, {"type": "error", "error": error, "request_id": self._request_id}, headers)
        else:
            await self.json(status, {"error": {**error, "param": None, "code": code}}, headers)

    async def _start(self, status: int, kind: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        request_id = self._request_id.encode()
        given = [(b"content-type", kind), (b"x-request-id", request_id), (b"request-id", request_id), *headers]
        await self._send({"type": "http.response.start", "status": status, "headers": given})

    async def _body(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def build() -> Provider:
    """Return a fresh provider."""
    return Provider()


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _is_known(name: str, *, anthropic: bool) -> bool:
    """Tell whether the provider has a model, under its own name or with a date behind it."""
    undated = re.sub(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)$", "", name)
    return undated in MODELS and undated.startswith("claude") == anthropic


def _model(name: str, *, anthropic: bool) -> Json:
    if anthropic:
        return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "sandbox"}
