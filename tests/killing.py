"""A purchase in a process of its own, which dies at a named step; the database and the offline Stripe survive it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from ileen.base.ids import AccountId
from shop import Shop

CHILD = Path(__file__).parent / "crash" / "purchase_child.py"


def buy_until_killed(shop: Shop, account: AccountId, point: str) -> None:
    """Have another process buy 50 credits for an account and be killed at a named step."""
    payer = shop.payers.payer(account, card=None)
    given = {
        "database": shop.database.engine.url.render_as_string(hide_password=False),
        "stripe_url": shop.sandbox.url,
        "stripe_key": shop.sandbox.secret_key,
        "account": account,
        "customer": payer.customer,
        "card": payer.card,
        "total": shop.payments.quote(account, 5000).total,
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
