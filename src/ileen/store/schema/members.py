"""Tables of `accounts` about people: members, sign-in, sessions, hosts, staff, audit events.

Every secret is kept as its SHA-256 (`…_hash`), except passwords, which people choose and argon2 guards. E-mail
addresses are kept as written and, for comparing, folded (`…_folded`).
"""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text, text

from ileen.store.schema.base import metadata, whole

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_folded", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("password_hash", Text),
    whole("created_at"),
)

member = Table(
    "member",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False, index=True),
    Column("person_id", Text, nullable=False, index=True),
    Column("role", Text, nullable=False),
    whole("created_at"),
    Column("removed_at", BigInteger),
)
Index(
    "uq_member_present",
    member.c.account_id,
    member.c.person_id,
    unique=True,
    sqlite_where=text("removed_at IS NULL"),
    postgresql_where=text("removed_at IS NULL"),
)

sign_up = Table(
    "sign_up",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("visitor_hash", LargeBinary, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    whole("created_at"),
    whole("expires_at"),
    Column("used_at", BigInteger),
)

mail_link = Table(
    "mail_link",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("person_id", Text, nullable=False, index=True),
    whole("created_at"),
    whole("expires_at"),
    Column("used_at", BigInteger),
)

invitation = Table(
    "invitation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False, index=True),
    Column("email", Text, nullable=False),
    Column("email_folded", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("invited_by", Text, nullable=False),
    whole("created_at"),
    whole("expires_at"),
    Column("accepted_at", BigInteger),
    Column("revoked_at", BigInteger),
)
Index(
    "uq_invitation_open",
    invitation.c.account_id,
    invitation.c.email_folded,
    unique=True,
    sqlite_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
    postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
)

session = Table(
    "session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("person_id", Text, nullable=False, index=True),
    Column("account_id", Text),
    Column("method", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("agent", Text, nullable=False),
    whole("created_at"),
    whole("last_seen_at"),
    whole("expires_at"),
    Column("ended_at", BigInteger),
)

device = Table(
    "device",
    metadata,
    Column("visitor_hash", LargeBinary, primary_key=True),
    Column("person_id", Text, primary_key=True),
    whole("first_seen_at"),
    whole("last_seen_at"),
)

identity = Table(
    "identity",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("person_id", Text, nullable=False, index=True),
    Column("email", Text),
    whole("created_at"),
)

oidc_flow = Table(
    "oidc_flow",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),
    Column("visitor_hash", LargeBinary, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("person_id", Text),
    Column("return_path", Text, nullable=False),
    whole("expires_at"),
)

throttle = Table(
    "throttle",
    metadata,
    Column("key", Text, primary_key=True),
    whole("next_at"),
)

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", Text, primary_key=True),
    whole("at"),
    Column("account_id", Text),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("ix_audit_event_account_id_id", audit_event.c.account_id, audit_event.c.id)

host_key = Table(
    "host_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    whole("created_at"),
    Column("revoked_at", BigInteger),
)

host_account = Table(
    "host_account",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("account_id", Text, nullable=False, unique=True),
    Column("host_key_id", Text, nullable=False),
    whole("created_at"),
)

ui_session = Table(
    "ui_session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("account_id", Text, nullable=False, index=True),
    Column("host_key_id", Text, nullable=False, index=True),
    Column("host_user", Text),
    Column("scopes", Text, nullable=False),
    Column("origins", Text, nullable=False),
    whole("created_at"),
    whole("expires_at"),
    Column("revoked_at", BigInteger),
)

staff = Table(
    "staff",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person_id", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    whole("created_at"),
    Column("revoked_at", BigInteger),
)
