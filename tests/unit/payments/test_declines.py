"""Declines are told by class; what hints at a lost, stolen or suspected card is told as a plain decline."""

import pytest

from ileen.payments.stripe.decline import Decline, DeclineKind, decline_of


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_funds", "funds"),
        ("card_velocity_exceeded", "funds"),
        ("expired_card", "card_data"),
        ("incorrect_cvc", "card_data"),
        ("incorrect_number", "card_data"),
        ("processing_error", "try_later"),
        ("authentication_required", "authentication"),
        ("payment_intent_authentication_failure", "authentication"),
        ("generic_decline", "bank"),
        ("do_not_honor", "bank"),
        ("something_new", "bank"),
    ],
)
def test_each_code_has_its_class(code: str, kind: str) -> None:
    assert decline_of(code) == Decline(kind=DeclineKind(kind), code=code)


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "fraudulent", "pickup_card", "merchant_blacklist"])
def test_a_suspected_card_learns_nothing(code: str) -> None:
    assert decline_of(code).kind is DeclineKind.BANK
    assert decline_of(code).sentence == decline_of("generic_decline").sentence


@pytest.mark.parametrize("kind", DeclineKind)
def test_each_class_has_a_sentence_that_ends(kind: DeclineKind) -> None:
    assert Decline(kind=kind, code="x").sentence.endswith(".")


def test_only_a_wanted_confirmation_can_still_succeed() -> None:
    assert decline_of("invoice_payment_intent_requires_action").wants_action
    assert decline_of("authentication_required").wants_action
    assert not decline_of("payment_intent_authentication_failure").wants_action
    assert not decline_of("insufficient_funds").wants_action
