"""Providers over HTTP. The one module that knows the client library (aiohttp; see decision 0002).

Owns: the connection pool, and turning every failure of the network into one error, `Broken`.
Refuses to know: protocols, credits. Redirects are not followed: a provider key must not travel.
"""

from collections.abc import Sequence
from typing import Final

import aiohttp
from yarl import URL

CONNECT_TIMEOUT_S: Final = 10
"""Longer than any handshake that still leads somewhere."""
_KEEP_ALIVE_S: Final = 15
"""Shorter than the time after which providers close idle connections, so that we close first."""
_READ_BYTES: Final = 2**18

Headers = Sequence[tuple[str, str]]


class Broken(Exception):  # it says what happened to the connection
    """The provider could not be reached or broke off; the text says which, without addresses or keys."""


class Answer:
    """A provider's answer: status and headers are there, the body is yet to be read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.content_type = response.headers.get("content-type", "")

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Header fields as received, names in lower case."""
        return [(name.lower(), value) for name, value in self._response.raw_headers]

    def header(self, name: str) -> str | None:
        """Return one header field."""
        return self._response.headers.get(name)

    async def chunk(self) -> bytes:
        """Return the bytes that have arrived, waiting for at least one; empty at the end. Raises: Broken."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise Broken("it broke off its answer") from error

    async def body(self) -> bytes:
        """Return the whole body. Raises: Broken."""
        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise Broken("it broke off its answer") from error

    def close(self) -> None:
        """Give the connection back if the answer was read to its end, else close it."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class Upstream:
    """A pool of connections to all providers. Not bounded: the bound is the number of calls."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}

    async def start(self) -> None:
        """Open the pool, in the loop that will use it."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=_KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            read_bufsize=_READ_BYTES,
        )

    async def stop(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def open(self, method: str, url: str, *, headers: Headers, body: bytes | None) -> Answer:
        """Send a request; return when the answer's headers are there. Raises: Broken."""
        assert self._session is not None, "start() opens the pool"
        try:
            response = await self._session.request(
                method, self._url(url), headers=headers, data=body, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = "it could not be reached" if isinstance(error, aiohttp.ClientConnectorError) else "it broke off"
            raise Broken(reason) from error
        return Answer(response)

    def _url(self, url: str) -> URL:
        known = self._urls.get(url)
        if known is None:
            if len(self._urls) > 1000:  # a bound on memory; paths of models are the client's choice
                self._urls.clear()
            known = self._urls[url] = URL(url, encoded=True)
        return known
