"""Tables of `payments` about the payer: the customer at Stripe, its VAT id and its cards.

`revision` counts what was decided about the billing details, `revision_sent` what Stripe has of it.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, SmallInteger, Table, Text, text

from ileen.store.schema.base import metadata, whole

customer = Table(
    "customer",
    metadata,
    Column("account_id", Text, primary_key=True),
    whole("generation"),
    Column("stripe_id", Text, unique=True),
    Column("asked_at", BigInteger),
    Column("deleted_at", BigInteger),
    Column("name", Text),
    Column("email", Text),
    Column("line1", Text),
    Column("line2", Text),
    Column("city", Text),
    Column("postal_code", Text),
    Column("region", Text),
    Column("country", Text),
    Column("language", Text),
    Column("business", Boolean, nullable=False),
    whole("revision"),
    whole("revision_sent"),
    Column("location", Text, nullable=False),
    Column("default_card", Text),
    whole("cards_read_at"),
    whole("created_at"),
    whole("updated_at"),
)

tax_id = Table(
    "tax_id",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("state", Text, nullable=False),
    whole("attempt"),
    Column("checker_id", Text, index=True),
    Column("check_id", Text),
    Column("stripe_id", Text),
    Column("holder_id", Text),
    Column("verified_name", Text),
    Column("verified_address", Text),
    Column("checked_at", BigInteger),
    Column("removed_at", BigInteger),
    whole("created_at"),
)
Index(
    "uq_tax_id_open",
    tax_id.c.account_id,
    unique=True,
    sqlite_where=text("removed_at IS NULL"),
    postgresql_where=text("removed_at IS NULL"),
)

card = Table(
    "card",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False, index=True),
    Column("brand", Text, nullable=False),
    Column("last4", Text, nullable=False),
    Column("exp_month", SmallInteger, nullable=False),
    Column("exp_year", SmallInteger, nullable=False),
    Column("country", Text),
    Column("fingerprint", Text),
    whole("created_at"),
    Column("renewed_at", BigInteger),
    Column("removed_at", BigInteger),
)
