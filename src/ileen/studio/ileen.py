"""Ileen, as the studio sees it: balance, gate, calls and charges of one account, read from the API with its key.

Owns: the studio's key per account, and what is worked out from calls (meters, estimates). Refuses to know: models.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from statistics import median
from typing import Any, Final, Protocol

import httpx2
from msgspec import Struct

from ileen.accounts.who import SignedIn
from ileen.base.ids import AccountId
from ileen.client import AsyncClient, Call, IleenApiError, Wallet
from ileen.studio.model import Meter, Run
from ileen.studio.store import Store

_CLIENTS_MAX: Final = 200
_RUNS_COUNTED: Final = 20
"""An estimate looks at the last twenty runs: enough to be steady, few enough to follow a change of habits."""
_CALLS_PAGE: Final = 200


class Reception(Protocol):
    """What the studio's house does for it: tell who is at the door, and give it a key of their account.

    All of it but the asset's address may block.
    """

    def signed(self, request: Any) -> SignedIn | None:
        """Return the person whose browser session a request carries, or None."""
        ...

    def csrf(self, request: Any) -> str:
        """Return the token that forms for this browser carry."""
        ...

    def check_form(self, request: Any, token: str | None) -> None:
        """Refuse a form that does not come from a page of ours. Raises: RequestForged."""
        ...

    def mint_key(self, account: AccountId, *, name: str, by: str) -> str:
        """Make an API key of an account that may spend and read, and return its secret."""
        ...

    def asset(self, name: str) -> str:
        """Return the address of a file that all pages of the house share."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Return the security headers of the house's pages."""
        ...

    @property
    def brand(self) -> str:
        """The name people know the house by."""
        ...


class Estimate(Struct, frozen=True, kw_only=True):
    """What a run of an agent is likely to cost here: the middle and the range of the last runs, as decimal strings.

    `runs` is how many there were; with none, only the complexity and markup of the rate card are known.
    """

    runs: int
    middle: str = "0"
    low: str = "0"
    high: str = "0"
    tier: str = ""
    markup: str = ""


class Ileen:
    """The API of the Ileen at `origin`, for the accounts that use the studio. For one event loop."""

    def __init__(self, origin: str, store: Store, reception: Reception) -> None:
        self._origin, self._store, self._reception = origin, store, reception
        self._clients: OrderedDict[str, AsyncClient] = OrderedDict()
        self._minting = asyncio.Lock()
        self._open: set[AccountId] = set()

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    async def secret(self, account: AccountId, *, by: str) -> str:
        """Return the secret of the studio's key for an account; the first who needs it has it made."""
        async with self._minting:
            secret = await asyncio.to_thread(self._store.secret, account)
            if secret is None:
                secret = await asyncio.to_thread(self._reception.mint_key, account, name="Studio", by=by)
                await asyncio.to_thread(self._store.keep_secret, account, secret)
            return secret

    async def wallet(self, account: AccountId, *, by: str) -> Wallet:
        """Return the account's balance. A key that was revoked is replaced. Raises: IleenApiError."""
        secret = await self.secret(account, by=by)
        try:
            return await self._client(secret).wallet()
        except IleenApiError as error:
            if error.code != "key_invalid":
                raise
        await asyncio.to_thread(self._store.forget_secret, account, secret)
        return await self._client(await self.secret(account, by=by)).wallet()

    async def is_open(self, account: AccountId, *, by: str) -> bool:
        """Tell whether the account has passed the billing gate; once it has, it has for good."""
        if account not in self._open:
            try:
                gate = await self._client(await self.secret(account, by=by)).gate()
            except IleenApiError as error:
                if error.code != "payments_disabled":
                    raise
            else:
                if not gate.open:
                    return False
            self._open.add(account)
        return True

    async def calls(self, run: Run) -> list[Call]:
        """Return the calls of a run and its parts, newest first. Raises: IleenApiError."""
        client = self._client(await self.secret(run.account, by=run.member))
        pages = await asyncio.gather(*(client.calls(run=name, limit=_CALLS_PAGE) for name in run.names))
        found = [call for page in pages for call in page.data]
        return sorted(found, key=lambda call: call.created_at, reverse=True)

    async def meter(self, run: Run) -> Meter:
        """Return what a run came to so far. Raises: IleenApiError."""
        calls = await self.calls(run)
        return Meter(
            calls=sum(1 for call in calls if call.state in {"open", "captured"}),
            tokens=sum(call.input_tokens + call.output_tokens for call in calls),
            charge=_text(sum((call.charge or Decimal(0) for call in calls), Decimal(0))),
            held=_text(sum((call.held for call in calls if call.state == "open"), Decimal(0))),
        )

    async def estimate(self, account: AccountId, mode: str, activity: str, *, by: str) -> Estimate:
        """Estimate a run of an agent from the account's own history and the rate card. Raises: IleenApiError."""
        client = self._client(await self.secret(account, by=by))
        page, rates = await asyncio.gather(
            client.calls(activity=activity, limit=_CALLS_PAGE), client.get("/v1/rates", dict[str, Any])
        )
        tier = str(rates["modes"].get(mode, {}).get(activity, rates["default_tier"]))
        markup = str(rates["tiers"][tier]["markup"])
        by_run: dict[str, Decimal] = {}
        for call in page.data:
            name = call.attribution.parent_run or call.attribution.run
            if name is not None and call.charge is not None:
                by_run[name] = by_run.get(name, Decimal(0)) + call.charge
        # The oldest run on a full page may have begun on the page before, so it would be counted too cheap.
        whole = list(by_run.values())[: -1 if page.next_cursor else None][:_RUNS_COUNTED]
        if not whole:
            return Estimate(runs=0, tier=tier, markup=markup)
        middle, low, high = _text(median(whole)), _text(min(whole)), _text(max(whole))
        return Estimate(runs=len(whole), middle=middle, low=low, high=high, tier=tier, markup=markup)

    def _client(self, secret: str) -> AsyncClient:
        client = self._clients.get(secret)
        if client is None:
            client = self._clients[secret] = AsyncClient(self._origin, secret)
            if len(self._clients) > _CLIENTS_MAX:
                self._clients.popitem(last=False)
        self._clients.move_to_end(secret)
        return client


def is_away(error: Exception) -> bool:
    """Tell whether Ileen could not be asked, as opposed to having refused."""
    return isinstance(error, httpx2.TransportError) or (isinstance(error, IleenApiError) and error.status in {0, 503})


def _text(amount: Decimal) -> str:
    return format(amount.normalize(), "f") if amount else "0"
