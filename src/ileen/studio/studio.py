"""The studio of one server process, put together: its file, its clients, its runs and its pages.

Owns: the order in which they start and stop. Refuses to know: what any of them does.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from ileen.base.clock import Clock
from ileen.base.ids import Ids
from ileen.studio.clients import Clients
from ileen.studio.ileen import Ileen, Reception
from ileen.studio.runner import Runner
from ileen.studio.site import Site
from ileen.studio.store import Store

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class StudioSettings(Struct, frozen=True, kw_only=True):
    """Where Ileen is reached (`origin`), where the file goes, and which models the agents may call."""

    origin: str
    file: Path
    models: tuple[str, ...]
    embedder: str


class Studio:
    """The studio. `start` it in the loop that serves it, and `stop` it there."""

    def __init__(self, settings: StudioSettings, *, reception: Reception, clock: Clock, ids: Ids) -> None:
        self._store = Store(settings.file)
        self._ileen = Ileen(settings.origin, self._store, reception)
        self._clients = Clients(settings.origin)
        self._runner = Runner(self._store, self._ileen, self._clients, embedder=settings.embedder, clock=clock, ids=ids)
        site = Site(self._store, self._ileen, self._runner, reception=reception, models=settings.models)
        self.site: Asgi = site.build()

    async def start(self) -> None:
        """Begin to watch over runs that wait for credits."""
        await self._runner.start()

    async def stop(self) -> None:
        """Cut off runs under way, which can be resumed, and close everything."""
        await self._runner.stop()
        await self._clients.close()
        await self._ileen.close()
        await asyncio.to_thread(self._store.close)
