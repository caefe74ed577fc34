"""A VAT id takes VAT off only when it may; until then it is nowhere near an invoice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ileen.base.errors import BillingIncomplete, NotFound, StripeUnavailable, TaxIdInvalid, TaxIdPresent
from ileen.payments.stripe import Stripe
from ileen.payments.tax import ReverseCharge
from ileen.payments.vat_ids import TaxIdState
from paying import BERLIN, PARIS, Paying

FRENCH = "FR40303265045"


def french(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(PARIS, business=True))


def test_an_id_is_asked_for_after_the_country(paying: Paying) -> None:
    with pytest.raises(BillingIncomplete, match="country"):
        paying.billing.add_tax_id(paying.account.id, FRENCH)


def test_while_an_id_is_being_checked_vat_stays_on_the_invoice(paying: Paying) -> None:
    french(paying)

    added = paying.billing.add_tax_id(paying.account.id, FRENCH)

    assert (added.state, added.reverse_charge) == (TaxIdState.CHECKING, False)
    assert paying.tax_ids_at_payer() == []
    assert paying.tax(2500) == (500, "standard_rated")


def test_a_verified_id_of_another_member_state_takes_vat_off(paying: Paying) -> None:
    french(paying)
    paying.billing.add_tax_id(paying.account.id, FRENCH)

    paying.pass_time(120)
    assert paying.work() >= 1

    found = paying.billing.tax_id(paying.account.id)
    assert (found.state, found.reverse_charge) == (TaxIdState.VERIFIED, True)
    assert found.verified_name is not None
    assert found.checked_at is not None
    assert paying.tax_ids_at_payer() == [FRENCH]
    assert paying.tax(2500) == (0, "reverse_charge")
    assert paying.billing.accept(paying.account.id, "reverse_charge")
    assert len(paying.at_stripe()) == 1, "the customer made for the check is gone"


def test_the_webhook_alone_is_enough(paying: Paying) -> None:
    french(paying)
    paying.billing.add_tax_id(paying.account.id, FRENCH)
    (checker,) = [each for each in paying.at_stripe() if each.metadata["purpose"] == "tax_id_check"]
    (check,) = paying.sandbox.client.v1.customers.tax_ids.list(checker.id).data

    paying.sandbox.advance(120)
    paying.billing.hooks()["customer.tax_id.updated"](check.id, checker.id)

    assert paying.billing.tax_id(paying.account.id).state is TaxIdState.VERIFIED
    assert paying.tax_ids_at_payer() == [FRENCH]


def test_an_id_nobody_knows_keeps_vat_and_says_so(paying: Paying) -> None:
    french(paying)
    paying.billing.add_tax_id(paying.account.id, "FR111111111")

    paying.pass_time(120)
    paying.work()

    found = paying.billing.tax_id(paying.account.id)
    assert (found.state, found.reverse_charge) == (TaxIdState.NOT_FOUND, False)
    assert paying.tax_ids_at_payer() == []
    assert paying.tax(2500) == (500, "standard_rated")


def test_an_id_that_is_checked_for_ever_keeps_vat_and_is_looked_at_less_and_less(paying: Paying) -> None:
    french(paying)
    paying.billing.add_tax_id(paying.account.id, "FR222222222")

    looks = []
    for _ in range(12):
        paying.pass_time(3600)
        looks.append(paying.work())

    assert paying.billing.tax_id(paying.account.id).state is TaxIdState.CHECKING
    assert looks[0] > looks[-1] or sum(looks) < 12
    assert paying.tax(2500) == (500, "standard_rated")


def test_in_the_sellers_country_a_verified_id_changes_no_tax(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details(BERLIN))
    paying.billing.add_tax_id(paying.account.id, "DE136695976")
    paying.pass_time(120)
    paying.work()

    found = paying.billing.tax_id(paying.account.id)
    assert (found.state, found.reverse_charge) == (TaxIdState.VERIFIED, False)
    assert paying.tax_ids_at_payer() == ["DE136695976"], "it is printed on invoices"
    assert paying.tax(2500) == (475, "standard_rated")


def test_the_policy_format_takes_vat_off_at_once(paying: Paying) -> None:
    paying.with_policy(reverse_charge=ReverseCharge.FORMAT)
    french(paying)

    added = paying.billing.add_tax_id(paying.account.id, FRENCH)

    assert (added.state, added.reverse_charge) == (TaxIdState.CHECKING, True)
    assert paying.tax(2500) == (0, "reverse_charge")


def test_the_policy_never_keeps_vat_even_on_verified_ids(paying: Paying) -> None:
    paying.with_policy(reverse_charge=ReverseCharge.NEVER)
    french(paying)
    paying.billing.add_tax_id(paying.account.id, FRENCH)
    paying.pass_time(120)
    paying.work()

    assert paying.billing.tax_id(paying.account.id).state is TaxIdState.VERIFIED
    assert paying.tax_ids_at_payer() == []
    assert paying.tax(2500) == (500, "standard_rated")


def test_a_policy_that_became_stricter_takes_the_id_off_before_the_next_invoice(paying: Paying) -> None:
    paying.with_policy(reverse_charge=ReverseCharge.FORMAT)
    french(paying)
    paying.billing.add_tax_id(paying.account.id, "FR111111111")
    assert paying.tax(2500) == (0, "reverse_charge")

    paying.with_policy(reverse_charge=ReverseCharge.VERIFIED)

    assert paying.tax(2500) == (500, "standard_rated")


def test_an_id_added_by_hand_at_stripe_takes_no_vat_off(paying: Paying) -> None:
    french(paying)
    paying.sandbox.client.v1.customers.tax_ids.create(paying.stripe_id(), {"type": "eu_vat", "value": FRENCH})
    assert paying.tax(2500) == (0, "reverse_charge")

    assert not paying.billing.accept(paying.account.id, "reverse_charge"), "Stripe is to be asked again"

    assert paying.tax(2500) == (500, "standard_rated")


def test_a_removed_id_takes_no_vat_off_and_can_come_back(paying: Paying) -> None:
    french(paying)
    first = paying.billing.add_tax_id(paying.account.id, FRENCH)
    paying.pass_time(120)
    paying.work()

    paying.billing.remove_tax_id(paying.account.id, first.id)
    paying.billing.remove_tax_id(paying.account.id, first.id)

    assert paying.billing.tax_id(paying.account.id) is None
    assert paying.tax(2500) == (500, "standard_rated")
    paying.billing.add_tax_id(paying.account.id, FRENCH)
    paying.pass_time(120)
    paying.work()
    assert paying.tax(2500) == (0, "reverse_charge")


def test_a_removal_while_stripe_is_away_is_done_before_the_next_invoice(paying: Paying) -> None:
    french(paying)
    added = paying.billing.add_tax_id(paying.account.id, FRENCH)
    paying.pass_time(120)
    paying.work()
    away = Stripe(paying.sandbox.secret_key, base_url="http://127.0.0.1:9", retries=0)

    paying.server(away).remove_tax_id(paying.account.id, added.id)
    assert paying.tax_ids_at_payer() == [FRENCH]

    with pytest.raises(StripeUnavailable):
        paying.server(away).customer_of(paying.account.id)
    assert paying.tax(2500) == (500, "standard_rated")
    assert paying.tax_ids_at_payer() == []


def test_one_id_for_an_account(paying: Paying) -> None:
    french(paying)
    first = paying.billing.add_tax_id(paying.account.id, FRENCH)

    assert paying.billing.add_tax_id(paying.account.id, " fr 40 303 265 045 ").id == first.id
    with pytest.raises(TaxIdPresent, match=FRENCH):
        paying.billing.add_tax_id(paying.account.id, "FR000000000")
    with pytest.raises(TaxIdInvalid):
        paying.billing.add_tax_id(paying.account.id, "DE136695976")


def test_another_accounts_id_cannot_be_removed(paying: Paying) -> None:
    french(paying)
    added = paying.billing.add_tax_id(paying.account.id, FRENCH)
    stranger = paying.accounts.create("Eve")

    with pytest.raises(NotFound):
        paying.billing.remove_tax_id(stranger.id, added.id)

    assert paying.billing.tax_id(paying.account.id) is not None


def test_moving_to_another_country_removes_the_id(paying: Paying) -> None:
    french(paying)
    paying.billing.add_tax_id(paying.account.id, FRENCH)
    paying.pass_time(120)
    paying.work()

    paying.billing.set_billing(paying.account.id, paying.details(BERLIN))

    assert paying.billing.tax_id(paying.account.id) is None
    assert paying.tax_ids_at_payer() == []


def test_an_id_not_found_can_be_checked_again(paying: Paying) -> None:
    french(paying)
    paying.billing.add_tax_id(paying.account.id, "FR111111111")
    paying.pass_time(120)
    paying.work()

    again = paying.billing.check_tax_id_again(paying.account.id)

    assert again.state is TaxIdState.CHECKING
    paying.pass_time(120)
    paying.work()
    assert paying.billing.tax_id(paying.account.id).state is TaxIdState.NOT_FOUND


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/customers/*/tax_ids"])
@pytest.mark.parametrize("kind", ["timeout_after", "bad_gateway"])
def test_a_lost_answer_during_the_check_is_made_up_for_by_the_job(paying: Paying, kind: str, path: str) -> None:
    french(paying)
    paying.fault(kind, path)

    paying.billing.add_tax_id(paying.account.id, FRENCH)
    paying.calm()
    for _ in range(3):
        paying.pass_time(130)
        paying.work()

    assert paying.billing.tax_id(paying.account.id).state is TaxIdState.VERIFIED
    assert paying.tax_ids_at_payer() == [FRENCH]
    assert len(paying.payers()) == 1


def test_after_a_deleted_customer_the_id_is_at_the_new_one(paying: Paying) -> None:
    french(paying)
    paying.billing.add_tax_id(paying.account.id, FRENCH)
    paying.pass_time(120)
    paying.work()
    paying.sandbox.control(f"dashboard/customers/{paying.stripe_id()}/delete")
    paying.billing.hooks()["customer.deleted"](paying.stripe_id(), None)

    assert paying.tax(2500) == (0, "reverse_charge")
    assert paying.tax_ids_at_payer() == [FRENCH]


def test_many_at_once_check_one_id_once(paying: Paying) -> None:
    french(paying)
    with ThreadPoolExecutor(6) as pool:
        add = lambda _: paying.server().add_tax_id(paying.account.id, FRENCH).id  # noqa: E731
        assert len(set(pool.map(add, range(6)))) == 1

    checkers = [each for each in paying.at_stripe() if each.metadata["purpose"] == "tax_id_check"]
    assert len(checkers) == 1
