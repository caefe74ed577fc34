"""A database with history is brought to today's schema with every fact as it was."""

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import ileen.store
from ileen.store.engine import Database

ENTRY = {
    "bucket": 7, "wallet_id": "wal_1", "seq": 1, "at": 5, "kind": "fund", "debit": "bonus", "credit": "available",
    "amount": 9, "ref": "lot_1", "settled": 9, "held": 0, "frozen": 0, "debt": 0, "key": "k", "fingerprint": b"f",
    "note": None, "hash": b"h",
}  # fmt: skip
HOLD = {
    "bucket": 7, "wallet_id": "wal_1", "id": "hold_1", "amount": 3, "state": "open", "created_at": 5, "expires_at": 9,
    "run": "r",
}  # fmt: skip
LOTS = [
    {"bucket": 7, "wallet_id": "wal_1", "id": id_, "source": "bonus", "amount": 9, "left": left, "frozen": 0,
     "created_at": 5} for id_, left in (("lot_1", 4), ("lot_2", 0))
]  # fmt: skip
DRAW = {"bucket": 7, "wallet_id": "wal_1", "seq": 1, "lot_id": "lot_1", "amount": 5}


def migrate(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", next(iter(ileen.store.__path__)) + "/migrations")
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def insert(database: Database, table: str, *rows: dict) -> None:
    names = ", ".join(f'"{name}"' for name in rows[0])
    places = ", ".join(f":{name}" for name in rows[0])
    with database.write() as connection:
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), list(rows))


def test_an_older_ledger_keeps_its_facts_and_their_protection(empty_database_url: str) -> None:
    database = Database.open(empty_database_url)
    migrate(database, "0005")
    insert(database, "entry", ENTRY)
    insert(database, "hold", HOLD)
    insert(database, "lot", *LOTS)
    insert(database, "lot_draw", DRAW)

    database.migrate()

    with database.read() as connection:
        entry = connection.execute(text("SELECT * FROM entry")).one()._asdict()
        hold = connection.execute(text("SELECT * FROM hold")).one()._asdict()
        draw = connection.execute(text("SELECT * FROM lot_draw")).one()._asdict()
        used_up = connection.execute(text("SELECT id, used_up FROM lot ORDER BY id")).all()
    assert {name: bytes(value) if isinstance(value, memoryview) else value for name, value in entry.items()} == ENTRY
    assert {name: value for name, value in hold.items() if value is not None} == HOLD
    assert draw == DRAW
    assert [(id_, bool(used)) for id_, used in used_up] == [("lot_1", False), ("lot_2", True)]
    for change in ("UPDATE entry SET amount = 1", "DELETE FROM entry", "DELETE FROM lot_draw"):
        with pytest.raises(DBAPIError, match="facts"), database.write() as connection:
            connection.execute(text(change))
    database.close()
