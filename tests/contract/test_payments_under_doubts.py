"""Buying, cards and tax under every doubt about Stripe: whichever variant is true, the person ends in the same place.

`COVERED` names the flows of ours that each doubt of `ileen.sandbox.stripe.doubts` concerns; a doubt without flows fails
the suite. A flow states its end once, so that no variant can have an end of its own. Payments and Billing are put
together as the application does, on SQLite: no doubt is about our database.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flows_of_billing
import flows_of_paying
from ileen.ledger import Ledger
from ileen.sandbox.stripe.doubts import DOUBTS
from ileen.store.engine import Database
from person import Person
from shop import open_shop
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

Doing = Callable[[Person], None]
PAYING: tuple[Doing, ...] = (
    flows_of_paying.pays_with_a_card,
    flows_of_paying.pays_with_a_card_set_up_for_later,
    flows_of_paying.confirms_with_the_bank,
    flows_of_paying.is_rejected_by_the_bank,
    flows_of_paying.leaves_the_banks_page,
    flows_of_paying.is_declined,
)
COVERED: dict[str, tuple[Doing, ...]] = {
    "detach_default": (
        flows_of_billing.removes_a_card,
        flows_of_billing.loses_the_default_card,
        flows_of_billing.loses_the_last_card,
        flows_of_paying.loses_the_card_between_quote_and_payment,
    ),
    "sca_error": (*PAYING, flows_of_paying.is_charged_by_the_operator_and_confirms),
    "sca_off_session": (
        *PAYING,
        flows_of_paying.is_charged_by_the_operator_while_away,
        flows_of_paying.is_charged_by_the_operator_and_confirms,
    ),
    "no_card_code": (
        flows_of_paying.has_no_card,
        flows_of_paying.loses_the_card_between_quote_and_payment,
        flows_of_paying.is_charged_by_the_operator_without_a_card,
    ),
    "portal_without_configuration": (
        flows_of_billing.opens_the_portal_before_anything_was_set_up,
        flows_of_billing.opens_the_portal_after_the_operator_did,
    ),
    "key_in_use_type": (
        flows_of_paying.meets_its_own_key_at_every_step,
        flows_of_paying.is_paid_by_two_servers_at_once,
        flows_of_paying.declined_key_in_use_while_voiding,
    ),
    "refinalize_code": (
        flows_of_paying.is_killed_after_finalizing,
        flows_of_paying.is_finalized_by_the_operator_first,
        flows_of_paying.loses_the_answer_to_finalizing,
    ),
    "first_card_default": (
        flows_of_billing.saves_a_first_card_that_nobody_made_the_default,
        flows_of_billing.saves_a_second_card_as_the_default,
        flows_of_billing.removes_a_card,
        flows_of_billing.loses_the_default_card,
        flows_of_paying.pays_with_a_card,
    ),
    "credit_note_rounding": (flows_of_billing.is_given_money_back_by_the_operator_in_parts,),
    "unregistered_reason": (
        flows_of_billing.lives_where_stripe_collects_nothing_and_is_refused,
        flows_of_billing.lives_where_stripe_collects_nothing_and_is_sold_to,
        flows_of_billing.lives_outside_every_registration_and_is_refused,
        flows_of_billing.lives_outside_every_registration_and_is_sold_to,
    ),
}
CASES = [
    pytest.param(doubt, variant, doing, id=f"{doubt}-{variant}-{doing.__name__}")
    for doubt, doings in COVERED.items()
    for variant in DOUBTS.get(doubt, ())
    for doing in doings
]


@pytest.fixture
def ada(tmp_path: Path, stripe_sandbox: StripeSandbox) -> Iterator[Person]:
    database = Database.open(f"sqlite:///{tmp_path}/ileen.sqlite3")
    database.migrate()
    ledger = Ledger(database)
    ledger.start()
    with open_shop(database, ledger, stripe_sandbox) as shop:
        yield Person(shop)
    ledger.stop()
    database.close()


def test_every_doubt_has_flows() -> None:
    assert set(COVERED) == set(DOUBTS)
    assert all(COVERED.values())
    assert all(len(set(variants)) == 2 for variants in DOUBTS.values())


@pytest.mark.parametrize(("doubt", "variant", "doing"), CASES)
def test_the_person_ends_in_the_same_place(ada: Person, doubt: str, variant: str, doing: Doing) -> None:
    ada.sandbox.control("doubts", **{doubt: variant})

    doing(ada)

    ada.shop.check()
    ada.billing.refreshed_cards(ada.account)
    before = _seen(ada)
    ada.hears_all()
    ada.shop.check()
    assert _seen(ada) == before, "events that come late change nothing"
    assert ada.shop.alarms == []


def _seen(ada: Person) -> object:
    """What the person sees: balance, purchases, cards, gate."""
    purchases = [(each.id, each.state, each.total) for each in ada.shop.payments.purchases(ada.account, limit=10)]
    return purchases, ada.shop.lots(ada.account), ada.billing.cards(ada.account), ada.billing.gate(ada.account)
