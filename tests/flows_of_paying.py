"""What can happen to a person who pays; each flow states its one right end, whatever Stripe is like."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from ileen.base.errors import BillingIncomplete
from ileen.payments.gate import Step
from ileen.payments.model import NextKind, Purchase, PurchaseState
from ileen.store import schema
from killing import buy_until_killed
from person import ASKS, FAILS, GOOD, SET_UP, Person

# Paying --------------------------------------------------------------------------------------------------------


def pays_with_a_card(ada: Person) -> None:
    ada.saves()

    ada.is_settled(ada.buys())


def pays_with_a_card_set_up_for_later(ada: Person) -> None:
    ada.saves(SET_UP)

    ada.is_settled(ada.buys())


def confirms_with_the_bank(ada: Person) -> None:
    ada.saves(ASKS)
    waiting = ada.buys()
    assert (waiting.state, waiting.next.kind) == (PurchaseState.ACTION_REQUIRED, NextKind.REDIRECT)
    assert httpx2.get(str(waiting.next.url), trust_env=False, follow_redirects=True).status_code == 200

    assert ada.at_stripe(f"invoices/{waiting.invoice}/authenticate", outcome="pass") == 200

    ada.is_settled(waiting)


def is_rejected_by_the_bank(ada: Person) -> None:
    ada.saves(ASKS)
    waiting = ada.buys()

    assert ada.at_stripe(f"invoices/{waiting.invoice}/authenticate", outcome="fail") == 200

    failed = ada.looks_at(waiting)
    assert (failed.state, failed.ended_because) == (PurchaseState.FAILED, "declined")
    assert failed.decline is not None and failed.decline.kind == "authentication"
    ada.is_charged_nothing()
    ada.saves(GOOD)
    ada.is_settled(ada.buys(key="again"))


def leaves_the_banks_page(ada: Person) -> None:
    ada.saves(ASKS)
    waiting = ada.buys()

    ada.shop.pass_time(3700)
    ada.shop.work()

    ended = ada.looks_at(waiting)
    assert (ended.state, ended.ended_because) == (PurchaseState.FAILED, "not_confirmed")
    ada.is_charged_nothing()


def is_declined(ada: Person) -> None:
    ada.saves(FAILS)

    failed = ada.buys()

    assert (failed.state, failed.ended_because) == (PurchaseState.FAILED, "declined")
    assert failed.decline is not None and failed.decline.kind == "bank"
    ada.is_charged_nothing()


def is_charged_by_the_operator_while_away(ada: Person) -> None:
    """Someone presses "Charge customer" in the dashboard while the payer is asked: off-session, which we never are."""
    ada.saves(ASKS)
    waiting = ada.buys()

    tried = ada.sandbox.raw("POST", f"/v1/invoices/{waiting.invoice}/pay", data={"off_session": "true"})

    assert tried.status_code == 402
    still = ada.looks_at(waiting)
    assert (still.state, still.next.kind) == (PurchaseState.ACTION_REQUIRED, NextKind.REDIRECT)
    assert ada.at_stripe(f"invoices/{waiting.invoice}/pay", number=GOOD) == 200
    ada.is_settled(waiting)


def is_charged_by_the_operator_and_confirms(ada: Person) -> None:
    """The same, and the payer then goes on with the card of before, on Stripe's page."""
    ada.saves(ASKS)
    waiting = ada.buys()
    ada.sandbox.raw("POST", f"/v1/invoices/{waiting.invoice}/pay", data={"off_session": "true"})

    assert ada.at_stripe(f"invoices/{waiting.invoice}/pay") in {400, 402}, "it asks for the payer once more"
    assert ada.at_stripe(f"invoices/{waiting.invoice}/authenticate", outcome="pass") == 200

    ada.is_settled(waiting)


# Without a card ------------------------------------------------------------------------------------------------


def has_no_card(ada: Person) -> None:
    quoted = ada.shop.payments.quote(ada.account, 5000).total
    assert ada.billing.gate(ada.account).missing is Step.PAYMENT_METHOD

    with pytest.raises(BillingIncomplete, match="card"):
        ada.buys(quoted_total=quoted)

    assert ada.shop.states() == [] == ada.shop.invoices()
    ada.saves()
    ada.is_settled(ada.buys())


def loses_the_card_between_quote_and_payment(ada: Person) -> None:
    """It is removed in the dashboard, and its webhook is late: our copy still has it."""
    card = ada.saves()
    quoted = ada.shop.payments.quote(ada.account, 5000).total
    assert ada.at_stripe(f"payment_methods/{card}/detach") == 200

    failed = ada.buys(quoted_total=quoted)

    assert failed.state is PurchaseState.FAILED and str(failed.ended_because).startswith("refused: ")
    ada.is_charged_nothing()
    ada.hears_all()
    assert ada.billing.cards(ada.account) == []
    assert ada.default_at_stripe() is None
    ada.saves()
    ada.is_settled(ada.buys(key="again"))


def is_charged_by_the_operator_without_a_card(ada: Person) -> None:
    """The card is removed while its bank is asked; the operator tries to collect all the same; the payer brings one."""
    card = ada.saves(ASKS)
    waiting = ada.buys()
    ada.at_stripe(f"payment_methods/{card}/detach")
    ada.sandbox.client.v1.customers.update(ada.customer, {"invoice_settings": {"default_payment_method": ""}})

    tried = ada.sandbox.raw("POST", f"/v1/invoices/{waiting.invoice}/pay", data={"off_session": "true"})

    assert tried.status_code in {400, 402} and "no attached payment source" in tried.text
    assert ada.looks_at(waiting).state is PurchaseState.ACTION_REQUIRED
    assert ada.at_stripe(f"invoices/{waiting.invoice}/pay", number=GOOD) == 200
    ada.is_settled(waiting)


# Finalizing and keys ------------------------------------------------------------------------------------------


def is_killed_after_finalizing(ada: Person) -> None:
    ada.saves()
    buy_until_killed(ada.shop, ada.account, "payments.finalize.called")

    ada.shop.pass_time(61)  # the lease of the killed process ends
    ada.shop.settle_down()

    (bought,) = ada.shop.payments.purchases(ada.account, limit=10)
    ada.is_settled(bought)


def is_finalized_by_the_operator_first(ada: Person) -> None:
    """Between our last look at the draft and our order: ours is the second, and refused."""
    ada.saves()
    quoted = ada.shop.payments.quote(ada.account, 5000).total
    ada.shop.arm("slow", "POST", "/v1/invoices/*/finalize", hold_s=2)

    bought = _meanwhile(lambda: ada.buys(quoted_total=quoted), lambda: _finalize_by_hand(ada))

    ada.is_settled(bought)


def loses_the_answer_to_finalizing(ada: Person) -> None:
    ada.saves()
    quoted = ada.shop.payments.quote(ada.account, 5000).total
    ada.shop.arm("timeout_after", "POST", "/v1/invoices/*/finalize")

    bought = ada.buys(quoted_total=quoted)
    ada.shop.settle_down()

    ada.is_settled(bought)


def meets_its_own_key_at_every_step(ada: Person) -> None:
    """Stripe still works on our first try whenever we come."""
    ada.saves()
    quoted = ada.shop.payments.quote(ada.account, 5000).total
    for path in ("/v1/invoices", "/v1/invoiceitems", "/v1/invoices/*/finalize", "/v1/invoices/*/pay"):
        ada.shop.arm("key_in_use", "POST", path)

    bought = ada.buys(quoted_total=quoted)
    assert bought.next.kind is NextKind.POLL and bought.decline is None
    ada.shop.settle_down()

    ada.is_settled(bought)


def is_paid_by_two_servers_at_once(ada: Person) -> None:
    """The first is so slow that its lease ends; the second orders the same payment under the same key."""
    ada.saves()
    quoted = ada.shop.payments.quote(ada.account, 5000).total
    ada.shop.arm("slow", "POST", "/v1/invoices/*/pay", hold_s=3)
    taken: list[PurchaseState] = []

    def second() -> None:
        _await(lambda: ada.shop.states() == ["paying"])
        ada.shop.clock.advance(61)
        (paying,) = ada.shop.payments.purchases(ada.account, limit=10)
        taken.append(ada.shop.server().purchase(ada.account, paying.id).state)

    bought = _meanwhile(lambda: ada.buys(quoted_total=quoted), second)
    assert taken == [PurchaseState.PAYING], "its key was in use, which says nothing about the money"
    ada.shop.settle_down()

    ada.is_settled(bought)


def declined_key_in_use_while_voiding(ada: Person) -> None:
    """The payment failed; closing its invoice meets its own key."""
    ada.saves(FAILS)
    quoted = ada.shop.payments.quote(ada.account, 5000).total
    ada.shop.arm("key_in_use", "POST", "/v1/invoices/*/void")

    bought = ada.buys(quoted_total=quoted)
    ada.shop.settle_down()

    assert ada.looks_at(bought).state is PurchaseState.FAILED
    ada.is_charged_nothing()


def _meanwhile(buy: Callable[[], Purchase], other: Callable[[], None]) -> Purchase:
    """Do something in the middle of a purchase, which runs in a thread of its own; return the purchase."""
    bought: list[Purchase] = []
    buyer = threading.Thread(target=lambda: bought.append(buy()))
    buyer.start()
    other()
    buyer.join(timeout=30)
    return bought[0]


def _await(there: Callable[[], Any]) -> None:
    until = time.monotonic() + 20
    while not there():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def _finalize_by_hand(ada: Person) -> None:
    def asked() -> list[Any]:
        return [each for each in ada.shop.rows(schema.purchase_step) if each.step == "finalize"]

    _await(asked)
    (draft,) = ada.shop.invoices()
    assert draft.status == "draft"
    ada.sandbox.client.v1.invoices.finalize_invoice(draft.id, {"auto_advance": False})
