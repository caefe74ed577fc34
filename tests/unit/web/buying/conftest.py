"""A whole web room that can sell, on both databases, against the offline Stripe."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert

from ileen.accounts.people import People
from ileen.accounts.who import Role, Visitor
from ileen.payments import Payments, Policy
from ileen.payments.billing import Billing
from ileen.payments.gate import GateRule
from ileen.pricing import Prices
from ileen.settings import Settings
from ileen.store import schema
from ileen.web import build
from ileen.web.guards import csrf_token
from paying import Paying, paying
from stripe_sandbox import stripe_process, stripe_sandbox

__all__ = ["paying", "stripe_process", "stripe_sandbox"]

_VISITOR = Visitor(token="browser", network="192.0.2.0/24", agent="Firefox")


@dataclass
class Shop:
    """Ada's account behind the API (`http`, with a key that may buy) and behind our pages (`browser`)."""

    paying: Paying
    people: People
    payments: Payments
    http: httpx2.AsyncClient
    browser: httpx2.AsyncClient
    token: str
    told: list[str]
    app: Any
    secret: str

    @property
    def billing(self) -> Billing:
        return self.paying.billing

    @property
    def csrf(self) -> str:
        return csrf_token(self.token)

    async def post(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form of one of our pages."""
        return await self.browser.post(path, data={"csrf": self.csrf, **fields})

    async def put_billing(self, country: str = "DE", **more: Any) -> httpx2.Response:
        body = {"name": "Ada", "address": {"country": country, "postal_code": "10119", "city": "Berlin"}, **more}
        return await self.http.put("/v1/billing", json=body)

    async def ready(self, country: str = "DE", number: str = "4242424242424242") -> None:
        """Billing details given and a card saved."""
        answer = await self.put_billing(country)
        assert answer.status_code == 200, answer.text
        self.paying.add_card(number)

    async def buy(self, amount: str = "25.00", key: str = "order-1", **more: str) -> httpx2.Response:
        quote = (await self.http.post("/v1/quotes", json={"amount": amount})).json()
        body = {"amount": amount, "total": quote["total"], **more}
        return await self.http.post("/v1/purchases", json=body, headers={"Idempotency-Key": key})

    def charges(self) -> list[Any]:
        """What Stripe charged."""
        return [each for each in self.paying.sandbox.client.v1.charges.list().data if each.paid]

    def sign_in(self, role: Role) -> str:
        """Another member's browser session."""
        return sign_in(self.paying, self.people, role)


def sign_in(paying: Paying, people: People, role: Role) -> str:
    now = paying.clock.now()
    id_ = paying.ids.mint("per")
    person = {"id": id_, "email": "a@example.com", "email_folded": id_, "name": "Ada", "locale": "en"}
    place = {"id": paying.ids.mint("mem"), "account_id": paying.account.id, "person_id": id_, "role": role.value}
    with paying.database.write() as connection:
        connection.execute(insert(schema.person).values(person | {"time_zone": "UTC", "created_at": now}))
        connection.execute(insert(schema.member).values(place | {"created_at": now}))
        return people.sessions.start(
            connection, id_, account=paying.account.id, method="password", visitor=_VISITOR, replaces=None
        )


async def _gateway(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="session")
def prices() -> Prices:
    return Prices.load(fx_rate="0.90")


@pytest.fixture
def gate_rule() -> GateRule:
    """The default; a test may choose another with `parametrize`."""
    return GateRule.CREDITS


@pytest.fixture
async def shop(paying: Paying, prices: Prices, gate_rule: GateRule) -> AsyncIterator[Shop]:
    people = People(paying.database, paying.accounts, clock=paying.clock, ids=paying.ids)
    told: list[str] = []
    payments = Payments(
        paying.database,
        paying.ledger,
        paying.accounts,
        stripe=paying.stripe,
        payers=paying.billing,
        policy=Policy(),
        clock=paying.clock,
        ids=paying.ids,
        notify=lambda connection, *, kind, **_: told.append(kind),
        alarm=lambda connection, *, summary, **_: told.append(summary),
        hooks=paying.billing.hooks(),
    )
    app = build(
        ledger=paying.ledger,
        accounts=paying.accounts,
        people=people,
        prices=prices,
        gateway=_gateway,
        settings=Settings(public_url="http://ileen", proxies=1, stripe_secret_key=paying.sandbox.secret_key),
        clock=paying.clock,
        ids=paying.ids,
        database=paying.database,
        payments=payments,
        billing=paying.billing,
        gate=paying.billing.spending_gate(gate_rule, explain=payments.refills.hints.explain),
        country_header="cf-ipcountry",
    )
    _, secret = paying.accounts.create_key(
        paying.account.id, name="shop", scopes=["read", "spend", "purchase", "refill", "cards", "withdraw"]
    )
    token = sign_in(paying, people, Role.OWNER)
    key = {"Authorization": f"Bearer {secret}"}
    page = {"cookie": f"ileen_session={token}", "sec-fetch-site": "same-origin", "accept": "text/html"}
    transport = httpx2.ASGITransport(app=app)
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://ileen", headers=key) as http,
        httpx2.AsyncClient(transport=transport, base_url="http://ileen", headers=page) as browser,
    ):
        yield Shop(paying, people, payments, http, browser, token, told, app, secret)
