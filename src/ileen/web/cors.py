"""Cross-origin requests: which web origins may let their pages read answers of `/v1`.

Owns: the CORS headers and the answer to preflights. Refuses to know: who is let in; that is `house.authorize`, whatever
is said here.
C1  the pages of other origins get nothing, but for those that a UI session names, with that session's token. There is
    no wildcard, and cookies are never part of it: a browser session works on our own pages only.
C2  a preflight carries no token. It is answered for an origin that any living UI session names; what it asks for is
    then decided by C1.
C3  an ended session's own origin may still read that it has ended, until its row is purged.
Source: the Fetch standard, "CORS protocol".
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from ileen.accounts.hosts import Hosts
from ileen.accounts.tokens import UI_PREFIX
from ileen.base.errors import OriginRefused
from ileen.web.problems import MEDIA_TYPE, encode

Message = MutableMapping[str, Any]
Headers = Iterable[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_REMEMBERED: Final = b"600"
"""Seconds a browser need not ask again: not longer than a UI session lives."""
_PERMITTED: Final = (
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, last-event-id"),
    (b"access-control-max-age", _REMEMBERED),
)
_READABLE: Final = (b"access-control-expose-headers", b"ileen-request-id, ileen-replayed, retry-after")
_VARY: Final = (b"vary", b"origin")


class Cors:
    """Stands before the API. Reads the database only for requests of browsers across origins."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    async def serve(self, room: Asgi, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request of `/v1`, by the room or, if it is a preflight, at once."""
        headers: Headers = scope["headers"]
        origin = _value(headers, b"origin")
        if origin is None:
            await room(scope, receive, send)
        elif scope["method"] == "OPTIONS" and _value(headers, b"access-control-request-method") is not None:
            await _preflight(send, origin, is_named=await _ask(self._hosts.knows_origin, origin))
        elif (token := _ui_token(headers)) is None:
            await room(scope, receive, send)
        else:
            named = await _ask(self._hosts.names_origin, token, origin)
            await room(scope, receive, _readable(send, origin) if named else send)


async def _ask(question: Callable[..., bool], *about: str) -> bool:
    """Ask the database; one that cannot be reached names no origin, and the room will say that it is away."""
    try:
        return await asyncio.to_thread(question, *about)
    except DBAPIError:
        return False


def _readable(send: Send, origin: str) -> Send:
    added = [(b"access-control-allow-origin", origin.encode()), _READABLE, _VARY]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return sending


async def _preflight(send: Send, origin: str, *, is_named: bool) -> None:
    if is_named:
        body, status = b"", 204
        headers = [(b"access-control-allow-origin", origin.encode()), *_PERMITTED]
    else:
        refusal = OriginRefused(origin=origin[:200])
        body, status = encode(refusal), refusal.status
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, _VARY]})
    await send({"type": "http.response.body", "body": body})


def _ui_token(headers: Headers) -> str | None:
    scheme, _, secret = (_value(headers, b"authorization") or "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip().startswith(UI_PREFIX) else None


def _value(headers: Headers, wanted: bytes) -> str | None:
    for name, value in headers:
        if name == wanted:
            return value.decode("latin-1")
    return None
