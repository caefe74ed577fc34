"""Tables of `accounts`: the billed party and its API keys."""

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, Table, Text

from ileen.store.schema.base import metadata, whole

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bucket", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("time_zone", Text, nullable=False),
    whole("created_at"),
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
    whole("created_at"),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)
