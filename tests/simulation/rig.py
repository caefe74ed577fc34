"""The rig: one offline Stripe and one receiver of webhooks in this process, for as many worlds as follow each other.

The offline Stripe is served over HTTP from a thread, from memory, and is spoken to by the SDK as in production. It
does nothing by itself: webhooks go out when it is told to go on, or before an answer, so that a seed replays exactly.
"""

import asyncio
import logging
import random
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import httpx2
import stripe
import uvicorn

from ileen.base.clock import ManualClock
from ileen.payments.stripe import Stripe
from ileen.payments.stripe.setting_up import EVENTS
from ileen.sandbox.stripe import Server, State
from ileen.sandbox.stripe.store import Tx

API_VERSION = "2026-10-28.endive"
T = TypeVar("T")
Hear = Callable[[bytes, str], int]
"""Takes a webhook (raw body, signature) and returns the HTTP status of the answer."""


class Rig:
    """Start it, `begin` one world after the other, stop it."""

    def __init__(self) -> None:
        self._random = random.Random(0)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.hear: Hear = lambda raw, signature: 200
        self._ready = threading.Event()
        self._stripe = threading.Thread(target=self._serve_stripe, name="rig-stripe", daemon=True)
        self._stripe.start()
        self._receiver = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._hook = f"http://127.0.0.1:{self._receiver.server_address[1]}/hooks/stripe"
        threading.Thread(target=self._receiver.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        assert self._ready.wait(30)
        self._http = httpx2.Client(base_url=self.url, timeout=60, trust_env=False)
        # No repetitions by the SDK: every fault is met by our own code, at once.
        self.stripe = Stripe(self.secret_key, base_url=self.url, retries=0)
        self.truth = stripe.StripeClient(
            self.secret_key, stripe_version=API_VERSION, base_addresses={"api": self.url}, max_network_retries=0
        )

    def begin(self, seed: int, *, start: int) -> str:
        """Empty the offline Stripe, set its clock to `start` (Unix seconds); return the webhook secret."""
        self.control("reset")
        self._random.seed(seed)
        self.control("clock", to=start)
        endpoint: dict[str, Any] = {"url": self._hook, "enabled_events": list(EVENTS), "api_version": API_VERSION}
        return str(self.truth.v1.webhook_endpoints.create(endpoint).secret)  # type: ignore[arg-type]

    def control(self, lever: str, /, *, method: str = "POST", **given: Any) -> dict[str, Any]:
        """Pull a lever of the offline Stripe; a refusal is returned as Stripe's error."""
        answer = self._http.request(method, f"/_control/{lever}", json=given)
        body: dict[str, Any] = answer.json()
        assert answer.status_code < 500, body
        return body

    def look(self, read: Callable[[Tx], T]) -> T:
        """Look into the offline Stripe's own books: what was charged and invoiced there, whatever faults are armed."""

        async def looked() -> T:
            with self._state.transaction() as tx:
                return read(tx)

        return asyncio.run_coroutine_threadsafe(looked(), self._loop).result(30)

    def stop(self) -> None:
        self._http.close()
        asyncio.run_coroutine_threadsafe(self._app._deliverer.close(), self._loop).result(10)
        self._receiver.shutdown()
        self._receiver.server_close()
        self._server.should_exit = True
        self._stripe.join(timeout=10)

    def _serve_stripe(self) -> None:
        logging.getLogger("uvicorn.error").addFilter(lambda record: "Exception in ASGI" not in record.getMessage())
        self._state = state = State(None, ManualClock(), entropy=lambda count: self._random.randbytes(count))
        state.base_url, self.secret_key = self.url, state.secret_key
        self._app = Server(state)
        # Without its life (lifespan) the server has no background: nothing happens that was not asked for.
        config = uvicorn.Config(
            self._app, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="critical",
            ws="none", timeout_keep_alive=600,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            self._loop = runner.get_loop()
            self._ready.set()
            runner.run(self._server.serve(sockets=[self._listener]))
        state.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        rig = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(rig.hear(raw, self.headers["Stripe-Signature"]))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
