"""Every table of Ileen, once, for both databases. Migrations must add up to exactly this (a test compares).

One module per room. Amounts of credits are nano-credits in 64-bit integers, money is cents, instants are
microseconds UTC.
"""

from ileen.store.schema.accounts import account, api_key
from ileen.store.schema.base import metadata
from ileen.store.schema.customers import card, customer, tax_id
from ileen.store.schema.disputes import dispute
from ileen.store.schema.jobs import job, job_slot
from ileen.store.schema.ledger import entry, hold, lot, lot_draw, spender, tariff, usage_day, usage_record, wallet
from ileen.store.schema.members import (
    audit_event,
    device,
    host_account,
    host_key,
    identity,
    invitation,
    mail_link,
    member,
    oidc_flow,
    person,
    session,
    sign_up,
    staff,
    throttle,
    ui_session,
)
from ileen.store.schema.notices import notice
from ileen.store.schema.outbound import alert_told, outbound_delivery, outbound_endpoint, outbound_event
from ileen.store.schema.payments import inbox_event, purchase, purchase_key, purchase_step
from ileen.store.schema.refills import refill, refill_consent, refill_setting
from ileen.store.schema.refunds import refund, refund_step

__all__ = [
    "IMMUTABLE",
    "account",
    "alert_told",
    "api_key",
    "audit_event",
    "card",
    "customer",
    "device",
    "dispute",
    "entry",
    "hold",
    "host_account",
    "host_key",
    "identity",
    "inbox_event",
    "invitation",
    "job",
    "job_slot",
    "lot",
    "lot_draw",
    "mail_link",
    "member",
    "metadata",
    "notice",
    "oidc_flow",
    "outbound_delivery",
    "outbound_endpoint",
    "outbound_event",
    "person",
    "purchase",
    "purchase_key",
    "purchase_step",
    "refill",
    "refill_consent",
    "refill_setting",
    "refund",
    "refund_step",
    "session",
    "sign_up",
    "spender",
    "staff",
    "tariff",
    "tax_id",
    "throttle",
    "ui_session",
    "usage_day",
    "usage_record",
    "wallet",
]

IMMUTABLE = (
    "entry",
    "lot_draw",
    "usage_record",
    "tariff",
    "audit_event",
    "purchase_key",
    "purchase_step",
    "refill_consent",
    "refund_step",
    "outbound_event",
)
"""Tables whose rows are facts: the database itself refuses to update or delete them (triggers)."""
