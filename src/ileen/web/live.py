"""Live balances: a stream of Server-Sent Events that tells a browser when a wallet has changed.

Owns: `GET /v1/events/stream`, who looks and how often, how many may listen. Refuses to know: what changed a wallet.
L1  a call pays nothing for it: nobody is told by the writer. One reader per process looks at all wallets that are
    listened to at once, twice a second, by primary key, and not at all while nobody listens. That is right with any
    number of server processes and on both databases; PostgreSQL's LISTEN would need a NOTIFY in every capture.
L2  an event's id is the journal's sequence number. Who comes back with `Last-Event-ID` gets nothing they have seen, and
    never misses the present balance; balances in between are not kept.
L3  a stream ends after two minutes; the browser comes back and is let in, or not, anew. So whoever has been signed out
    listens no longer than that.
Source: the HTML standard, "Server-sent events".
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import DBAPIError

from ileen.base.errors import TooManyAttempts
from ileen.base.ids import WalletId
from ileen.ledger import Ledger
from ileen.ledger.model import Wallet
from ileen.web import views
from ileen.web.house import BalanceCaller

router = APIRouter(prefix="/v1", tags=["reading"])

_EVERY_S: Final = 0.5
"""Between two looks: with the look itself and the way to the browser, a change is seen within a second."""
_TURNS_MAX: Final = 240
_TURNS_QUIET_MAX: Final = 30
"""After a quarter of a minute without news a comment is sent: proxies close connections that say nothing."""
_LISTENERS_MAX: Final = 1000
_LISTENERS_OF_ONE_MAX: Final = 20
_RETRY_AFTER_S: Final = 30
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_log = structlog.get_logger()


class Watch:
    """Looks at the wallets that are listened to, for one process. To be used on its event loop only."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._listeners: Counter[WalletId] = Counter()
        self._latest: dict[WalletId, Wallet] = {}
        self._turn = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._is_over = False

    def check_room(self, wallet: WalletId) -> None:
        """Refuse one listener more than this process or this wallet may have. Raises: TooManyAttempts."""
        if self._listeners.total() >= _LISTENERS_MAX or self._listeners[wallet] >= _LISTENERS_OF_ONE_MAX:
            raise TooManyAttempts(retry_after_s=_RETRY_AFTER_S)

    def stop(self) -> None:
        """End all streams within a turn: a server that stops does not wait for readers. They come back."""
        self._is_over = True

    async def follow(self, id_: WalletId, *, after: int | None) -> AsyncGenerator[Wallet | None]:
        """Yield at every turn: the wallet if its sequence number is not `after` or the last one given, else None."""
        self._listeners[id_] += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            while not self._is_over:
                turn = self._turn
                wallet = self._latest.get(id_)
                is_news = wallet is not None and wallet.seq != after
                yield wallet if is_news else None
                after = wallet.seq if wallet is not None else after
                await turn.wait()
        finally:
            self._listeners[id_] -= 1
            if not self._listeners[id_]:
                del self._listeners[id_]
                self._latest.pop(id_, None)

    async def _look(self) -> None:
        while self._listeners:
            try:
                found = await asyncio.to_thread(self._ledger.wallets, list(self._listeners))
            except DBAPIError as error:  # listeners keep what they have; the next look tells
                _log.warning("web.watch.failed", error=type(error).__name__)
                found = []
            self._latest |= {wallet.id: wallet for wallet in found if wallet.id in self._listeners}
            turn, self._turn = self._turn, asyncio.Event()
            turn.set()
            await asyncio.sleep(_EVERY_S)


# Not in the OpenAPI document: it has no words for an answer without an end, and tools would wait for one.
@router.get("/events/stream", include_in_schema=False)
async def stream_events(
    request: Request, caller: BalanceCaller, last_event_id: Annotated[str, Header(max_length=20)] = ""
) -> StreamingResponse:
    """Tell the wallet now and whenever it changes, as `balance` events with the body of `GET /v1/wallet`."""
    watch = request.app.state.watch
    assert isinstance(watch, Watch)
    watch.check_room(caller.wallet)
    after = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else None
    return StreamingResponse(_told(watch, caller.wallet, after), media_type="text/event-stream", headers=_HEADERS)


async def _told(watch: Watch, id_: WalletId, after: int | None) -> AsyncGenerator[str]:
    quiet = 0
    turns = 0
    following = watch.follow(id_, after=after)
    try:
        yield "retry: 1000\n\n"
        async for wallet in following:
            turns, quiet = turns + 1, quiet + 1
            if wallet is not None:
                quiet = 0
                yield f"event: balance\nid: {wallet.seq}\ndata: {views.wallet(wallet).model_dump_json()}\n\n"
            elif quiet >= _TURNS_QUIET_MAX:
                quiet = 0
                yield ":\n\n"
            if turns >= _TURNS_MAX:
                return
    finally:
        await following.aclose()
