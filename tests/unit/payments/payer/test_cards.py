"""Saved cards: what Stripe has is what is shown, and the default is never removed here."""

import pytest

from ileen.base.errors import CardIsDefault, NotFound, RequestInvalid, StripeUnavailable
from ileen.ledger.model import Source
from ileen.payments.gate import Step
from ileen.payments.portal import Flow, check_return_path
from ileen.payments.stripe import Stripe
from paying import BERLIN, Paying

MASTERCARD = "5555555555554444"


@pytest.fixture(autouse=True)
def in_berlin(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(BERLIN))


def last4(paying: Paying) -> list[str]:
    return [card.last4 for card in paying.billing.cards(paying.account.id)]


def test_cards_are_shown_with_the_default_first(paying: Paying) -> None:
    old = paying.add_card()
    new = paying.add_card("4000002500003155", default=False)

    cards = paying.billing.cards(paying.account.id)

    assert [(card.id, card.is_default, card.is_removable) for card in cards] == [(old, True, False), (new, False, True)]
    assert (cards[0].brand, cards[0].last4, cards[0].country, cards[0].is_expired) == ("visa", "4242", "US", False)


def test_the_default_cannot_be_removed_and_another_can(paying: Paying) -> None:
    default = paying.add_card()
    other = paying.add_card("4000002500003155", default=False)
    paying.billing.cards(paying.account.id)

    with pytest.raises(CardIsDefault):
        paying.billing.remove_card(paying.account.id, default)
    paying.billing.remove_card(paying.account.id, other)
    paying.billing.remove_card(paying.account.id, other)

    assert last4(paying) == ["4242"]
    assert paying.sandbox.client.v1.payment_methods.retrieve(other).customer is None


def test_a_card_that_became_the_default_meanwhile_is_not_removed(paying: Paying) -> None:
    paying.add_card()
    other = paying.add_card("4000002500003155", default=False)
    paying.billing.cards(paying.account.id)
    default = {"default_payment_method": other}
    paying.sandbox.control(f"dashboard/customers/{paying.stripe_id()}", invoice_settings=default)

    with pytest.raises(CardIsDefault):
        paying.billing.remove_card(paying.account.id, other)

    assert paying.sandbox.client.v1.payment_methods.retrieve(other).customer == paying.stripe_id()


def test_another_accounts_card_is_not_there(paying: Paying) -> None:
    paying.add_card()
    other = paying.add_card("4000002500003155", default=False)
    paying.billing.cards(paying.account.id)
    stranger = paying.accounts.create("Eve")

    with pytest.raises(NotFound):
        paying.billing.remove_card(stranger.id, other)
    with pytest.raises(NotFound):
        paying.billing.remove_card(paying.account.id, "pm_nothing")
    with pytest.raises(NotFound):
        paying.billing.payer(paying.account.id, card="pm_nothing")

    assert len(last4(paying)) == 2


@pytest.mark.parametrize("variant", ["cleared", "stale"])
def test_the_last_card_removed_at_stripe_leaves_no_default(paying: Paying, variant: str) -> None:
    paying.sandbox.control("doubts", detach_default=variant)
    card = paying.add_card()
    assert last4(paying) == ["4242"]

    paying.sandbox.control(f"dashboard/payment_methods/{card}/detach")
    paying.billing.hooks()["payment_method.detached"](card, None)

    assert last4(paying) == []
    assert paying.billing.chosen_card(paying.account.id) is None
    there = paying.sandbox.client.v1.customers.retrieve(paying.stripe_id())
    assert there.invoice_settings.default_payment_method is None


@pytest.mark.parametrize("variant", ["cleared", "stale"])
def test_without_a_default_at_stripe_the_card_that_is_charged_is_the_default(paying: Paying, variant: str) -> None:
    paying.sandbox.control("doubts", detach_default=variant)
    other = paying.add_card("4000002500003155", default=False)
    default = paying.add_card()
    paying.sandbox.control(f"dashboard/payment_methods/{default}/detach")

    cards = paying.billing.refreshed_cards(paying.account.id)

    assert [(card.id, card.is_default, card.is_removable) for card in cards] == [(other, True, False)]
    assert paying.billing.payer(paying.account.id, card=None).card == other


@pytest.mark.parametrize("variant", ["no", "yes"])
def test_a_first_card_is_the_default_whether_stripe_makes_it_so_or_not(paying: Paying, variant: str) -> None:
    paying.sandbox.control("doubts", first_card_default=variant)
    card = paying.add_card(default=False)

    (shown,) = paying.billing.cards(paying.account.id)

    assert (shown.id, shown.is_default) == (card, True)
    with pytest.raises(CardIsDefault):
        paying.billing.remove_card(paying.account.id, card)


def test_an_expired_card_is_shown_as_such_and_another_is_charged(paying: Paying) -> None:
    default = paying.add_card()
    other = paying.add_card("4000002500003155", default=False)
    paying.sandbox.client.v1.payment_methods.update(default, {"card": {"exp_month": 1, "exp_year": 2099}})
    paying.billing.refreshed_cards(paying.account.id)
    paying.sandbox.client.v1.payment_methods.update(other, {"card": {"exp_month": 12, "exp_year": 2120}})
    years = 80 * 365 * 24 * 3600
    paying.clock.advance(years)

    cards = {card.id: card for card in paying.billing.refreshed_cards(paying.account.id)}

    assert (cards[default].is_expired, cards[other].is_expired) == (True, False)
    assert paying.billing.chosen_card(paying.account.id).id == other


def test_a_card_its_network_replaced_is_shown_as_renewed(paying: Paying) -> None:
    card = paying.add_card()
    assert not paying.billing.cards(paying.account.id)[0].is_renewed
    paying.sandbox.client.v1.payment_methods.update(card, {"card": {"exp_month": 7, "exp_year": 2044}})

    paying.billing.hooks()["payment_method.automatically_updated"](card, paying.stripe_id())

    (shown,) = paying.billing.cards(paying.account.id)
    assert (shown.exp_month, shown.exp_year, shown.is_renewed) == (7, 2044, True)
    paying.clock.advance(31 * 24 * 3600)
    assert not paying.billing.cards(paying.account.id)[0].is_renewed


def test_while_stripe_is_away_the_last_known_cards_are_shown(paying: Paying) -> None:
    paying.add_card()
    assert last4(paying) == ["4242"]
    away = paying.server(Stripe(paying.sandbox.secret_key, base_url="http://127.0.0.1:9", retries=0))
    paying.clock.advance(120)

    assert [card.last4 for card in away.cards(paying.account.id)] == ["4242"]
    with pytest.raises(StripeUnavailable):
        away.refreshed_cards(paying.account.id)


def test_events_about_strangers_change_nothing(paying: Paying) -> None:
    for type_, hook in paying.billing.hooks().items():
        hook("obj_unknown", "cus_unknown")
        assert type_.startswith(("customer.", "payment_method."))

    assert len(paying.at_stripe()) == 1


# The portal --------------------------------------------------------------------------------------------------


def test_a_portal_session_leads_to_stripe_and_back_to_us(paying: Paying) -> None:
    first = paying.billing.portal(paying.account.id, return_path="/gate", flow=Flow.ADD_CARD)
    second = paying.billing.portal(paying.account.id, return_path="/billing", flow=Flow.HOME)

    assert first != second
    assert first.startswith(paying.sandbox.url)
    assert len(paying.sandbox.client.v1.billing_portal.configurations.list().data) == 1


def test_the_portal_offers_no_tax_ids(paying: Paying) -> None:
    paying.billing.portal(paying.account.id, return_path="/gate", flow=Flow.ADD_CARD)

    (made,) = paying.sandbox.client.v1.billing_portal.configurations.list().data
    assert sorted(made.features.customer_update.allowed_updates) == ["address", "email", "name"]


def test_the_portal_makes_a_deleted_customer_again(paying: Paying) -> None:
    before = paying.stripe_id()
    paying.sandbox.control(f"dashboard/customers/{before}/delete")

    paying.billing.portal(paying.account.id, return_path="/gate", flow=Flow.HOME)

    assert paying.stripe_id() != before


@pytest.mark.parametrize("path", ["/gate", "/billing", "/billing/purchases/pur_1", "/gate?step=2", "/app/design"])
def test_pages_of_ours_may_be_come_back_to(path: str) -> None:
    assert check_return_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example.com/gate",
        "//evil.example.com/gate",
        "/\\evil.example.com",
        "\\\\evil.example.com",
        "/gate/../../admin",
        "/gate/./x",
        "/gate\r\nLocation: https://evil.example.com",
        "/gate\t",
        "javascript:alert(1)",
        "/v1/holds",
        "/gatecrash",
        "gate",
        "",
        "/",
        "/gate#@evil.example.com",
        "/gate?next=https://evil.example.com",
        "/%2f%2fevil.example.com",
    ],
)
def test_nothing_else_may_be_come_back_to(path: str) -> None:
    with pytest.raises(RequestInvalid) as refusal:
        check_return_path(path)

    assert refusal.value.fields["fields"][0]["field"] == "return_path"


# The gate ----------------------------------------------------------------------------------------------------


def test_the_gate_asks_for_a_card_then_for_a_purchase(paying: Paying) -> None:
    assert paying.billing.gate(paying.account.id).missing is Step.PAYMENT_METHOD
    paying.add_card()
    assert paying.billing.gate(paying.account.id).missing is Step.CREDITS

    paying.fund("25.00")

    gate = paying.billing.gate(paying.account.id)
    assert (gate.open, gate.payment_method, gate.credits) == (True, True, True)


def test_a_gift_of_credits_does_not_open_the_gate(paying: Paying) -> None:
    paying.fund("25.00", Source.BONUS)

    assert paying.billing.gate(paying.account.id).missing is Step.PAYMENT_METHOD


def test_once_passed_the_gate_does_not_come_back(paying: Paying) -> None:
    card = paying.add_card()
    paying.fund("25.00")
    paying.sandbox.control(f"dashboard/payment_methods/{card}/detach")

    assert paying.billing.refreshed_cards(paying.account.id) == []
    assert paying.billing.gate(paying.account.id).open
