"""What Stripe tells us: let in only if it is Stripe's, kept before it is answered, applied once, in any order."""

import json
import random
from typing import Any

import pytest
from sqlalchemy import select, update

from ileen.base.clock import SECOND
from ileen.base.errors import PaymentsDisabled, WebhookInvalid
from ileen.jobs import JobState
from ileen.payments import signature
from ileen.payments.model import PurchaseState
from ileen.store import schema
from shop import SECRET, Shop, at_once

BODY = json.dumps(
    {"id": "evt_1", "type": "thing.happened", "created": 1, "livemode": False, "data": {"object": {"id": "th_1"}}}
).encode()


def refused(shop: Shop, raw: bytes, header: str) -> str:
    with pytest.raises(WebhookInvalid) as caught:
        shop.payments.receive(raw, header)
    assert shop.rows(schema.inbox_event) == [] == shop.rows(schema.job)
    return caught.value.detail


@pytest.mark.parametrize("header", ["", "t=1", "v1=00", "t=,v1=", "t=x,v1=00", "t=1,t=2,v1=00", "t=1,v1=ä", "x" * 9999])
def test_a_webhook_without_a_readable_signature_is_refused(sqlite_shop: Shop, header: str) -> None:
    refused(sqlite_shop, BODY, header)


def test_a_forged_changed_or_truncated_webhook_is_refused(shop: Shop) -> None:
    header = shop.sign(BODY)

    assert "not ours" in refused(shop, BODY, shop.sign(BODY, secret="whsec_another"))
    assert "not ours" in refused(shop, BODY.replace(b"th_1", b"th_2"), header)
    assert "not ours" in refused(shop, BODY[:-1], header)
    assert "not ours" in refused(shop, BODY + b" ", header)
    assert "not ours" in refused(shop, BODY, header.replace("v1=", "v0=" + "0" * 64 + ",v1=0"))


@pytest.mark.parametrize("off_s", [-301, 301, -86_400, 9999])
def test_a_replayed_webhook_of_another_time_is_refused_also_of_the_future(shop: Shop, off_s: int) -> None:
    at_s = shop.clock.now() // SECOND + off_s

    assert "too old or from the future" in refused(shop, BODY, shop.sign(BODY, at_s=at_s))


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'"evt"', b"\xff\xfe", b'{"id": 1}', BODY.replace(b"false", b"0"),
     BODY.replace(b'"evt_1"', b'""'), BODY.replace(b"evt_1", b"\\u0000"), b'{"object": "v2.core.event", "id": "evt_1"}',
     b"[" * 100_000],
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_refused(sqlite_shop: Shop, raw: bytes) -> None:
    refused(sqlite_shop, raw, sqlite_shop.sign(raw))


def test_the_other_mode_is_refused(shop: Shop) -> None:
    live = BODY.replace(b'"livemode": false', b'"livemode": true')

    assert "other mode" in refused(shop, live, shop.sign(live))


def test_an_empty_secret_takes_no_webhook(shop: Shop) -> None:
    for secrets in ([], [""]):
        shop.secrets = secrets
        with pytest.raises(PaymentsDisabled):
            shop.server().receive(BODY, shop.sign(BODY, secret=""))


def test_any_of_two_secrets_passes_while_one_is_rolled(shop: Shop) -> None:
    now = shop.clock.now()
    for signed_with in ("whsec_old", "whsec_new"):
        header = shop.sign(BODY, secret=signed_with)
        signature.check(BODY, header, secrets=["whsec_old", "whsec_new"], now=now)
    both = shop.sign(BODY, secret="whsec_stranger") + "," + shop.sign(BODY, secret=SECRET).split(",")[1]
    shop.payments.receive(BODY, both)
    assert len(shop.rows(schema.inbox_event)) == 1


def test_unknown_types_are_kept_and_answered_like_any_other(shop: Shop) -> None:
    shop.payments.receive(BODY, shop.sign(BODY))
    shop.work()

    (kept,) = shop.rows(schema.inbox_event)
    assert (kept.type, kept.outcome, json.loads(kept.body)["id"]) == ("thing.happened", "kept", "evt_1")
    assert kept.applied_at is not None


def test_the_same_event_counts_once_and_a_second_one_of_the_same_object_is_a_duplicate(shop: Shop) -> None:
    account = shop.account()
    shop.buy(account)
    (paid,) = shop.events("invoice.paid")

    shop.deliver(paid, paid, {**paid, "id": "evt_another"})
    shop.work()

    assert sorted(each.outcome for each in shop.rows(schema.inbox_event)) == ["applied", "duplicate"]
    shop.check()


def test_a_purchase_that_only_the_webhook_learns_of_is_settled_by_it(shop: Shop) -> None:
    account = shop.account(card="pm_card_authenticationRequired")
    waiting = shop.buy(account)
    shop.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="pass")

    shop.deliver(*shop.events("invoice.paid"))
    shop.work(sweep=False)

    assert shop.states() == ["settled"]
    shop.check()


def test_a_webhook_that_fails_a_confirmation_ends_the_purchase(shop: Shop) -> None:
    account = shop.account(card="pm_card_authenticationRequired")
    waiting = shop.buy(account)
    shop.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="fail")

    shop.deliver(*shop.events("invoice.payment_failed"))
    shop.work(sweep=False)

    assert shop.states() == ["failed"]
    shop.check()


def test_a_storm_of_webhooks_has_one_effect_each(shop: Shop) -> None:
    """A thousand events, shuffled, each three times, from several threads at once.

    Eight purchases have not so much to tell: the rest are further events about the same things, as Stripe sends them.
    """
    buyers = [shop.account(card=card) for card in ["pm_card_visa", "pm_card_authenticationRequired"] for _ in range(4)]
    bought = [shop.buy(buyer) for buyer in buyers]
    for each in bought[4:]:
        shop.sandbox.control(f"dashboard/invoices/{each.invoice}/authenticate", outcome="pass")
    told = shop.events()
    events = told + [{**told[n % len(told)], "id": f"evt_more{n}"} for n in range(1000 - len(told))]
    storm = events * 3
    random.Random(7).shuffle(storm)

    answers = at_once(8, lambda number: shop.deliver(*storm[number::8]))
    shop.work()

    assert (answers, len(storm)) == ([None] * 8, 3000)
    stored = shop.rows(schema.inbox_event)
    assert sorted(each.id for each in stored) == sorted({each["id"] for each in events})
    assert (len(stored), {each.applied_at is None for each in stored}) == (1000, {False})
    done = [each for each in shop.rows(schema.job) if each.kind == "payments.event"]
    assert {(each.state, each.attempts) for each in done} == {(JobState.DONE.value, 1)}
    assert len({each.payload for each in done}) == len(done) > 500, "once each, but for those that tell the same again"
    assert shop.states() == ["settled"] * 8
    shop.check()


def test_a_handler_that_fails_is_tried_again_and_stays_visible(shop: Shop) -> None:
    account = shop.account(card="pm_card_authenticationRequired")
    waiting = shop.buy(account)
    shop.sandbox.control(f"dashboard/invoices/{waiting.invoice}/authenticate", outcome="pass")
    shop.deliver(*shop.events("invoice.paid"))
    shop.arm("bad_gateway", "GET", "/v1/invoices/in_*", count=2)

    shop.work(sweep=False)
    (failing,) = [each for each in shop.rows(schema.job) if each.kind == "payments.event"]
    assert (failing.state, failing.attempts) == ("ready", 1)
    assert failing.error.startswith("StripeUnavailable")
    assert [each.applied_at for each in shop.rows(schema.inbox_event)] == [None]

    for _ in range(4):
        shop.clock.advance(30)
        shop.work(sweep=False)
    assert shop.states() == ["settled"]
    shop.check()


def orphan(shop: Shop) -> tuple[Any, Any]:
    """A settled purchase whose row is hidden, as if its transaction were not committed yet."""
    account = shop.account()
    shop.buy(account)
    (paid,) = shop.events("invoice.paid")
    return account, paid


def hide(shop: Shop, *, hidden: bool) -> None:
    table = schema.purchase
    with shop.database.write() as connection:
        id_ = connection.execute(select(table.c.id)).scalar_one()
        other = id_.replace("pur_", "hid_") if hidden else id_.replace("hid_", "pur_")
        invoice = None if hidden else shop.hidden_invoice
        if hidden:
            shop.hidden_invoice = connection.execute(select(table.c.invoice_id)).scalar_one()
        connection.execute(update(table).values(id=other, invoice_id=invoice))


def test_trap_02_a_webhook_that_outruns_our_own_commit_is_tried_again(shop: Shop) -> None:
    account, paid = orphan(shop)
    hide(shop, hidden=True)

    shop.deliver(paid)
    shop.work(sweep=False)
    (failing,) = [each for each in shop.rows(schema.job) if each.kind == "payments.event"]
    assert failing.state == "ready" and failing.error.startswith("PurchaseUnknown")
    hide(shop, hidden=False)
    shop.clock.advance(60)
    shop.work(sweep=False)

    assert [each.outcome for each in shop.rows(schema.inbox_event)] == ["applied"]
    assert shop.payments.purchases(account, limit=1)[0].state is PurchaseState.SETTLED
    shop.check()


def test_an_invoice_of_another_ileen_on_the_same_account_is_given_up_after_a_while(shop: Shop) -> None:
    _, paid = orphan(shop)
    hide(shop, hidden=True)
    shop.deliver(paid)

    for _ in range(6):
        shop.work(sweep=False)
        shop.clock.advance(300)

    assert [each.outcome for each in shop.rows(schema.inbox_event)] == ["foreign"]
