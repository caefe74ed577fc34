"""The process that makes an account is killed on the way: after a restart there is one whole account, or none.

The child runs the room itself, on a database that survives it, SQLite and PostgreSQL.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from identity_provider import BACK, Server, serving
from ileen.accounts import Accounts
from ileen.accounts.audit import events
from ileen.accounts.people import People
from ileen.accounts.who import Role, SignedIn, Visitor
from ileen.base.clock import SystemClock
from ileen.base.ids import AccountId, RandomIds, wallet_of
from ileen.base.money import NANO
from ileen.jobs import Worker
from ileen.ledger import Ledger
from ileen.store import schema
from ileen.store.engine import Database

CHILD = Path(__file__).parent / "people_child.py"
VISITOR = Visitor(token="laptop", network="192.0.2.0/24", agent="Firefox")
ADA, PASSWORD = "ada@example.com", "the analytical engine"
ASKED = {"name": "Ada", "email": ADA, "password": PASSWORD, "locale": "en", "time_zone": "Europe/Berlin"}
IDENTITY = {"sub": "1", "email": ADA, "email_verified": True, "name": "Ada", "locale": "en"}


@dataclass
class World:
    """The server after the restart: a room of its own, on the database that the killed process left."""

    database: Database
    ledger: Ledger
    accounts: Accounts
    people: People
    server: Server

    def kill(self, point: str, **given: Any) -> None:
        """Run the child until it dies at a point."""
        url = self.database.engine.url.render_as_string(hide_password=False)
        child = subprocess.run(
            [sys.executable, str(CHILD), json.dumps({"database": url, **given})],
            env={**os.environ, "ILEEN_CRASH_AT": point},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert child.returncode == -9, f"the process was to be killed at {point}: {child.stdout}{child.stderr}"

    def work(self) -> None:
        """Run the jobs that the killed process left behind."""
        clock = SystemClock()
        handlers = {**self.people.handlers(), **self.accounts.handlers()}
        Worker(self.database, handlers, clock=clock, ids=RandomIds(clock)).run_due()

    def count(self, table: Any) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def link(self) -> str:
        """The token in the mail that confirms the address."""
        query = select(schema.notice.c.secrets).where(schema.notice.c.kind == "confirm_email")
        with self.database.read() as connection:
            (secrets,) = connection.execute(query).scalars()
        return msgspec.json.decode(secrets)["link"].rsplit("/", 1)[1]

    def confirm(self) -> str:
        return self.people.sign_ups.confirm(self.link(), password=None, visitor=VISITOR, replaces=None)

    def owner_of_one_whole_account(self, token: str) -> SignedIn:
        """Check that there is one account with owner and wallet, in which this session works."""
        tables = (schema.person, schema.account, schema.member, schema.wallet)
        assert [self.count(table) for table in tables] == [1, 1, 1, 1]
        signed = self.people.sessions.current(token)
        assert signed is not None and signed.session.account is not None
        assert (signed.person.email, signed.role) == (ADA, Role.OWNER)
        assert self.ledger.wallet(wallet_of(signed.session.account)).settled == 0
        return signed


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    clock = SystemClock()
    ids = RandomIds(clock)
    ledger = Ledger(database, clock=clock)
    ledger.start()
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    with serving(Server(clock)) as server:
        people = People(database, accounts, clock=clock, ids=ids, provider=server.provider())
        yield World(database, ledger, accounts, people, server)
    accounts.close()
    ledger.stop()


def test_a_sign_up_killed_once_it_is_stored_is_confirmed_after_the_restart(world: World) -> None:
    world.kill("people.sign_up.stored", do="ask", **{"with": ASKED})
    assert [world.count(table) for table in (schema.person, schema.account, schema.wallet)] == [0, 0, 0]

    world.owner_of_one_whole_account(world.confirm())


def test_a_sign_up_killed_once_it_is_confirmed_is_completed_by_its_job(world: World) -> None:
    world.people.sign_ups.ask(**ASKED, visitor=VISITOR)
    world.kill("people.sign_up.confirmed", do="confirm", token=world.link())
    assert [world.count(table) for table in (schema.account, schema.member, schema.session, schema.wallet)] == [
        1,
        1,
        1,
        0,
    ]

    world.work()

    token = world.people.sign_ins.with_password(ADA, PASSWORD, visitor=VISITOR, replaces=None)
    world.owner_of_one_whole_account(token)


def test_a_person_of_a_provider_killed_on_the_way_comes_in_again(world: World) -> None:
    oidc = world.people.oidc
    assert oidc is not None

    def begin() -> dict[str, str]:
        way = oidc.begin(redirect_uri=BACK, return_path="/", visitor=VISITOR, signed=None)
        state, code = world.server.authorize(way, **IDENTITY)
        return {"state": state, "code": code, "redirect_uri": BACK}

    provider = msgspec.to_builtins(world.server.provider())
    world.kill("people.identity.made", do="finish", provider=provider, **{"with": begin()})
    assert (world.count(schema.account), world.count(schema.wallet)) == (1, 0)

    world.work()
    done = oidc.finish(**begin(), visitor=VISITOR, signed=None, replaces=None)

    assert done.session is not None
    world.owner_of_one_whole_account(done.session)


def test_an_account_of_a_host_killed_on_the_way_is_completed_by_asking_again(world: World) -> None:
    _, secret = world.people.hosts.create_key("shop")
    asked = {"reference": "company-42", "name": "Ada Ltd", "email": None, "time_zone": "UTC"}
    world.kill("hosts.account.added", do="host", secret=secret, **{"with": asked})
    assert (world.count(schema.account), world.count(schema.wallet)) == (1, 0)

    account, made = world.people.hosts.open_account(world.people.hosts.authenticate(secret), **asked)

    assert (made, world.count(schema.account), world.count(schema.wallet)) == (False, 1, 1)
    assert world.ledger.wallet(wallet_of(AccountId(account.id))).settled == 0


@pytest.mark.parametrize("lane", ["ledger.lane.loaded", "ledger.lane.written", "ledger.lane.committed"])
def test_a_sign_up_killed_while_its_wallet_is_opened_has_one_wallet(world: World, lane: str) -> None:
    world.people.sign_ups.ask(**ASKED, visitor=VISITOR)
    world.kill(lane, do="confirm", token=world.link())

    world.work()

    token = world.people.sign_ins.with_password(ADA, PASSWORD, visitor=VISITOR, replaces=None)
    world.owner_of_one_whole_account(token)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_grant_killed_once_it_is_given_is_on_record_after_the_restart(world: World) -> None:
    account = world.accounts.create("Ada")
    world.kill("accounts.grant.given", do="grant", **{"with": {"amount": NANO, "reason": "sorry", "key": "case-7"}})

    world.work()

    with world.database.read() as connection:
        found = [event.action for event in events(connection, account_id=account.id, limit=10)]
    assert (found.count("credits.granted"), world.ledger.wallet(wallet_of(account.id)).bonus) == (1, NANO)
