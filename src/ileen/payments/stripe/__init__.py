"""The one door to Stripe's SDK: every call to Stripe is a typed function here, and no SDK object leaves this package.

Owns: the client, its API version, how errors are told apart, and our own frozen results (`model`). One module per kind
of thing at Stripe. Refuses to know: our tables, and what a purchase is.
S1  every call that changes something takes its idempotency key from the caller, who stored it first.
S2  an answer to such a call may be a replay of an old one, so callers decide on a fresh read only.
S3  an outcome that is not known is `StripeUnavailable`: the same call with the same key will tell.
"""

from ileen.payments.stripe.client import API_VERSION, Stripe, answered
from ileen.payments.stripe.decline import Decline, DeclineKind
from ileen.payments.stripe.key import check_key
from ileen.payments.stripe.model import Intent, Invoice, Line, PaidBy, Tax

__all__ = [
    "API_VERSION",
    "Decline",
    "DeclineKind",
    "Intent",
    "Invoice",
    "Line",
    "PaidBy",
    "Stripe",
    "Tax",
    "answered",
    "check_key",
]
