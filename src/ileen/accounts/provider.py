"""One OpenID Connect provider, spoken to over HTTP: discovery, the way to its page, the code for an identity.

Owns: the protocol (OpenID Connect Core 1.0, authorization code flow with PKCE) and what makes an ID token good.
Refuses to know: our database and whom an identity belongs to.
O1  only asymmetric signatures by the provider's own published keys count; `none` and shared secrets never do.
O2  issuer, audience, nonce and times are checked (OpenID Connect Core, section 3.1.3.7), with a minute's tolerance.
O3  every answer is bounded in size and time: the provider is somebody else's server.
"""

import base64
import hashlib
import json
import threading
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import IdentityProviderFailed, IdentityRefused

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_KEPT_S: Final = 3600
"""How long the provider's metadata and keys are kept; an unknown key makes us ask again at once."""
_LEEWAY_S: Final = 60
_TIMEOUT_S: Final = 10
_ANSWER_BYTES_MAX: Final = 256 * 1024


class Provider(Struct, frozen=True, kw_only=True):
    """An identity provider as the operator configures it; `name` stands on the button."""

    issuer: str
    client_id: str
    client_secret: str
    name: str


class Identity(Struct, frozen=True, kw_only=True):
    """Who the provider says somebody is. Only `issuer` and `subject` together never change."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None
    locale: str | None


class _Metadata(Struct, frozen=True, kw_only=True):
    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet
    read_at: Instant


class OpenIdClient:
    """The client of one provider. Thread-safe; calls block on the provider's server."""

    def __init__(self, provider: Provider, *, clock: Clock) -> None:
        self.provider = provider
        self._clock = clock
        self._metadata: _Metadata | None = None
        self._reading = threading.Lock()

    def way(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address of the provider's sign-in page. Raises: IdentityProviderFailed."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._read().authorization_endpoint
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    def identify(self, code: str, *, redirect_uri: str, nonce: str, verifier: str) -> Identity:
        """Exchange a code for the identity it stands for. Raises: IdentityProviderFailed, IdentityRefused."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.provider.client_id,
            "client_secret": self.provider.client_secret,
            "code_verifier": verifier,
        }
        answer = self._ask("POST", self._read().token_endpoint, form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise IdentityRefused(reason="the code was not accepted")
        return self._check(token, nonce=nonce)

    def _check(self, token: str, *, nonce: str) -> Identity:
        try:
            claims = self._claims(token)
            jwt.JWTClaimsRegistry(
                now=self._clock.now() // SECOND,
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self.provider.issuer},
                sub={"essential": True},
                aud={"essential": True, "value": self.provider.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError) as error:
            raise IdentityRefused(reason=f"its ID token is not good ({type(error).__name__})") from error
        if isinstance(claims["aud"], list) and claims.get("azp") != self.provider.client_id:
            raise IdentityRefused(reason="its ID token is for somebody else")
        return Identity(
            issuer=self.provider.issuer,
            subject=str(claims["sub"]),
            email=_text(claims, "email"),
            email_verified=claims.get("email_verified") is True,
            name=_text(claims, "name"),
            locale=_text(claims, "locale"),
        )

    def _claims(self, token: str) -> dict[str, Any]:
        """Return a token's claims after its signature was checked; with fresh keys, if its key is not among ours."""
        try:
            return jwt.decode(token, self._read().keys, algorithms=list(_ALGORITHMS)).claims
        except (JoseError, ValueError):
            return jwt.decode(token, self._read(fresh=True).keys, algorithms=list(_ALGORITHMS)).claims

    def _read(self, *, fresh: bool = False) -> _Metadata:
        """Return the provider's metadata, asked for when it is old or `fresh` ones are needed."""
        with self._reading:
            kept = self._metadata
            now = self._clock.now()
            if kept is not None and now - kept.read_at < (_LEEWAY_S if fresh else _KEPT_S) * SECOND:
                return kept
            document = self._ask("GET", f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration")
            if document.get("issuer") != self.provider.issuer:
                raise IdentityProviderFailed(reason="its metadata names another issuer")
            addresses = [document.get(f"{name}") for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            if not all(isinstance(each, str) and each.startswith(("https://", "http://")) for each in addresses):
                raise IdentityProviderFailed(reason="its metadata lacks an address")
            way, tokens, keys = (str(each) for each in addresses)
            self._metadata = _Metadata(
                authorization_endpoint=way, token_endpoint=tokens, keys=self._keys(keys), read_at=now
            )
            return self._metadata

    def _keys(self, address: str) -> KeySet:
        document = self._ask("GET", address)
        try:
            return KeySet.import_key_set(document)  # pyright: ignore[reportArgumentType]  # checked by the import itself
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise IdentityProviderFailed(reason="its keys cannot be read") from error

    def _ask(self, method: str, address: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        """Ask the provider for a JSON object. Redirects are not followed: they could lead anywhere."""
        try:
            with (
                httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=False) as http,
                http.stream(method, address, data=form, headers={"Accept": "application/json"}) as answer,
            ):
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > _ANSWER_BYTES_MAX:
                        raise IdentityProviderFailed(reason="its answer is too large")
                status = answer.status_code
        except httpx2.HTTPError as error:
            raise IdentityProviderFailed(reason="it could not be reached") from error
        if 400 <= status < 500 and form is not None:
            raise IdentityRefused(reason="the code was not accepted")
        try:
            document: object = json.loads(bytes(body)) if status == 200 else None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise IdentityProviderFailed(reason=f"it answered {status} or not JSON")
        return document  # pyright: ignore[reportUnknownVariableType]  # the values are checked one by one


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None
