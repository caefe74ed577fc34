"""The client for asyncio. Owns: its connections and its holds' blocks. Refuses to know: the wire's form (`wire`)."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeVar

import httpx2

from ileen.client import wire
from ileen.client.types import Call, CallPage, Charged, Gate, Held, IleenApiError, UsageAnswer, UsageRow, Wallet

T = TypeVar("T")


class AsyncHold:
    """An open hold within its block. Capture it once the call has completed; otherwise it is voided."""

    def __init__(self, client: "AsyncClient", held: Held) -> None:
        self._client = client
        self.id = held.id
        self.call = held.call
        self.amount = held.amount
        self.expires_at = held.expires_at
        self.ended = False

    async def capture(
        self,
        *,
        amount: Decimal | int | str | None = None,
        usage: object | None = None,
        surface: wire.Surface | None = None,
        provider_request_id: str | None = None,
    ) -> Charged:
        """Take what the call cost: an amount, or the provider's usage object with its surface."""
        content = wire.measured(taken=amount, usage=usage, surface=surface, provider_request_id=provider_request_id)
        charged = await self._client.post(f"/v1/holds/{self.id}/capture", content, Charged, key=f"capture-{self.id}")
        self.ended = True
        return charged

    async def void(self, reason: str | None = None) -> None:
        """Free the hold: the call did not complete."""
        content = wire.body(reason=reason)
        await self._client.post(f"/v1/holds/{self.id}/void", content, Held, key=f"void-{self.id}")
        self.ended = True


class AsyncClient:
    """A client of one Ileen server for one event loop; close it, or use it in an `async with` block."""

    def __init__(self, base_url: str, api_key: str, *, timeout_s: int = 30) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self.identity = wire.identity(base_url, api_key)
        self._http = httpx2.AsyncClient(base_url=base_url.rstrip("/"), headers=headers, timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def wallet(self) -> Wallet:
        """Return the balance and its totals."""
        return await self.get("/v1/wallet", Wallet)

    async def gate(self) -> Gate:
        """Return the billing gate: which step is missing, or that it is open."""
        return await self.get("/v1/gate", Gate)

    @asynccontextmanager
    async def hold(
        self,
        *,
        amount: Decimal | int | str | None = None,
        model: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        at_least: Decimal | int | str | None = None,
        lifetime_s: int | None = None,
        mode: str | None = None,
        activity: str | None = None,
        run: str | None = None,
        parent_run: str | None = None,
        provider: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncGenerator[AsyncHold]:
        """Hold credits for the block: an amount, or a model with the most tokens the call can take.

        A block that fails, or ends without `capture`, voids the hold. Raises: IleenApiError.
        """
        content = wire.body(
            amount=None if amount is None else wire.amount(amount),
            model=model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            at_least=None if at_least is None else wire.amount(at_least),
            lifetime_s=lifetime_s,
            mode=mode,
            activity=activity,
            run=run,
            parent_run=parent_run,
            provider=provider,
        )
        hold = AsyncHold(self, await self.post("/v1/holds", content, Held, key=idempotency_key))
        try:
            yield hold
        except BaseException as error:
            await self._void_after(hold, error)
            raise
        if not hold.ended:
            await hold.void("the block ended without a capture")

    async def charge(
        self,
        *,
        amount: Decimal | int | str | None = None,
        usage: object | None = None,
        surface: wire.Surface | None = None,
        model: str | None = None,
        provider: str | None = None,
        mode: str | None = None,
        activity: str | None = None,
        run: str | None = None,
        parent_run: str | None = None,
        provider_request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Charged:
        """Book a call that already happened. Raises: IleenApiError."""
        content = wire.measured(taken=amount, usage=usage, surface=surface, provider_request_id=provider_request_id)
        content |= wire.body(
            model=model, provider=provider, mode=mode, activity=activity, run=run, parent_run=parent_run
        )
        return await self.post("/v1/charges", content, Charged, key=idempotency_key)

    async def call(self, call_id: str) -> Call:
        """Return a call by its id or its hold's. Raises: IleenApiError."""
        return await self.get(f"/v1/calls/{call_id}", Call)

    async def calls(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        run: str | None = None,
        mode: str | None = None,
        activity: str | None = None,
    ) -> CallPage:
        """Return a page of calls, newest first."""
        parameters = wire.query(limit=limit, cursor=cursor, run=run, mode=mode, activity=activity)
        return await self.get("/v1/calls", CallPage, parameters)

    async def usage(
        self,
        *,
        group_by: wire.GroupBy = "activity",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[UsageRow]:
        """Sum completed calls; without `since`, of the last 30 days."""
        parameters = wire.query(group_by=group_by, since=since, until=until)
        return (await self.get("/v1/usage", UsageAnswer, parameters)).data

    async def get(self, path: str, type_: type[T], parameters: Mapping[str, str] | None = None) -> T:
        """Read something. Raises: IleenApiError."""
        return wire.read(await self._send("GET", path, None, parameters, {}), type_)

    async def post(self, path: str, content: Mapping[str, object], type_: type[T], *, key: str | None = None) -> T:
        """Have something done, once however often it is sent. Raises: IleenApiError."""
        headers = {"Idempotency-Key": key or wire.new_key()}
        return wire.read(await self._send("POST", path, content, None, headers), type_)

    async def _send(
        self,
        method: str,
        path: str,
        content: Mapping[str, object] | None,
        parameters: Mapping[str, str] | None,
        headers: Mapping[str, str],
    ) -> httpx2.Response:
        for pause_s in (*wire.RETRY_PAUSES_S, None):
            try:
                response = await self._http.request(method, path, json=content, params=parameters, headers=headers)
            except httpx2.TransportError as error:
                if pause_s is None:
                    raise wire.unreachable(error) from error
            else:
                if pause_s is None or not wire.is_retryable(response):
                    return response
            await asyncio.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    async def _void_after(self, hold: AsyncHold, error: BaseException) -> None:
        """Void without hiding why the block failed; a hold that cannot be voided now frees itself in time."""
        if hold.ended:
            return
        try:
            await hold.void(f"the block failed: {type(error).__name__}")
        except IleenApiError as failure:
            error.add_note(f"The hold {hold.id} could not be voided ({failure}); it ends at {hold.expires_at}.")
