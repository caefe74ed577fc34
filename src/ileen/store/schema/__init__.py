"""Every table of Ileen, once, for both databases. Migrations must add up to exactly this (a test compares).

One module per room. Amounts of credits are nano-credits in 64-bit integers, money is cents, instants are
microseconds UTC.
"""

from ileen.store.schema.accounts import account, api_key
from ileen.store.schema.base import metadata
from ileen.store.schema.customers import card, customer, tax_id
from ileen.store.schema.jobs import job
from ileen.store.schema.ledger import entry, hold, lot, lot_draw, spender, tariff, usage_day, usage_record, wallet

__all__ = [
    "IMMUTABLE",
    "account",
    "api_key",
    "card",
    "customer",
    "entry",
    "hold",
    "job",
    "lot",
    "lot_draw",
    "metadata",
    "spender",
    "tariff",
    "tax_id",
    "usage_day",
    "usage_record",
    "wallet",
]

IMMUTABLE = ("entry", "lot_draw", "usage_record", "tariff")
"""Tables whose rows are facts: the database itself refuses to update or delete them (triggers)."""
