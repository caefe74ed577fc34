"""500 calls of several processes fall through the threshold at once: one invoice, and one more at the next crossing."""

from collections.abc import Iterator

import pytest

from ileen.base.money import parse
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.store.engine import Database
from killing import storm
from refilling import again, balance, ready
from shop import Shop, open_shop
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

CROSSINGS = ((4, 125, "0.10"), (2, 25, "1.00"))
"""Processes, calls of each, and what a call costs: fifty credits in all. The second is shorter, to be cheap."""


@pytest.fixture
def shop(database: Database, stripe_sandbox: StripeSandbox) -> Iterator[Shop]:
    ledger = Ledger(database)
    ledger.start()
    with open_shop(database, ledger, stripe_sandbox) as opened:
        yield opened
    ledger.stop()


def test_500_captures_of_several_processes_are_one_invoice_at_each_crossing(shop: Shop) -> None:
    account = ready(shop, credits_="70.00", threshold=3000)

    for crossing, (processes, calls, amount) in enumerate(CROSSINGS, start=1):
        storm(shop, account, processes=processes, calls=calls, amount=parse(amount))
        again(shop, 61)
        shop.settle_down()

        assert len(shop.invoices()) == len(shop.charges()) == crossing
        assert balance(shop, account) == parse("70.00"), "each 50 credits are spent and refilled once"
    assert audit(shop.database).breaches == []
