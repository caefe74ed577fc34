"""Server-sent events, read only as far as metering needs: usage, the event that ends a stream, a failure.

Owns: one reader per streamed surface. Refuses to know: credits, sockets. Pure: bytes in, bytes out.
S1  bytes pass on unchanged, in whole events, as soon as an event is whole; most are never parsed.
S2  the event that ends a stream, and all behind it, is never passed on by `feed`: it waits in `held`.
S3  a stream that did not reach its end event has not completed, whatever it carried before.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final, Protocol, TypeVar, cast

import msgspec
from msgspec import Struct

from ileen.base.errors import ProviderFailed
from ileen.gateway.surfaces import Surface

EVENT_BYTES_MAX: Final = 64 * 2**20
"""Largest single event held until it is whole; beyond it the provider is not speaking this protocol."""

_T = TypeVar("_T")


class Seen(Struct):
    """What a stream has told so far. `failed` is the provider's own word that the call did not complete."""

    usage: dict[str, object] | None = None
    model: str | None = None
    ended: bool = False
    failed: bool = False


class Stream(Protocol):
    """A reader of one stream."""

    seen: Seen
    held: bytes

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return those that may be passed on now."""
        ...

    def finish(self) -> bytes:
        """Take the end of the bytes for the end of an event; return what may be passed on now."""
        ...


def stream_of(surface: Surface, *, hide_usage: bool) -> Stream:
    """Return a reader for a surface's stream; `hide_usage` when the client did not ask for it."""
    if surface is Surface.MESSAGES:
        return Messages()
    if surface is Surface.RESPONSES:
        return Responses()
    return Chat(hide_usage=hide_usage)


class _Events(ABC):
    """Cuts bytes into whole events and keeps the rest for later."""

    triggers: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self.seen = Seen()
        self.held = b""
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        if self.seen.ended:
            self.held += data
            return b""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if not data.endswith(b"\n\n"):
            whole = _boundary(data)
            self._rest = data[whole:]
            data = data[:whole]
            if len(self._rest) > EVENT_BYTES_MAX:
                raise ProviderFailed(reason="an event of its stream has no end")
        data = self._lighten(data)
        for trigger in self.triggers:
            if trigger in data:
                return self._inspect(data)
        return data

    def finish(self) -> bytes:
        rest, self._rest = self._rest, b""
        return self._inspect(rest)

    def _lighten(self, data: bytes) -> bytes:
        return data

    def _inspect(self, data: bytes) -> bytes:
        out: list[bytes] = []
        position = 0
        for event in _split(data):
            kept = self._take(event, _payload(event))
            if self.seen.ended:
                self.held = data[position:] + self._rest
                self._rest = b""
                break
            out.append(kept)
            position += len(event)
        return b"".join(out)

    @abstractmethod
    def _take(self, event: bytes, payload: bytes) -> bytes:
        """Note what an event tells; return what of it is passed on."""


class _Chunk(Struct):
    model: str | None = None
    choices: list[msgspec.Raw] | None = None
    usage: dict[str, Any] | None = None
    error: object = None


class Chat(_Events):
    """OpenAI chat completions: `data: {…}` until `data: [DONE]`; usage in one chunk without choices before it."""

    triggers = (b'"usage"', b"[DONE]", b'"error"')
    _decoder: Final = msgspec.json.Decoder(_Chunk)

    def __init__(self, *, hide_usage: bool) -> None:
        super().__init__()
        self._hide = hide_usage

    def _lighten(self, data: bytes) -> bytes:
        # Asked for usage, the provider adds a null to each chunk. The bytes cannot occur inside a JSON string.
        return data.replace(b',"usage":null', b"") if self._hide else data

    def _take(self, event: bytes, payload: bytes) -> bytes:
        if payload == b"[DONE]":
            self.seen.ended = True
            return b""
        if b'"usage"' not in payload and b'"error"' not in payload:
            return event
        chunk = _read(self._decoder, payload)
        if chunk is None:
            return event
        if chunk.error is not None:
            self.seen.failed = True
        if chunk.usage is None:
            return event
        self.seen.usage, self.seen.model = chunk.usage, chunk.model
        if not self._hide:
            return event
        return _without_usage(payload) if chunk.choices else b""


class _Answer(Struct):
    model: str | None = None
    usage: dict[str, Any] | None = None
    status: str | None = None


class _ResponseEvent(Struct):
    type: str | None = None
    response: _Answer | None = None


class Responses(_Events):
    """OpenAI responses: ends with `response.completed` or `.incomplete`, both with usage, or `.failed`."""

    triggers = (b"response.completed", b"response.incomplete", b"response.failed", b'"error"')
    _decoder: Final = msgspec.json.Decoder(_ResponseEvent)

    def _take(self, event: bytes, payload: bytes) -> bytes:
        read = _read(self._decoder, payload)
        if read is None:
            return event
        if read.type in {"response.completed", "response.incomplete"}:
            self.seen.ended = True
            if read.response is not None:
                self.seen.usage, self.seen.model = read.response.usage, read.response.model
            return b""
        if read.type in {"response.failed", "error"}:
            self.seen.failed = True
        return event


class _MessageEvent(Struct):
    type: str | None = None
    message: _Answer | None = None
    usage: dict[str, Any] | None = None


class Messages(_Events):
    """Anthropic messages: usage starts in `message_start`, is completed by `message_delta`; `message_stop` ends."""

    triggers = (b'"usage"', b"message_stop", b'"error"')
    _decoder: Final = msgspec.json.Decoder(_MessageEvent)

    def __init__(self) -> None:
        super().__init__()
        self._start: dict[str, object] = {}

    def _take(self, event: bytes, payload: bytes) -> bytes:
        read = _read(self._decoder, payload)
        if read is None:
            return event
        if read.type == "message_start" and read.message is not None:
            self._start, self.seen.model = read.message.usage or {}, read.message.model
        elif read.type == "message_delta" and read.usage is not None:
            # The counts of a delta are cumulative; what it leaves out keeps its value from the start. The start
            # alone is not a usage: it says next to nothing of the output.
            later = {name: value for name, value in read.usage.items() if value is not None}
            self.seen.usage = {**self._start, **(self.seen.usage or {}), **later}
        elif read.type == "message_stop":
            self.seen.ended = True
            return b""
        elif read.type == "error":
            self.seen.failed = True
        return event


def _boundary(data: bytes) -> int:
    """Return where the last whole event ends."""
    end = data.rfind(b"\n\n") + 2
    if end == 1:
        end = 0
    if b"\r" in data:
        other = data.rfind(b"\r\n\r\n") + 4
        end = max(end, other if other > 3 else 0)
    return end


def _split(data: bytes) -> Iterator[bytes]:
    """Yield whole events with their ends."""
    end = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
    start = 0
    while start < len(data):
        stop = data.find(end, start)
        stop = len(data) if stop < 0 else stop + len(end)
        yield data[start:stop]
        start = stop


def _payload(event: bytes) -> bytes:
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


def _read(decoder: "msgspec.json.Decoder[_T]", payload: bytes) -> _T | None:
    """Decode what we need of an event; one that does not have the expected form says nothing to us."""
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _without_usage(payload: bytes) -> bytes:
    chunk = cast("dict[str, object]", msgspec.json.decode(payload))
    chunk.pop("usage", None)
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
