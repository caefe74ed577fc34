"""The billing gate in front of a host application: an ASGI middleware, and a check for everything else.

Owns: when the gate is asked about, and how a closed one is answered. Refuses to know: who is signed in; the host says.
G1  a gate that was open stays open, so that it is asked about once per account and process.
G2  while it is closed it is asked about again at most every few seconds, so that a finished purchase is noticed soon.
G3  if Ileen cannot be asked, an account not known to be open is not let in: the answer is 503, not the app.
"""

import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from ileen.client.asynchronous import AsyncClient
from ileen.client.synchronous import Client
from ileen.client.types import Gate, IleenApiError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

ASK_AGAIN_S: Final = 3
"""Seconds a closed gate is taken to be closed without asking again."""

P = ParamSpec("P")
R = TypeVar("R")


class GateClosed(Exception):
    """The gate is closed. `step` is `payment_method` or `credits`, `url` the page where it is done."""

    def __init__(self, step: str, url: str) -> None:
        self.step = step
        self.url = url
        super().__init__(f"billing is not set up: {step} is missing")


class AsyncClients(Protocol):
    """The host's way to say who is signed in."""

    async def __call__(self, scope: Scope) -> AsyncClient | None:
        """Return a client for the account of whoever sent this request, None if the gate does not concern them."""
        ...


class GateMiddleware:
    """ASGI middleware that lets a request through only behind an open gate.

    A browser is sent to the gate's page (303); everything else gets 402 with a problem document that names the step.
    `open_paths` are left alone with everything below them: sign-in, assets, webhooks.
    """

    def __init__(self, app: Asgi, *, client_of: AsyncClients, open_paths: tuple[str, ...] = ()) -> None:
        self._app = app
        self._client_of = client_of
        self._open_paths = open_paths
        self._memory = _Memory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or self._is_left_alone(scope["path"]):
            await self._app(scope, receive, send)
            return
        client = await self._client_of(scope)
        if client is None:
            await self._app(scope, receive, send)
            return
        try:
            closed = await self._closed(client)
        except IleenApiError:
            await _answer(send, 503, {"code": "unavailable", "title": "Billing cannot be asked at the moment"})
            return
        if closed is None:
            await self._app(scope, receive, send)
        elif _is_browser(scope):
            await _redirect(send, closed.url)
        else:
            await _answer(send, 402, _problem(closed))

    async def _closed(self, client: AsyncClient) -> GateClosed | None:
        known = self._memory.recall(client)
        if known is not _UNKNOWN:
            return known
        return self._memory.note(client, await client.gate())

    def _is_left_alone(self, path: str) -> bool:
        return any(path == each or path.startswith(each.rstrip("/") + "/") for each in self._open_paths)


def requires_open_gate(client_of: Callable[P, Client]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function that may run only behind an open gate, in any framework.

    `client_of` gets the function's own arguments and returns a client for the account they are about.
    The function raises GateClosed, or IleenApiError if Ileen cannot be asked.
    """
    memory = _Memory()

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            client = client_of(*args, **kwargs)
            known = memory.recall(client)
            closed = memory.note(client, client.gate()) if known is _UNKNOWN else known
            if closed is not None:
                raise closed
            return function(*args, **kwargs)

        return guarded

    return decorate


class _Unknown(GateClosed):
    """Stands for: nothing is known, or not any more."""


_UNKNOWN: Final = _Unknown("", "")
_REMEMBERED_MAX: Final = 10_000


class _Memory:
    """What the gate of each account was, by the key it was asked with."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._closed: dict[str, tuple[float, GateClosed]] = {}

    def recall(self, client: AsyncClient | Client) -> GateClosed | None:
        """Return None for an open gate, the refusal for one closed a moment ago, _UNKNOWN otherwise."""
        if client.identity in self._open:
            return None
        asked_at, closed = self._closed.get(client.identity, (0.0, _UNKNOWN))
        return closed if time.monotonic() - asked_at < ASK_AGAIN_S else _UNKNOWN

    def note(self, client: AsyncClient | Client, gate: Gate) -> GateClosed | None:
        """Remember an answer; return the refusal it means, None for an open gate."""
        if len(self._closed) > _REMEMBERED_MAX or len(self._open) > _REMEMBERED_MAX:
            self._closed.clear()  # a bound on memory; forgetting costs one more question per account
            self._open.clear()
        if gate.open:
            self._open.add(client.identity)
            self._closed.pop(client.identity, None)
            return None
        closed = GateClosed(gate.missing or "credits", gate.next.url or "")
        self._closed[client.identity] = (time.monotonic(), closed)
        return closed


def _is_browser(scope: Scope) -> bool:
    """Tell whether somebody looks at a page: a script's or a program's request wants an answer, not a page."""
    accepts = b"".join(value for name, value in scope["headers"] if name == b"accept")
    return scope["method"] in {"GET", "HEAD"} and b"text/html" in accepts


def _problem(closed: GateClosed) -> dict[str, object]:
    """Return the document that the server itself answers with; its way on is the gate's page."""
    way = {"buy_url": closed.url, "next": {"kind": "redirect", "url": closed.url, "id": None}} if closed.url else {}
    return {
        "type": "https://ileen.dev/errors/gate_closed",
        "title": "Billing is not set up",
        "status": 402,
        "code": "gate_closed",
        "detail": f"Billing is not set up yet. Missing: {closed.step}.",
        "step": closed.step,
        "gate_url": closed.url,
        **way,
    }


async def _redirect(send: Send, url: str) -> None:
    headers = [(b"location", url.encode()), (b"cache-control", b"no-store"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _answer(send: Send, status: int, problem: dict[str, object]) -> None:
    body = json.dumps({"status": status, **problem}).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
