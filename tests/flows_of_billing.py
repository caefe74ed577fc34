"""What can happen around paying: cards, portal, tax, money back; each flow states its one right end."""

from typing import Any

import httpx2
import pytest

from ileen.base.errors import BillingIncomplete, CardIsDefault, CountryNotSold
from ileen.payments.gate import Step
from ileen.payments.model import PurchaseState
from ileen.payments.portal import Flow
from ileen.payments.setup import check, set_up
from ileen.payments.tax import Sell, TaxPolicy
from person import ASKS, HOME, PARIS, SET_UP, ZURICH, Person

# Cards ---------------------------------------------------------------------------------------------------------


def removes_a_card(ada: Person) -> None:
    default, other = ada.saves(), ada.saves(SET_UP, default=False)

    with pytest.raises(CardIsDefault):
        ada.billing.remove_card(ada.account, default)
    ada.billing.remove_card(ada.account, other)

    assert [(card.id, card.is_default) for card in ada.billing.cards(ada.account)] == [(default, True)]
    assert ada.default_at_stripe() == default
    ada.is_settled(ada.buys())


def loses_the_default_card(ada: Person) -> None:
    """It is removed on Stripe's side; the other card takes its place in everything we do."""
    other, default = ada.saves(SET_UP, default=False), ada.saves()
    assert ada.at_stripe(f"payment_methods/{default}/detach") == 200
    ada.hears_all()

    assert ada.default_at_stripe() in {None, other}, "no invoice is charged to a card that is gone"
    assert [(card.id, card.is_default) for card in ada.billing.cards(ada.account)] == [(other, True)]
    with pytest.raises(CardIsDefault):
        ada.billing.remove_card(ada.account, other)
    ada.is_settled(ada.buys())


def loses_the_last_card(ada: Person) -> None:
    card = ada.saves()
    assert ada.at_stripe(f"payment_methods/{card}/detach") == 200
    ada.hears_all()

    assert ada.billing.cards(ada.account) == [] and ada.default_at_stripe() is None
    gate = ada.billing.gate(ada.account)
    assert (gate.open, gate.missing) == (False, Step.PAYMENT_METHOD)
    with pytest.raises(BillingIncomplete, match="card"):
        ada.buys()
    assert ada.shop.states() == []


def saves_a_first_card_that_nobody_made_the_default(ada: Person) -> None:
    """It is the card that is charged, so it is the default here, and stays."""
    card = ada.saves(default=False)

    (shown,) = ada.billing.cards(ada.account)
    assert (shown.id, shown.is_default, shown.is_removable) == (card, True, False)
    assert ada.billing.gate(ada.account).missing is Step.CREDITS
    with pytest.raises(CardIsDefault):
        ada.billing.remove_card(ada.account, card)
    ada.is_settled(ada.buys())


def saves_a_second_card_as_the_default(ada: Person) -> None:
    first, second = ada.saves(default=False), ada.saves(ASKS)

    shown = [(card.id, card.is_default) for card in ada.billing.cards(ada.account)]
    assert shown == [(second, True), (first, False)]
    assert ada.buys().state is PurchaseState.ACTION_REQUIRED, "the default is charged, not the first"
    ada.billing.remove_card(ada.account, first)
    assert [card.id for card in ada.billing.cards(ada.account)] == [second]
    (waiting,) = ada.shop.payments.purchases(ada.account, limit=10)
    ada.shop.payments.cancel(ada.account, waiting.id)
    ada.is_charged_nothing()


# Portal -------------------------------------------------------------------------------------------------------


def opens_the_portal_before_anything_was_set_up(ada: Person) -> None:
    address = ada.billing.portal(ada.account, return_path="/billing", flow=Flow.HOME)
    adding = ada.billing.portal(ada.account, return_path="/gate", flow=Flow.ADD_CARD)

    for page in (address, adding):
        answer = httpx2.get(page, trust_env=False, follow_redirects=True)
        assert answer.status_code == 200 and HOME in answer.text
    assert _our_portals(ada) == 1


def opens_the_portal_after_the_operator_did(ada: Person) -> None:
    """A session by hand, which makes a configuration or is refused; ours is used all the same, and set-up finds it."""
    ada.sandbox.raw("POST", "/v1/billing_portal/sessions", data={"customer": ada.customer, "return_url": HOME})

    address = ada.billing.portal(ada.account, return_path="/billing", flow=Flow.HOME)
    set_up(ada.stripe(), public_url=HOME, policy=TaxPolicy(), secret_known=False)

    assert HOME in httpx2.get(address, trust_env=False, follow_redirects=True).text
    report = check(ada.stripe(), public_url=HOME, policy=TaxPolicy(), secret_known=True)
    assert report.is_complete, report.to_do
    assert _our_portals(ada) == 1


# Tax -----------------------------------------------------------------------------------------------------------


def lives_where_stripe_collects_nothing_and_is_refused(ada: Person) -> None:
    """Our policy knows a registration that Stripe does not have."""
    ada.sandbox.control("tax", registrations=[{"country": "DE", "type": "standard"}])
    ada.saves()
    ada.live_in(PARIS)

    with pytest.raises(CountryNotSold, match="FR"):
        ada.shop.payments.quote(ada.account, 5000)
    with pytest.raises(CountryNotSold, match="FR"):
        ada.buys(quoted_total=5000)

    assert ada.shop.states() == []
    ada.is_charged_nothing()


def lives_where_stripe_collects_nothing_and_is_sold_to(ada: Person) -> None:
    ada.sandbox.control("tax", registrations=[{"country": "DE", "type": "standard"}])
    ada.served_with(TaxPolicy(unregistered=Sell.SELL))
    ada.saves()
    ada.live_in(PARIS)

    _is_sold_without_vat(ada)


def lives_outside_every_registration_and_is_refused(ada: Person) -> None:
    with pytest.raises(CountryNotSold, match="CH"):
        ada.live_in(ZURICH)

    ada.saves()
    ada.is_settled(ada.buys())  # still in Berlin: what was refused was not kept


def lives_outside_every_registration_and_is_sold_to(ada: Person) -> None:
    ada.served_with(TaxPolicy(unregistered=Sell.SELL))
    ada.saves()
    ada.live_in(ZURICH)

    _is_sold_without_vat(ada)


def is_given_money_back_by_the_operator_in_parts(ada: Person) -> None:
    """Credit notes by hand at Stripe, until the tax of their parts does not add up: our books stay, and agree."""
    ada.saves()
    bought = ada.buys()
    invoice = str(bought.invoice)
    line = ada.sandbox.read(invoice).lines.data[0].id
    for cents in (50, 50, 50):  # 9.5 cents of tax each
        part = {"type": "invoice_line_item", "invoice_line_item": line, "amount": cents}
        given: Any = {"invoice": invoice, "lines": [part]}
        total = ada.sandbox.client.v1.credit_notes.preview(given).total
        ada.sandbox.client.v1.credit_notes.create({**given, "refund_amount": total})
    left = 5950 - (ada.sandbox.read(invoice).post_payment_credit_notes_amount or 0)
    assert left < 5950 - 150
    rest: Any = {"invoice": invoice, "amount": left, "refund_amount": left}
    ada.sandbox.client.v1.credit_notes.create(rest)
    ada.hears_all()

    ada.is_settled(bought)
    assert ada.shop.payments.reconcile(bought.created_at, ada.shop.clock.now()) == []


def _is_sold_without_vat(ada: Person) -> None:
    quote = ada.shop.payments.quote(ada.account, 5000)
    assert (quote.net, quote.vat, quote.total, quote.rate) == (5000, 0, 5000, None)
    ada.is_settled(ada.buys(), total=5000)
    (receipt,) = ada.shop.told
    assert (receipt["values"]["vat"], receipt["values"]["tax"]) == ("0.00", "not_collected")


def _our_portals(ada: Person) -> int:
    found = ada.sandbox.client.v1.billing_portal.configurations.list({"limit": 100}).data
    return sum(1 for each in found if each.metadata and "ileen" in each.metadata)
