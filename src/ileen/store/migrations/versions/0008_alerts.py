"""Alerts about the balance and events for accounts' own servers; wallets there are alerted at five credits."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0010"
branch_labels = None
depends_on = None

_DEFAULT_NANO = 5_000_000_000


def upgrade() -> None:
    op.add_column("wallet", sa.Column("notice_mark", sa.BigInteger(), nullable=True))
    wallet = sa.table("wallet", sa.column("notice_mark", sa.BigInteger()))
    op.execute(sa.update(wallet).values(notice_mark=_DEFAULT_NANO))
    op.create_table(
        "alert_told",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("mailed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "kind", "epoch", name=op.f("pk_alert_told")),
    )
    op.create_table(
        "outbound_endpoint",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_endpoint")),
    )
    op.create_index("ix_outbound_endpoint_account", "outbound_endpoint", ["account_id"])
    op.create_table(
        "outbound_event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_event")),
        sa.UniqueConstraint("key", name=op.f("uq_outbound_event_key")),
    )
    op.create_index("ix_outbound_event_account", "outbound_event", ["account_id", "id"])
    op.create_table(
        "outbound_delivery",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "endpoint_id", name=op.f("pk_outbound_delivery")),
    )
    op.create_index("ix_outbound_delivery_endpoint", "outbound_delivery", ["endpoint_id", "event_id"])
    _forbid_changes("outbound_event")


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
