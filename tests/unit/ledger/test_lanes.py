"""Lanes: what breaks breaks alone, and a lost connection is nobody's problem. On both databases."""

import threading
from typing import Any

import pytest
from sqlalchemy import text

from ileen.base.clock import SECOND, ManualClock
from ileen.base.ids import AccountId, HoldId, Ids, LotId, WalletId, wallet_of
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import Authorize, Capture, Charge, Fund, OpenWallet, Receipt, Source, Usage
from ileen.store.engine import Database

TOO_MANY = 2**70
"""More tokens than the database's integers hold: a mistake no rule looks for, found when the row is written."""


@pytest.fixture
def wallet(ledger: Ledger, ids: Ids) -> WalletId:
    wallet = wallet_of(AccountId(ids.mint("acct")))
    ledger.run(OpenWallet(wallet=wallet))
    lot = LotId(ids.mint("lot"))
    ledger.run(Fund(wallet=wallet, key=lot, lot=lot, amount=10_000, source=Source.PURCHASE))
    return wallet


def charge(ledger: Ledger, ids: Ids, wallet: WalletId, tokens: int = 1) -> Receipt:
    hold = HoldId(ids.mint("hold"))
    return ledger.run(Charge(wallet=wallet, key=hold, hold=hold, amount=10, usage=Usage(input_tokens=tokens)))


def test_a_command_that_cannot_be_written_fails_alone(
    ledger: Ledger, database: Database, ids: Ids, clock: ManualClock, wallet: WalletId
) -> None:
    """Its neighbours in the batch are decided again without it, on the state before it."""
    outcomes: list[Any] = []

    def work(number: int) -> None:
        try:
            outcomes.append(charge(ledger, ids, wallet, TOO_MANY if number % 10 == 0 else 1))
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == 36
    assert ledger.wallet(wallet).spent == 360
    assert audit(database, clock=clock).breaches == []


def test_letters_with_a_meaning_to_the_database_are_kept_as_they_are(
    ledger: Ledger, ids: Ids, wallet: WalletId
) -> None:
    """Texts travel to PostgreSQL as arrays; quotes, backslashes, braces and line ends must not end an element."""
    hold = HoldId(ids.mint("hold"))
    odd = "\"\\{},NULL\n\t'é"
    ledger.run(Authorize(wallet=wallet, key=odd, hold=hold, amount=5, lifetime_us=SECOND, tariff=odd))
    again = ledger.run(Authorize(wallet=wallet, key=odd, hold=hold, amount=5, lifetime_us=SECOND, tariff=odd))

    assert again.replayed
    assert ledger.hold(wallet, hold).tariff == odd
    assert ledger.entries(wallet, limit=1)[0].key == odd


def test_a_lost_connection_is_opened_again(
    ledger: Ledger, database: Database, ids: Ids, clock: ManualClock, wallet: WalletId
) -> None:
    charge(ledger, ids, wallet)
    if database.dialect == "postgresql":
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
        with database.write() as connection:
            connection.execute(text(others + "current_database()"))

    charge(ledger, ids, wallet)

    assert ledger.wallet(wallet).spent == 20
    assert audit(database, clock=clock).breaches == []


def test_many_commands_on_one_wallet_are_read_and_written_once_and_replayed_exactly(
    ledger: Ledger, database: Database, ids: Ids, clock: ManualClock, wallet: WalletId
) -> None:
    """A batch larger than the largest statement, each command again in the next batch."""
    commands: list[Any] = []
    for number in range(150):
        hold = HoldId(ids.mint("hold"))
        commands.append(Authorize(wallet=wallet, key=f"a{number}", hold=hold, amount=9, lifetime_us=SECOND))
        commands.append(Capture(wallet=wallet, key=f"c{number}", hold=hold, amount=number % 20))
    first = _all_at_once(ledger, commands[::2]) | _all_at_once(ledger, commands[1::2])

    second = _all_at_once(ledger, commands)

    assert {key: receipt.amount for key, receipt in second.items()} == {k: r.amount for k, r in first.items()}
    assert all(receipt.replayed for receipt in second.values())
    assert audit(database, clock=clock).breaches == []


def _all_at_once(ledger: Ledger, commands: list[Any]) -> dict[str, Receipt]:
    receipts: dict[str, Receipt] = {}

    def work(command: Any) -> None:
        receipts[command.key] = ledger.run(command)

    threads = [threading.Thread(target=work, args=(command,)) for command in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return receipts
