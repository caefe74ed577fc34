"""Tables of `payments` about auto-refill. Money is cents; `balance` is nano-credits.

`refill_setting` is what an account has chosen, `refill_consent` every choice it ever saved, one fact each; `refill` is
one attempt, recorded with its purchase before Stripe is called. The limits stand here too, exactly: whatever a bug
above lets through is refused by the database.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Table, Text, text

from ileen.store.schema.base import metadata, whole

_OPEN = text("state = 'open'")
_WAITS = text("look_at IS NOT NULL")


def _limits() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint("threshold BETWEEN 1000 AND 500000", name="threshold_in_bounds"),
        CheckConstraint("amount BETWEEN 500 AND 50000", name="amount_in_bounds"),
        CheckConstraint("cap IS NULL OR cap BETWEEN amount AND 5000000", name="cap_in_bounds"),
    )


refill_setting = Table(
    "refill_setting",
    metadata,
    Column("account_id", Text, primary_key=True),
    whole("version"),
    Column("enabled", Boolean, nullable=False),
    whole("threshold"),
    whole("amount"),
    Column("cap", BigInteger),
    Column("paused", Text),
    Column("paused_at", BigInteger),
    whole("failures"),
    Column("look_at", BigInteger),
    Column("locale", Text, nullable=False),
    whole("updated_at"),
    *_limits(),
)
Index("ix_refill_setting_look", refill_setting.c.look_at, sqlite_where=_WAITS, postgresql_where=_WAITS)

refill_consent = Table(
    "refill_consent",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    whole("at"),
    Column("by", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    whole("threshold"),
    whole("amount"),
    Column("cap", BigInteger),
    Column("consent_version", Text, nullable=False),
    Column("consent_text", Text, nullable=False),
    *_limits(),
)

refill = Table(
    "refill",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("purchase_id", Text, nullable=False, unique=True),
    Column("trigger", Text, nullable=False),
    whole("balance"),
    whole("threshold"),
    whole("amount"),
    Column("because", Text),
    whole("created_at"),
    Column("ended_at", BigInteger),
)
Index("ix_refill_account", refill.c.account_id, refill.c.id)
Index("uq_refill_open", refill.c.account_id, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
