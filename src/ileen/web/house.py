"""What the endpoints work with, as one value, and who is asking.

Owns: `House` (the rooms below, passed to every router) and `Caller` (an authenticated key).
Refuses to know: the endpoints.
"""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from msgspec import Struct

from ileen.accounts import READ, SPEND, Accounts, ApiKey
from ileen.base.clock import Clock
from ileen.base.errors import Forbidden, KeyInvalid
from ileen.base.ids import Ids, WalletId, wallet_of
from ileen.ledger import Ledger
from ileen.pricing import Prices
from ileen.store.engine import Database
from ileen.web.quotes import Quotes


class House(Struct, frozen=True, kw_only=True):
    """The rooms the endpoints use. `hold_lifetime_s` is how long a hold lasts when the request does not say."""

    database: Database
    ledger: Ledger
    accounts: Accounts
    prices: Prices
    clock: Clock
    ids: Ids
    quotes: Quotes
    hold_lifetime_s: int
    buy_url: str | None


class Caller(Struct, frozen=True, kw_only=True):
    """The key a request came with, and the one wallet it may touch."""

    key: ApiKey
    wallet: WalletId


async def _house(request: Request) -> House:
    house = request.app.state.house
    assert isinstance(house, House)
    return house


InHouse = Annotated[House, Depends(_house)]
"""The house, in an endpoint's parameters."""

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="An Ileen API key: `Authorization: Bearer ileen_sk_…`",
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _spender(house: InHouse, credentials: _Credentials) -> Caller:
    return _authorize(house, credentials, SPEND)


def _reader(house: InHouse, credentials: _Credentials) -> Caller:
    return _authorize(house, credentials, READ)


SpendCaller = Annotated[Caller, Depends(_spender)]
"""A caller whose key has the scope `spend`."""
ReadCaller = Annotated[Caller, Depends(_reader)]
"""A caller whose key has the scope `read`."""


def _authorize(house: House, credentials: HTTPAuthorizationCredentials | None, scope: str) -> Caller:
    if credentials is None:
        raise KeyInvalid
    key = house.accounts.authenticate(credentials.credentials)
    if scope not in key.scopes:
        raise Forbidden(scope=scope)
    return Caller(key=key, wallet=wallet_of(key.account))
