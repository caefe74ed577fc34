"""The audit finds any tampering, and names the first broken row. On both databases."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from ileen.base.clock import SECOND, ManualClock
from ileen.base.ids import AccountId, HoldId, Ids, KeyId, LotId, WalletId, wallet_of
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import (
    Attribution,
    Authorize,
    Book,
    Capture,
    Charge,
    Freeze,
    Fund,
    OpenWallet,
    Remove,
    Source,
    Usage,
    Void,
)
from ileen.store.engine import Database

KEY = KeyId("key_00000000000000000000000001")


@pytest.fixture
def wallet(ledger: Ledger, ids: Ids) -> WalletId:
    """A wallet with a history of every kind."""
    wallet = wallet_of(AccountId(ids.mint("acct")))
    lot = LotId(ids.mint("lot"))
    ledger.run(OpenWallet(wallet=wallet, debt_max=100))
    ledger.run(Fund(wallet=wallet, key="f", lot=lot, amount=1000, source=Source.PURCHASE, reference="inv_1"))
    for number in range(4):
        hold = HoldId(ids.mint("hold"))
        spender = Attribution(api_key=KEY, activity="code_query", model="m")
        ledger.run(
            Authorize(wallet=wallet, key=f"a{number}", hold=hold, amount=50, lifetime_us=SECOND, attribution=spender)
        )
        if number == 0:
            ledger.run(Void(wallet=wallet, key="v", hold=hold, reason="failed"))
        elif number < 3:
            usage = Usage(input_tokens=3, record='{"tokens":{"input":3}}')
            ledger.run(Capture(wallet=wallet, key=f"c{number}", hold=hold, amount=20 * number, usage=usage))
    ledger.run(Charge(wallet=wallet, key="ch", hold=HoldId(ids.mint("hold")), amount=7))
    ledger.run(Freeze(wallet=wallet, key="fr", lot=lot, amount=30, reason="refund"))
    ledger.run(Remove(wallet=wallet, key="rm", lot=lot, amount=10, to=Book.REFUNDED, reason="refund"))
    return wallet


def without_triggers(database: Database, connection: Connection) -> None:
    if database.dialect == "sqlite":
        for table in ("entry", "lot_draw", "usage_record"):
            for verb in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER {table}_no_{verb}")
    else:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")


def breaches(database: Database, clock: ManualClock) -> list[str]:
    return audit(database, clock=clock).breaches


def tamper(database: Database, *statements: str) -> None:
    with database.write() as connection:
        without_triggers(database, connection)
        for statement in statements:
            connection.execute(text(statement))


def test_untouched_books_balance(database: Database, clock: ManualClock, wallet: WalletId) -> None:
    report = audit(database, clock=clock)

    assert report.breaches == []
    assert (report.wallets, report.entries) == (1, 13)


@pytest.mark.parametrize(
    "change",
    [
        "at = at + 1",
        "kind = 'bonus'",
        "debit = 'bonus'",
        "credit = 'bonus'",
        "amount = amount + 1",
        "ref = 'other'",
        "settled = settled + 1",
        "held = held + 1",
        "frozen = frozen + 1",
        "debt = debt + 1",
        "\"key\" = 'other'",
        "fingerprint = hash",
        "note = 'other'",
        "hash = fingerprint",
        "seq = 99",
        "debit = 'nonsense'",
    ],
)
def test_a_changed_column_of_an_entry_is_found(
    database: Database, clock: ManualClock, wallet: WalletId, change: str
) -> None:
    tamper(database, f"UPDATE entry SET {change} WHERE seq = 4")

    found = breaches(database, clock)
    assert found and found[0].startswith(wallet) and "entry 4" in found[0], found


def test_a_deleted_entry_is_found(database: Database, clock: ManualClock, wallet: WalletId) -> None:
    tamper(database, "DELETE FROM entry WHERE seq = 5")

    assert "entry 5 is missing" in breaches(database, clock)[0]


def test_a_deleted_last_entry_is_found(database: Database, clock: ManualClock, wallet: WalletId) -> None:
    tamper(database, "DELETE FROM entry WHERE seq = 13")

    assert "the journal ends at entry 12" in breaches(database, clock)[0]


def test_swapped_entries_are_found(database: Database, clock: ManualClock, wallet: WalletId) -> None:
    tamper(
        database,
        "UPDATE entry SET seq = 99 WHERE seq = 3",
        "UPDATE entry SET seq = 3 WHERE seq = 4",
        "UPDATE entry SET seq = 4 WHERE seq = 99",
    )

    assert "entry 3 was changed or replaced" in breaches(database, clock)[0]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE wallet SET settled = settled + 1", "wallet row states other balances"),
        ("UPDATE wallet SET spent = spent + 1", "another total 'spent'"),
        ("UPDATE wallet SET purchased = purchased + 1", "another total 'purchased'"),
        ("UPDATE wallet SET head = ''", "wallet row"),
        ('UPDATE lot SET "left" = "left" - 1', "has another amount left"),
        ("UPDATE lot SET frozen = frozen - 1", "frozen"),
        ("UPDATE lot SET amount = amount + 1", "not acquired with the amount"),
        ("UPDATE hold SET amount = amount + 1 WHERE state = 'open'", "another amount than was authorized"),
        ("UPDATE hold SET state = 'expired' WHERE state = 'voided'", "entries tell of another end"),
        ("UPDATE hold SET captured = captured + 1 WHERE captured = 20", "different charges"),
        ("UPDATE hold SET api_key = 'other' WHERE captured = 20", "spender"),
        ("DELETE FROM hold WHERE state = 'voided'", "of them exist"),
        ("UPDATE usage_record SET charge = charge + 1", "different charges"),
        ("UPDATE usage_record SET record = '{}'", "changed after the capture"),
        ("UPDATE usage_record SET input_tokens = 9", "changed after the capture"),
        ("DELETE FROM usage_record WHERE charge = 20", "its usage record says otherwise"),
        ("UPDATE lot_draw SET amount = amount + 1", "drawn from lots"),
        ("DELETE FROM lot_draw", "another amount left"),
        ("UPDATE lot_draw SET seq = 1 WHERE seq = (SELECT max(seq) FROM lot_draw)", "drawn from lots"),
        ("UPDATE entry SET bucket = bucket + 1 WHERE seq > 4", "does not exist"),
        ("UPDATE hold SET bucket = bucket + 1 WHERE state = 'voided'", "does not exist"),
        ("UPDATE hold SET state = 'lost' WHERE state = 'voided'", "entries tell of another end"),
        ("UPDATE spender SET held = held + 1", "counts another amount held"),
        ("UPDATE spender SET spent_total = spent_total + 1", "counts another total spent"),
        ("UPDATE spender SET spent_day = spent_day + 1", "for its day"),
        ("UPDATE spender SET spent_month = spent_month + 1", "for its month"),
        ("UPDATE usage_day SET charge = charge + 1", "daily sums"),
        ("UPDATE usage_day SET day = day + 1", "daily sums"),
        ("DELETE FROM wallet", "does not exist"),
    ],
)
def test_a_changed_row_elsewhere_is_found(
    database: Database, clock: ManualClock, wallet: WalletId, statement: str, says: str
) -> None:
    tamper(database, statement)

    found = breaches(database, clock)
    assert any(says in breach for breach in found), found


def test_a_hold_open_past_its_time_is_found(database: Database, clock: ManualClock, wallet: WalletId) -> None:
    clock.advance(3600)

    assert any("open past its time" in breach for breach in breaches(database, clock))


def test_facts_refuse_to_be_changed(database: Database, wallet: WalletId) -> None:
    def attempt(statement: str) -> Callable[[], None]:
        def run() -> None:
            with database.write() as connection:
                connection.exec_driver_sql(statement)

        return run

    for table in ("entry", "lot_draw", "usage_record"):
        for statement in (f"UPDATE {table} SET bucket = bucket", f"DELETE FROM {table}"):
            with pytest.raises(Exception, match="facts"):
                attempt(statement)()


def test_progress_is_told(database: Database, clock: ManualClock, wallet: WalletId) -> None:
    told: list[tuple[int, int]] = []

    audit(database, lambda done, total: told.append((done, total)), clock=clock)

    assert told[-1] == (13, 13)
