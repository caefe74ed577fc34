"""The table of `payments` about disputes. Money is cents, `seized`, `frozen` and `owed` are nano-credits.

A dispute is known by its id at Stripe, so that it counts once however many events tell of it.
"""

from sqlalchemy import BigInteger, Column, Index, Table, Text, text

from ileen.store.schema.base import metadata, whole

_OPEN = text("state = 'open'")

dispute = Table(
    "dispute",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("purchase_id", Text, nullable=False),
    Column("lot_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    whole("version"),
    whole("round"),
    whole("amount"),
    whole("net"),
    whole("seized"),
    whole("frozen"),
    whole("owed"),
    Column("due_at", BigInteger),
    whole("created_at"),
    Column("ended_at", BigInteger),
)
Index("ix_dispute_account", dispute.c.account_id, dispute.c.id)
Index("ix_dispute_purchase", dispute.c.purchase_id)
Index("ix_dispute_open", dispute.c.account_id, sqlite_where=_OPEN, postgresql_where=_OPEN)
