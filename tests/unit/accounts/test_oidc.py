"""Signing in with an identity provider: a real one, with real keys, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import func, select

from identity_provider import BACK, KEY, Server, server
from ileen.accounts import Accounts
from ileen.accounts.people import People
from ileen.accounts.provider import Provider
from ileen.accounts.who import Visitor
from ileen.base.clock import ManualClock
from ileen.base.errors import IdentityProviderFailed, IdentityRefused, IdentityUnconnected
from ileen.base.ids import RandomIds
from ileen.ledger import Ledger
from ileen.store import schema
from ileen.store.engine import Database

__all__ = ["server"]

LAPTOP = Visitor(token="laptop", network="192.0.2.0/24", agent="Firefox")
PHONE = Visitor(token="phone", network="198.51.100.0/24", agent="Safari")
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})


@pytest.fixture
def people(database: Database, ledger: Ledger, clock: ManualClock, ids: RandomIds, server: Server) -> Iterator[People]:
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    yield People(database, accounts, clock=clock, ids=ids, provider=server.provider())
    accounts.close()


def come_in(people: People, server: Server, *, visitor: Visitor = LAPTOP, signed=None, **person: Any) -> Any:
    assert people.oidc is not None
    way = people.oidc.begin(redirect_uri=BACK, return_path="/billing", visitor=visitor, signed=signed)
    state, code = server.authorize(way, **person)
    return people.oidc.finish(state=state, code=code, redirect_uri=BACK, visitor=visitor, signed=signed, replaces=None)


ADA = {"sub": "1", "email": "ada@example.com", "email_verified": True, "name": "Ada", "locale": "de-AT"}


def persons(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(schema.person)).scalar_one()


def test_a_confirmed_identity_makes_a_person_with_an_account_once(people, server, database) -> None:
    first = come_in(people, server, **ADA)
    again = come_in(people, server, visitor=PHONE, **(ADA | {"email": "moved@example.com"}))

    assert first.return_path == "/billing"
    signed, same = people.sessions.current(first.session), people.sessions.current(again.session)
    assert (signed.person.email, signed.person.locale, signed.role.value) == ("ada@example.com", "de", "owner")
    assert same.person.id == signed.person.id
    assert persons(database) == 1


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email_verified": "true"}, {"email": None}])
def test_an_address_the_provider_has_not_confirmed_makes_nobody(people, server, database, claims) -> None:
    with pytest.raises(IdentityRefused):
        come_in(people, server, **(ADA | claims))

    assert persons(database) == 0


def test_an_address_of_ours_is_not_taken_over_but_connected_by_its_person(people, server, database) -> None:
    mine = come_in(people, server, **ADA)
    with pytest.raises(IdentityUnconnected):
        come_in(people, server, visitor=PHONE, **(ADA | {"sub": "2"}))
    signed = people.sessions.current(mine.session)

    connected = come_in(people, server, signed=signed, **(ADA | {"sub": "2"}))
    assert (connected.session, people.oidc.is_connected(signed.person.id)) == (None, True)

    session = come_in(people, server, visitor=PHONE, **(ADA | {"sub": "2"})).session
    assert people.sessions.current(session).person.id == signed.person.id


def test_an_identity_of_another_person_cannot_be_connected(people, server) -> None:
    come_in(people, server, **ADA)
    eve = people.sessions.current(
        come_in(people, server, visitor=PHONE, **(ADA | {"sub": "3", "email": "eve@example.com"})).session
    )

    with pytest.raises(IdentityRefused):
        come_in(people, server, visitor=PHONE, signed=eve, **ADA)


def test_a_flow_is_finished_once_in_its_own_browser_within_ten_minutes(people, server, clock, database) -> None:
    def finish(state: str, code: str, visitor: Visitor) -> None:
        with pytest.raises(IdentityRefused):
            people.oidc.finish(state=state, code=code, redirect_uri=BACK, visitor=visitor, signed=None, replaces=None)

    def begin() -> tuple[str, str]:
        way = people.oidc.begin(redirect_uri=BACK, return_path="/", visitor=LAPTOP, signed=None)
        return server.authorize(way, **ADA)

    state, code = begin()
    finish(state, code, PHONE)
    finish("forged", code, LAPTOP)
    finish(state, "forged", LAPTOP)
    finish(state, code, LAPTOP)
    late = begin()
    clock.advance(600)
    finish(*late, LAPTOP)
    assert persons(database) == 0


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["ileen", "another"]},
        {"nonce": "another"},
        {"exp": 1},
        {"sub": None},
    ],
)
def test_an_id_token_that_is_not_for_us_now_is_refused(people, server, database, claims) -> None:
    server.claims = claims

    with pytest.raises(IdentityRefused):
        come_in(people, server, **ADA)
    assert persons(database) == 0


@pytest.mark.parametrize(
    ("key", "header"),
    [
        (OTHER_KEY, {"alg": "RS256", "kid": "1"}),
        (OctKey.import_key(b"secret-of-ours-that-is-long-enough-for-hs256"), {"alg": "HS256", "kid": "1"}),
        (KEY, {"alg": "none"}),
    ],
    ids=["another key", "shared secret", "none"],
)
def test_an_id_token_that_the_providers_own_key_has_not_signed_is_refused(
    people, server, database, key, header
) -> None:
    server.key, server.header = key, header

    with pytest.raises(IdentityRefused):
        come_in(people, server, **ADA)
    assert persons(database) == 0


def test_a_provider_that_is_away_or_lies_about_its_name_is_told_as_failed(database, ledger, clock, ids, server) -> None:
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    for issuer in ("http://127.0.0.1:9", server.issuer + "/"):
        provider = Provider(issuer=issuer, client_id="ileen", client_secret="secret", name="Example")
        oidc = People(database, accounts, clock=clock, ids=ids, provider=provider).oidc
        assert oidc is not None
        with pytest.raises(IdentityProviderFailed):
            oidc.begin(redirect_uri=BACK, return_path="/", visitor=LAPTOP, signed=None)
    accounts.close()
