"""Tables of `payments` about purchases and what Stripe told us. Money is cents.

`purchase` is the machine's present state, `purchase_step` everything it decided, one fact each; `purchase_key` binds
a caller's idempotency key to the purchase it was answered with.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, LargeBinary, Table, Text, text

from ileen.store.schema.base import metadata, whole

_OPEN = "state NOT IN ('settled', 'failed', 'void')"

purchase = Table(
    "purchase",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("closing", Text),
    Column("because", Text),
    Column("alarm", Text),
    whole("version"),
    whole("net"),
    whole("vat"),
    whole("total"),
    Column("rate", Text),
    Column("reason", Text, nullable=False),
    Column("country", Text),
    Column("customer", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("card_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("by", Text),
    Column("evidence", Text, nullable=False),
    Column("invoice_id", Text, unique=True),
    Column("invoice_number", Text),
    Column("intent_id", Text),
    whole("attempt"),
    Column("attempted_at", BigInteger),
    Column("decline_code", Text),
    Column("action_until", BigInteger),
    Column("lot_id", Text),
    whole("leased_until"),
    Column("look_at", BigInteger),
    whole("created_at"),
    Column("paid_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("refill_id", Text),
    CheckConstraint("net > 0 AND vat >= 0 AND total = net + vat", name="adds_up"),
)
Index("ix_purchase_account", purchase.c.account_id, purchase.c.id)
Index("ix_purchase_created", purchase.c.created_at)
Index("uq_purchase_open", purchase.c.account_id, unique=True, sqlite_where=text(_OPEN), postgresql_where=text(_OPEN))
Index(
    "ix_purchase_look",
    purchase.c.look_at,
    sqlite_where=text("look_at IS NOT NULL"),
    postgresql_where=text("look_at IS NOT NULL"),
)

purchase_key = Table(
    "purchase_key",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("purchase_id", Text, nullable=False),
    whole("created_at"),
)

purchase_step = Table(
    "purchase_step",
    metadata,
    Column("purchase_id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    whole("at"),
    Column("state", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("key", Text),
    Column("detail", Text),
)

inbox_event = Table(
    "inbox_event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("once", Text, unique=True),
    whole("created_s"),
    whole("received_at"),
    Column("livemode", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("applied_at", BigInteger),
)
Index("ix_inbox_event_object", inbox_event.c.object_id)
Index("ix_inbox_event_received", inbox_event.c.received_at)
