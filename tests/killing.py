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


def storm(shop: Shop, account: AccountId, *, processes: int, calls: int, amount: int) -> None:
    """Have several processes book many calls each, all at once, and run the jobs they lead to."""
    task = json.dumps(_given(shop, account, does="storm", calls=calls, amount=amount))
    children = [_start(task) for _ in range(processes)]
    for child in children:
        said, _ = child.communicate(timeout=120)
        assert child.returncode == 0, said


def _start(task: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), task],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _given(shop: Shop, account: AccountId, **task: Any) -> dict[str, Any]:
    payer = shop.payers.payer(account, card=None)
    return {
        "database": shop.database.engine.url.render_as_string(hide_password=False),
        "stripe_url": shop.sandbox.url,
        "stripe_key": shop.sandbox.secret_key,
        "account": account,
        "customer": payer.customer,
        "card": payer.card,
        **task,
    }


def _until_killed(shop: Shop, account: AccountId, point: str, **task: Any) -> None:
    child = _start(json.dumps(_given(shop, account, **task)), ILEEN_CRASH_AT=point)
    said, _ = child.communicate(timeout=120)
    assert child.returncode == -9, f"the process was to be killed at {point}: {said}"
