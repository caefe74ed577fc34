"""Stripe's test cards: their numbers, their `pm_card_*` templates, and how each behaves.

Owns: the table, pure. Sources: Stripe's testing documentation; ids marked there only by number have no template.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a bank refuses: Stripe's code, the bank's reason, and what Stripe advises."""

    code: str
    decline_code: str
    message: str
    advice: str | None = "try_again_later"


_DECLINED: Final = "Your card was declined."
GENERIC: Final = Decline("card_declined", "generic_decline", _DECLINED)
FUNDS: Final = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST: Final = Decline("card_declined", "lost_card", _DECLINED, advice="do_not_try_again")
STOLEN: Final = Decline("card_declined", "stolen_card", _DECLINED, advice="do_not_try_again")
EXPIRED: Final = Decline("expired_card", "expired_card", "Your card has expired.", advice="do_not_try_again")
CVC: Final = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data")
PROCESSING: Final = Decline("processing_error", "processing_error", "An error occurred while processing your card.")
VELOCITY: Final = Decline("card_declined", "card_velocity_exceeded", _DECLINED)


@dataclass(frozen=True, slots=True)
class TestCard:
    """One card and its behaviour. `asks`: when the bank wants the payer (see `asks_payer`)."""

    number: str
    template: str | None = None
    brand: str = "visa"
    country: str = "US"
    refuses_attach: bool = False
    decline: Decline | None = None  # on every charge, after authentication where there is any
    asks: str = "never"  # never | unless_set_up | always | on_session | authentication_fails
    aftermath: str | None = None  # what happens to a successful charge later
    refund: str | None = None  # what becomes of refunds


CARDS: Final = (
    TestCard("4242424242424242", "pm_card_visa"),
    TestCard("4000056655665556", "pm_card_visa_debit"),
    TestCard("5555555555554444", "pm_card_mastercard", brand="mastercard"),
    TestCard("378282246310005", "pm_card_amex", brand="amex"),
    TestCard("4000002500000003", "pm_card_fr", country="FR"),
    TestCard("4000002760000016", "pm_card_de", country="DE"),
    TestCard("4000000000000002", "pm_card_visa_chargeDeclined", refuses_attach=True, decline=GENERIC),
    TestCard("4000000000009995", "pm_card_visa_chargeDeclinedInsufficientFunds", refuses_attach=True, decline=FUNDS),
    TestCard("4000000000009987", "pm_card_visa_chargeDeclinedLostCard", refuses_attach=True, decline=LOST),
    TestCard("4000000000009979", "pm_card_visa_chargeDeclinedStolenCard", refuses_attach=True, decline=STOLEN),
    TestCard("4000000000000069", "pm_card_chargeDeclinedExpiredCard", refuses_attach=True, decline=EXPIRED),
    TestCard("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", refuses_attach=True, decline=CVC),
    TestCard("4000000000000119", "pm_card_chargeDeclinedProcessingError", refuses_attach=True, decline=PROCESSING),
    TestCard("4000000000006975", refuses_attach=True, decline=VELOCITY),
    TestCard("4000000000000341", "pm_card_chargeCustomerFail", decline=GENERIC),
    TestCard("4000002500003155", "pm_card_authenticationRequiredOnSetup", country="FR", asks="unless_set_up"),
    TestCard("4000002760003184", "pm_card_authenticationRequired", country="DE", asks="always"),
    TestCard("4000003800000446", "pm_card_authenticationRequiredSetupForOffSession", country="HR", asks="on_session"),
    TestCard(
        "4000008260003178", "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        country="GB", asks="always", decline=FUNDS,
    ),
    TestCard("4000000000003220", asks="always"),
    TestCard("4000000000003055"),
    TestCard("4000008400001629", asks="always", decline=GENERIC),
    TestCard("4000008400001280", asks="authentication_fails"),
    TestCard("4000000000000259", "pm_card_createDispute", aftermath="dispute_fraudulent"),
    TestCard("4000000000002685", "pm_card_createDisputeProductNotReceived", aftermath="dispute_not_received"),
    TestCard("4000000000001976", "pm_card_createDisputeInquiry", aftermath="inquiry"),
    TestCard("4000000000005423", "pm_card_createIssuerFraudRecord", aftermath="early_fraud_warning"),
    TestCard("4000004040000079", "pm_card_createMultipleDisputes", aftermath="dispute_twice"),
    TestCard("4000000000007726", "pm_card_refundPending", refund="pending_then_succeeded"),
    TestCard("4000000000005126", "pm_card_refundFail", refund="succeeded_then_failed"),
)  # fmt: skip
_BY_NUMBER: Final = {card.number: card for card in CARDS}
_BY_TEMPLATE: Final = {
    **{card.template: card for card in CARDS if card.template},
    "pm_card_chargeDeclined": _BY_NUMBER["4000000000000002"],
    "pm_card_chargeDeclinedInsufficientFunds": _BY_NUMBER["4000000000009995"],
}


def by_number(number: str) -> TestCard | None:
    """Return the test card with this number (spaces allowed), or None."""
    return _BY_NUMBER.get(number.replace(" ", ""))


def by_template(name: str) -> TestCard | None:
    """Return the test card behind a `pm_card_*` name, or None."""
    return _BY_TEMPLATE.get(name)


def asks_payer(card: TestCard, *, off_session: bool, set_up: bool) -> bool:
    """Tell whether the bank wants the payer to authenticate this charge."""
    match card.asks:
        case "always" | "authentication_fails":
            return True
        case "unless_set_up":
            return not set_up
        case "on_session":
            return not off_session
        case _:
            return False
