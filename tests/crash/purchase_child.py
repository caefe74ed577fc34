"""Buys once, as another process would: the room on a given database and Stripe. Killed on the way by its test."""

import json
import sys

from ileen.accounts import Accounts
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds
from ileen.ledger import Ledger
from ileen.payments import Evidence, Payments, Policy
from ileen.payments.model import Payer
from ileen.payments.stripe import Stripe
from ileen.store.engine import Database


class OnePayer:
    def __init__(self, payer: Payer) -> None:
        self._payer = payer

    def customer_of(self, account: str) -> str:
        return self._payer.customer

    def payer(self, account: str, *, card: str | None) -> Payer:
        return self._payer

    def accept(self, account: str, reason: str) -> bool:
        return True


given = json.loads(sys.argv[1])
clock = SystemClock()
ids = RandomIds(clock)
database = Database.open(given["database"])
ledger = Ledger(database, clock=clock)
ledger.start()
accounts = Accounts(database, ledger, clock=clock, ids=ids)
accounts.create("Other")  # one batch of the ledger, so that the purchase's is the second
payer = Payer(
    customer=given["customer"],
    card=given["card"],
    card_name="Visa •••• 4242",
    card_country="DE",
    email="ada@example.com",
    locale="en",
    country="DE",
)
payments = Payments(
    database,
    ledger,
    accounts,
    stripe=Stripe(given["stripe_key"], base_url=given["stripe_url"]),
    payers=OnePayer(payer),
    policy=Policy(),
    clock=clock,
    ids=ids,
    notify=lambda connection, **told: None,
    alarm=lambda connection, **told: None,
)
bought = payments.buy(
    given["account"], 5000, quoted_total=given["total"], key="one", by=None, evidence=Evidence(billing_country="DE")
)
print(bought.state)
