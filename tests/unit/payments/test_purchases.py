"""Buying credits at the offline Stripe: what is shown is what is charged, and what is paid is what is credited."""

from typing import Any

import msgspec
import pytest

from ileen.base.clock import to_text
from ileen.base.errors import AmountInvalid, KeyReused, NotFound, PurchaseClosed, QuoteChanged
from ileen.base.ids import PurchaseId
from ileen.notices.kinds import check as check_values
from ileen.payments.model import NextKind, PurchaseState
from ileen.payments.settle import refund_deadline
from ileen.store import schema
from shop import Shop

ITALIAN = {"line1": "Via Roma 1", "city": "Roma", "postal_code": "00184", "country": "IT"}
AMERICAN = {"line1": "1 Main St", "city": "Springfield", "postal_code": "62701", "state": "IL", "country": "US"}
ASKS = "pm_card_authenticationRequired"
FAILS = "pm_card_chargeCustomerFail"


# Quotes --------------------------------------------------------------------------------------------------------


def test_a_quote_is_stripes_own_calculation_and_writes_nothing(shop: Shop) -> None:
    quote = shop.payments.quote(shop.account(), 5000)

    assert (quote.net, quote.vat, quote.total) == (5000, 950, 5950)
    assert (quote.rate, quote.reason, quote.country) == ("19", "standard_rated", "DE")
    assert shop.invoices() == [] == shop.rows(schema.purchase)


def test_a_quote_is_for_our_line_alone_whatever_else_waits_at_stripe(shop: Shop) -> None:
    account = shop.account()
    shop.sandbox.client.v1.invoice_items.create(
        {
            "customer": shop.payers.payers[account].customer,
            "amount": 777,
            "currency": "eur",
            "tax_behavior": "exclusive",
        }
    )

    assert shop.payments.quote(account, 5000).total == 5950


@pytest.mark.parametrize("cents", [499, 50_001, 0, -500])
def test_an_amount_out_of_bounds_is_refused_before_stripe_is_asked(shop: Shop, cents: int) -> None:
    account = shop.account()

    with pytest.raises(AmountInvalid):
        shop.payments.quote(account, cents)
    with pytest.raises(AmountInvalid):
        shop.buy(account, cents, quoted_total=cents)
    assert shop.invoices() == [] == shop.rows(schema.purchase)


@pytest.mark.parametrize(
    ("cents", "address", "total"),
    [(500, None, 595), (501, None, 596), (50_000, None, 59_500), (1999, ITALIAN, 2439), (2500, AMERICAN, 2500)],
)
def test_any_whole_cent_amount_is_charged_as_quoted(shop: Shop, cents: int, address: Any, total: int) -> None:
    account = shop.account(**({"address": address} if address else {}))

    bought = shop.buy(account, cents)

    assert (bought.state, bought.net, bought.total) == (PurchaseState.SETTLED, cents, total)
    assert [lot.amount for lot in shop.lots(account)] == [cents * 10_000_000]
    shop.check()


# Buying --------------------------------------------------------------------------------------------------------


def test_a_purchase_is_paid_and_settled_in_one_answer(shop: Shop) -> None:
    account = shop.account()

    bought = shop.buy(account)

    assert bought.state is PurchaseState.SETTLED
    assert (bought.net, bought.vat, bought.total) == (5000, 950, 5950)
    assert bought.next.kind is NextKind.NONE and bought.number and bought.paid_at
    assert [(lot.amount, lot.reference) for lot in shop.lots(account)] == [(50 * 10**9, bought.id)]
    assert shop.steps(bought.id) == [
        "quote", "create", "created", "item", "invoiced", "finalize", "finalized", "pay", "paid", "settled",
    ]  # fmt: skip
    shop.check()


def test_the_invoice_has_one_line_before_tax_and_collects_nothing_by_itself(shop: Shop) -> None:
    account = shop.account()
    bought = shop.buy(account, 2550)

    invoice = shop.sandbox.read(str(bought.invoice))
    assert (invoice.subtotal, invoice.total, invoice.currency) == (2550, 3035, "eur")
    assert [(line.amount, line.description) for line in invoice.lines.data] == [(2550, "25.50 credits")]
    assert not invoice.auto_advance and invoice.automatic_tax.enabled
    assert invoice.metadata["ileen_purchase"] == bought.id
    asked = shop.payments.invoice(account, bought.id)
    assert asked.number == bought.number and str(asked.pdf_url).startswith(shop.sandbox.url)


def test_two_pieces_of_evidence_of_the_payers_place_are_kept(shop: Shop) -> None:
    shop.buy(shop.account())

    (row,) = shop.rows(schema.purchase)
    kept = msgspec.json.decode(row.evidence)
    assert kept == {"billing_country": "DE", "ip_address": "192.0.2.1", "ip_country": "DE", "card_country": "DE"}


def test_the_receipt_says_what_was_paid_and_until_when_it_can_be_refunded(shop: Shop) -> None:
    bought = shop.buy(shop.account())

    (receipt,) = shop.told
    assert (receipt["kind"], receipt["to"], receipt["locale"]) == ("receipt", "ada@example.com", "en")
    assert (
        receipt["values"].items()
        >= {
            "net": "50.00",
            "vat": "9.50",
            "vat_rate": "19",
            "total": "59.50",
            "balance": "50.00",
            "invoice_number": bought.number,
            "card": "Visa •••• 4242",
        }.items()
    )
    assert receipt["values"]["invoice"] == f"/billing/invoices/{bought.id}", "Stripe's own address expires"
    assert receipt["values"]["refundable_until"] == to_text(refund_deadline(bought.paid_at or 0, "UTC"))
    check_values("receipt", receipt["values"])


def test_a_total_that_was_not_shown_is_not_charged(shop: Shop) -> None:
    account = shop.account()
    shown = shop.payments.quote(account, 5000)
    shop.sandbox.client.v1.customers.update(shop.payers.payers[account].customer, {"address": ITALIAN})  # type: ignore[typeddict-item]

    with pytest.raises(QuoteChanged) as changed:
        shop.buy(account, quoted_total=shown.total)

    assert changed.value.fields["quote"] == {
        "net": "50.00",
        "vat": "11.00",
        "total": "61.00",
        "rate": "22",
        "reason": "standard_rated",
        "country": "IT",
    }
    assert shop.invoices() == [] == shop.rows(schema.purchase)
    assert shop.buy(account, quoted_total=6100).state is PurchaseState.SETTLED


def test_the_same_key_answers_with_the_same_purchase_for_ever(shop: Shop) -> None:
    account = shop.account()
    first = shop.buy(account, key="once")

    assert shop.buy(account, key="once") == first
    shop.pass_time(40 * 3600)
    assert shop.buy(account, key="once", quoted_total=5950) == first
    with pytest.raises(KeyReused):
        shop.buy(account, 6000, key="once")
    assert len(shop.charges()) == 1
    shop.check()


def test_another_key_buys_again_once_the_first_is_done(shop: Shop) -> None:
    account = shop.account()

    assert shop.buy(account, key="one").id != shop.buy(account, 2500, key="two").id
    assert sorted(lot.amount for lot in shop.lots(account)) == [25 * 10**9, 50 * 10**9]
    shop.check()


def test_a_key_is_the_accounts_own(shop: Shop) -> None:
    one, other = shop.account(), shop.account()

    assert shop.buy(one, key="same").id != shop.buy(other, key="same").id
    assert len(shop.charges()) == 2
    shop.check()


def test_another_accounts_purchase_is_not_found(shop: Shop) -> None:
    bought, stranger = shop.buy(shop.account()), shop.account()

    for ask in (shop.payments.purchase, shop.payments.invoice, shop.payments.cancel):
        with pytest.raises(NotFound):
            ask(stranger, bought.id)
    with pytest.raises(NotFound):
        shop.payments.purchase(stranger, PurchaseId("pur_" + "0" * 26))
    with pytest.raises(NotFound):
        shop.payments.purchase(stranger, PurchaseId("'; DROP TABLE purchase"))
    assert shop.payments.purchases(stranger, limit=10) == []


def test_purchases_are_listed_newest_first_page_by_page(shop: Shop) -> None:
    account = shop.account()
    bought = []
    for number in range(3):
        bought.append(shop.buy(account, key=f"key-{number}").id)
        shop.clock.advance(1)

    page = [each.id for each in shop.payments.purchases(account, limit=2)]
    assert page == bought[:0:-1]
    assert [each.id for each in shop.payments.purchases(account, limit=2, before=page[-1])] == bought[:1]


# Declines ------------------------------------------------------------------------------------------------------


def test_a_declined_purchase_is_void_at_stripe_and_free_to_try_again(shop: Shop) -> None:
    account = shop.account(card=FAILS)

    failed = shop.buy(account, key="one")

    assert (failed.state, failed.next.kind) == (PurchaseState.FAILED, NextKind.NONE)
    assert failed.decline is not None and failed.decline.kind == "bank"
    assert failed.ended_because == "declined" and failed.lot is None
    assert [each.status for each in shop.invoices()] == ["void"]
    assert shop.lots(account) == [] == shop.told

    good = shop.sandbox.client.v1.payment_methods.attach(
        "pm_card_visa", {"customer": shop.payers.payers[account].customer}
    )
    assert shop.buy(account, key="two", card=good.id).state is PurchaseState.SETTLED
    shop.check()


def test_a_card_that_is_gone_fails_the_purchase_and_charges_nothing(shop: Shop) -> None:
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    shop.sandbox.client.v1.payment_methods.detach(shop.payers.payers[account].card)

    failed = shop.buy(account, quoted_total=quoted)

    assert failed.state is PurchaseState.FAILED
    assert str(failed.ended_because).startswith("refused: ")
    assert [each.status for each in shop.invoices()] == ["void"] and shop.charges() == []
    shop.check()


# Confirming with the bank --------------------------------------------------------------------------------------


@pytest.fixture(params=["card_error", "invalid_request_error"])
def asking(shop: Shop, request: pytest.FixtureRequest) -> Shop:
    """A shop whose Stripe asks for the payer, in either of the two shapes the question may have."""
    shop.sandbox.control("doubts", sca_error=request.param)
    return shop


def test_a_payment_to_be_confirmed_leads_to_stripes_page_and_then_to_credits(asking: Shop) -> None:
    account = asking.account(card=ASKS)

    waiting = asking.buy(account)

    assert waiting.state is PurchaseState.ACTION_REQUIRED
    assert waiting.next.kind is NextKind.REDIRECT and waiting.next.url
    assert asking.lots(account) == []
    asking.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="pass")
    done = asking.payments.purchase(account, waiting.id)
    assert (done.state, done.decline) == (PurchaseState.SETTLED, None)
    asking.check()


def test_a_rejected_confirmation_ends_without_charge_and_without_blocking(asking: Shop) -> None:
    account = asking.account(card=ASKS)
    waiting = asking.buy(account, key="one")

    asking.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="fail")
    failed = asking.payments.purchase(account, waiting.id)

    assert (failed.state, failed.ended_because) == (PurchaseState.FAILED, "declined")
    assert failed.decline is not None and failed.decline.kind == "authentication"
    again = asking.buy(account, key="two")
    assert again.id != waiting.id
    assert asking.payments.cancel(account, again.id).state is PurchaseState.VOID
    asking.check()


def test_an_abandoned_confirmation_is_kept_open_for_its_time_then_voided(shop: Shop) -> None:
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)

    shop.pass_time(3500)
    shop.work()
    assert shop.payments.purchase(account, waiting.id).state is PurchaseState.ACTION_REQUIRED
    shop.pass_time(120)
    shop.work()

    ended = shop.payments.purchase(account, waiting.id)
    assert (ended.state, ended.ended_because) == (PurchaseState.FAILED, "not_confirmed")
    shop.check()


def test_a_confirmed_payment_may_still_be_declined(shop: Shop) -> None:
    account = shop.account(card="pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    waiting = shop.buy(account)
    assert waiting.state is PurchaseState.ACTION_REQUIRED

    shop.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="pass")

    failed = shop.payments.purchase(account, waiting.id)
    assert failed.state is PurchaseState.FAILED
    assert failed.decline is not None and failed.decline.kind == "funds"
    shop.check()


# One at a time -------------------------------------------------------------------------------------------------


def test_a_second_attempt_meanwhile_returns_the_first_and_keeps_returning_it(shop: Shop) -> None:
    account = shop.account(card=ASKS)
    first = shop.buy(account, key="one")

    second = shop.buy(account, 2500, key="two")

    assert (second.id, second.net) == (first.id, 5000)
    shop.sandbox.control(f"dashboard/invoices/{first.invoice}/authenticate", outcome="pass")
    shop.work()
    assert shop.buy(account, 2500, key="two").id == first.id, "the key was answered with the first, for ever"
    assert len(shop.charges()) == 1
    shop.check()


# Cancelling ----------------------------------------------------------------------------------------------------


def test_a_waiting_purchase_can_be_called_off(shop: Shop) -> None:
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)

    cancelled = shop.payments.cancel(account, waiting.id, by="mem_1")

    assert (cancelled.state, cancelled.ended_because) == (PurchaseState.VOID, "cancelled")
    assert shop.payments.cancel(account, waiting.id) == cancelled
    actions = [each.action for each in shop.rows(schema.audit_event) if each.subject == waiting.id]
    assert sorted(actions) == ["purchase.cancelled", "purchase.started", "purchase.void"]
    shop.check()


def test_a_purchase_paid_at_the_moment_it_is_called_off_is_settled(shop: Shop) -> None:
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)
    shop.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="pass")

    assert shop.payments.cancel(account, waiting.id).state is PurchaseState.SETTLED
    shop.check()


def test_an_ended_purchase_cannot_be_called_off(shop: Shop) -> None:
    account = shop.account()
    bought = shop.buy(account)

    with pytest.raises(PurchaseClosed):
        shop.payments.cancel(account, bought.id)


def test_the_operator_is_told_once_of_an_invoice_that_stripe_refuses_to_end(shop: Shop) -> None:
    """A void refused for good used to be tried for ever with a line in the log; the account could not buy again."""
    shop.sandbox.control("settings", processing_s=10 * 86_400)
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)
    assert waiting.invoice is not None
    shop.authenticate(waiting.invoice)
    shop.payments.cancel(account, waiting.id)
    shop.work()
    assert shop.alarms == [], "a bank may take its time"

    for _ in range(3):
        shop.pass_time(86_400)
        shop.work()

    assert len(shop.alarms) == 1
    assert waiting.invoice in shop.alarms[0]
    shop.pass_time(10 * 86_400)
    shop.work()
    assert shop.payments.purchase(account, waiting.id).state is PurchaseState.SETTLED
