"""What the endpoints work with, as one value, and who is asking.

Owns: `House` (the rooms below, passed to every router), `Caller` (who asks, for which account, with which scopes)
and `authorize`, the one function that lets anybody in. Refuses to know: the endpoints.
D1  nobody is let in by default: an endpoint names the scope it needs, and a request proves that it has it.
D2  three proofs are accepted: an API key, a UI session's token (both as Bearer), and our own browser session.
D3  whoever it is, a caller touches one account only.
"""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from msgspec import Struct

from ileen.accounts import READ, SPEND, Accounts, ApiKey
from ileen.accounts.alerts import Alerts
from ileen.accounts.model import BALANCE_READ, INVOICES_READ, READING, USAGE_READ
from ileen.accounts.people import People
from ileen.accounts.tokens import HOST_PREFIX, UI_PREFIX
from ileen.accounts.who import ROLE_SCOPES, HostKey, SignedIn
from ileen.base.clock import Clock
from ileen.base.errors import Forbidden, KeyInvalid, SessionInvalid
from ileen.base.ids import AccountId, Ids, WalletId, wallet_of
from ileen.ledger import Ledger
from ileen.outbound import Outbound
from ileen.payments import Payments
from ileen.payments.billing import Billing
from ileen.payments.gate import SpendingGate
from ileen.pricing import Prices
from ileen.store.engine import Database
from ileen.web.guards import CSRF_HEADER, check_origin, check_write, cookie_name
from ileen.web.quotes import Quotes


class House(Struct, frozen=True, kw_only=True):
    """The rooms the endpoints use. `hold_lifetime_s` is how long a hold lasts when the request does not say.

    `public_url` is where people reach us, without a slash at the end; `proxies` how many of ours stand before us,
    `brand` the name people know us by. `payments`, `billing` and `gate`, which stands before spending, are None where
    no Stripe key is set: nothing can be bought there. `country_header` is where a proxy of ours names the country of
    an address, `inbox_url` where the offline inbox shows the mails that this server does not send.
    `lodging` is the path of the application people land in, if there is one beside us.
    """

    database: Database
    ledger: Ledger
    accounts: Accounts
    people: People
    prices: Prices
    clock: Clock
    ids: Ids
    quotes: Quotes
    hold_lifetime_s: int
    buy_url: str | None
    public_url: str
    proxies: int
    brand: str
    billing: Billing | None = None
    payments: Payments | None = None
    alerts: Alerts
    outbound: Outbound
    gate: SpendingGate | None = None
    country_header: str = ""
    inbox_url: str | None = None
    lodging: str = ""


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks, and the one account they may touch.

    `actor` is the id to name in audit events and as `by` of purchases: `key_…`, `uis_…` or `mem_…`. `signed` is the
    person, if it is a browser session of ours.
    """

    account: AccountId
    wallet: WalletId
    actor: str
    scopes: frozenset[str]
    signed: SignedIn | None = None


class KeyCaller(Caller, frozen=True, kw_only=True):
    """A caller that is an API key."""

    key: ApiKey


_KEY_READS: Final = READING
"""What the scope `read` of an API key contains."""


async def _house(request: Request) -> House:
    house = request.app.state.house
    assert isinstance(house, House)
    return house


InHouse = Annotated[House, Depends(_house)]
"""The house, in an endpoint's parameters."""

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="An Ileen API key, `Authorization: Bearer ileen_sk_…`, or where a UI session suffices its token.",
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def needs(scope: str) -> Callable[..., Caller]:
    """Return the dependency of an endpoint that needs `scope`: `Annotated[Caller, Depends(needs(PURCHASE))]`.

    It answers with the caller, or raises what `authorize` raises.
    """

    def let_in(request: Request, house: InHouse, credentials: _Credentials) -> Caller:
        return authorize(house, request, credentials.credentials if credentials else None, scope=scope)

    return let_in


def authorize(house: House, request: Request, secret: str | None, *, scope: str) -> Caller:
    """Return who asks, if they have `scope`; `secret` is what came as Bearer.

    - `ileen_sk_…`, an API key: it has its own scopes; `read` contains balance:read, usage:read and invoices:read.
    - `ileen_ui_…`, a UI session's token: it has the scopes it was made with, from the origins it was made for.
    - no Bearer, but our session cookie: the member's role gives the scopes; a request that is not GET must carry the
      CSRF token of the page in the header `Ileen-CSRF` and come from our own origin.

    Raises: KeyInvalid, SessionInvalid, OriginRefused, RequestForged, Forbidden.
    """
    if secret is None:
        caller = _by_session(house, request)
    elif secret.startswith(UI_PREFIX):
        caller = _by_ui_session(house, request, secret)
    else:
        caller = _by_key(house, secret)
    if scope not in caller.scopes:
        raise Forbidden(scope=scope)
    return caller


def signed_caller(signed: SignedIn) -> Caller:
    """Return the caller a browser session stands for, for pages that have checked it. Raises: Forbidden."""
    if signed.session.account is None or signed.role is None or signed.member is None:
        raise Forbidden("You are not a member of an account.", scope="")
    account = signed.session.account
    scopes = ROLE_SCOPES[signed.role]
    return Caller(account=account, wallet=wallet_of(account), actor=signed.member, scopes=scopes, signed=signed)


def _by_key(house: House, secret: str) -> KeyCaller:
    key = house.accounts.authenticate(secret)
    scopes = key.scopes | _KEY_READS if READ in key.scopes else key.scopes
    return KeyCaller(account=key.account, wallet=wallet_of(key.account), actor=key.id, scopes=scopes, key=key)


def _by_ui_session(house: House, request: Request, token: str) -> Caller:
    session = house.people.hosts.ui_session(token)
    check_origin(request.headers, session.origins, public_url=house.public_url)
    account = session.account
    return Caller(account=account, wallet=wallet_of(account), actor=session.id, scopes=session.scopes)


def _by_session(house: House, request: Request) -> Caller:
    token = request.cookies.get(cookie_name("session", house.public_url))
    if not token:
        raise KeyInvalid
    signed = house.people.sessions.current(token)
    if signed is None:
        raise SessionInvalid
    proof = request.headers.get(CSRF_HEADER)
    check_write(request.method, request.headers, secret=token, token=proof, public_url=house.public_url)
    return signed_caller(signed)


def _spender(house: InHouse, credentials: _Credentials) -> KeyCaller:
    if credentials is None:
        raise KeyInvalid
    caller = _by_key(house, credentials.credentials)
    if SPEND not in caller.scopes:
        raise Forbidden(scope=SPEND)
    return caller


def _host(house: InHouse, credentials: _Credentials) -> HostKey:
    if credentials is None or not credentials.credentials.startswith(HOST_PREFIX):
        raise KeyInvalid
    return house.people.hosts.authenticate(credentials.credentials)


SpendCaller = Annotated[KeyCaller, Depends(_spender)]
"""An API key with the scope `spend`: only keys hold, capture and charge."""
BalanceCaller = Annotated[Caller, Depends(needs(BALANCE_READ))]
"""A caller that may see the balance."""
UsageCaller = Annotated[Caller, Depends(needs(USAGE_READ))]
"""A caller that may see calls, entries and usage."""
InvoicesCaller = Annotated[Caller, Depends(needs(INVOICES_READ))]
"""A caller that may see purchases, invoices and billing details."""
HostCaller = Annotated[HostKey, Depends(_host)]
"""A host application, known by its host key."""
