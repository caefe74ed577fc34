"""A real identity provider in this process: real keys, real HTTP, honest until told otherwise.

Import the fixture by name: `server`.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from ileen.accounts.provider import Provider
from ileen.base.clock import SECOND, Clock

BACK = "http://ileen/sign-in/provider/callback"
KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})


class Server:
    """An honest provider: codes are issued for a way, exchanged once, with PKCE and client secret checked.

    `claims` are added to every ID token, `key` and `header` sign it: levers to make it dishonest. `silent` makes it
    answer no code.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.claims: dict[str, Any] = {}
        self.key: Any = KEY
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "1"}
        self.codes: dict[str, dict[str, str]] = {}
        self.issuer = ""
        self.silent = False

    def authorize(self, way: str, **person: Any) -> tuple[str, str]:
        """Sign somebody in at the provider; return state and code as the browser would bring them back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(way).query).items()}
        assert (query["response_type"], query["client_id"], query["redirect_uri"]) == ("code", "ileen", BACK)
        code = f"code-{len(self.codes)}"
        self.codes[code] = {**query, "person": json.dumps(person)}
        return query["state"], code

    def provider(self) -> Provider:
        """This provider, as the operator configures it."""
        return Provider(issuer=self.issuer, client_id="ileen", client_secret="secret", name="Example")

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
def server(clock: Clock) -> Iterator[Server]:
    with serving(Server(clock)) as made:
        yield made


@contextmanager
def serving(made: Server) -> Iterator[Server]:
    """Have a provider answer at an address of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                names = {"authorization_endpoint": "/way", "token_endpoint": "/token", "jwks_uri": "/keys"}
                self.answer({"issuer": made.issuer, **{name: made.issuer + path for name, path in names.items()}})
            else:
                self.answer({"keys": [KEY.as_dict(private=False)]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            if made.silent:
                self.answer({}, 503)
                return
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
