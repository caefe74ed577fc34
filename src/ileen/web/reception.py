"""What the house does for an application on its own host (the studio): who is signed in, a key to spend with.

Owns: `Reception`. Refuses to know: who asks. The application sees no session's secret, and its forms are checked by the
rules for ours.
"""

from collections.abc import Mapping

from starlette.requests import Request

from ileen.accounts import ALL
from ileen.accounts.who import SignedIn
from ileen.base.errors import SessionInvalid
from ileen.base.ids import AccountId
from ileen.web.guards import check_write, cookie_name, csrf_token
from ileen.web.house import House
from ileen.web.pages import frame


class Reception:
    """The house, to an application beside it. Thread-safe; calls block on short transactions."""

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def brand(self) -> str:
        """The name people know the house by."""
        return self._house.brand

    def signed(self, request: Request) -> SignedIn | None:
        """Return the person whose browser session a request carries, or None."""
        token = self._token(request)
        return self._house.people.sessions.current(token) if token else None

    def csrf(self, request: Request) -> str:
        """Return the token that forms for this browser carry. Raises: SessionInvalid."""
        token = self._token(request)
        if token is None:
            raise SessionInvalid
        return csrf_token(token)

    def check_form(self, request: Request, token: str | None) -> None:
        """Refuse a form that does not come from a page of this host. Raises: RequestForged, SessionInvalid."""
        secret = self._token(request)
        if secret is None:
            raise SessionInvalid
        check_write(request.method, request.headers, secret=secret, token=token, public_url=self._house.public_url)

    def mint_key(self, account: AccountId, *, name: str, by: str) -> str:
        """Make a key of an account that may spend and read, and return its secret. The audit names `by`."""
        return self._house.accounts.create_key(account, name=name, scopes=ALL, by=by)[1]

    def asset(self, name: str) -> str:
        """Return the address of one of our own files. Raises: KeyError."""
        return frame.asset_url(name)

    def headers(self) -> Mapping[str, str]:
        """Return the security headers of our pages."""
        return frame.headers(self._house.public_url)

    def _token(self, request: Request) -> str | None:
        return request.cookies.get(cookie_name("session", self._house.public_url)) or None
