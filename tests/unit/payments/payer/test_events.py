"""Audit events of the payer's side: written with the change itself, so that what follows may fail or never come."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ileen.accounts.audit import AuditEvent, events
from ileen.base import crash
from ileen.base.errors import CardIsDefault, StripeUnavailable
from ileen.payments.portal import Flow
from ileen.payments.stripe import Stripe
from ileen.payments.stripe.payer import Address
from paying import BERLIN, PARIS, Paying

ADA, EVE = "mem_ada", "mem_eve"
FRENCH = "FR40303265045"
SPANISH_CARD = "4000002500003155"


class Died(BaseException):
    """The process ends here, as far as this flow can tell."""


@contextmanager
def dying_at(name: str) -> Iterator[None]:
    def reached(point: str) -> None:
        if point == name:
            raise Died

    crash.listen(reached)
    try:
        with pytest.raises(Died):
            yield
    finally:
        crash.listen(None)


def noted(paying: Paying) -> list[tuple[str, str]]:
    """Actions with their actors, by name: while the clock stands still events have no order."""
    return sorted((event.action, event.actor) for event in all_events(paying) if event.action != "account.created")


def all_events(paying: Paying) -> list[AuditEvent]:
    with paying.database.read() as connection:
        return events(connection, account_id=paying.account.id, limit=50)


def test_details_kept_while_stripe_is_away_are_noted(paying: Paying) -> None:
    away = Stripe("sk_test_away", base_url="http://127.0.0.1:9")

    with pytest.raises(StripeUnavailable):
        paying.server(away).set_billing(paying.account.id, paying.details(BERLIN), by=ADA)

    assert noted(paying) == [("billing.changed", ADA)]


def test_the_same_details_again_are_no_event_and_events_name_fields_alone(paying: Paying) -> None:
    for street in ("Torstr. 1", "Torstr. 1", "Torstr. 2"):
        there = Address(line1=street, city="Berlin", postal_code="10119", country="DE")
        paying.billing.set_billing(paying.account.id, paying.details(there), by=ADA)

    assert noted(paying) == [("billing.changed", ADA)] * 2
    assert {"changed": "line1", "country": "DE"} in [event.detail for event in all_events(paying)]


def test_details_changed_at_stripe_are_noted_once(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(BERLIN), by=ADA)
    paying.sandbox.control(f"dashboard/customers/{paying.stripe_id()}", name="Ada King")

    for _ in range(2):
        paying.billing.refreshed_cards(paying.account.id)

    assert noted(paying) == [("billing.changed", ADA), ("billing.changed", "system")]


def test_a_vat_id_is_noted_with_the_row_that_keeps_or_removes_it(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(PARIS, business=True), by=ADA)
    with dying_at("tax_id.added"):
        paying.billing.add_tax_id(paying.account.id, FRENCH, by=ADA)

    added = paying.billing.add_tax_id(paying.account.id, FRENCH, by=EVE)
    with dying_at("tax_id.removed"):
        paying.billing.remove_tax_id(paying.account.id, added.id, by=EVE)
    paying.billing.remove_tax_id(paying.account.id, added.id, by=ADA)

    assert noted(paying)[1:] == [("tax_id.given", ADA), ("tax_id.removed", EVE)]


def test_a_vat_id_dropped_with_its_country_is_noted(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(PARIS, business=True), by=ADA)
    paying.billing.add_tax_id(paying.account.id, FRENCH, by=ADA)

    paying.billing.set_billing(paying.account.id, paying.details(BERLIN), by=EVE)

    assert noted(paying)[1:] == [("billing.changed", EVE), ("tax_id.given", ADA), ("tax_id.removed", EVE)]


def test_who_removed_a_card_is_known_though_stripe_tells_of_it_first(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(BERLIN), by=ADA)
    default, other = paying.add_card(), paying.add_card(SPANISH_CARD, default=False)
    paying.billing.cards(paying.account.id)
    with dying_at("card.detached"):
        paying.billing.remove_card(paying.account.id, other, by=EVE)

    paying.billing.hooks()["payment_method.detached"](other, None)
    paying.billing.remove_card(paying.account.id, other, by=ADA)
    with pytest.raises(CardIsDefault):
        paying.billing.remove_card(paying.account.id, default, by=ADA)

    asked = [("card.removal_asked", EVE), ("card.removed", EVE)]
    assert noted(paying) == [("billing.changed", ADA), *[("card.added", "system")] * 2, *asked]


def test_a_card_removed_at_stripe_is_noted(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(BERLIN), by=ADA)
    card = paying.add_card()
    paying.billing.cards(paying.account.id)
    paying.sandbox.client.v1.payment_methods.detach(card)

    paying.billing.refreshed_cards(paying.account.id)

    assert noted(paying) == [("billing.changed", ADA), ("card.added", "system"), ("card.removed", "system")]


def test_an_opened_portal_is_noted_and_one_that_could_not_be_opened_is_not(paying: Paying) -> None:
    paying.billing.portal(paying.account.id, return_path="/gate", flow=Flow.ADD_CARD, by=ADA)
    away = Stripe("sk_test_away", base_url="http://127.0.0.1:9")
    with pytest.raises(StripeUnavailable):
        paying.server(away).portal(paying.account.id, return_path="/gate", flow=Flow.HOME, by=ADA)

    assert noted(paying) == [("portal.opened", ADA)]
