"""One customer at Stripe for each account, whatever is lost, repeated, overtaken or deleted."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe as sdk

from ileen.base.errors import (
    BillingIncomplete,
    CountryNotSold,
    LocationInvalid,
    NotFound,
    RequestInvalid,
    StripeUnavailable,
    TerritoryNotSold,
)
from ileen.base.ids import AccountId
from ileen.payments.customers import CustomerState
from ileen.payments.stripe import Stripe
from ileen.payments.stripe.payer import Address
from ileen.payments.tax import Sell
from paying import BERLIN, HELSINKI, PARIS, Paying


def test_nothing_is_at_stripe_before_it_is_needed(paying: Paying) -> None:
    customer = paying.billing.customer(paying.account.id)

    assert (customer.state, customer.stripe_id, customer.name) == (CustomerState.NEW, None, "Ada")
    assert paying.at_stripe() == []


def test_the_country_is_asked_before_anything_is_invoiced(paying: Paying) -> None:
    with pytest.raises(BillingIncomplete, match="country"):
        paying.billing.customer_of(paying.account.id)

    assert paying.at_stripe() == []


def test_details_make_a_customer_that_stripe_can_place(paying: Paying) -> None:
    customer = paying.billing.set_billing(paying.account.id, paying.details())

    assert (customer.state, customer.location) == (CustomerState.READY, "supported")
    (found,) = paying.at_stripe()
    assert (found.id, found.name, found.email) == (customer.stripe_id, "Ada Lovelace", "ada@example.com")
    assert (found.address.city, found.address.country) == ("Berlin", "DE")
    assert found.preferred_locales == ["de"]
    assert found.metadata["account_id"] == paying.account.id


def test_an_account_that_is_not_there_has_no_customer(paying: Paying) -> None:
    with pytest.raises(NotFound):
        paying.billing.customer(AccountId("acct_00000000000000000000000000"))


def test_many_at_once_make_one_customer(paying: Paying) -> None:
    servers = [paying.server() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(each.set_billing, paying.account.id, paying.details()) for each in servers * 2]
        ids = {each.result().stripe_id for each in work}

    assert ids == {each.id for each in paying.payers()}
    assert len(ids) == 1


@pytest.mark.parametrize("kind", ["error_after", "timeout_after", "error_during", "timeout_before", "bad_gateway"])
@pytest.mark.parametrize("later_s", [5, 120, 3 * 24 * 3600])
def test_an_answer_that_was_lost_makes_no_second_customer(paying: Paying, kind: str, later_s: int) -> None:
    # Without the SDK's own repetitions, which would meet the true answer under the same key.
    unlucky = paying.server(Stripe(paying.sandbox.secret_key, base_url=paying.sandbox.url, retries=0))
    paying.fault(kind, "/v1/customers", count=1)
    with pytest.raises(StripeUnavailable):
        unlucky.set_billing(paying.account.id, paying.details())
    paying.calm()

    paying.pass_time(later_s)
    if kind.startswith("error") and later_s < 60:
        # Stripe repeats the failed answer under the same key; a minute later it is looked for instead.
        with pytest.raises(StripeUnavailable):
            paying.billing.customer_of(paying.account.id)
        paying.pass_time(60)
    paying.billing.customer_of(paying.account.id)

    assert [each.id for each in paying.at_stripe()] == [paying.stripe_id()]


def test_details_typed_while_stripe_is_away_are_sent_at_the_next_use(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details())
    away = Stripe(paying.sandbox.secret_key, base_url="http://127.0.0.1:9", retries=0)

    with pytest.raises(StripeUnavailable):
        paying.server(away).set_billing(paying.account.id, paying.details(PARIS))
    assert paying.billing.customer(paying.account.id).state is CustomerState.NEW
    paying.billing.customer_of(paying.account.id)

    assert paying.at_stripe()[0].address.country == "FR"
    assert paying.billing.customer(paying.account.id).country == "FR"


def test_an_address_that_cannot_be_placed_is_kept_and_stops_buying(paying: Paying) -> None:
    paying.with_policy(unregistered=Sell.SELL)
    paying.billing.set_billing(paying.account.id, paying.details())

    with pytest.raises(LocationInvalid):
        paying.billing.set_billing(paying.account.id, paying.details(Address(country="US")))

    customer = paying.billing.customer(paying.account.id)
    assert (customer.state, customer.country) == (CustomerState.UNPLACED, "US")
    with pytest.raises(LocationInvalid):
        paying.billing.customer_of(paying.account.id)
    assert paying.at_stripe()[0].address.country == "DE"
    paying.billing.hooks()["customer.updated"](paying.stripe_id(), None)
    assert paying.billing.customer(paying.account.id).country == "US", "a late event must not undo what was typed"

    paying.billing.set_billing(paying.account.id, paying.details(HELSINKI))
    assert paying.billing.customer(paying.account.id).state is CustomerState.READY


def test_a_country_without_registration_follows_the_policy(paying: Paying) -> None:
    zurich = paying.details(Address(line1="Bahnhofstr. 1", city="Zürich", postal_code="8001", country="CH"))
    with pytest.raises(CountryNotSold):
        paying.billing.set_billing(paying.account.id, zurich)
    assert paying.billing.customer(paying.account.id).country is None, "nothing was kept"

    paying.with_policy(unregistered=Sell.SELL)
    customer = paying.billing.set_billing(paying.account.id, zurich)

    assert (customer.state, customer.location) == (CustomerState.READY, "not_collecting")
    assert paying.tax() == (0, "not_collecting")


def test_a_territory_stripe_does_not_support_follows_the_policy(paying: Paying) -> None:
    funchal = paying.details(Address(line1="Rua 1", city="Funchal", postal_code="9000-018", country="PT"))
    with pytest.raises(TerritoryNotSold, match="Madeira"):
        paying.billing.set_billing(paying.account.id, funchal)

    paying.with_policy(territories=Sell.SELL)
    paying.billing.set_billing(paying.account.id, funchal)

    assert paying.tax() == (0, "not_supported")


@pytest.mark.parametrize("reason", ["not_collecting", "not_subject_to_tax"])
def test_stripe_collecting_less_than_the_policy_says_is_refused_at_the_quote(paying: Paying, reason: str) -> None:
    paying.sandbox.control("doubts", unregistered_reason=reason)
    paying.sandbox.control("tax", registrations=[{"country": "DE", "type": "standard"}])
    paying.billing.set_billing(paying.account.id, paying.details(PARIS))

    vat, said = paying.tax()

    assert (vat, said) == (0, reason)
    with pytest.raises(CountryNotSold, match="FR"):
        paying.billing.accept(paying.account.id, said)


def test_a_policy_that_became_stricter_stops_customers_of_before(paying: Paying) -> None:
    paying.with_policy(unregistered=Sell.SELL)
    zurich = Address(line1="Bahnhofstr. 1", city="Zürich", postal_code="8001", country="CH")
    paying.billing.set_billing(paying.account.id, paying.details(zurich))
    paying.billing.customer_of(paying.account.id)

    paying.with_policy(unregistered=Sell.REFUSE)

    with pytest.raises(CountryNotSold):
        paying.billing.customer_of(paying.account.id)


def test_finland_pays_25_5_percent(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(HELSINKI))

    assert paying.tax(1000) == (255, "standard_rated")


def test_a_change_in_the_portal_is_taken_over(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details())
    paris = {"line1": "1 rue de Rivoli", "city": "Paris", "postal_code": "75001", "country": "FR"}
    paying.sandbox.control(f"dashboard/customers/{paying.stripe_id()}", name="Ada SARL", address=paris)

    paying.billing.hooks()["customer.updated"](paying.stripe_id(), None)

    customer = paying.billing.customer(paying.account.id)
    assert (customer.name, customer.country, customer.state) == ("Ada SARL", "FR", CustomerState.READY)


def test_a_customer_deleted_at_stripe_is_shown_and_made_again_once(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details())
    before = paying.stripe_id()
    paying.add_card()
    paying.sandbox.control(f"dashboard/customers/{before}/delete")

    paying.billing.hooks()["customer.deleted"](before, None)
    customer = paying.billing.customer(paying.account.id)
    assert (customer.state, customer.stripe_id, customer.country) == (CustomerState.DELETED, None, "DE")
    assert paying.billing.cards(paying.account.id) == []

    again = paying.billing.customer_of(paying.account.id)
    assert again != before
    assert paying.billing.customer(paying.account.id).state is CustomerState.READY
    assert [each.id for each in paying.payers()] == [again]
    assert paying.payers()[0].address.city == "Berlin"


def test_a_deletion_that_no_webhook_told_is_noticed_at_the_next_use(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details())
    before = paying.stripe_id()
    paying.sandbox.control(f"dashboard/customers/{before}/delete")

    paying.billing.set_billing(paying.account.id, paying.details(PARIS))

    assert paying.stripe_id() != before
    assert paying.payers()[0].address.country == "FR"


def test_senders_that_overtake_each_other_end_with_the_latest_details(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details())
    places = [BERLIN, PARIS, HELSINKI] * 3
    with ThreadPoolExecutor(9) as pool:
        list(pool.map(lambda place: paying.server().set_billing(paying.account.id, paying.details(place)), places))
    paying.billing.customer_of(paying.account.id)

    (there,) = paying.payers()
    assert there.address.country == paying.billing.customer(paying.account.id).country


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("country", {"address": Address(country="XX")}),
        ("country", {"address": Address(country="")}),
        ("country", {"address": Address(country="Germany")}),
        ("name", {"name": "  "}),
        ("name", {"name": "x" * 151}),
        ("email", {"email": "no address"}),
        ("language", {"language": "tlh"}),
        ("line1", {"address": Address(country="DE", line1="a" * 201)}),
        ("city", {"address": Address(country="DE", city="Ber\x00lin")}),
    ],
)
def test_details_that_cannot_be_are_refused_by_field(paying: Paying, field: str, change: dict[str, object]) -> None:
    with pytest.raises(RequestInvalid) as refusal:
        paying.billing.set_billing(paying.account.id, paying.details(**change))

    assert refusal.value.fields["fields"][0]["field"] == field
    assert paying.at_stripe() == []


def test_the_payer_has_what_an_invoice_and_a_receipt_need(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details())
    with pytest.raises(BillingIncomplete, match="card"):
        paying.billing.payer(paying.account.id, card=None)
    card = paying.add_card()

    payer = paying.billing.payer(paying.account.id, card=None)

    assert (payer.customer, payer.card, payer.card_name) == (paying.stripe_id(), card, "Visa •••• 4242")
    assert (payer.email, payer.locale, payer.country, payer.card_country) == ("ada@example.com", "de", "DE", "US")


def test_a_key_that_stripe_does_not_accept_is_told_apart(paying: Paying) -> None:
    wrong = Stripe("sk_test_wrong", base_url=paying.sandbox.url)

    with pytest.raises(StripeUnavailable, match="secret key"):
        paying.server(wrong).set_billing(paying.account.id, paying.details())
    with pytest.raises(sdk.AuthenticationError):
        sdk.StripeClient("sk_test_wrong", base_addresses={"api": paying.sandbox.url}).v1.customers.list()
