"""Tables of `notices`: what we owe the outside, mails first."""

from sqlalchemy import BigInteger, Column, Index, Table, Text, text

from ileen.store.schema.base import metadata, whole

notice = Table(
    "notice",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("recipient", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("secrets", Text),
    Column("state", Text, nullable=False),
    whole("created_at"),
    Column("ended_at", BigInteger),
    Column("error", Text),
)
Index("ix_notice_account", notice.c.account_id, notice.c.id)
Index(
    "ix_notice_not_sent",
    notice.c.id,
    sqlite_where=text("state <> 'sent'"),
    postgresql_where=text("state <> 'sent'"),
)
