"""The front door: one ASGI application that gives every request an id and sends it to the right room.

Owns: routing between the gateway, the API and the pages before any framework code, request ids, the limit on bodies.
Cross-origin requests of the API go through `cors` first.
Refuses to know: what any of them answers.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final, Protocol

from ileen.accounts import Accounts
from ileen.accounts.alerts import Alerts
from ileen.accounts.people import People
from ileen.base.clock import Clock
from ileen.base.errors import IleenError, NotFound, TooLarge
from ileen.base.ids import Ids
from ileen.ledger import Ledger
from ileen.outbound import Outbound, Reach
from ileen.payments import Payments
from ileen.payments.billing import Billing
from ileen.payments.gate import SpendingGate
from ileen.pricing import Prices
from ileen.store.engine import Database
from ileen.web.api import build_api
from ileen.web.cors import Cors
from ileen.web.house import House
from ileen.web.live import Watch
from ileen.web.pages import site
from ileen.web.problems import MEDIA_TYPE, encode, request_id
from ileen.web.quotes import Quotes
from ileen.web.reception import Reception

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

API_BODY_BYTES_MAX: Final = 1024 * 1024
"""Bodies of the API are small documents; model calls go through the gateway, which has its own limit."""

LODGER_BODY_BYTES_MAX: Final = 6 * 1024 * 1024
"""Bodies for the application beside us may be uploads."""
LODGER: Final = "/studio"
"""Where the application beside us is, if there is one."""

_GATEWAY_PREFIXES: Final = ("/openai/", "/anthropic/")
_API_PREFIXES: Final = ("/v1/", "/hooks/")
_SHARED_PREFIX: Final = "/v1/"
"""What pages of other origins may use, with a UI session's token."""
_API_PATHS: Final = frozenset({"/healthz", "/openapi.json"})


class WebSettings(Protocol):
    """The settings this room reads."""

    @property
    def hold_lifetime_s(self) -> int:
        """Seconds a hold lasts when the request does not say."""
        ...

    @property
    def shop_url(self) -> str | None:
        """Where people buy credits; shown with every 402."""
        ...

    @property
    def public_url(self) -> str:
        """Where people reach this server."""
        ...

    @property
    def proxies(self) -> int:
        """How many proxies of ours stand before this server."""
        ...

    @property
    def brand(self) -> str:
        """The name people know this server by."""
        ...


class Front:
    """The ASGI application of one server process."""

    def __init__(
        self, *, api: Asgi, pages: Asgi, gateway: Asgi, cors: Cors, ids: Ids, lodger: Asgi | None, watch: Watch
    ) -> None:
        self._api = api
        self._cors = cors
        self._pages = pages
        self._gateway = gateway
        self._lodger = lodger
        self._ids = ids
        self._watch = watch

    def stop_streams(self) -> None:
        """End the live streams, so that stopping does not wait for who reads them."""
        self._watch.stop()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._api(scope, receive, send)
            return
        given = self._ids.mint("req")
        request_id.set(given)
        send = _with_request_id(send, given)
        path: str = scope["path"]
        if path.startswith(_GATEWAY_PREFIXES):
            await self._gateway(scope, receive, send)
        elif "\x00" in path or not path.isprintable():
            await _answer(send, NotFound("There is nothing at this path.", what="path", id=""))
        elif self._lodger is not None and (path == LODGER or path.startswith(LODGER + "/")):
            await self._serve(self._lodger, scope, receive, send, limit=LODGER_BODY_BYTES_MAX)
        else:
            room = self._api if path in _API_PATHS or path.startswith(_API_PREFIXES) else self._pages
            serve = partial(self._serve, room)
            if path.startswith(_SHARED_PREFIX):
                await self._cors.serve(serve, scope, receive, send)
            else:
                await serve(scope, receive, send)

    async def _serve(
        self,
        room: Asgi,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        *,
        limit: int = API_BODY_BYTES_MAX,
    ) -> None:
        try:
            body = await _read_body(scope, receive, limit=limit)
        except TooLarge as error:
            await _answer(send, error)
            return
        if body is not None:
            await room(scope, _replay(body, receive), send)


def build(
    *,
    ledger: Ledger,
    accounts: Accounts,
    people: People,
    prices: Prices,
    gateway: Asgi,
    settings: WebSettings,
    clock: Clock,
    ids: Ids,
    database: Database,
    billing: Billing | None = None,
    payments: Payments | None = None,
    alerts: Alerts | None = None,
    outbound: Outbound | None = None,
    gate: SpendingGate | None = None,
    country_header: str = "",
    inbox_url: str | None = None,
    lodger: Callable[[Reception], Asgi] | None = None,
) -> Front:
    """Put the application together. The ledger and the gateway are started and stopped by the caller.

    `lodger` makes an application beside us (the studio), which is then what people land in.
    """
    house = House(
        database=database,
        ledger=ledger,
        accounts=accounts,
        people=people,
        prices=prices,
        clock=clock,
        ids=ids,
        quotes=Quotes(ledger=ledger, prices=prices, clock=clock),
        hold_lifetime_s=settings.hold_lifetime_s,
        buy_url=settings.shop_url or None,
        public_url=settings.public_url,
        proxies=settings.proxies,
        brand=settings.brand,
        billing=billing,
        payments=payments,
        alerts=alerts or Alerts(database, accounts, clock=clock, ids=ids),
        outbound=outbound or Outbound(database, reach=Reach(), clock=clock, ids=ids),
        gate=gate,
        country_header=country_header,
        inbox_url=inbox_url,
        lodging=LODGER if lodger is not None else "",
    )
    watch = Watch(ledger)
    return Front(
        api=build_api(house, watch),
        watch=watch,
        pages=site.build(house),
        gateway=gateway,
        cors=Cors(people.hosts),
        ids=ids,
        lodger=None if lodger is None else lodger(Reception(house)),
    )


def _with_request_id(send: Send, given: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name.lower() == b"ileen-request-id" for name, _ in headers):
                headers.append((b"ileen-request-id", given.encode()))
            message["headers"] = headers
        await send(message)

    return sending


async def _read_body(scope: MutableMapping[str, Any], receive: Receive, *, limit: int) -> bytes | None:
    """Read a whole body within the limit; None if the client went away. Raises: TooLarge."""
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value[:19]) > limit):
            raise TooLarge(limit_bytes=limit)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(limit_bytes=limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body on in one piece, then whatever comes next (the client going away)."""
    pending = True

    async def receiving() -> Message:
        nonlocal pending
        if pending:
            pending = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return receiving


async def _answer(send: Send, error: IleenError) -> None:
    body = encode(error)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
