"""The ledger: the one writer of credits.

Owns: wallets, lots, holds, spenders, the journal, usage records. Refuses to know: prices, HTTP, Stripe.
Its door is `Ledger`; its words are in `model`, its rules in `rules`, which change a `state`, its queue in `lanes`.
"""

from ileen.ledger.door import Ledger
from ileen.ledger.reads import Call, UsageGroup

__all__ = ["Call", "Ledger", "UsageGroup"]
