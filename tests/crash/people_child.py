"""Makes one account, by sign-up, identity provider or host, or gives one credits. Killed on the way by its test."""

import json
import sys
from typing import Any

from ileen.accounts import Accounts
from ileen.accounts.people import People
from ileen.accounts.provider import Provider
from ileen.accounts.who import Visitor
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds
from ileen.ledger import Ledger
from ileen.store.engine import Database

VISITOR = Visitor(token="laptop", network="192.0.2.0/24", agent="Firefox")


def main(given: dict[str, Any]) -> None:
    clock = SystemClock()
    ids = RandomIds(clock)
    database = Database.open(given["database"])
    ledger = Ledger(database, clock=clock)
    ledger.start()
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    provider = Provider(**given["provider"]) if "provider" in given else None
    people = People(database, accounts, clock=clock, ids=ids, provider=provider)
    if given["do"] == "ask":
        people.sign_ups.ask(**given["with"], visitor=VISITOR)
    elif given["do"] == "confirm":
        people.sign_ups.confirm(given["token"], password=None, visitor=VISITOR, replaces=None)
    elif given["do"] == "finish":
        people.oidc.finish(**given["with"], visitor=VISITOR, signed=None, replaces=None)
    elif given["do"] == "grant":
        accounts.grant(accounts.list()[0].id, **given["with"])
    else:
        people.hosts.open_account(people.hosts.authenticate(given["secret"]), **given["with"])
    print("not killed", flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
