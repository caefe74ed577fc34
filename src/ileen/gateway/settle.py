"""One call's hold, from its authorization to its one end.

Owns: the order authorize, then capture or void; retries with the same key; the usage record.
Refuses to know: protocols, sockets. A capture that cannot be made durable leaves the hold to expire and is logged as
an error with all that is needed to book it by hand: the call itself is never failed for it.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from ileen.base.clock import Clock, Instant, to_text
from ileen.base.errors import IleenError, Unavailable
from ileen.base.errors import UsageInvalid as UsageRefused
from ileen.base.ids import HoldId, WalletId, body
from ileen.gateway.surfaces import Surface
from ileen.ledger import Ledger
from ileen.ledger.model import Attribution, Authorize, Capture, Receipt, Usage, Void
from ileen.pricing import Tariff, TokenUsage, normalise

_PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0)
"""Waits between tries of a capture or void; the ledger itself has tried for seconds before each."""
_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class Timing(Struct):
    """When a call reached the provider, brought its first bytes, and ended."""

    started_at: Instant
    first_chunk_at: Instant | None = None
    ended_at: Instant | None = None


class Measured(Struct):
    """What the provider told of a completed call."""

    usage: Mapping[str, object] | None
    model: str | None = None
    request_id: str | None = None
    status: int = 200
    streamed: bool = False


class Charged(Struct, frozen=True):
    """A captured charge and the wallet's settled balance right after it, in nano-credits."""

    nano: int
    balance: int


class Settlement:
    """The credits of one call."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        *,
        surface: Surface,
        wallet: WalletId,
        hold: HoldId,
        tariff: Tariff,
        attribution: Attribution,
    ) -> None:
        self.timing = Timing(started_at=clock.now())
        self.is_open = False
        self._ledger, self._clock = ledger, clock
        self._surface, self._wallet, self._hold = surface, wallet, hold
        self._tariff, self._attribution = tariff, attribution

    async def authorize(self, amount: int, *, at_least: int, lifetime_us: int) -> int:
        """Hold what the call may cost; return what was granted. Raises: the ledger's refusals."""
        receipt = await self._ledger.arun(
            Authorize(
                wallet=self._wallet,
                key=f"authorize:{self._hold}",
                hold=self._hold,
                amount=amount,
                at_least=at_least,
                lifetime_us=lifetime_us,
                attribution=self._attribution,
                tariff=self._tariff.id,
            )
        )
        self.timing.started_at = self._clock.now()
        self.is_open = True
        return receipt.amount

    async def complete(self, measured: Measured) -> Charged | None:
        """Capture the exact charge of a completed call; void when its usage is missing or not credible."""
        self.timing.ended_at = self._clock.now()
        if measured.usage is None:
            await self.void("no_usage")
            return None
        try:
            usage = normalise(self._surface.value, measured.usage)
        except UsageRefused as error:
            _log.error("gateway.usage.invalid", call="call_" + body(self._hold), reason=error.detail)
            await self.void("usage_invalid")
            return None
        nano = self._tariff.charge(usage).nano
        command = Capture(
            wallet=self._wallet,
            key=f"capture:{self._hold}",
            hold=self._hold,
            amount=nano,
            usage=Usage(
                input_tokens=usage.input_total,
                output_tokens=usage.output_total,
                provider_request_id=measured.request_id,
                record=self._record(usage, measured),
            ),
        )
        receipt = await self._insist(command)
        return None if receipt is None else Charged(nano, receipt.settled)

    async def void(self, reason: str) -> None:
        """Free the hold: the call did not complete."""
        _log.warning("gateway.call.voided", call="call_" + body(self._hold), reason=reason)
        await self._insist(Void(wallet=self._wallet, key=f"void:{self._hold}", hold=self._hold, reason=reason))

    async def _insist(self, command: Capture | Void) -> Receipt | None:
        """Run a command, again and again within bounds: its key makes all tries one effect."""
        self.is_open = False
        for pause in (*_PAUSES_S, None):
            try:
                return await self._ledger.arun(command)
            except Unavailable:
                if pause is None:
                    break
                await asyncio.sleep(pause)
            except IleenError as error:
                self._lost(command, error.code)
                return None
        self._lost(command, "unavailable")
        return None

    def _lost(self, command: Capture | Void, why: str) -> None:
        name = type(command).__name__.lower()
        record = command.usage.record if isinstance(command, Capture) else None
        amount = command.amount if isinstance(command, Capture) else 0
        _log.error("gateway.settlement.lost", command=name, hold=self._hold, why=why, nano=amount, record=record)

    def _record(self, usage: TokenUsage, measured: Measured) -> str:
        timing = self.timing
        first, ended = timing.first_chunk_at, timing.ended_at
        tokens = {name: count for name, count in msgspec.structs.asdict(usage).items() if count}
        record = {
            "surface": self._surface.value,
            "model": self._attribution.model,
            "answered_model": measured.model,
            "tokens": tokens,
            "streamed": measured.streamed,
            "status": measured.status,
            "policy": "completed",
            "started_at": to_text(timing.started_at),
            "first_chunk_at": None if first is None else to_text(first),
            "ended_at": None if ended is None else to_text(ended),
        }
        return _encode(record).decode()
