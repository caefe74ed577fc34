"""Tables of `payments` about money that goes back. Money is cents, `frozen` and `owed` are nano-credits.

`refund` is where each refund is, whoever began it, here or at Stripe; `refund_step` everything that was decided about
it, one fact each. That a refund at Stripe is taken down once stands here too: `stripe_id` is unique.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, Text, text

from ileen.store.schema.base import metadata, whole
from ileen.store.schema.payments import purchase

_WAITS = text("look_at IS NOT NULL")

refund = Table(
    "refund",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("purchase_id", Text, nullable=False),
    Column("lot_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("closing", Text),
    Column("because", Text),
    whole("version"),
    Column("origin", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text),
    whole("needs"),
    Column("approved_by", Text),
    whole("net"),
    whole("vat"),
    whole("total"),
    Column("card_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("stripe_id", Text, unique=True),
    Column("note_id", Text),
    Column("note_number", Text),
    whole("frozen"),
    whole("owed"),
    whole("attempt"),
    Column("attempted_at", BigInteger),
    Column("key", Text),
    Column("fingerprint", Text),
    whole("leased_until"),
    Column("look_at", BigInteger),
    whole("created_at"),
    Column("sent_at", BigInteger),
    Column("ended_at", BigInteger),
    CheckConstraint("net > 0 AND vat >= 0 AND total = net + vat", name="adds_up"),
)
Index("ix_refund_account", refund.c.account_id, refund.c.id)
Index("ix_refund_purchase", refund.c.purchase_id)
Index("ix_refund_look", refund.c.look_at, sqlite_where=_WAITS, postgresql_where=_WAITS)
Index("uq_refund_key", refund.c.account_id, refund.c.key, unique=True)

refund_step = Table(
    "refund_step",
    metadata,
    Column("refund_id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    whole("at"),
    Column("state", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("key", Text),
    Column("detail", Text),
)
Index("ix_purchase_intent", purchase.c.intent_id)
