"""Tables of `ledger`, written by it alone. `bucket` (0-1023, from the wallet's id) leads every primary key.

A plain prefix on one database, the distribution column on a sharded one.
On SQLite, tables that grow with every call keep their rows in the order they were written: a batch over many wallets
then changes a few pages at the end, not one page for each row.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ileen.store.schema.base import bucket, metadata, wallet_id, whole

wallet = Table(
    "wallet",
    metadata,
    bucket(),
    Column("id", Text, primary_key=True),
    Column("time_zone", Text, nullable=False),
    whole("debt_max"),
    whole("created_at"),
    whole("seq"),
    whole("settled"),
    whole("held"),
    whole("frozen"),
    whole("debt"),
    whole("spent"),
    whole("purchased"),
    whole("bonus"),
    whole("adjusted"),
    whole("absorbed"),
    whole("refunded"),
    whole("disputed"),
    Column("head", LargeBinary, nullable=False),
    Column("low_mark", BigInteger),
    Column("notice_mark", BigInteger),
    CheckConstraint("held >= 0 AND frozen >= 0 AND debt >= 0", name="never_negative"),
    CheckConstraint("settled - held + debt >= 0", name="never_overspent"),
    sqlite_with_rowid=False,
)

spender = Table(
    "spender",
    metadata,
    bucket(),
    wallet_id(),
    Column("api_key", Text, primary_key=True),
    Column("cap_day", BigInteger),
    Column("cap_month", BigInteger),
    Column("cap_total", BigInteger),
    whole("held"),
    whole("day"),
    whole("spent_day"),
    whole("month"),
    whole("spent_month"),
    whole("spent_total"),
    Column("closed", Boolean, nullable=False),
    CheckConstraint("held >= 0", name="never_negative"),
    sqlite_with_rowid=False,
)

lot = Table(
    "lot",
    metadata,
    bucket(),
    wallet_id(),
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    whole("amount"),
    whole("left"),
    whole("frozen"),
    whole("created_at"),
    Column("reference", Text),
    Column("reason", Text),
    Column("used_up", Boolean, nullable=False),
    CheckConstraint('frozen >= 0 AND frozen <= "left" AND "left" <= amount', name="never_overdrawn"),
    sqlite_with_rowid=False,
)
Index(
    "ix_lot_live",
    lot.c.bucket,
    lot.c.wallet_id,
    sqlite_where=text("NOT used_up"),
    postgresql_where=text("NOT used_up"),
)

hold = Table(
    "hold",
    metadata,
    bucket(),
    wallet_id(),
    Column("id", Text, primary_key=True),
    whole("amount"),
    Column("state", Text, nullable=False),
    whole("created_at"),
    whole("expires_at"),
    Column("api_key", Text),
    Column("mode", Text),
    Column("activity", Text),
    Column("run", Text),
    Column("parent_run", Text),
    Column("provider", Text),
    Column("model", Text),
    Column("tariff", Text),
    Column("captured", BigInteger),
    Column("closed_at", BigInteger),
    Column("reason", Text),
    CheckConstraint("amount >= 0", name="never_negative"),
)
Index(
    "ix_hold_overdue",
    hold.c.expires_at,
    sqlite_where=text("state = 'open'"),
    postgresql_where=text("state = 'open'"),
)
Index(
    "ix_hold_run",
    hold.c.bucket,
    hold.c.wallet_id,
    hold.c.run,
    sqlite_where=text("run IS NOT NULL"),
    postgresql_where=text("run IS NOT NULL"),
)

entry = Table(
    "entry",
    metadata,
    bucket(),
    wallet_id(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    whole("at"),
    Column("kind", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    whole("amount"),
    Column("ref", Text, nullable=False),
    whole("settled"),
    whole("held"),
    whole("frozen"),
    whole("debt"),
    Column("key", Text),
    Column("fingerprint", LargeBinary),
    Column("note", Text),
    Column("hash", LargeBinary, nullable=False),
    # The key leads: keys made of time-sorted ids then land at the end of the index, whatever their wallet.
    UniqueConstraint("key", "wallet_id", "bucket"),
    CheckConstraint("amount >= 0", name="never_negative"),
)

lot_draw = Table(
    "lot_draw",
    metadata,
    bucket(),
    wallet_id(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("lot_id", Text, primary_key=True),
    whole("amount"),
    CheckConstraint("amount > 0", name="positive"),
)

usage_record = Table(
    "usage_record",
    metadata,
    bucket(),
    wallet_id(),
    Column("hold_id", Text, primary_key=True),
    whole("at"),
    whole("charge"),
    whole("input_tokens"),
    whole("output_tokens"),
    Column("provider_request_id", Text),
    Column("record", Text, nullable=False),
)

usage_day = Table(
    "usage_day",
    metadata,
    bucket(),
    wallet_id(),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("mode", Text, primary_key=True),
    Column("activity", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("api_key", Text, primary_key=True),
    whole("calls"),
    whole("charge"),
    whole("input_tokens"),
    whole("output_tokens"),
    sqlite_with_rowid=False,
)

tariff = Table(
    "tariff",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", Text, nullable=False),
    whole("created_at"),
)
