"""What all tables share: one metadata with its naming, and the columns that occur everywhere."""

from sqlalchemy import BigInteger, Column, MetaData, SmallInteger, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def bucket() -> Column[int]:
    """Return the column that leads every key of the ledger."""
    return Column("bucket", SmallInteger, primary_key=True, autoincrement=False)


def wallet_id() -> Column[str]:
    """Return the second column of every key of the ledger."""
    return Column("wallet_id", Text, primary_key=True)


def whole(name: str) -> Column[int]:
    """Return a required 64-bit integer: nano-credits, cents, microseconds or a count, as the table says."""
    return Column(name, BigInteger, nullable=False)
