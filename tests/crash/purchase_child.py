"""Buys once, spends once or runs the jobs that are due, as another process would. Killed on the way by its test."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from ileen.accounts import Accounts
from ileen.base.clock import SECOND, ManualClock, SystemClock, to_datetime
from ileen.base.ids import HoldId, RandomIds, wallet_of
from ileen.jobs import Job, Worker
from ileen.ledger import Ledger
from ileen.ledger.model import Authorize, Capture
from ileen.payments import Evidence, Payments, Policy
from ileen.payments.missed import MISSED
from ileen.payments.model import Payer
from ileen.payments.refunds.model import Origin
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
clock = ManualClock(to_datetime(given["now"])) if "now" in given else SystemClock()
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


def spend(hold: HoldId, amount: int) -> None:
    wallet = wallet_of(given["account"])
    ledger.run(Authorize(wallet=wallet, key=f"a:{hold}", hold=hold, amount=amount, lifetime_us=900 * SECOND))
    ledger.run(Capture(wallet=wallet, key=f"c:{hold}", hold=hold, amount=amount))


match given["does"]:
    case "buy":
        evidence = Evidence(billing_country="DE")
        payments.buy(given["account"], 5000, quoted_total=given["total"], key="one", by=None, evidence=evidence)
    case "refund":
        total, purchase = given["total"], given["purchase"]
        payments.refunds.request(
            given["account"], purchase, given["cents"], total=total, key="one", by="mem", origin=Origin.APP
        )
    case "spend":
        spend(HoldId(given["hold"]), given["amount"])
    case "storm":  # many calls at once, with the jobs they leave being run meanwhile
        room = Worker(database, payments.handlers(), clock=clock, ids=ids)
        room.start(threads=1)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: spend(HoldId(ids.mint("hold")), given["amount"]), range(given["calls"])))
        room.stop()
    case "fetch":
        payments.handlers()[MISSED](Job(**dict.fromkeys(Job.__struct_fields__) | {"payload": {}}))
    case _:
        worker = Worker(database, payments.handlers(), clock=clock, ids=ids)
        while worker.run_due():
            pass
