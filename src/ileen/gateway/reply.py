"""The answer to one client, over ASGI. A client that leaves is noted, never an error.

Owns: what was sent to one client so far. Refuses to know: protocols, credits.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ileen.base.errors import RequestMalformed, TooLarge

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class ClientLeft(Exception):  # it says what happened
    """The client closed the connection before its request was whole: there is nothing to do and no one to tell."""


class Reply:
    """One response under way."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.is_sending = False
        self.client_left = False

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        self.started = True
        await self._pass({"type": "http.response.start", "status": status, "headers": headers})

    async def chunk(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._pass({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part of the body."""
        await self._pass({"type": "http.response.body", "body": data, "more_body": False})

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a complete response."""
        headers.append((b"content-length", str(len(body)).encode()))
        await self.start(status, headers)
        await self.end(body)

    async def _pass(self, message: Message) -> None:
        if self.client_left:
            return
        self.is_sending = True
        try:
            await self._send(message)
        except OSError:
            self.client_left = True
        self.is_sending = False


async def read_body(headers: list[tuple[bytes, bytes]], receive: Receive, *, limit: int) -> bytes:
    """Return a request's body. Raises: TooLarge, RequestMalformed, ClientLeft."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise TooLarge(limit_bytes=limit)
        if name == b"content-encoding" and value.lower() != b"identity":
            raise RequestMalformed("Send the request body without content encoding.")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(limit_bytes=limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
