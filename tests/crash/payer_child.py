"""Does one thing for a payer, as another process would: the room on a given database and Stripe. Killed by its test."""

import json
import sys
from typing import Any

from ileen.accounts import Accounts
from ileen.base.clock import ManualClock, to_datetime
from ileen.base.ids import RandomIds
from ileen.jobs import Worker
from ileen.ledger import Ledger
from ileen.payments.billing import Billing
from ileen.payments.customers import BillingDetails
from ileen.payments.stripe import Stripe
from ileen.payments.stripe.payer import Address
from ileen.payments.tax import TaxPolicy
from ileen.store.engine import Database


def main(given: dict[str, Any]) -> None:
    clock = ManualClock(to_datetime(given["now"]))
    ids = RandomIds(clock)
    database = Database.open(given["database"])
    ledger = Ledger(database, clock=clock)
    billing = Billing(
        database,
        ledger,
        Accounts(database, ledger, clock=clock, ids=ids),
        stripe=Stripe(given["stripe_key"], base_url=given["stripe_url"]),
        policy=TaxPolicy(),
        clock=clock,
        ids=ids,
        public_url="https://credits.example.com",
    )
    account, by, word = given["account"], given["by"], given["word"]
    if given["do"] == "set_billing":
        billing.set_billing(account, BillingDetails(name="Ada Lovelace", address=Address(country=word)), by=by)
    elif given["do"] == "add_tax_id":
        billing.add_tax_id(account, word, by=by)
    elif given["do"] == "remove_tax_id":
        billing.remove_tax_id(account, word, by=by)
    elif given["do"] == "remove_card":
        billing.remove_card(account, word, by=by)
    else:
        Worker(database, billing.handlers(), clock=clock, ids=ids).run_due()
    print("not killed", flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
