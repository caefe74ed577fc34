"""The payments room on both databases, with one offline Stripe per module."""

from collections.abc import Iterator

import pytest

from ileen.ledger import Ledger
from ileen.store.engine import Database
from shop import Shop, open_shop
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    """A ledger on the machine's own time, as the shop and the offline Stripe are."""
    running = Ledger(database)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def shop(database: Database, ledger: Ledger, stripe_sandbox: StripeSandbox) -> Iterator[Shop]:
    with open_shop(database, ledger, stripe_sandbox) as opened:
        yield opened


@pytest.fixture
def sqlite_shop(sqlite_database: Database, stripe_sandbox: StripeSandbox) -> Iterator[Shop]:
    """A shop on SQLite alone, for long tables of what Stripe may do, which no database of ours sees."""
    ledger = Ledger(sqlite_database)
    ledger.start()
    with open_shop(sqlite_database, ledger, stripe_sandbox) as opened:
        yield opened
    ledger.stop()
