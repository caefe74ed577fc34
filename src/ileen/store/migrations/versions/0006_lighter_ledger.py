"""A journal that costs half: rows found by SQLite's row id, keys looked up by key first, spent lots left out.

SQLite cannot change such things in place, so its tables are written anew; each row stays what it was. Without a key of
its own order, inserting at the end of a table touches one page instead of moving others.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ENTRY = (
    "bucket, wallet_id, seq, at, kind, debit, credit, amount, ref, settled, held, frozen, debt, key, fingerprint, "
    "note, hash"
)
_HOLD = (
    "bucket, wallet_id, id, amount, state, created_at, expires_at, api_key, mode, activity, run, parent_run, provider, "
    "model, tariff, captured, closed_at, reason"
)
_DRAW = "bucket, wallet_id, seq, lot_id, amount"


def upgrade() -> None:
    op.drop_index("ix_lot_live", "lot")
    op.add_column("lot", sa.Column("used_up", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute('UPDATE lot SET used_up = ("left" = 0)')
    unspent = sa.text("NOT used_up")
    op.create_index("ix_lot_live", "lot", ["bucket", "wallet_id"], sqlite_where=unspent, postgresql_where=unspent)
    if op.get_bind().dialect.name == "sqlite":
        _rewrite_on_sqlite()
        return
    op.alter_column("lot", "used_up", server_default=None)
    op.drop_constraint("uq_entry_bucket_wallet_id_key", "entry", type_="unique")
    op.create_unique_constraint("uq_entry_key_wallet_id_bucket", "entry", ["key", "wallet_id", "bucket"])


def _rewrite_on_sqlite() -> None:
    _replace(
        "entry",
        _ENTRY,
        """
        bucket SMALLINT NOT NULL, wallet_id TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, kind TEXT NOT NULL,
        debit TEXT NOT NULL, credit TEXT NOT NULL, amount BIGINT NOT NULL, ref TEXT NOT NULL, settled BIGINT NOT NULL,
        held BIGINT NOT NULL, frozen BIGINT NOT NULL, debt BIGINT NOT NULL, key TEXT, fingerprint BLOB, note TEXT,
        hash BLOB NOT NULL,
        CONSTRAINT ck_entry_never_negative CHECK (amount >= 0),
        CONSTRAINT pk_entry PRIMARY KEY (bucket, wallet_id, seq),
        CONSTRAINT uq_entry_key_wallet_id_bucket UNIQUE (key, wallet_id, bucket)
        """,
    )
    _replace(
        "lot_draw",
        _DRAW,
        """
        bucket SMALLINT NOT NULL, wallet_id TEXT NOT NULL, seq BIGINT NOT NULL, lot_id TEXT NOT NULL,
        amount BIGINT NOT NULL,
        CONSTRAINT ck_lot_draw_positive CHECK (amount > 0),
        CONSTRAINT pk_lot_draw PRIMARY KEY (bucket, wallet_id, seq, lot_id)
        """,
    )
    _replace(
        "hold",
        _HOLD,
        """
        bucket SMALLINT NOT NULL, wallet_id TEXT NOT NULL, id TEXT NOT NULL, amount BIGINT NOT NULL,
        state TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, api_key TEXT, mode TEXT,
        activity TEXT, run TEXT, parent_run TEXT, provider TEXT, model TEXT, tariff TEXT, captured BIGINT,
        closed_at BIGINT, reason TEXT,
        CONSTRAINT ck_hold_never_negative CHECK (amount >= 0),
        CONSTRAINT pk_hold PRIMARY KEY (bucket, wallet_id, id)
        """,
    )
    op.execute("CREATE INDEX ix_hold_overdue ON hold (expires_at) WHERE state = 'open'")
    op.execute("CREATE INDEX ix_hold_run ON hold (bucket, wallet_id, run) WHERE run IS NOT NULL")
    for table in ("entry", "lot_draw"):
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} rows are facts'); END"
            )


def _replace(table: str, columns: str, definition: str) -> None:
    """Copy a table into a new form under the same name; its triggers and indexes go with the old one."""
    op.execute(f"CREATE TABLE {table}_new ({definition})")
    op.execute(f"INSERT INTO {table}_new ({columns}) SELECT {columns} FROM {table}")  # noqa: S608  # our own names
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE {table}_new RENAME TO {table}")
