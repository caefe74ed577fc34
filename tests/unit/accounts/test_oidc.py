"""Signing in with an identity provider: a real one, with real keys, over real HTTP."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import func, select

from ileen.accounts import Accounts
from ileen.accounts.people import People
from ileen.accounts.provider import Provider
from ileen.accounts.who import Visitor
from ileen.base.clock import SECOND, ManualClock
from ileen.base.errors import IdentityProviderFailed, IdentityRefused, IdentityUnconnected
from ileen.base.ids import RandomIds
from ileen.ledger import Ledger
from ileen.store import schema
from ileen.store.engine import Database

LAPTOP = Visitor(token="laptop", network="192.0.2.0/24", agent="Firefox")
PHONE = Visitor(token="phone", network="198.51.100.0/24", agent="Safari")
BACK = "http://ileen/sign-in/provider/callback"
KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})


class Server:
    """An honest provider: codes are issued for a way, exchanged once, with PKCE and client secret checked.

    `claims` are added to every ID token, `key` and `header` sign it: levers to make it dishonest.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.claims: dict[str, Any] = {}
        self.key: Any = KEY
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "1"}
        self.codes: dict[str, dict[str, str]] = {}
        self.issuer = ""

    def authorize(self, way: str, **person: Any) -> tuple[str, str]:
        """Sign somebody in at the provider; return state and code as the browser would bring them back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(way).query).items()}
        assert (query["response_type"], query["client_id"], query["redirect_uri"]) == ("code", "ileen", BACK)
        code = f"code-{len(self.codes)}"
        self.codes[code] = {**query, "person": json.dumps(person)}
        return query["state"], code

    def token(self, form: dict[str, str]) -> dict[str, str] | None:
        known = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if known is None or form["client_secret"] != "secret" or known["code_challenge"] != challenge:
            return None
        now = self.clock.now() // SECOND
        claims = {"iss": self.issuer, "aud": "ileen", "iat": now, "exp": now + 300, "nonce": known["nonce"]}
        claims |= json.loads(known["person"]) | self.claims
        if self.header["alg"] == "none":
            parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in (self.header, claims)]
            token = ".".join(part.rstrip("=") for part in parts) + "."
        else:
            token = jwt.encode(self.header, claims, self.key, algorithms=[self.header["alg"]])
        return {"access_token": "x", "token_type": "Bearer", "id_token": token}


@pytest.fixture
def server(clock: ManualClock) -> Iterator[Server]:
    made = Server(clock)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                names = {"authorization_endpoint": "/way", "token_endpoint": "/token", "jwks_uri": "/keys"}
                self.answer({"issuer": made.issuer, **{name: made.issuer + path for name, path in names.items()}})
            else:
                self.answer({"keys": [KEY.as_dict(private=False)]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            token = made.token({name: values[0] for name, values in parse_qs(body).items()})
            self.answer(token or {"error": "invalid_grant"}, 200 if token else 400)

        def answer(self, document: dict[str, Any], status: int = 200) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.issuer = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield made
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def people(database: Database, ledger: Ledger, clock: ManualClock, ids: RandomIds, server: Server) -> Iterator[People]:
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    provider = Provider(issuer=server.issuer, client_id="ileen", client_secret="secret", name="Example")
    yield People(database, accounts, clock=clock, ids=ids, provider=provider)
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
