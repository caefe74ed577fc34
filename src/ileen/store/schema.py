"""Every table of Ileen, once, for both databases. Migrations must add up to exactly this (a test compares).

Amounts are nano-credits in 64-bit integers, instants microseconds UTC. `bucket` (0-1023, from the wallet's id)
leads every key of the ledger: a plain prefix on one database, the distribution column on a sharded one.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _bucket() -> Column[int]:
    return Column("bucket", SmallInteger, primary_key=True, autoincrement=False)


def _wallet() -> Column[str]:
    return Column("wallet_id", Text, primary_key=True)


def _whole(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


# Accounts ----------------------------------------------------------------------------------------------------

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bucket", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("time_zone", Text, nullable=False),
    _whole("created_at"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("mode", Text),
    Column("activity", Text),
    Column("scopes", Text, nullable=False),
    Column("calls_max", BigInteger),
    _whole("created_at"),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

# Ledger ------------------------------------------------------------------------------------------------------

wallet = Table(
    "wallet",
    metadata,
    _bucket(),
    Column("id", Text, primary_key=True),
    Column("time_zone", Text, nullable=False),
    _whole("debt_max"),
    _whole("created_at"),
    _whole("seq"),
    _whole("settled"),
    _whole("held"),
    _whole("frozen"),
    _whole("debt"),
    _whole("spent"),
    _whole("purchased"),
    _whole("bonus"),
    _whole("adjusted"),
    _whole("absorbed"),
    _whole("refunded"),
    _whole("disputed"),
    Column("head", LargeBinary, nullable=False),
    CheckConstraint("held >= 0 AND frozen >= 0 AND debt >= 0", name="never_negative"),
    CheckConstraint("settled - held + debt >= 0", name="never_overspent"),
    sqlite_with_rowid=False,
)

spender = Table(
    "spender",
    metadata,
    _bucket(),
    _wallet(),
    Column("api_key", Text, primary_key=True),
    Column("cap_day", BigInteger),
    Column("cap_month", BigInteger),
    Column("cap_total", BigInteger),
    _whole("held"),
    _whole("day"),
    _whole("spent_day"),
    _whole("month"),
    _whole("spent_month"),
    _whole("spent_total"),
    Column("closed", Boolean, nullable=False),
    CheckConstraint("held >= 0", name="never_negative"),
    sqlite_with_rowid=False,
)

lot = Table(
    "lot",
    metadata,
    _bucket(),
    _wallet(),
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    _whole("amount"),
    _whole("left"),
    _whole("frozen"),
    _whole("created_at"),
    Column("reference", Text),
    Column("reason", Text),
    CheckConstraint('frozen >= 0 AND frozen <= "left" AND "left" <= amount', name="never_overdrawn"),
    sqlite_with_rowid=False,
)
Index(
    "ix_lot_live",
    lot.c.bucket,
    lot.c.wallet_id,
    sqlite_where=text('"left" > 0'),
    postgresql_where=text('"left" > 0'),
)

hold = Table(
    "hold",
    metadata,
    _bucket(),
    _wallet(),
    Column("id", Text, primary_key=True),
    _whole("amount"),
    Column("state", Text, nullable=False),
    _whole("created_at"),
    _whole("expires_at"),
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
    sqlite_with_rowid=False,
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
    _bucket(),
    _wallet(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _whole("at"),
    Column("kind", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    _whole("amount"),
    Column("ref", Text, nullable=False),
    _whole("settled"),
    _whole("held"),
    _whole("frozen"),
    _whole("debt"),
    Column("key", Text),
    Column("fingerprint", LargeBinary),
    Column("note", Text),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("bucket", "wallet_id", "key"),
    CheckConstraint("amount >= 0", name="never_negative"),
    sqlite_with_rowid=False,
)

lot_draw = Table(
    "lot_draw",
    metadata,
    _bucket(),
    _wallet(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("lot_id", Text, primary_key=True),
    _whole("amount"),
    CheckConstraint("amount > 0", name="positive"),
    sqlite_with_rowid=False,
)

usage_record = Table(
    "usage_record",
    metadata,
    _bucket(),
    _wallet(),
    Column("hold_id", Text, primary_key=True),
    _whole("at"),
    _whole("charge"),
    _whole("input_tokens"),
    _whole("output_tokens"),
    Column("provider_request_id", Text),
    Column("record", Text, nullable=False),
)

usage_day = Table(
    "usage_day",
    metadata,
    _bucket(),
    _wallet(),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("mode", Text, primary_key=True),
    Column("activity", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("api_key", Text, primary_key=True),
    _whole("calls"),
    _whole("charge"),
    _whole("input_tokens"),
    _whole("output_tokens"),
    sqlite_with_rowid=False,
)

tariff = Table(
    "tariff",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", Text, nullable=False),
    _whole("created_at"),
)

# Jobs --------------------------------------------------------------------------------------------------------

job = Table(
    "job",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    _whole("run_at"),
    _whole("created_at"),
    _whole("attempts"),
    Column("lease", Text),
    Column("leased_until", BigInteger),
    Column("finished_at", BigInteger),
    Column("error", Text),
)
Index("ix_job_due", job.c.run_at, sqlite_where=text("state = 'ready'"), postgresql_where=text("state = 'ready'"))
Index(
    "ix_job_leased",
    job.c.leased_until,
    sqlite_where=text("state = 'running'"),
    postgresql_where=text("state = 'running'"),
)
Index(
    "uq_job_open_key",
    job.c.kind,
    job.c.key,
    unique=True,
    sqlite_where=text("state IN ('ready', 'running')"),
    postgresql_where=text("state IN ('ready', 'running')"),
)

IMMUTABLE = ("entry", "lot_draw", "usage_record", "tariff")
"""Tables whose rows are facts: the database itself refuses to update or delete them (triggers)."""
