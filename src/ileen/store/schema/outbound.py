"""Tables about telling accounts: alerts about their balance, and events sent to servers of theirs.

`alert_told` keeps that an alert was given; `outbound_event` is what happened, word for word as it is signed and sent, a
fact; `outbound_delivery` how far one endpoint was told of one event.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text

from ileen.store.schema.base import metadata, whole

alert_told = Table(
    "alert_told",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("epoch", Text, primary_key=True),
    whole("at"),
    Column("mailed", Boolean, nullable=False),
)

outbound_endpoint = Table(
    "outbound_endpoint",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    whole("created_at"),
)
Index("ix_outbound_endpoint_account", outbound_endpoint.c.account_id)

outbound_event = Table(
    "outbound_event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("body", Text, nullable=False),
    whole("created_at"),
)
Index("ix_outbound_event_account", outbound_event.c.account_id, outbound_event.c.id)

outbound_delivery = Table(
    "outbound_delivery",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("endpoint_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    whole("attempts"),
    Column("status", BigInteger),
    Column("error", Text),
    Column("next_at", BigInteger),
    Column("ended_at", BigInteger),
)
Index("ix_outbound_delivery_endpoint", outbound_delivery.c.endpoint_id, outbound_delivery.c.event_id)
