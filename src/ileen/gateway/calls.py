"""One charged call: forwarded, passed on, measured, settled.

Owns: what happens between a hold and its end. Refuses to know: authentication, prices, how credits move.
The policy for answers that break off is written in docs/explanation/gateway.md and followed here: a call completed
when its answer reached its end and the provider did not call it failed; all else is voided.
"""

import asyncio
from typing import Any, Final

import msgspec
from msgspec import Struct

from ileen.base import crash
from ileen.base.clock import Clock
from ileen.base.errors import ProviderFailed
from ileen.base.money import write
from ileen.gateway import streams
from ileen.gateway.reply import Headers, Reply
from ileen.gateway.routes import Provider, passed_back
from ileen.gateway.settle import Measured, Settlement
from ileen.gateway.surfaces import Surface
from ileen.gateway.upstream import Answer, Broken, Upstream

_EVENTS: Final = "text/event-stream"


class Limits(Struct, frozen=True):
    """Seconds a call may take in all, and a stream may be silent."""

    call_timeout_s: float
    stall_timeout_s: float


class Call(Struct):
    """Everything known of a call once its credits are held. `extra` are the header fields we add to its answer."""

    surface: Surface
    provider: Provider
    path: str
    body: bytes
    headers: list[tuple[str, str]]
    extra: Headers
    streamed: bool
    hide_usage: bool
    settlement: Settlement


class _Plain(Struct):
    model: str | None = None
    usage: dict[str, Any] | None = None
    status: str | None = None


class _Gap(Exception):  # it says what happened
    """A stream broke off or fell silent."""


_plain_decoder = msgspec.json.Decoder(_Plain)


class Forwarder:
    """Carries calls to providers and their answers back."""

    def __init__(self, upstream: Upstream, clock: Clock, limits: Limits) -> None:
        self._upstream, self._clock, self._limits = upstream, clock, limits

    async def carry(self, call: Call, reply: Reply) -> None:
        """Carry one call through to its end. Raises: ProviderFailed, before anything was sent to the client."""
        deadline = asyncio.get_running_loop().time() + self._limits.call_timeout_s
        crash.point("gateway.call.held")
        try:
            answer = await self._open(call, deadline)
        except ProviderFailed as error:
            await call.settlement.void(str(error.fields["reason"]))
            raise
        try:
            crash.point("gateway.call.answered")
            if answer.status == 200 and answer.content_type.startswith(_EVENTS):
                await self._stream(call, answer, reply, deadline)
            else:
                await self._plain(call, answer, reply, deadline)
        finally:
            answer.close()
            if call.settlement.is_open:
                await call.settlement.void("the gateway failed")

    async def _open(self, call: Call, deadline: float) -> Answer:
        now = asyncio.get_running_loop().time()
        until = min(deadline, now + self._limits.stall_timeout_s) if call.streamed else deadline
        try:
            async with asyncio.timeout_at(until):
                return await self._upstream.open(
                    "POST", call.provider.base_url + call.path, headers=call.headers, body=call.body
                )
        except TimeoutError as error:
            raise ProviderFailed(reason=f"it did not answer within {until - now:g} seconds") from error
        except Broken as error:
            raise ProviderFailed(reason=str(error)) from error

    async def _plain(self, call: Call, answer: Answer, reply: Reply, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                body = await answer.body()
        except (TimeoutError, Broken) as error:
            reason = str(error) if isinstance(error, Broken) else "its answer did not end in time"
            await call.settlement.void(reason)
            raise ProviderFailed(reason=reason) from error
        headers = [*passed_back(answer.headers), *call.extra]
        if answer.status != 200:
            await call.settlement.void(f"status {answer.status}")
        else:
            headers += await self._settle_plain(call, answer, body)
        await reply.whole(answer.status, headers, body)

    async def _settle_plain(self, call: Call, answer: Answer, body: bytes) -> Headers:
        """Settle an answer that came in one piece; return the header fields that tell of it."""
        try:
            plain = _plain_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            plain = _Plain()
        if call.surface is Surface.RESPONSES and plain.status == "failed":
            await call.settlement.void("the provider called the response failed")
            return []
        measured = Measured(usage=plain.usage, model=plain.model, request_id=_request_id(answer))
        charged = await call.settlement.complete(measured)
        crash.point("gateway.call.captured")
        if charged is None:
            return []
        return [
            (b"ileen-charge", write(charged.nano).encode()),
            (b"ileen-balance", write(charged.balance).encode()),
        ]

    async def _stream(self, call: Call, answer: Answer, reply: Reply, deadline: float) -> None:
        stream = streams.stream_of(call.surface, hide_usage=call.hide_usage)
        await reply.start(answer.status, [*passed_back(answer.headers), *call.extra])
        try:
            await self._pump(call, answer, stream, reply, deadline)
        except _Gap as error:
            await call.settlement.void(str(error))
            return  # without an end: the server then breaks the client's connection, as the provider broke ours
        seen = stream.seen
        if seen.failed:
            await call.settlement.void("the provider reported a failure in the stream")
        elif not seen.ended:
            await call.settlement.void("the stream stopped before its end event")
        else:
            measured = Measured(usage=seen.usage, model=seen.model, request_id=_request_id(answer), streamed=True)
            await call.settlement.complete(measured)
            crash.point("gateway.call.captured")
        await reply.end(stream.held)

    async def _pump(self, call: Call, answer: Answer, stream: streams.Stream, reply: Reply, deadline: float) -> None:
        """Pass a stream on until its end event or its end. A client that stops reading counts as gone."""
        while True:
            try:
                async with asyncio.timeout(None) as watch:
                    await self._pass_on(call, answer, stream, reply, watch, deadline)
            except TimeoutError as error:
                if reply.is_sending and not reply.client_left and asyncio.get_running_loop().time() < deadline:
                    reply.client_left = True
                    continue
                raise _Gap("the stream fell silent or took too long") from error
            except (Broken, ProviderFailed) as error:
                raise _Gap(f"the stream was cut: {error}") from error
            return

    async def _pass_on(
        self,
        call: Call,
        answer: Answer,
        stream: streams.Stream,
        reply: Reply,
        watch: asyncio.Timeout,
        deadline: float,
    ) -> None:
        now = asyncio.get_running_loop().time
        stall = self._limits.stall_timeout_s
        wound = -stall
        while not stream.seen.ended:
            # Winding the watch costs more than looking at it: a tenth of its span is exact enough.
            if (at := now()) - wound > stall / 10:
                watch.reschedule(min(deadline, at + stall))
                wound = at
            data = await answer.chunk()
            if not data:
                rest = stream.finish()
                if rest:
                    await reply.chunk(rest)
                return
            if call.settlement.timing.first_chunk_at is None:
                call.settlement.timing.first_chunk_at = self._clock.now()
            passed = stream.feed(data)
            if passed:
                await reply.chunk(passed)


def _request_id(answer: Answer) -> str | None:
    return answer.header("x-request-id") or answer.header("request-id")
