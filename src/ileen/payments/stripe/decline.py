"""Declines: why a card was not charged, in one of five classes, each with a sentence that says what to do.

Owns: the classes and which of Stripe's codes belongs to which (docs.stripe.com/declines/codes).
Codes that hint at a lost, stolen or suspected card are told as a plain decline, so that a thief learns nothing.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct


class DeclineKind(StrEnum):
    """What the payer can do about a decline."""

    FUNDS = "funds"
    CARD_DATA = "card_data"
    BANK = "bank"
    TRY_LATER = "try_later"
    AUTHENTICATION = "authentication"


_SENTENCES: Final = {
    DeclineKind.FUNDS: "The card does not cover this amount, or has reached a limit. Use another card or buy less.",
    DeclineKind.CARD_DATA: "The card's number, expiry date or security code is not right. Check it or use another.",
    DeclineKind.BANK: "Your bank declined the payment. Ask your bank or use another card.",
    DeclineKind.TRY_LATER: "The payment could not be processed just now. Try again in a few minutes.",
    DeclineKind.AUTHENTICATION: "Your bank wants you to confirm this payment, and that has not succeeded.",
}
_KINDS: Final = {
    DeclineKind.FUNDS: "insufficient_funds card_velocity_exceeded withdrawal_count_limit_exceeded",
    DeclineKind.CARD_DATA: (
        "incorrect_number invalid_number incorrect_cvc invalid_cvc expired_card invalid_expiry_month "
        "invalid_expiry_year incorrect_zip incorrect_address invalid_account new_account_information_available "
        "card_not_supported currency_not_supported payment_method_unusable"
    ),
    DeclineKind.TRY_LATER: (
        "processing_error try_again_later issuer_not_available reenter_transaction approve_with_id "
        "payment_intent_payment_attempt_expired"
    ),
    DeclineKind.AUTHENTICATION: (
        "authentication_required authentication_not_handled invoice_payment_intent_requires_action "
        "payment_intent_authentication_failure offline_pin_required online_or_offline_pin_required"
    ),
}
_KIND_OF: Final = {code: kind for kind, codes in _KINDS.items() for code in codes.split()}
_ACTION: Final = frozenset({"invoice_payment_intent_requires_action", "authentication_required"})


class Decline(Struct, frozen=True, kw_only=True):
    """A card that was not charged. `code` is Stripe's own, for the operator; payers see `kind` and `sentence`."""

    kind: DeclineKind
    code: str

    @property
    def sentence(self) -> str:
        """What the payer is told."""
        return _SENTENCES[self.kind]

    @property
    def wants_action(self) -> bool:
        """Whether the payment can still succeed once the payer has confirmed it with the bank."""
        return self.code in _ACTION


def decline_of(code: str) -> Decline:
    """Return the decline with Stripe's code; a code we do not know is the bank's own."""
    return Decline(kind=_KIND_OF.get(code, DeclineKind.BANK), code=code)
