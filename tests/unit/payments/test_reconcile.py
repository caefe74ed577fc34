"""Reconciliation finds nothing on clean books, and every kind of break by name."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from ileen.base.clock import SECOND, Instant, ManualClock, to_datetime
from ileen.base.ids import LotId, wallet_of
from ileen.ledger.model import Fund, Source
from ileen.payments.reconcile import BREAKS_MAX, Break, Reconciler, books
from ileen.payments.stripe import Stripe
from ileen.store import schema
from shop import Shop


def breaks(shop: Shop) -> list[Break]:
    now = shop.clock.now()
    return shop.payments.reconcile(Instant(now - 86_400 * SECOND), Instant(now + SECOND))


def kinds(shop: Shop) -> list[str]:
    return sorted(each.kind.value for each in breaks(shop))


def change(shop: Shop, **values: Any) -> None:
    with shop.database.write() as connection:
        connection.execute(update(schema.purchase).values(**values))


def fund(shop: Shop, account: Any, reference: str) -> None:
    lot = LotId(shop.ids.mint("lot"))
    command = Fund(wallet=wallet_of(account), key=lot, lot=lot, amount=1, source=Source.PURCHASE, reference=reference)
    shop.ledger.run(command)


def test_clean_books_have_no_breaks_whatever_the_purchases_came_to(shop: Shop) -> None:
    shop.buy(shop.account())
    shop.buy(shop.account(card="pm_card_chargeCustomerFail"))
    waiting = shop.account(card="pm_card_authenticationRequired")
    shop.buy(waiting)
    shop.sandbox.open_invoice(shop.payers.payers[waiting].customer)  # foreign, and not paid: no matter of ours

    assert breaks(shop) == []
    shop.pass_time(900)
    assert breaks(shop) == [], "a purchase may wait for its payer"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"net": 4999, "total": 5949}, ["invoice_differs", "lot_differs"]) ,
        ({"state": "void"}, ["purchase_not_settled", "purchase_not_settled"]),
        ({"state": "paying"}, ["purchase_not_settled"]),
        ({"invoice_id": "in_unknown"}, ["invoice_missing", "invoice_stray"]),
        ({"lot_id": "lot_other"}, ["lot_differs"]),
    ],
)  # fmt: skip
def test_a_purchase_that_says_something_else_is_a_break(
    sqlite_shop: Shop, values: dict[str, Any], expected: list[str]
) -> None:
    sqlite_shop.buy(sqlite_shop.account())
    sqlite_shop.pass_time(700)

    found = breaks(sqlite_shop)
    assert found == []
    change(sqlite_shop, **values)
    found = breaks(sqlite_shop)

    # Where the lot is right and the purchase wrong, both sides of the difference may be told.
    assert sorted(each.kind.value for each in found)[: len(expected)] == expected, found


def test_a_lot_without_a_purchase_and_a_second_lot_are_breaks(shop: Shop) -> None:
    account = shop.account()
    bought = shop.buy(account)
    fund(shop, account, "pur_" + "0" * 26)
    fund(shop, account, bought.id)

    assert kinds(shop) == ["lot_foreign", "lot_twice"]
    assert sorted(each.kind.value for each in books(shop.database)) == [
        "lot_foreign",
        "lot_twice",
    ]


def test_a_paid_invoice_that_is_no_purchase_is_told_and_never_credited(shop: Shop) -> None:
    account = shop.account()
    foreign = shop.sandbox.open_invoice(shop.payers.payers[account].customer)
    shop.pay_by_hand(foreign.id)

    assert [(each.kind.value, each.invoice) for each in breaks(shop)] == [("invoice_foreign", foreign.id)]
    assert shop.lots(account) == []


def test_the_daily_run_alarms_and_has_what_is_paid_settled(shop: Shop) -> None:
    account = shop.account(card="pm_card_authenticationRequired")
    waiting = shop.buy(account)
    shop.authenticate(str(waiting.invoice))
    shop.pass_time(900)
    change(shop, look_at=None)  # as if nothing looked after it any more
    run = shop.payments.handlers()["payments.reconcile"]

    run(shop.job())
    shop.work()

    assert len(shop.alarms) == 1 and "its invoice is paid" in shop.alarms[0]
    assert breaks(shop) == []
    shop.check()
    run(shop.job())
    assert len(shop.alarms) == 1


def test_losing_a_purchase_leaves_a_stray_invoice_and_a_foreign_lot(sqlite_shop: Shop) -> None:
    sqlite_shop.buy(sqlite_shop.account())
    with sqlite_shop.database.write() as connection:
        connection.execute(delete(schema.purchase))

    assert kinds(sqlite_shop) == ["invoice_stray", "lot_foreign"]


def test_the_whole_books_are_compared_purchase_by_purchase(shop: Shop) -> None:
    """Lots before, between and behind the purchases, one purchase without a lot and one of another wallet's."""
    first, second, other = shop.account(), shop.account(), shop.account()
    one, two, three = shop.buy(first), shop.buy(second), shop.buy(first, key="again")
    failed = shop.buy(shop.account(card="pm_card_chargeCustomerFail"))
    assert books(shop.database) == []

    before, behind, between = "pur_" + "0" * 26, "pur_" + "Z" * 26, two.id[:-1] + "~"
    for reference in (before, between, behind, "", "a purchase", "Z"):
        fund(shop, other, reference)
    with shop.database.write() as connection:
        connection.execute(update(schema.purchase).where(schema.purchase.c.id == one.id).values(account_id=other))
        connection.execute(update(schema.purchase).where(schema.purchase.c.id == failed.id).values(state="settled"))

    found = [(each.kind.value, each.purchase or each.detail.partition("purchase ")[2]) for each in books(shop.database)]

    foreign = [before, between, behind, "", "a purchase", "Z", one.id]
    expected = [("lot_foreign", f"{reference} paid for it") for reference in foreign]
    assert sorted(found) == sorted([*expected, ("lot_missing", failed.id)])
    assert three.id not in str(found)


def test_only_the_first_breaks_of_the_whole_books_are_told(shop: Shop) -> None:
    account = shop.account()
    for number in range(BREAKS_MAX + 1):
        fund(shop, account, f"pur_{number:026}")

    found = books(shop.database)

    assert len(found) == BREAKS_MAX
    assert f"{0:026}" in found[0].detail and f"{BREAKS_MAX - 1:026}" in found[-1].detail


def test_a_period_read_page_by_page_has_the_same_breaks_as_at_once(shop: Shop) -> None:
    """Five purchases and two paid invoices of nobody, in pages of 1, 2 and 5: no break is lost or told twice."""
    accounts = [shop.account() for _ in range(5)]
    bought = [shop.buy(account) for account in accounts]
    for account in accounts[:2]:
        shop.pay_by_hand(shop.sandbox.open_invoice(shop.payers.payers[account].customer).id)
    fund(shop, accounts[0], "pur_" + "0" * 26)
    fund(shop, accounts[1], bought[1].id)
    with shop.database.write() as connection:
        for wrong in (bought[2], bought[4]):
            connection.execute(update(schema.purchase).where(schema.purchase.c.id == wrong.id).values(state="void"))
    now = shop.clock.now()
    stripe = Stripe(shop.sandbox.secret_key, base_url=shop.sandbox.url)

    def found(page: int) -> list[tuple[str, str]]:
        reconciler = Reconciler(
            shop.database, stripe=stripe, clock=shop.clock, ids=shop.ids, alarm=shop._alarm, page=page
        )
        breaks = reconciler.run(Instant(now - 3600 * SECOND), Instant(now + SECOND))
        return sorted((each.kind.value, each.purchase or each.detail) for each in breaks)

    at_once = found(1000)

    kinds = [kind for kind, _ in at_once]
    assert kinds == ["invoice_foreign"] * 2 + ["lot_foreign", "lot_twice"] + ["purchase_not_settled"] * 4
    assert [found(page) for page in (1, 2, 5)] == [at_once] * 3


def test_a_lot_of_a_purchase_from_before_the_period_is_no_stranger(shop: Shop) -> None:
    waiting = shop.account(card="pm_card_authenticationRequired")
    bought = shop.buy(waiting)
    between = shop.clock.now()
    shop.pass_time(60)
    shop.authenticate(str(bought.invoice))
    shop.settle_down()
    until = Instant(shop.clock.now() + SECOND)

    assert shop.payments.reconcile(between, until) == []
    with shop.database.write() as connection:
        connection.execute(delete(schema.purchase))
    assert "lot_foreign" in [each.kind.value for each in shop.payments.reconcile(between, until)]


def test_a_lot_made_after_the_comparison_began_is_seen(shop: Shop) -> None:
    """By a purchase settled meanwhile, or by a server whose clock is ahead."""
    shop.buy(shop.account())
    now = shop.clock.now()
    behind = ManualClock(to_datetime(now) - timedelta(seconds=2))
    stripe = Stripe(shop.sandbox.secret_key, base_url=shop.sandbox.url)

    reconciler = Reconciler(shop.database, stripe=stripe, clock=behind, ids=shop.ids, alarm=shop._alarm)

    assert reconciler.run(Instant(now - 3600 * SECOND), Instant(now + SECOND)) == []
