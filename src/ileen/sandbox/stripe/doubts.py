"""What public sources do not settle about Stripe: each doubt with its variants, chosen by the control API.

Owns: the list of doubts. The first variant of each is the default. Code that must work against Stripe should pass
its tests with every variant.
"""

from ileen.sandbox.stripe.errors import Json, invalid
from ileen.sandbox.stripe.store import Tx

DOUBTS: dict[str, tuple[str, ...]] = {
    # Detaching a customer's default card: reports contradict each other.
    "detach_default": ("cleared", "stale"),
    # What `pay` answers when the bank asks for the payer: by code with 402, or the same code as a plain 400.
    "sca_error": ("card_error", "invalid_request_error"),
    # Off-session: the payer is asked for (as on-session), or the charge is declined as authentication_required.
    "sca_off_session": ("authentication_required", "requires_action"),
    # `pay` without any card: some sources quote a code with the message.
    "no_card_code": ("none", "resource_missing"),
    # A portal session before any configuration exists.
    "portal_without_configuration": ("refused", "default_made"),
    # The error type of a key in use by another request.
    "key_in_use_type": ("idempotency_error", "invalid_request_error"),
    # Finalizing twice: with or without a code.
    "refinalize_code": ("none", "invoice_not_editable"),
    # Whether the first attached card becomes the customer's default for invoices by itself.
    "first_card_default": ("no", "yes"),
    # The tax of credit notes: rounded for each by itself, so that many may come to a cent too much; or the one that
    # credits the rest of a line takes the rest of its tax.
    "credit_note_rounding": ("each_rounded", "last_takes_rest"),
    # Whether a customer location outside every registration counts as subject to no tax or as not collected.
    "unregistered_reason": ("not_collecting", "not_subject_to_tax"),
}


def variant(tx: Tx, doubt: str) -> str:
    """Return the chosen variant of a doubt."""
    return tx.setting(f"doubt.{doubt}") or DOUBTS[doubt][0]


def choose(tx: Tx, choices: Json) -> None:
    """Choose variants by name. Raises: ApiError for a name or variant that is not in the list."""
    for doubt, wanted in choices.items():
        if wanted not in DOUBTS.get(doubt, ()):
            raise invalid(f"Doubts and their variants are: {DOUBTS}", param=doubt)
        tx.set(f"doubt.{doubt}", wanted)


def chosen(tx: Tx) -> Json:
    """Return every doubt with its chosen variant."""
    return {doubt: variant(tx, doubt) for doubt in DOUBTS}
