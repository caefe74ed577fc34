"""Low and out of credits: told once per crossing, with the time left, never while credits are about to come."""

from typing import Any

import pytest
from sqlalchemy import select

from ileen.accounts import Accounts
from ileen.accounts.alerts import Alerts, hours_left, nothing_expected, runway
from ileen.base.clock import ManualClock
from ileen.base.errors import AmountInvalid
from ileen.base.ids import AccountId, LotId, RandomIds, wallet_of
from ileen.base.money import parse
from ileen.jobs import Worker
from ileen.ledger import Ledger
from ileen.ledger.model import Charge, Fund, Source
from ileen.store import schema
from ileen.store.engine import Database

HOUR_US = 3_600_000_000


class Desk:
    """One account with ten credits, and what it was mailed."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock, self.ids = database, clock, RandomIds(clock)
        self.ledger = Ledger(database, clock=clock)
        self.ledger.start()
        self.accounts = Accounts(database, self.ledger, clock=clock, ids=self.ids)
        self.account: AccountId = self.accounts.create("Ada", email="ada@example.com").id
        self.wallet = wallet_of(self.account)
        self.alerts = self.server(nothing_expected)
        self.give("10")

    def server(self, expects: Any) -> Alerts:
        self.alerts = Alerts(self.database, self.accounts, clock=self.clock, ids=self.ids, expects=expects)
        return self.alerts

    def give(self, amount: str) -> None:
        self.clock.advance(1)  # lots of one millisecond have no order
        lot = LotId(self.ids.mint("lot"))
        self.ledger.run(Fund(wallet=self.wallet, key=lot, lot=lot, amount=parse(amount), source=Source.BONUS))

    def spend(self, amount: str) -> None:
        hold = self.ids.mint("hold")
        self.ledger.run(Charge(wallet=self.wallet, key=hold, hold=hold, amount=parse(amount)))

    def work(self) -> list[str]:
        """Do what is due; return the kinds of the alerts mailed so far."""
        worker = Worker(self.database, self.alerts.handlers(), clock=self.clock, ids=self.ids)
        while worker.run_due(limit=1):
            pass
        return sorted(row.kind for row in self.notices())

    def notices(self) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(schema.notice).order_by(schema.notice.c.id)))


@pytest.fixture
def desk(database: Database, clock: ManualClock) -> Any:
    made = Desk(database, clock)
    yield made
    made.accounts.close()
    made.ledger.stop()


def test_a_crossing_is_told_once_and_so_is_the_next(desk: Desk) -> None:
    desk.spend("4.999999999")
    assert desk.work() == []
    desk.spend("0.000000001")
    desk.spend("1")
    assert desk.work() == ["low_balance"]
    desk.spend("1")
    assert desk.work() == ["low_balance"], "it is below already"

    desk.give("5")
    desk.spend("4")

    assert desk.work() == ["low_balance", "low_balance"]


def test_a_balance_that_falls_to_nothing_is_told_as_that_alone(desk: Desk) -> None:
    desk.spend("10.5")

    assert desk.work() == ["out_of_credits"]


def test_a_refused_call_tells_that_credits_have_run_out_once_until_some_are_added(desk: Desk) -> None:
    desk.spend("9.7")
    desk.work()

    for _ in range(3):
        desk.alerts.short(desk.account, parse("0.5"))
    assert desk.work() == ["low_balance", "out_of_credits"]
    desk.give("0.1")
    desk.alerts.short(desk.account, parse("0.5"))

    assert desk.work() == ["low_balance", "out_of_credits", "out_of_credits"]


@pytest.mark.parametrize(("spent", "needed"), [("5.5", "100"), ("9.7", "0.2")])
def test_a_dear_call_refused_or_one_that_others_hold_up_is_not_told(desk: Desk, spent: str, needed: str) -> None:
    desk.spend(spent)
    desk.work()

    desk.alerts.short(desk.account, parse(needed))

    assert desk.work() == ["low_balance"]


def test_while_a_refill_is_expected_nothing_is_mailed_and_its_failure_is_not_forgotten(desk: Desk) -> None:
    desk.server(lambda _connection, _account: True)
    desk.spend("9.7")
    desk.alerts.short(desk.account, parse("0.5"))
    assert desk.work() == []

    desk.server(nothing_expected)
    desk.alerts.short(desk.account, parse("0.5"))

    assert desk.work() == ["out_of_credits"]


def test_news_that_credits_added_meanwhile_have_overtaken_is_not_told(desk: Desk) -> None:
    desk.spend("6")
    desk.give("10")

    assert desk.work() == []


def test_the_threshold_is_the_accounts_own_and_none_means_no_alerts(desk: Desk) -> None:
    desk.alerts.set_threshold(desk.account, parse("8"), by="mem_1")
    desk.spend("2")
    assert desk.work() == ["low_balance"]

    desk.alerts.set_threshold(desk.account, None, by="mem_1")
    desk.spend("8")
    desk.alerts.short(desk.account, parse("0.5"))

    assert desk.work() == ["low_balance"]
    for wrong in ("0.99", "5000.000000001"):
        with pytest.raises(AmountInvalid):
            desk.alerts.set_threshold(desk.account, parse(wrong), by="mem_1")


def test_the_time_left_follows_the_pace_of_the_last_week(desk: Desk) -> None:
    assert desk.alerts.standing(desk.account).hours_left is None
    desk.clock.advance(10 * 3_600)
    desk.spend("8")

    standing = desk.alerts.standing(desk.account)

    assert (standing.state, standing.hours_left) == ("low", 2), "eight in ten hours, two are left"
    desk.work()
    assert '"runway":"hours"' in desk.notices()[0].facts


@pytest.mark.parametrize(
    ("balance", "spent", "hours"), [(5, 0, None), (0, 5, 0), (-3, 5, 0), (5, 5, 168), (1, 168, 1), (1, 169, 0)]
)
def test_hours_left_are_whole_and_never_negative(balance: int, spent: int, hours: int | None) -> None:
    assert hours_left(balance, spent=spent, window_us=168 * HOUR_US) == hours


@pytest.mark.parametrize(
    ("hours", "word"),
    [(0, "minutes"), (1, "hours"), (20, "day"), (36, "days"), (144, "week"), (240, "weeks"), (9999, "weeks")],
)
def test_the_time_left_is_said_in_rough_words(hours: int, word: str) -> None:
    assert word == runway(hours)
