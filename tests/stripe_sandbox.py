"""How tests run the offline Stripe: as a process of its own, spoken to with the official SDK.

`stripe_sandbox` (a fixture, one process for each module) yields a `StripeSandbox`; `receiver` one that takes webhooks.
Import both into a test module by name, or start one by hand with `start(data)`.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe

from stripe_types import CheckedClient, event_drift

API_VERSION = "2026-10-28.endive"
GERMAN = {"line1": "Torstr. 1", "city": "Berlin", "postal_code": "10119", "country": "DE"}


class StripeSandbox:
    """A running offline Stripe, its key, and its levers."""

    def __init__(self, data: Path, *, port: int = 0) -> None:
        self.data = data
        self._clients: dict[int, stripe.StripeClient] = {}
        self._start(port)

    def _start(self, port: int) -> None:
        command = [sys.executable, "-m", "ileen.sandbox.stripe", "--data", str(self.data), "--until-stdin-closes"]
        self._process = subprocess.Popen(
            [*command, "--port", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.url: str = ready["url"]
        self.secret_key: str = ready["secret_key"]
        self.control_url: str = ready["control_url"]

    @property
    def client(self) -> stripe.StripeClient:
        """A client that never retries by itself, so that each test sees each answer."""
        return self.client_that_retries(0)

    def client_that_retries(self, times: int) -> stripe.StripeClient:
        if times not in self._clients:
            self._clients[times] = stripe.StripeClient(
                self.secret_key,
                stripe_version=API_VERSION,
                base_addresses={"api": self.url},
                max_network_retries=times,
                http_client=CheckedClient(),
            )
        return self._clients[times]

    def control(self, action: str, /, **given: Any) -> dict[str, Any]:
        """Pull a lever: `control("faults", kind="error_after", path="/v1/invoices")`."""
        answer = httpx2.post(f"{self.control_url}/{action}", json=given, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def levers(self) -> dict[str, Any]:
        """The position of every lever, and the sandbox's clock (`now`, Unix seconds)."""
        return self.ask("")

    def ask(self, path: str) -> dict[str, Any]:
        """Read from the control API: `ask("deliveries")`."""
        answer = httpx2.get(f"{self.control_url}/{path}", timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def advance(self, seconds: int) -> None:
        """Move the sandbox's clock; everything due on the way is done, deliveries included."""
        self.control("clock", advance_s=seconds)

    def deliver(self) -> None:
        """Wait until every delivery that is due was tried."""
        self.control("deliver")

    def deliveries(self) -> list[dict[str, Any]]:
        """Every delivery so far, oldest first."""
        return self.ask("deliveries")["deliveries"]

    def reset(self, *, now: int | None = None) -> None:
        """Forget everything but the key; the clock returns to the present, or to the Unix second `now`."""
        self.control("reset", now=now)

    def restart(self) -> None:
        """Stop and start again on the same data and port."""
        port = int(self.url.rsplit(":", 1)[1])
        self.stop()
        self._start(port)

    def kill(self) -> None:
        """End without a goodbye, as a crash does."""
        self._process.kill()
        self.stop()

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def raw(self, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx2.Response:
        """Speak HTTP without the SDK."""
        headers = {"Authorization": f"Bearer {self.secret_key if key is None else key}"}
        headers.update(more.pop("headers", {}))
        return httpx2.request(method, self.url + path, headers=headers, timeout=30, trust_env=False, **more)

    def customer(self, card: str | None = "pm_card_visa", **given: Any) -> Any:
        """Create a customer in Berlin with a default card."""
        made = self.client.v1.customers.create({"name": "Ada", "email": "ada@example.com", "address": GERMAN, **given})
        if card:
            method = self.client.v1.payment_methods.attach(card, {"customer": made.id})
            self.client.v1.customers.update(made.id, {"invoice_settings": {"default_payment_method": method.id}})
        return made

    def draft(self, customer: str, cents: int = 5000, **given: Any) -> Any:
        """Create a draft with one line, taxed automatically on top."""
        invoice = self.client.v1.invoices.create(
            {
                "customer": customer, "currency": "eur", "auto_advance": False, "automatic_tax": {"enabled": True},
                "pending_invoice_items_behavior": "exclude", **given,
            }
        )  # fmt: skip
        self.client.v1.invoice_items.create(
            {
                "customer": customer, "invoice": invoice.id, "currency": "eur", "amount": cents,
                "tax_behavior": "exclusive", "description": f"{cents // 100} credits",
            }
        )  # fmt: skip
        return self.client.v1.invoices.retrieve(invoice.id)

    def open_invoice(self, customer: str, cents: int = 5000, **given: Any) -> Any:
        """Create and finalize an invoice."""
        made = self.draft(customer, cents, **given)
        return self.client.v1.invoices.finalize_invoice(made.id, {"auto_advance": False})

    def read(self, invoice: str) -> Any:
        """Read an invoice with its payments."""
        return self.client.v1.invoices.retrieve(invoice, {"expand": ["payments"]})


@dataclass
class Receiver:
    """Takes webhooks on a port of its own.

    `status` answers all; `statuses` (first) one after the other; `handle` sees each event before its answer.
    """

    url: str
    secret: str = ""
    endpoint: str = ""
    status: int = 200
    statuses: list[int] = field(default_factory=list)
    handle: Callable[[dict[str, Any]], None] | None = None
    taken: list[tuple[bytes, str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def events(self) -> list[dict[str, Any]]:
        """Everything delivered, in order."""
        return [json.loads(body) for body, _ in self.taken]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["type"] == type_]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a webhook receiver."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.taken.append((body, self.headers["Stripe-Signature"]))
            if taken.handle:
                taken.handle(json.loads(body))
            self.send_response(taken.statuses.pop(0) if taken.statuses else taken.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            taken.arrived.set()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taken = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield taken
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def running(data: Path) -> Iterator[StripeSandbox]:
    """Run an offline Stripe on a state file."""
    sandbox = StripeSandbox(data)
    try:
        yield sandbox
    finally:
        sandbox.stop()


@pytest.fixture(scope="module")
def stripe_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSandbox]:
    """One process for a module."""
    with running(tmp_path_factory.mktemp("stripe") / "stripe.sqlite3") as sandbox:
        yield sandbox


@pytest.fixture
def stripe_sandbox(stripe_process: StripeSandbox) -> StripeSandbox:
    """The module's process, empty and with all levers at rest."""
    stripe_process.reset()
    return stripe_process


@pytest.fixture
def receiver(stripe_sandbox: StripeSandbox) -> Iterator[Receiver]:
    """A receiver that is registered for all events; its endpoint's id and secret are on it."""
    with receiving() as taken:
        endpoint = stripe_sandbox.client.v1.webhook_endpoints.create(
            {"url": taken.url, "enabled_events": ["*"], "api_version": API_VERSION}
        )
        taken.secret = endpoint.secret
        taken.endpoint = endpoint.id
        yield taken
        drift = [found for event in taken.events() for found in event_drift(event)]
        assert not drift, "\n".join(drift)
