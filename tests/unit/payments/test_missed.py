"""Webhooks that Stripe could not deliver are fetched into the same inbox, each exactly once."""

from collections.abc import Callable
from typing import Any

import pytest

from ileen.jobs import JobState, Worker
from ileen.payments.inbox import Inbox
from ileen.payments.missed import MISSED, Missed
from ileen.payments.stripe import Stripe
from ileen.payments.stripe.setting_up import EVENTS
from ileen.store import schema
from shop import Shop

NOBODY = "http://127.0.0.1:9/hooks/stripe"


def endpoint(shop: Shop, *, mode: str = "dropped") -> None:
    """An endpoint nobody answers at, with webhooks lost on the way."""
    shop.sandbox.client.v1.webhook_endpoints.create({"url": NOBODY, "enabled_events": ["*"]})
    shop.sandbox.control("webhooks", mode=mode)


def fetch(shop: Shop) -> None:
    shop.payments.handlers()[MISSED](shop.job())
    shop.work(sweep=False)


def lost(shop: Shop) -> list[str]:
    """The ids of everything Stripe has to tell that concerns us."""
    return sorted(each["id"] for each in shop.events() if each["type"] in EVENTS)


def kept(shop: Shop) -> list[str]:
    return sorted(each.id for each in shop.rows(schema.inbox_event))


def paid_at_the_bank(shop: Shop) -> Any:
    account = shop.account(card="pm_card_authenticationRequired")
    waiting = shop.buy(account)
    shop.authenticate(str(waiting.invoice))
    return account


def test_webhooks_that_were_lost_are_fetched_exactly_once_and_settle(shop: Shop) -> None:
    endpoint(shop)
    account = paid_at_the_bank(shop)
    shop.pass_time(61)

    fetch(shop)

    assert kept(shop) == lost(shop)
    assert shop.states() == ["settled"] and len(shop.lots(account)) == 1
    jobs = len(shop.rows(schema.job))
    for _ in range(3):
        shop.pass_time(61)
        fetch(shop)
    assert (kept(shop), len(shop.rows(schema.job))) == (lost(shop), jobs), "each counts once"
    shop.check()


def test_a_webhook_that_comes_late_after_all_counts_once(shop: Shop) -> None:
    endpoint(shop)
    paid_at_the_bank(shop)
    shop.pass_time(61)
    fetch(shop)
    before = shop.rows(schema.inbox_event)

    shop.deliver(*(each for each in shop.events() if each["type"] in EVENTS))
    shop.work(sweep=False)

    assert shop.rows(schema.inbox_event) == before
    shop.check()


def test_what_is_delivered_or_still_on_its_way_is_not_fetched(shop: Shop) -> None:
    shop.buy(shop.account())  # nobody was to be told
    endpoint(shop, mode="held")
    shop.buy(shop.account())

    fetch(shop)
    assert kept(shop) == []
    shop.pass_time(61)
    fetch(shop)

    assert 0 < len(kept(shop)) < len(lost(shop))


@pytest.fixture
def missed(shop: Shop) -> Callable[..., Missed]:
    """Missed webhooks in pages of three, two of them a run, so that few events are many pages."""

    def of(url: str) -> Missed:
        inbox: Inbox = shop.payments._inbox
        stripe = Stripe(shop.sandbox.secret_key, base_url=url, retries=0)
        return Missed(shop.database, inbox, stripe=stripe, clock=shop.clock, ids=shop.ids, page=3, pages_max=2)

    return of


def test_a_backlog_is_read_in_bounded_runs_that_go_on_where_the_last_one_stopped(
    shop: Shop, missed: Callable[..., Missed]
) -> None:
    endpoint(shop)
    for _ in range(3):
        paid_at_the_bank(shop)
    shop.pass_time(61)
    fetcher = missed(shop.sandbox.url)

    fetcher.fetch(shop.job())

    assert 0 < len(kept(shop)) <= 6
    worker = Worker(shop.database, {MISSED: fetcher.fetch}, clock=shop.clock, ids=shop.ids)
    runs = 0
    while any(each.kind == MISSED and each.state == JobState.READY.value for each in shop.rows(schema.job)):
        worker.run_due(limit=1)
        runs += 1
    assert runs > 3
    assert kept(shop) == lost(shop)


def test_a_run_that_reaches_nobody_leaves_everything_to_the_next(shop: Shop, missed: Callable[..., Missed]) -> None:
    endpoint(shop)
    paid_at_the_bank(shop)
    for _ in range(3):
        shop.pass_time(3600)
        missed("http://127.0.0.1:9").fetch(shop.job())

    assert kept(shop) == []
    fetch(shop)
    assert kept(shop) == lost(shop)
