"""A purchase, a call or a worker in a process that dies at a named step; database and offline Stripe survive it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ileen.base.ids import AccountId
from shop import Shop

CHILD = Path(__file__).parent / "crash" / "purchase_child.py"


def buy_until_killed(shop: Shop, account: AccountId, point: str) -> None:
    """Have another process buy 50 credits for an account and be killed at a named step."""
    _until_killed(shop, account, point, does="buy", total=shop.payments.quote(account, 5000).total)


def spend_until_killed(shop: Shop, account: AccountId, point: str, *, hold: str, amount: int) -> None:
    """Have another process book a call and be killed at a named step."""
    _until_killed(shop, account, point, does="spend", hold=hold, amount=amount)


def fetch_until_killed(shop: Shop, account: AccountId, point: str) -> None:
    """Have another process fetch the webhooks that were lost, and be killed at a named step."""
    _until_killed(shop, account, point, does="fetch", now=shop.clock.now())


def refund_until_killed(shop: Shop, account: AccountId, point: str, **task: Any) -> None:
    """Have another process refund credits of a purchase and be killed at a named step."""
    _until_killed(shop, account, point, does="refund", **task)


def work_until_killed(shop: Shop, account: AccountId, point: str) -> None:
    """Have another process run the jobs that are due, for the payer of an account, and be killed at a named step."""
    _until_killed(shop, account, point, does="work")


def _until_killed(shop: Shop, account: AccountId, point: str, **task: Any) -> None:
    payer = shop.payers.payer(account, card=None)
    given = {
        "database": shop.database.engine.url.render_as_string(hide_password=False),
        "stripe_url": shop.sandbox.url,
        "stripe_key": shop.sandbox.secret_key,
        "account": account,
        "customer": payer.customer,
        "card": payer.card,
        **task,
    }
    tests = str(Path(__file__).parent)
    child = subprocess.run(
        [sys.executable, str(CHILD), json.dumps(given)],
        env={**os.environ, "ILEEN_CRASH_AT": point, "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == -9, f"the process was to be killed at {point}: {child.stdout}{child.stderr}"
