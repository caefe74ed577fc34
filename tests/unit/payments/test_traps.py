"""Public bugs of others in buying credits through Stripe, each a test by name (trap numbers of our fact sheet)."""

import threading

from ileen.payments.model import PurchaseState
from ileen.store import schema
from shop import Shop, at_once

ASKS = "pm_card_authenticationRequired"
FAILS = "pm_card_chargeCustomerFail"


def test_trap_01_webhook_and_answer_at_the_same_time_credit_once(shop: Shop) -> None:
    """github.com/Significant-Gravitas/AutoGPT/pull/10672"""
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    # Stripe takes the money at once and is slow to say so; the webhook is there first.
    shop.arm("slow", "POST", "/v1/invoices/*/pay", hold_s=2)
    told = threading.Event()

    def webhook() -> None:
        while not told.is_set():
            if paid := shop.events("invoice.paid"):
                shop.deliver(*paid)
                shop.work(sweep=False)
                return

    ears = threading.Thread(target=webhook)
    ears.start()
    bought = shop.buy(account, quoted_total=quoted)
    ears.join(timeout=20)
    told.set()

    assert bought.state is PurchaseState.SETTLED
    assert len(shop.lots(account)) == 1
    shop.check()


def test_trap_01_settling_from_everywhere_at_once_credits_once(shop: Shop) -> None:
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)
    shop.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="pass")
    shop.deliver(*shop.events())

    at_once(12, lambda n: shop.work() if n % 2 else shop.payments.purchase(account, waiting.id))
    shop.settle_down()

    assert len(shop.lots(account)) == 1
    shop.check()


def test_trap_03_the_same_news_under_two_event_ids_credits_once(shop: Shop) -> None:
    """github.com/getlago/lago-api/pull/2243"""
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)
    shop.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="pass")
    (paid,) = shop.events("invoice.paid")

    shop.deliver(paid, paid, {**paid, "id": "evt_same_news"})
    shop.work()

    assert len(shop.lots(account)) == 1
    shop.check()


def test_trap_07_tax_never_becomes_credits(shop: Shop) -> None:
    """github.com/doublewordai/control-layer/pull/1115"""
    account = shop.account()

    bought = shop.buy(account, 5000)

    assert shop.sandbox.read(str(bought.invoice)).amount_paid == 5950
    assert shop.ledger.wallet(shop.wallet(account)).settled == 50 * 10**9


def test_trap_11_an_invoice_of_a_failed_payment_cannot_be_paid_later(shop: Shop) -> None:
    """github.com/twentyhq/twenty/pull/24264"""
    account = shop.account(card=FAILS)
    failed = shop.buy(account)

    answer = shop.pay_by_hand(str(failed.invoice))

    assert answer >= 400, "it is void"
    assert shop.charges() == [] == shop.lots(account)
    shop.check()


def test_trap_12_already_paid_is_success(shop: Shop) -> None:
    """github.com/vm0-ai/vm0/issues/15359: the answer is lost, and the order repeated after the first key's time."""
    account = shop.account()
    quoted = shop.payments.quote(account, 5000).total
    shop.arm("timeout_after", "POST", "/v1/invoices/*/pay")
    bought = shop.buy(account, quoted_total=quoted)
    assert bought.state is PurchaseState.PAYING

    shop.settle_down()

    assert shop.payments.purchase(account, bought.id).state is PurchaseState.SETTLED
    shop.check()


def test_trap_13_pending_items_stay_out_of_our_invoice(shop: Shop) -> None:
    """github.com/macro-inc/macro/pull/6336"""
    account = shop.account()
    customer = shop.payers.payers[account].customer
    item = {"customer": customer, "amount": 777, "currency": "eur", "tax_behavior": "exclusive"}
    pending = shop.sandbox.client.v1.invoice_items.create(item)  # type: ignore[arg-type]
    shop.arm("timeout_after", "POST", "/v1/invoiceitems")
    quoted = shop.payments.quote(account, 5000).total

    bought = shop.buy(account, quoted_total=quoted)
    shop.settle_down()

    assert len(shop.sandbox.read(str(bought.invoice)).lines.data) == 1
    assert shop.sandbox.client.v1.invoice_items.retrieve(pending.id).invoice is None
    shop.check()


def test_trap_14_the_purchase_is_found_from_its_payment_intent(shop: Shop) -> None:
    """github.com/stripe/stripe-python/issues/1514: neither intents nor charges name their invoice any more."""
    from ileen.payments.stripe import Stripe, invoices

    bought = shop.buy(shop.account())
    (row,) = shop.rows(schema.purchase)

    stripe = Stripe(shop.sandbox.secret_key, base_url=shop.sandbox.url)
    assert row.intent_id.startswith("pi_")
    assert invoices.of_intent(stripe, row.intent_id) == bought.invoice
    assert invoices.of_intent(stripe, "pi_unknown") is None


def test_trap_15_an_event_counts_as_applied_after_it_was(shop: Shop) -> None:
    """github.com/dubinc/dub/issues/3752"""
    account = shop.account(card=ASKS)
    waiting = shop.buy(account)
    shop.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="pass")
    shop.deliver(*shop.events("invoice.paid"))
    shop.arm("error_before", "GET", "/v1/invoices/in_*")

    shop.work(sweep=False)
    assert [each.outcome for each in shop.rows(schema.inbox_event)] == ["received"]
    shop.clock.advance(10)
    shop.work(sweep=False)

    assert [each.outcome for each in shop.rows(schema.inbox_event)] == ["applied"]
    shop.check()


def test_trap_20_a_new_try_after_a_decline_has_its_own_keys(shop: Shop) -> None:
    """github.com/dimagi/commcare-hq/pull/33509"""
    account = shop.account(card=FAILS)
    customer = shop.payers.payers[account].customer
    failed = shop.buy(account, key="one")
    good = shop.sandbox.client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})

    bought = shop.buy(account, key="two", card=good.id)

    assert bought.state is PurchaseState.SETTLED and bought.id != failed.id
    keys = [each.key for each in shop.rows(schema.purchase_step) if each.key and each.key.startswith("purchase:")]
    assert len(keys) == len(set(keys)), "no key is used for two orders"
    shop.check()
