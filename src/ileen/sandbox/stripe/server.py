"""The sandbox's HTTP side: who may ask, what each request meets on its way, and how an answer leaves.

Owns: authentication, request ids, idempotency around execution, faults, and the run of what is due.
The order a request meets things in: key check, armed fault, idempotency key, parameters, execution, deliveries that
come before the answer.
W1  execution is one transaction on the event loop's thread, so requests execute one after another.
W2  a live key is refused, and only a loopback host is answered.
"""

import asyncio
import contextlib
import hmac
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httpx2

from ileen.sandbox.stripe import faults, idempotency
from ileen.sandbox.stripe.api import Call, PageAnswer, PageCall
from ileen.sandbox.stripe.control import Control
from ileen.sandbox.stripe.delivery import Deliverer
from ileen.sandbox.stripe.doubts import variant
from ileen.sandbox.stripe.due import settle
from ileen.sandbox.stripe.errors import ApiError, Json, invalid
from ileen.sandbox.stripe.events import API_VERSION
from ileen.sandbox.stripe.form import decode
from ileen.sandbox.stripe.idempotency import Stored
from ileen.sandbox.stripe.pages import levers
from ileen.sandbox.stripe.routes import PAGES, ROUTES
from ileen.sandbox.stripe.store import Cause, State, Tx, random_text
from ileen.sandbox.stripe.views import expand

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BODY_MAX: Final = 1_000_000
_IDLE_S: Final = 0.25  # how often the clock is looked at when nothing is asked of the sandbox
_UNKNOWN: Final[Json] = {"error": {"type": "api_error", "message": "An unknown error occurred."}}


@dataclass(slots=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    id: str = field(default_factory=lambda: f"req_{random_text(14)}")


@dataclass(slots=True)
class Reply:
    """An answer on its way out. `inline`: deliveries to make first; `cut`: break the connection instead."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])
    inline: list[int] = field(default_factory=list[int])
    cut: bool = False


class Server:
    """The ASGI application over one state file."""

    def __init__(self, state: State, *, webhooks: httpx2.AsyncBaseTransport | None = None) -> None:
        """`webhooks` is where they go instead of the network."""
        self._state = state
        self._deliverer = Deliverer(state, transport=webhooks)
        self._control = Control(state, self._deliverer)
        self._keys_in_use: set[str] = set()
        self._woken = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = await _read(scope, receive)
        host = request.headers.get("host", "").rsplit(":", 1)[0]
        if host not in {"127.0.0.1", "localhost"}:  # a page elsewhere must not reach this through a name of its own
            reply = Reply(403, b"The sandbox answers on loopback only.")
        elif request.path.startswith("/v1/"):
            reply = await self._api(request)
            self._woken.set()
        elif request.path.startswith("/_control"):
            reply = await self._controlled(request)
        elif (request.method, request.path) == ("POST", "/control"):
            reply = await self._pulled(request)
        else:
            reply = self._paged(request)
            self._woken.set()
        if reply.cut:
            await _break(send)
        else:
            await _send(send, reply)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        background = asyncio.create_task(self._run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        background.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await background
        await self._deliverer.close()
        self._state.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await settle(self._state, self._deliverer)
            except Exception:  # noqa: BLE001  # one action that fails must not stop all that come after it
                traceback.print_exc(file=sys.stderr)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _IDLE_S)

    async def _api(self, request: Request) -> Reply:
        refusal = self._unauthorized(request)
        if refusal:
            return _answer(refusal.status, refusal.body, request)
        with self._state.transaction() as tx:
            fault = faults.take(tx, request.method, request.path)
        reply = await self._keyed(request, fault)
        if fault and fault["should_retry"] is not None:
            reply.headers["stripe-should-retry"] = "true" if fault["should_retry"] else "false"
        for seq in reply.inline:
            await self._deliverer.deliver(seq)
        return reply

    def _unauthorized(self, request: Request) -> ApiError | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not key:
            return ApiError(
                401,
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            )
        if key.startswith(("sk_live_", "rk_live_")):
            return ApiError(401, "This is a sandbox: a live key must never be sent here. Roll it if it is real.")
        if not hmac.compare_digest(key.encode(), self._state.secret_key.encode()):
            return ApiError(401, f"Invalid API Key provided: {key[:8]}****{key[-4:]}")
        return None

    async def _keyed(self, request: Request, fault: Json | None) -> Reply:
        """Claim the idempotency key, meet the fault, execute."""
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        early = _early_fault(fault, request)
        if early:
            await _hold(fault)
            return early
        told_in_use = fault is not None and fault["kind"] == "key_in_use"
        if told_in_use or (key and key in self._keys_in_use):
            await _hold(fault)
            with self._state.transaction() as tx:
                refusal = idempotency.in_use(key or "", variant(tx, "key_in_use_type"))
            return _answer(refusal.status, refusal.body, request)
        if key:
            self._keys_in_use.add(key)
        try:
            await _hold(fault)
            return self._execute(request, key, fault["kind"] if fault else None)
        finally:
            self._keys_in_use.discard(key or "")

    def _execute(self, request: Request, key: str | None, fault: str | None) -> Reply:
        try:
            with self._state.transaction(Cause(request.id, key)) as tx:
                reply = _executed(tx, request, key, fault)
                reply.inline = tx.delivered_inline
                return reply
        except ApiError as error:
            return _answer(error.status, error.body, request)
        except Exception:  # noqa: BLE001  # a bug of the sandbox: told where it can be seen, answered as Stripe would
            traceback.print_exc(file=sys.stderr)
            return _answer(500, _UNKNOWN, request)

    async def _controlled(self, request: Request) -> Reply:
        # A form of another site can be posted here by a browser, JSON cannot.
        if request.method != "GET" and not request.headers.get("content-type", "").startswith("application/json"):
            return _answer(415, {"error": {"message": "Control requests are application/json."}}, request)
        try:
            given = json.loads(request.body or b"{}")
        except ValueError:
            return _answer(400, {"error": {"message": "The body is not JSON."}}, request)
        status, body = await self._control.serve(request.method, request.path, given)
        return _answer(status, body, request)

    async def _pulled(self, request: Request) -> Reply:
        """Pull a lever from its page: the form becomes a control request."""
        try:
            form = decode(request.body.decode("latin-1"))
        except ApiError as error:
            return _answer(error.status, error.body, request)
        with self._state.transaction() as tx:
            allowed = levers.may_pull(tx, form)
        status, body = 403, ApiError(403, "This form is not from here, or is out of date. Try again.").body
        if allowed:
            status, body = await self._control.serve(*levers.asked(form))
        with self._state.transaction() as tx:
            return _shown(levers.answered(tx, status, body))

    def _paged(self, request: Request) -> Reply:
        for page in PAGES:
            ids = page.match(request.path)
            if page.method != request.method or ids is None:
                continue
            try:
                call = PageCall(request.path, ids, decode(request.query), decode(request.body.decode("latin-1")))
            except ApiError as error:
                return _answer(error.status, error.body, request)
            try:
                with self._state.transaction() as tx:
                    return _shown(page.serve(tx, call))
            except Exception:  # noqa: BLE001  # a bug of the sandbox: told where it can be seen
                traceback.print_exc(file=sys.stderr)
                return _answer(500, _UNKNOWN, request)
        return _shown(PageAnswer(b"There is no such page in this sandbox.", 404, "text/plain; charset=utf-8"))


def _shown(answer: PageAnswer) -> Reply:
    return Reply(answer.status, answer.body, {"content-type": answer.content_type, **dict(answer.headers)})


def _executed(tx: Tx, request: Request, key: str | None, fault: str | None) -> Reply:
    """Execute one request inside its transaction, remembering the answer under its key. Raises: ApiError."""
    _check_version(request)
    raw = decode(request.query if request.method in {"GET", "DELETE"} else request.body.decode())
    asked = idempotency.fingerprint(request.method, request.path, raw)
    stored = idempotency.recall(tx, key, asked) if key else None
    if stored:
        reply = Reply(stored.status, stored.body, _headers(request))
        reply.headers |= {"idempotent-replayed": "true", "original-request": stored.request_id}
        return reply
    paths = raw.pop("expand", None)
    status, body = _served(tx, request, raw, _expand_paths(paths), undo=fault == "error_during")
    true = json.dumps(body, indent=2).encode()
    kept = Stored(status, true, request.id)
    if fault in {"error_during", "error_after"}:
        kept = Stored(500, json.dumps(_UNKNOWN).encode(), request.id)
    if key:
        idempotency.store(tx, key, asked, kept)
    return Reply(kept.status, kept.body, _headers(request), cut=fault == "timeout_after")


def _served(tx: Tx, request: Request, raw: Json, paths: list[str], *, undo: bool) -> tuple[int, Json]:
    """Find the endpoint and run it; a refusal made after execution began is an answer like any other."""
    for route in ROUTES:
        ids = route.match(request.path)
        if route.method != request.method or ids is None:
            continue
        given: Json = route.takes(raw, "") or {}
        tx.connection.execute("SAVEPOINT execution")
        try:
            answer = route.serve(tx, Call(request.path, ids, given))
            expand(tx, answer, paths)
        except ApiError as error:
            if not error.keep:
                tx.connection.execute("ROLLBACK TO execution")
            if not error.began:
                raise
            return error.status, error.body
        if undo:
            tx.connection.execute("ROLLBACK TO execution")
            tx.delivered_inline.clear()
        return 200, answer
    raise ApiError(404, f"Unrecognized request URL ({request.method}: {request.path}). Please see "
                        "https://stripe.com/docs or we can help at https://support.stripe.com/.")  # fmt: skip


def _expand_paths(paths: object) -> list[str]:
    if paths is None:
        return []
    if not isinstance(paths, dict):
        raise invalid("Invalid array", param="expand")
    return [str(path) for path in paths.values()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # strings of a decoded form


def _check_version(request: Request) -> None:
    version = request.headers.get("stripe-version", API_VERSION)
    if version != API_VERSION:
        raise invalid(f"This sandbox speaks API version {API_VERSION} only, not {version}.")


def _early_fault(fault: Json | None, request: Request) -> Reply | None:
    """Return the answer of a fault that keeps the request from being executed."""
    match fault["kind"] if fault else None:
        case "error_before":
            return _answer(500, _UNKNOWN, request)
        case "timeout_before":
            return Reply(200, b"", cut=True)
        case "rate_limit" | "lock_timeout" as kind:
            message = {
                "rate_limit": "Too many requests made to the API too quickly.",
                "lock_timeout": "This object cannot be accessed right now because another API request or Stripe "
                "process is currently accessing it.",
            }[kind]
            return _answer(429, ApiError(429, message, code=kind).body, request)
        case "bad_gateway":
            return Reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", {"content-type": "text/html"})
        case _:
            return None


async def _hold(fault: Json | None) -> None:
    if fault:
        await asyncio.sleep(float(fault["hold_s"]))


def _answer(status: int, body: Json, request: Request) -> Reply:
    return Reply(status, json.dumps(body, indent=2).encode(), _headers(request))


def _headers(request: Request) -> dict[str, str]:
    headers = {"content-type": "application/json", "request-id": request.id, "stripe-version": API_VERSION}
    if "idempotency-key" in request.headers:
        headers["idempotency-key"] = request.headers["idempotency-key"]
    return headers


async def _read(scope: Scope, receive: Receive) -> Request:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > _BODY_MAX:
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query: bytes = scope["query_string"]
    return Request(scope["method"], scope["path"], query.decode("latin-1"), headers, body)


async def _break(send: Send) -> None:
    """Close the connection with no byte of an answer, as a network does. ASGI has no word for it, uvicorn has."""
    cast("Any", send).__self__.transport.abort()
    await asyncio.sleep(0.01)  # so that the loss is noticed before this request ends without an answer


async def _send(send: Send, reply: Reply) -> None:
    headers = {**reply.headers, "content-length": str(len(reply.body)), "cache-control": "no-store"}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": reply.body})
