"""The rig: one offline Stripe in this very thread, for as many worlds as follow each other.

The SDK speaks to it as in production, and it delivers webhooks as it always does; only the network between is left
out, so that a call is a call and a seed replays exactly. It does nothing by itself: webhooks go out when it is told to
go on, or before an answer.
"""

import json
import random
from collections.abc import Callable, Coroutine, Mapping
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx2
import stripe
from requests.structures import CaseInsensitiveDict

from ileen.base.clock import ManualClock
from ileen.payments.stripe import Stripe
from ileen.payments.stripe.setting_up import EVENTS
from ileen.sandbox.stripe import Server, State
from ileen.sandbox.stripe.store import Tx

API_VERSION = "2026-10-28.endive"
RETRIES = 2
"""What the SDK repeats by itself in production."""
_URL = "http://127.0.0.1"
T = TypeVar("T")
Hear = Callable[[bytes, str], int]
"""Takes a webhook (raw body, signature) and returns the HTTP status of the answer."""


class Rig:
    """Start it, `begin` one world after the other, stop it."""

    def __init__(self) -> None:
        self._random = random.Random(0)
        self.hear: Hear = lambda raw, signature: 200
        self._state = State(None, ManualClock(), entropy=lambda count: self._random.randbytes(count))
        self._state.base_url = _URL
        self._app = Server(self._state, webhooks=_Post(self))
        secret_key, wire = self._state.secret_key, _Wire(self)
        # Without repetitions by the SDK every fault is met by our own code; with them, what outlasts them.
        self.stripes = {
            retries: Stripe(secret_key, base_url=_URL, retries=retries, transport=wire) for retries in (0, RETRIES)
        }
        self._headers = {"host": "127.0.0.1", "content-type": "application/json"}

    def begin(self, seed: int, *, start: int) -> str:
        """Empty the offline Stripe, set its clock to `start` (Unix seconds); return the webhook secret."""
        self.control("reset")
        self._random.seed(seed)
        self.control("clock", to=start)
        endpoint: Any = {"url": f"{_URL}/hooks/stripe", "enabled_events": list(EVENTS), "api_version": API_VERSION}
        return str(self.stripes[0].client.v1.webhook_endpoints.create(endpoint).secret)

    def control(self, lever: str, /, *, method: str = "POST", **given: Any) -> dict[str, Any]:
        """Pull a lever of the offline Stripe; a refusal is returned as Stripe's error."""
        answer = self.ask(method, f"/_control/{lever}", self._headers, json.dumps(given).encode())
        assert answer.status < 500, answer.body
        return json.loads(answer.body)

    def look(self, read: Callable[[Tx], T]) -> T:
        """Look into the offline Stripe's own books: what was charged and invoiced there, whatever faults are armed."""
        with self._state.transaction() as tx:
            return read(tx)

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> "Answer":
        """Send one request to the offline Stripe. Raises: Cut if it breaks the connection instead of answering."""
        parts = urlsplit(url)
        scope = {
            "type": "http", "method": method, "path": parts.path, "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        answer = Answer()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        _driven(self._app(scope, receive, answer.send))
        return answer

    def stop(self) -> None:
        self._state.close()


class Cut(Exception):
    """The connection broke."""


class Answer:
    """One answer of the offline Stripe, taken as a server of its kind would."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 0, CaseInsensitiveDict[str](), b""
        self.transport = SimpleNamespace(abort=self._abort)

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers.update({name.decode(): value.decode() for name, value in message["headers"]})
        else:
            self.body += message["body"]

    def _abort(self) -> NoReturn:
        raise Cut


class _Wire(stripe.HTTPClient):
    """The SDK's transport: a call instead of a connection, and none of the seconds it sleeps before it repeats."""

    name = "rig"

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._rig = rig

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any) -> tuple[Any, int, Any]:
        told = {**headers, "host": "127.0.0.1"}
        try:
            answer = self._rig.ask(method.upper(), url, told, (post_data or "").encode())
        except Cut as cut:
            raise stripe.APIConnectionError("The connection broke.", should_retry=True) from cut
        return answer.body, answer.status, answer.headers

    def close(self) -> None:
        pass

    def _sleep_time_seconds(self, num_retries: int) -> float:
        return 0


class _Post(httpx2.AsyncBaseTransport):
    """The offline Stripe's way to us."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(self._rig.hear(await request.aread(), request.headers["stripe-signature"]))


def _driven(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what waits for nothing but itself to its end, in this thread, which may be in the midst of another such."""
    try:
        while True:
            waits_for = coroutine.send(None)
            assert waits_for is None, "the offline Stripe waits for somebody, who would have to act meanwhile"
    except StopIteration as end:
        return end.value
