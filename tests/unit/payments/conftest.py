"""The payments room on both databases, with one offline Stripe per module."""

from collections.abc import Iterator

import pytest

from ileen.ledger import Ledger
from ileen.store.engine import Database
from shop import Shop, open_shop
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]


@pytest.fixture
def shop(database: Database, ledger: Ledger, stripe_sandbox: StripeSandbox) -> Iterator[Shop]:
    with open_shop(database, ledger, stripe_sandbox) as opened:
        yield opened
