"""The seller's balance: what was earned, by currency, and how much of it could be paid out.

Owns: /v1/balance. Refuses to know: payouts, which this sandbox does not make.
"""

from collections import Counter
from typing import Final

from ileen.sandbox.stripe.api import Call, Route
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.store import Tx

_HOME: Final = "eur"
"""The currency the sandbox's seller is paid out in; shown even when nothing was earned."""


def _read(tx: Tx, _: Call) -> Json:
    available, pending = Counter({_HOME: 0}), Counter({_HOME: 0})
    for moved in tx.scan("balance_transaction"):
        side = available if moved["available_on"] <= tx.now else pending
        side[moved["currency"]] += moved["net"]
    return {
        "object": "balance",
        "available": _amounts(available),
        "livemode": False,
        "pending": _amounts(pending),
        "refund_and_dispute_prefunding": {"available": _amounts(Counter()), "pending": _amounts(Counter())},
    }


def _amounts(by_currency: "Counter[str]") -> list[Json]:
    return [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(by_currency.items())
    ]


ROUTES = [Route("GET", "/v1/balance", _read)]
