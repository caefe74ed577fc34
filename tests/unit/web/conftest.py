"""A whole API in one process, without a socket: real ledger, real prices, real accounts, on both databases."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx2
import pytest
from sqlalchemy import func, select

from ileen.accounts import Account, Accounts, ApiKey
from ileen.accounts.people import People
from ileen.base.clock import ManualClock
from ileen.base.ids import RandomIds, wallet_of
from ileen.base.money import parse
from ileen.ledger import Ledger
from ileen.ledger.model import Fund, Source
from ileen.pricing import Prices
from ileen.store import schema
from ileen.store.engine import Database
from ileen.web import build
from ileen.web.house import House


@dataclass(frozen=True)
class WebSettings:
    hold_lifetime_s: int = 900
    shop_url: str | None = "https://shop.example.com/credits"
    public_url: str = "http://ileen"
    proxies: int = 0
    brand: str = "Ileen"


async def gateway(scope, receive, send) -> None:
    """Stands where the gateway stands, to see what is passed to it."""
    await send({"type": "http.response.start", "status": 418, "headers": [(b"seen-path", scope["path"].encode())]})
    await send({"type": "http.response.body", "body": b"the gateway's own answer"})


@dataclass
class World:
    """One account with a wallet of 5.00, one key, and an HTTP client that uses it."""

    database: Database
    ledger: Ledger
    accounts: Accounts
    people: People
    clock: ManualClock
    ids: RandomIds
    account: Account
    key: ApiKey
    secret: str
    http: httpx2.AsyncClient
    house: House

    def fund(self, account: Account, amount: str) -> None:
        lot = self.ids.mint("lot")
        command = Fund(
            wallet=wallet_of(account.id), key=lot, lot=lot, amount=parse(amount), source=Source.BONUS, reason="test"
        )
        self.ledger.run(command)

    def stranger(self) -> dict[str, str]:
        """The headers of another account with a wallet of 5.00."""
        account = self.accounts.create("Stranger")
        self.fund(account, "5.00")
        _, secret = self.accounts.create_key(account.id, name="theirs")
        return {"Authorization": f"Bearer {secret}"}

    def rows(self) -> int:
        """How many facts the ledger holds: entries and holds."""
        with self.database.read() as connection:
            return sum(
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (schema.entry, schema.hold, schema.usage_record)
            )


@pytest.fixture
def accounts(database: Database, ledger: Ledger, clock: ManualClock, ids: RandomIds) -> Iterator[Accounts]:
    made = Accounts(database, ledger, clock=clock, ids=ids)
    yield made
    made.close()


@pytest.fixture(scope="session")
def prices() -> Prices:
    return Prices.load(fx_rate="0.90")


@pytest.fixture
async def world(
    database: Database, ledger: Ledger, accounts: Accounts, prices: Prices, clock: ManualClock, ids: RandomIds
) -> AsyncIterator[World]:
    people = People(database, accounts, clock=clock, ids=ids)
    app = build(
        ledger=ledger,
        accounts=accounts,
        people=people,
        prices=prices,
        gateway=gateway,
        settings=WebSettings(),
        clock=clock,
        ids=ids,
        database=database,
    )
    account = accounts.create("Ada", debt_max=0)
    key, secret = accounts.create_key(account.id, name="laptop")
    headers = {"Authorization": f"Bearer {secret}"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://ileen", headers=headers) as http:
        house = app._api.state.house
        made = World(database, ledger, accounts, people, clock, ids, account, key, secret, http, house)
        made.fund(account, "5.00")
        yield made
