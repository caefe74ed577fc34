"""Auto-refill: what accounts have chosen and when, its attempts, the wallet's low mark; consents are immutable."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("wallet", sa.Column("low_mark", sa.BigInteger(), nullable=True))
    op.add_column("purchase", sa.Column("refill_id", sa.Text(), nullable=True))
    op.create_table(
        "refill_setting",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=True),
        sa.Column("paused", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("look_at", sa.BigInteger(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_refill_setting")),
        *_limits("refill_setting"),
    )
    waits = sa.text("look_at IS NOT NULL")
    op.create_index("ix_refill_setting_look", "refill_setting", ["look_at"], sqlite_where=waits, postgresql_where=waits)
    op.create_table(
        "refill_consent",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=True),
        sa.Column("consent_version", sa.Text(), nullable=False),
        sa.Column("consent_text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "version", name=op.f("pk_refill_consent")),
        *_limits("refill_consent"),
    )
    op.create_table(
        "refill",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("purchase_id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("because", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refill")),
        sa.UniqueConstraint("purchase_id", name=op.f("uq_refill_purchase_id")),
    )
    op.create_index("ix_refill_account", "refill", ["account_id", "id"])
    is_open = sa.text("state = 'open'")
    op.create_index(
        "uq_refill_open", "refill", ["account_id"], unique=True, sqlite_where=is_open, postgresql_where=is_open
    )
    _forbid_changes("refill_consent")


def _limits(table: str) -> tuple[sa.CheckConstraint, ...]:
    return (
        sa.CheckConstraint("threshold BETWEEN 1000 AND 500000", name=op.f(f"ck_{table}_threshold_in_bounds")),
        sa.CheckConstraint("amount BETWEEN 500 AND 50000", name=op.f(f"ck_{table}_amount_in_bounds")),
        sa.CheckConstraint("cap IS NULL OR cap BETWEEN amount AND 5000000", name=op.f(f"ck_{table}_cap_in_bounds")),
    )


def _forbid_changes(table: str) -> None:
    """Have the database itself refuse to update or delete facts."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} rows are facts'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_is_immutable() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} rows are facts'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_is_immutable()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_immutable()"
    )
