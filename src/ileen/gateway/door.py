"""The gateway's door: an ASGI callable for `/openai/v1/*` and `/anthropic/*`, without a framework.

Owns: the order of checks before a call (path, method, key, calls at once, body, attribution, price, gate, credits)
and what is under way. Refuses to know: the pages and resources beside it.
"""

import asyncio
from typing import Final
from typing import Protocol as Form

import structlog
from msgspec.structs import replace

from ileen.accounts import Accounts, ApiKey
from ileen.base.clock import SECOND, Clock
from ileen.base.errors import (
    ExtraNotPriced,
    IleenError,
    InsufficientCredits,
    KeyInvalid,
    MethodNotAllowed,
    NotFound,
    ProviderFailed,
)
from ileen.base.ids import AccountId, HoldId, Ids, body, wallet_of
from ileen.gateway import asks, extras
from ileen.gateway.asks import Ask
from ileen.gateway.callers import Callers, attribute
from ileen.gateway.calls import Call, Forwarder, Limits
from ileen.gateway.reply import ClientLeft, Headers, Receive, Reply, Scope, Send, read_body
from ileen.gateway.routes import Provider, ProviderSetting, Routes, passed_back
from ileen.gateway.settle import Settlement
from ileen.gateway.surfaces import (
    Endpoint,
    Protocol,
    Surface,
    endpoint_of,
    error_body,
    error_headers,
    protocol_of,
    secret_in,
)
from ileen.gateway.upstream import Broken, Upstream
from ileen.ledger import Ledger
from ileen.ledger.model import Attribution
from ileen.pricing import Prices, Tariff

DRAIN_S: Final = 30
"""How long a stopping server waits for calls under way; their holds expire if that is not enough."""
_log = structlog.get_logger()


class GatewaySettings(Form):
    """The settings the gateway reads; `settings.Settings` has them."""

    @property
    def openai_base_url(self) -> str: ...  # noqa: D102
    @property
    def openai_api_key(self) -> str | None: ...  # noqa: D102
    @property
    def anthropic_base_url(self) -> str: ...  # noqa: D102
    @property
    def anthropic_api_key(self) -> str | None: ...  # noqa: D102
    @property
    def providers(self) -> tuple[ProviderSetting, ...]: ...  # noqa: D102
    @property
    def hold_lifetime_s(self) -> int: ...  # noqa: D102
    @property
    def call_timeout_s(self) -> int: ...  # noqa: D102
    @property
    def stall_timeout_s(self) -> int: ...  # noqa: D102
    @property
    def body_bytes_max(self) -> int: ...  # noqa: D102
    @property
    def calls_max(self) -> int: ...  # noqa: D102
    @property
    def shop_url(self) -> str | None: ...  # noqa: D102
    @property
    def unpriced(self) -> str: ...  # noqa: D102


class SpendingGate(Form):
    """Whoever keeps accounts from spending whose billing was never set up; see `payments.gate`."""

    def lets_in(self, account: AccountId) -> bool:
        """Tell without waiting whether an account may try to spend; if not, `admit` decides."""
        ...

    def admit(self, account: AccountId) -> None:
        """Let an account try to spend, or say why not. Blocks. Raises: AccountOnHold, GateClosed."""
        ...

    def demand(self, account: AccountId) -> None:
        """Let an account pass, or say what is missing. Blocks. Raises: GateClosed."""
        ...

    def refused(self, account: AccountId, error: InsufficientCredits) -> None:
        """Complete the refusal of a wallet that is short. Blocks. Raises: GateClosed instead."""
        ...


class Gateway:
    """The prepaid proxy. Start it in the loop that serves it. Without a `gate`, whoever has credits may spend them."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        accounts: Accounts,
        prices: Prices,
        settings: GatewaySettings,
        clock: Clock,
        ids: Ids,
        gate: SpendingGate | None = None,
    ) -> None:
        self._ledger, self._prices, self._settings = ledger, prices, settings
        self._clock, self._ids, self._gate = clock, ids, gate
        self._callers = Callers(accounts.authenticate, clock, calls_max=settings.calls_max)
        self._routes = Routes(
            openai=(settings.openai_base_url, settings.openai_api_key),
            anthropic=(settings.anthropic_base_url, settings.anthropic_api_key),
            others=settings.providers,
        )
        self._upstream = Upstream()
        limits = Limits(settings.call_timeout_s, settings.stall_timeout_s)
        self._forwarder = Forwarder(self._upstream, clock, limits)
        self._tariffs_kept: set[str] = set()
        self._under_way: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the connections' pool."""
        await self._upstream.start()

    async def stop(self) -> None:
        """Wait for calls under way, within bounds, then close."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_S)
        await self._upstream.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. The work outlives its caller: a cancelled server task does not lose a capture."""
        if scope["type"] != "http":
            return
        task = asyncio.create_task(self._serve(scope, receive, Reply(send)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _serve(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        hold = HoldId(self._ids.mint("hold"))
        try:
            await self._dispatch(scope, receive, reply, hold)
        except ClientLeft:
            return
        except IleenError as error:
            await self._refuse(scope, reply, error, hold)
        except Exception:  # noqa: BLE001  # whatever it was, the client gets an answer in its protocol's shape
            _log.exception("gateway.call.failed", call="call_" + body(hold))
            await self._refuse(scope, reply, IleenError(), hold)

    async def _dispatch(self, scope: Scope, receive: Receive, reply: Reply, hold: HoldId) -> None:
        path, method, headers = scope["path"], scope["method"], list(scope["headers"])
        endpoint = endpoint_of(path)
        if endpoint is None:
            raise NotFound(f"The gateway does not serve '{path}'.", what="path", id=path)
        if method != endpoint.method:
            raise MethodNotAllowed(path=path, method=method)
        key = await self._callers.identify(secret_in(headers))
        with self._callers.slot(key):
            raw = b""
            if method == "POST":
                raw = await read_body(headers, receive, limit=self._settings.body_bytes_max)
            query = scope.get("query_string", b"").decode("latin-1")
            suffix = "?" + query if query else ""
            if endpoint.surface is None:
                await self._pass(endpoint, headers, raw, suffix, reply)
            else:
                await self._charge(endpoint, endpoint.surface, key, headers, raw, suffix, reply, hold)

    async def _charge(
        self,
        endpoint: Endpoint,
        surface: Surface,
        key: ApiKey,
        headers: Headers,
        raw: bytes,
        suffix: str,
        reply: Reply,
        hold: HoldId,
    ) -> None:
        ask = asks.read(surface, raw)
        if self._settings.unpriced == "refuse":
            extra = extras.unpriced(ask.body, anthropic=endpoint.protocol is Protocol.ANTHROPIC)
            if extra is not None:
                raise ExtraNotPriced(extra=extra)
        attribution = attribute(key, headers, self._prices)
        provider, ask.model = self._routes.find(endpoint.protocol, ask.model)
        ask.body["model"] = ask.model
        # The offline provider takes faults as `model#fault`; they are no part of the model's name.
        model = ask.model.partition("#")[0] if provider.is_local else ask.model
        attribution = replace(attribution, provider=provider.name, model=model)
        tariff = await self._tariff(attribution, model)
        settlement = Settlement(
            self._ledger,
            self._clock,
            surface=surface,
            wallet=wallet_of(key.account),
            hold=hold,
            tariff=tariff,
            attribution=attribution,
        )
        told: Headers = [(b"ileen-call-id", b"call_" + body(hold).encode())]
        try:
            limit = await self._authorize_behind_gate(key.account, ask, settlement, tariff, provider)
        except KeyInvalid:
            self._callers.forget(key)
            raise
        if limit is not None:
            told.append((b"ileen-output-limit", str(limit).encode()))
        hide_usage = surface is Surface.CHAT and ask.stream and not ask.shows_usage
        if hide_usage:
            asks.want_usage(ask)
        call = Call(
            surface=surface,
            provider=provider,
            path=endpoint.path + suffix,
            body=asks.encode(ask.body),
            headers=_with_content_type(provider, headers),
            extra=told,
            streamed=ask.stream,
            hide_usage=hide_usage,
            settlement=settlement,
        )
        await self._forwarder.carry(call, reply)

    async def _tariff(self, attribution: Attribution, model: str) -> Tariff:
        """Price the call now, and keep the prices it is pinned to before a hold names them."""
        tariff = self._prices.tariff(
            model=model,
            provider=attribution.provider,
            mode=attribution.mode,
            activity=attribution.activity,
            at=self._clock.now(),
        )
        if tariff.id not in self._tariffs_kept:
            await asyncio.to_thread(self._ledger.keep_tariff, tariff.id, tariff.body)
            self._tariffs_kept.add(tariff.id)
        return tariff

    async def _authorize_behind_gate(
        self, account: AccountId, ask: Ask, settlement: Settlement, tariff: Tariff, provider: Provider
    ) -> int | None:
        gate = self._gate
        if gate is not None and not gate.lets_in(account):
            await asyncio.to_thread(gate.admit, account)
        try:
            return await self._authorize(ask, settlement, tariff, provider)
        except InsufficientCredits as error:
            if gate is not None:
                await asyncio.to_thread(gate.refused, account, error)
            raise

    async def _authorize(self, ask: Ask, settlement: Settlement, tariff: Tariff, provider: Provider) -> int | None:
        """Hold the call's upper bound; return the output limit set where the wallet covers only a part of it."""
        output_max = ask.output_max
        if output_max is None:
            output_max = self._prices.output_ceiling(ask.model, provider.name)
        least = min(ask.output_min, output_max)
        amount = tariff.bound(input_tokens=ask.input_bound, output_tokens=output_max * ask.choices)
        at_least = tariff.bound(input_tokens=ask.input_bound, output_tokens=least * ask.choices)
        lifetime_us = self._settings.hold_lifetime_s * SECOND
        granted = await settlement.authorize(amount, at_least=min(at_least, amount), lifetime_us=lifetime_us)
        if granted >= amount:
            return None
        covered = tariff.output_tokens_within(granted, input_tokens=ask.input_bound) // ask.choices
        covered = max(covered, least)
        if covered >= output_max:
            return None
        asks.limit_output(ask, covered, newest_field=provider.is_own)
        return covered

    async def _pass(self, endpoint: Endpoint, headers: Headers, raw: bytes, suffix: str, reply: Reply) -> None:
        """Pass on a call that costs nothing."""
        if endpoint.method == "POST":
            asks.parse(raw)
        provider, model = self._routes.find(endpoint.protocol, endpoint.model)
        path = endpoint.path.replace(endpoint.model, model) if endpoint.model else endpoint.path
        url = provider.base_url + path + suffix
        sent = _with_content_type(provider, headers) if raw else provider.request_headers(headers)
        try:
            async with asyncio.timeout(self._settings.stall_timeout_s):
                answer = await self._upstream.open(endpoint.method, url, headers=sent, body=raw or None)
                try:
                    answered = await answer.body()
                finally:
                    answer.close()
        except TimeoutError as error:
            raise ProviderFailed(reason="it did not answer in time") from error
        except Broken as error:
            raise ProviderFailed(reason=str(error)) from error
        await reply.whole(answer.status, passed_back(answer.headers), answered)

    async def _refuse(self, scope: Scope, reply: Reply, error: IleenError, hold: HoldId) -> None:
        if reply.started:
            return  # the server breaks the connection: the client must not take what it has for an answer
        call = "call_" + body(hold)
        protocol = protocol_of(scope["path"])
        document = error_body(protocol, error, call=call, buy_url=self._settings.shop_url or None)
        await reply.whole(error.status, [*error_headers(error), (b"ileen-call-id", call.encode())], document)


def _with_content_type(provider: Provider, headers: Headers) -> list[tuple[str, str]]:
    sent = [item for item in provider.request_headers(headers) if item[0] != "content-type"]
    sent.append(("content-type", "application/json"))
    return sent
