"""What buyers of prepaid credits complain of elsewhere, each ruled out here: from the payment to the balance.

The same for what scripts and people are told: `tests/unit/web/buying/test_field_complaints.py`.
"""

from typing import Any

import httpx2
import pytest

from ileen.base.errors import TaxIdInvalid
from ileen.jobs import Worker
from ileen.payments.model import PurchaseState
from ileen.payments.vat_ids import TaxIdState
from ileen.store import schema
from person import PARIS, Person
from shop import Shop

ASKS = "pm_card_authenticationRequired"
THEN_DECLINES = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"
FRENCH = "FR40303265045"
UNKNOWN = "FR111111111"
FINNISH = {"line1": "Mannerheimintie 1", "city": "Helsinki", "postal_code": "00100", "country": "FI"}
FRENCHMAN = {"line1": "1 rue de Rivoli", "city": "Paris", "postal_code": "75001", "country": "FR"}
AMERICAN = {"line1": "1 Main St", "city": "Springfield", "postal_code": "62701", "state": "IL", "country": "US"}


def settled(shop: Shop, account: Any) -> int:
    return shop.ledger.wallet(shop.wallet(account)).settled


# Balance -------------------------------------------------------------------------------------------------------


def test_a_new_wallet_holds_its_credits_the_moment_the_purchase_is_settled(shop: Shop) -> None:
    """No refresh and no cache in between: whoever is told "settled" reads the balance with the credits in it."""
    account = shop.account()
    assert settled(shop, account) == 0

    bought = shop.buy(account)

    assert bought.state is PurchaseState.SETTLED
    assert settled(shop, account) == 50 * 10**9
    shop.check()


def test_a_program_that_buys_at_each_start_while_it_reads_nothing_buys_once(shop: Shop) -> None:
    """A bank that takes a minute, and a program that is restarted meanwhile, each time with a new key."""
    shop.sandbox.control("settings", processing_s=60)
    account = shop.account()
    answers = set()

    for start in range(4):
        shop.payments = shop.server()
        if settled(shop, account) == 0:
            answers.add(shop.buy(account, key=f"start-{start}").id)
    shop.settle_down()
    shop.buy(account, key="start-2")

    assert len(answers) == 1 == len(shop.charges())
    assert settled(shop, account) == 50 * 10**9
    shop.check()


def test_nobody_has_a_receipt_for_credits_that_are_not_there(shop: Shop) -> None:
    """The answer to the payment is lost, then Stripe is away: the receipt waits for the credits, however long."""
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    shop.arm("timeout_after", "POST", "/v1/invoices/*/pay")
    shop.buy(account, quoted_total=quoted)
    shop.arm("bad_gateway", "GET", "/v1/invoices/*", count=50)
    seen = []

    for _ in range(4):
        shop.work()
        seen.append((len(shop.told), settled(shop, account)))
        shop.pass_time(60)
    shop.disarm()
    shop.settle_down()

    assert len(shop.charges()) == 1, "it was paid all along"
    assert seen == [(0, 0)] * 4
    (receipt,) = shop.told
    assert receipt["values"]["balance"] == "50.00"
    assert settled(shop, account) == 50 * 10**9
    shop.check()


# Webhooks ------------------------------------------------------------------------------------------------------


def test_one_payment_told_by_every_kind_of_event_and_twice_credits_once(shop: Shop) -> None:
    """The invoice, its payment, the intent and the charge each tell of the same money."""
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)
    shop.authenticate(str(waiting.invoice))
    events = shop.events()
    told = {each["type"] for each in events}
    assert {"invoice.paid", "invoice.payment_succeeded", "payment_intent.succeeded", "charge.succeeded"} <= told

    for _ in range(2):
        shop.deliver(*events, *({**each, "id": f"{each['id']}_again"} for each in events))
        shop.work()

    assert settled(shop, account) == 50 * 10**9
    shop.check()


def test_a_payment_no_webhook_ever_tells_of_is_found_and_credited(shop: Shop) -> None:
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)
    shop.authenticate(str(waiting.invoice))

    shop.pass_time(60)
    shop.work()

    assert shop.rows(schema.inbox_event) == []
    assert shop.states() == ["settled"]
    assert settled(shop, account) == 50 * 10**9
    shop.check()


def test_a_payment_that_fails_after_a_good_start_was_never_credited(shop: Shop) -> None:
    """The bank agrees, thinks for a minute, and declines: what looked like success brings no credits."""
    shop.sandbox.control("settings", processing_s=60)
    account = shop.account(card=THEN_DECLINES)
    waiting = shop.buy(account)
    shop.authenticate(str(waiting.invoice))

    shop.deliver(*shop.events())
    shop.work()
    early = settled(shop, account)
    shop.pass_time(61)
    shop.deliver(*shop.events())
    shop.settle_down()

    assert (early, settled(shop, account)) == (0, 0)
    assert shop.payments.purchase(account, waiting.id).state is PurchaseState.FAILED
    assert shop.lots(account) == [] == shop.told
    shop.check()


# Invoices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [None, FRENCHMAN, FINNISH, AMERICAN], ids=["DE", "FR", "FI", "US"])
def test_the_vat_shown_before_is_the_vat_of_the_invoice_and_of_the_charge(shop: Shop, address: Any) -> None:
    account = shop.account(**({"address": address} if address else {}))
    shown = shop.payments.quote(account, 3333)

    bought = shop.buy(account, 3333, quoted_total=shown.total)

    invoice = shop.sandbox.read(str(bought.invoice))
    assert sum(each.amount for each in invoice.total_taxes or []) == shown.vat == bought.vat
    (charge,) = shop.charges()
    assert charge.amount == invoice.total == 3333 + shown.vat
    shop.check()


def test_every_charge_belongs_to_an_invoice_with_a_number_and_a_document(shop: Shop) -> None:
    """However it was paid: at once, after the bank's question, or with another card on Stripe's page."""
    account = shop.account()
    asked, by_hand = shop.account(card=ASKS), shop.account(card=ASKS)
    bought = [shop.buy(account), shop.buy(asked), shop.buy(by_hand)]
    shop.authenticate(str(bought[1].invoice))
    shop.pay_by_hand(str(bought[2].invoice))
    shop.settle_down()

    found = [shop.payments.invoice(each.account, each.id) for each in bought]

    paid_by = {payment.intent_id for invoice in found for payment in invoice.payments if payment.status == "paid"}
    assert {each.payment_intent for each in shop.charges()} == paid_by and len(paid_by) == 3
    assert len({invoice.number for invoice in found} - {None}) == 3
    for invoice in found:
        document = httpx2.get(str(invoice.pdf_url), trust_env=False, follow_redirects=True)
        assert document.content.startswith(b"%PDF-")
    shop.check()


def test_a_vat_id_verified_late_is_on_the_next_invoice_and_leaves_the_one_before(shop: Shop) -> None:
    """An invoice that has a number is not rewritten; the one before the verification keeps its VAT, and says 20 %."""
    ada = Person(shop)
    ada.live_in(PARIS)
    ada.saves()
    ada.billing.add_tax_id(ada.account, FRENCH)
    first = ada.buys(key="before")

    verify(ada)
    second = ada.buys(key="after")

    assert (first.vat, first.reason, second.vat, second.reason) == (1000, "standard_rated", 0, "reverse_charge")
    before, after = (shop.sandbox.read(str(each.invoice)) for each in (first, second))
    assert (before.customer_tax_ids, before.total) == ([], 6000)
    assert [each.value for each in after.customer_tax_ids] == [FRENCH]
    shop.check()


def test_a_vat_id_is_never_dropped_in_silence(shop: Shop) -> None:
    """One that cannot be is refused at once; one that nobody knows is kept, says so, and leaves VAT on the invoice."""
    ada = Person(shop)
    ada.live_in(PARIS)
    ada.saves()
    with pytest.raises(TaxIdInvalid):
        ada.billing.add_tax_id(ada.account, "FR99999999999")
    ada.billing.add_tax_id(ada.account, UNKNOWN)

    verify(ada)
    bought = ada.buys()

    kept = ada.billing.tax_id(ada.account)
    assert kept is not None and (kept.value, kept.state) == (UNKNOWN, TaxIdState.NOT_FOUND)
    assert (bought.vat, bought.reason) == (1000, "standard_rated")
    shop.check()


def verify(ada: Person) -> None:
    """Let the authorities answer, and our jobs hear of it."""
    ada.shop.pass_time(120)
    handlers = {**ada.billing.handlers(), **ada.shop.payments.handlers()}
    worker = Worker(ada.shop.database, handlers, clock=ada.shop.clock, ids=ada.shop.ids)
    while worker.run_due():
        pass
