"""The low mark: one job for a crossing, in the transaction of the call that crossed, and nothing without a mark."""

from sqlalchemy import select, update

from ileen import jobs
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds, WalletId
from ileen.base.money import parse
from ileen.jobs import Job
from ileen.ledger import Ledger, low
from ileen.ledger.audit import audit
from ileen.ledger.model import (
    Adjust,
    Authorize,
    Book,
    Capture,
    Charge,
    Freeze,
    Fund,
    OpenWallet,
    Remove,
    Source,
    Unfreeze,
)
from ileen.store import schema
from ileen.store.engine import Database
from shop import at_once

IDS = RandomIds(SystemClock())


def open_wallet(database: Database, ledger: Ledger, *, owned: str, low_mark: str | None) -> WalletId:
    wallet = WalletId(IDS.mint("wal"))
    ledger.run(OpenWallet(wallet=wallet))
    ledger.run(Fund(wallet=wallet, key="fund", lot=IDS.mint("lot"), amount=parse(owned), source=Source.BONUS))
    with database.write() as connection:
        low.set_mark(connection, wallet, None if low_mark is None else parse(low_mark))
    return wallet


def spend(ledger: Ledger, wallet: WalletId, amount: str) -> str:
    hold = IDS.mint("hold")
    ledger.run(Authorize(wallet=wallet, key=f"a:{hold}", hold=hold, amount=parse(amount), lifetime_us=10**9))
    ledger.run(Capture(wallet=wallet, key=f"c:{hold}", hold=hold, amount=parse(amount)))
    return hold


def all_done(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(schema.job).values(state="done"))


def told(database: Database) -> list[Job]:
    with database.read() as connection:
        ids = connection.execute(select(schema.job.c.id).where(schema.job.c.kind == low.LOW)).scalars().all()
        return [jobs.get(connection, id_) for id_ in ids]


def test_a_call_that_leaves_exactly_the_mark_is_told_and_one_above_is_not(database: Database, ledger: Ledger) -> None:
    wallet = open_wallet(database, ledger, owned="21.00", low_mark="20.00")

    spend(ledger, wallet, "0.999999999")
    assert told(database) == []
    hold = spend(ledger, wallet, "0.000000001")

    assert [(job.key, job.payload) for job in told(database)] == [(wallet, {"wallet": wallet, "hold": hold})]


def test_a_charge_after_the_fact_is_told_too(database: Database, ledger: Ledger) -> None:
    wallet = open_wallet(database, ledger, owned="21.00", low_mark="20.00")

    ledger.run(Charge(wallet=wallet, key="c", hold=IDS.mint("hold"), amount=parse("1.50")))

    assert len(told(database)) == 1


def test_credits_taken_back_are_told_once_each_like_a_call(database: Database, ledger: Ledger) -> None:
    """A refund or a dispute freezes, a correction takes: no room that does so has to know of the mark."""
    wallet = open_wallet(database, ledger, owned="21.00", low_mark="20.00")
    (lot,) = ledger.lots(wallet)

    ledger.run(Freeze(wallet=wallet, key="f", lot=lot.id, amount=parse("2"), reason="refund"))
    assert [job.payload for job in told(database)] == [{"wallet": wallet}]
    all_done(database)
    ledger.run(Unfreeze(wallet=wallet, key="u", lot=lot.id, amount=parse("0.5"), reason="declined"))
    ledger.run(Remove(wallet=wallet, key="r", lot=lot.id, amount=parse("1.5"), to=Book.REFUNDED, reason="refund"))
    assert len(told(database)) == 1, "neither lowers the balance"
    ledger.run(Adjust(wallet=wallet, key="a", lot=IDS.mint("lot"), amount=-parse("1"), reason="correction"))

    assert len(told(database)) == 2


def test_an_authorization_alone_is_not_told(database: Database, ledger: Ledger) -> None:
    """What is reserved may come back."""
    wallet = open_wallet(database, ledger, owned="21.00", low_mark="20.00")

    ledger.run(Authorize(wallet=wallet, key="a", hold=IDS.mint("hold"), amount=parse("5"), lifetime_us=10**9))

    assert told(database) == []


def test_a_wallet_without_a_mark_is_never_told(database: Database, ledger: Ledger) -> None:
    wallet = open_wallet(database, ledger, owned="21.00", low_mark=None)

    spend(ledger, wallet, "21.00")

    assert told(database) == []


def test_many_calls_below_the_mark_leave_one_open_job(database: Database, ledger: Ledger) -> None:
    wallet = open_wallet(database, ledger, owned="100.00", low_mark="99.00")

    answers = at_once(60, lambda _: spend(ledger, wallet, "1.00"))

    assert [each for each in answers if isinstance(each, Exception)] == []
    assert len(told(database)) == 1
    assert ledger.wallet(wallet).settled == parse("40.00")
    assert audit(database).breaches == []


def test_the_mark_stays_whatever_the_ledger_books(database: Database, ledger: Ledger) -> None:
    wallet = open_wallet(database, ledger, owned="100.00", low_mark="10.00")

    spend(ledger, wallet, "1.00")

    assert ledger.wallet(wallet).low_mark == parse("10.00")
