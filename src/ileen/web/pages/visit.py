"""One request of a browser, as pages see it: who it is, what it filled in, how to answer.

Owns: cookies, forms, flash messages, the reader's language. Refuses to know: what any page is about.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ileen import catalogue
from ileen.accounts.tokens import mint_token
from ileen.accounts.who import SignedIn, Visitor
from ileen.base.clock import Instant
from ileen.base.errors import RequestMalformed, SessionInvalid
from ileen.web.guards import check_write, cookie_name, csrf_token, network_of
from ileen.web.house import Caller, House, signed_caller
from ileen.web.pages import frame
from ileen.web.pages.needs import allows

_FIELDS_MAX: Final = 100
LANGUAGES: Final = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "it": "Italiano"}
_VISITOR_MAX_AGE_S: Final = 400 * 24 * 3600
"""As long as browsers keep a cookie: it is how a known device is recognised, and it says nothing else."""
_SESSION_MAX_AGE_S: Final = 30 * 24 * 3600
_FLASH_MAX_AGE_S: Final = 60


class Visit:
    """A request and its answer to come. Made once per request, used by one thread."""

    def __init__(self, house: House, request: Request, body: bytes) -> None:
        self.house = house
        self.request = request
        self.form: Mapping[str, str] = _read_form(body) if request.method == "POST" else {}
        self.session_token = self._cookie("session")
        self.signed = house.people.sessions.current(self.session_token) if self.session_token else None
        known = self._cookie("visitor")
        self._visitor_token = known or mint_token()
        self._put: dict[str, tuple[str, int]] = {} if known else {"visitor": (self._visitor_token, _VISITOR_MAX_AGE_S)}
        self.locale = self._choose_locale()

    # Who -----------------------------------------------------------------------------------------------------

    @property
    def person(self) -> SignedIn:
        """The person who is signed in. Raises: SessionInvalid."""
        if self.signed is None:
            raise SessionInvalid
        return self.signed

    @property
    def caller(self) -> Caller:
        """The member as a caller of the rooms: account, wallet, actor, scopes. Raises: SessionInvalid, Forbidden."""
        return signed_caller(self.person)

    @property
    def visitor(self) -> Visitor:
        """The browser at the other end."""
        client = self.request.client
        forwarded = self.request.headers.get("x-forwarded-for")
        network = network_of(client.host if client else None, forwarded, proxies=self.house.proxies)
        return Visitor(token=self._visitor_token, network=network, agent=self.request.headers.get("user-agent", ""))

    @property
    def csrf(self) -> str:
        """The token that forms of this page carry."""
        return csrf_token(self._secret())

    def check_form(self) -> None:
        """Refuse a form that does not come from a page of ours. Raises: RequestForged."""
        check_write(
            self.request.method,
            self.request.headers,
            secret=self._secret(),
            token=self.form.get("csrf"),
            public_url=self.house.public_url,
        )

    def _secret(self) -> str:
        return self.session_token if self.signed is not None and self.session_token else self._visitor_token

    # The frame -----------------------------------------------------------------------------------------------

    @property
    def brand(self) -> str:
        """The name people know this server by."""
        return self.house.brand

    @property
    def inside(self) -> str:
        """Where people go once billing is set up."""
        return self.house.lodging or "/billing"

    @property
    def can_withdraw(self) -> bool:
        """Whether the withdrawal function without sign-in is offered."""
        payments = self.house.payments
        return payments is not None and payments.refunds.policy.withdrawal

    @property
    def navigation(self) -> list[dict[str, Any]]:
        """What this visitor sees in the navigation."""
        here = self.request.url.path
        return [
            {"path": item.path, "key": item.key, "current": here == item.path or here.startswith(item.path + "/")}
            for item in self.request.app.state.menu
            if allows(item.needs, self.signed)
        ]

    @property
    def languages(self) -> list[dict[str, str]]:
        """Our languages by their own names, with the query that shows this very page in each."""
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name != "lang"]
        return [
            {"locale": locale, "name": LANGUAGES[locale], "query": urlencode([*kept, ("lang", locale)])}
            for locale in catalogue.LOCALES
        ]

    @property
    def flash(self) -> str | None:
        """The key of the sentence to be shown once, if there is one; only sentences of ours count."""
        key = self._cookie("flash")
        return key if key in catalogue.sentences(self.locale) else None

    # What it says --------------------------------------------------------------------------------------------

    def field(self, name: str) -> str:
        """Return what was typed into a field of the form, without the space around it; empty if it is missing."""
        return self.form.get(name, "").strip()

    def secret_field(self, name: str) -> str:
        """Return what was typed into a field exactly as it was: a password may begin or end with a space."""
        return self.form.get(name, "")

    def query(self, name: str) -> str:
        """Return a parameter of the address, empty if it is missing."""
        return self.request.query_params.get(name, "")

    def part(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def return_path(self, fallback: str = "/") -> str:
        """Return where the reader wanted to go (`next`), if that is a path of ours; anything else is not trusted."""
        return local_path(self.field("next") or self.query("next"), fallback)

    # Answers -------------------------------------------------------------------------------------------------

    def text(self, key: str, **values: object) -> str:
        """Return a sentence of the catalogue in the reader's language."""
        return catalogue.text(self.locale, key, **values)

    def moment(self, instant: Instant) -> str:
        """Write an instant in the reader's language and time zone."""
        return catalogue.moment(self.locale, instant, self.signed.person.time_zone if self.signed else "UTC")

    def render(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """Answer with a page. Templates know `t` (sentences), `visit`, `csrf`, `errors` and `values`."""
        flash = self.flash
        if self._cookie("flash") is not None:
            self._put["flash"] = ("", 0)
        known: dict[str, Any] = {
            "t": self.text,
            "moment": self.moment,
            "visit": self,
            "csrf": self.csrf,
            "locale": self.locale,
            "locales": catalogue.LOCALES,
            "asset": frame.asset_url,
            "flash": flash,
            "errors": {},
            "values": {},
        }
        html = frame.render(template, known | context)
        return self.finish(Response(html, status_code=status, media_type="text/html; charset=utf-8"))

    def redirect(self, path: str, *, flash: str | None = None) -> Response:
        """Answer with a way to another page of ours; `flash` is the key of a sentence shown there once."""
        if flash is not None:
            self._put["flash"] = (flash, _FLASH_MAX_AGE_S)
        return self.finish(RedirectResponse(local_path(path, "/"), status_code=303))

    def leave(self, url: str) -> Response:
        """Answer with a way to somebody else's page, such as a bank's or an identity provider's.

        A page that leads on by itself, since browsers apply `form-action` to redirects after a form too.
        """
        assert urlsplit(url).scheme in {"http", "https"}, "only web pages are left for"
        answer = self.render("leave.html", url=url)
        answer.headers["Refresh"] = f"0; url={url}"
        return answer

    def keep_session(self, token: str | None) -> None:
        """Give the browser a session's token, or take it away."""
        self._put["session"] = ("", 0) if token is None else (token, _SESSION_MAX_AGE_S)

    def finish(self, answer: Response) -> Response:
        """Add cookies and the headers of every page."""
        secure = self.house.public_url.startswith("https://")
        for kind, (value, max_age) in self._put.items():
            name = cookie_name(kind, self.house.public_url)
            answer.set_cookie(name, value, max_age=max_age, path="/", secure=secure, httponly=True, samesite="lax")
        for name, value in frame.headers(self.house.public_url).items():
            answer.headers[name] = value
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _cookie(self, kind: str) -> str | None:
        return self.request.cookies.get(cookie_name(kind, self.house.public_url)) or None

    def _choose_locale(self) -> str:
        wished = self.query("lang")
        if wished in catalogue.LOCALES:
            self._put["lang"] = (wished, _VISITOR_MAX_AGE_S)
        else:
            wished = self._cookie("lang") or ""
        chosen = wished if wished in catalogue.LOCALES else None
        header = self.request.headers.get("accept-language")
        return catalogue.locale_of(self.signed.person.locale if self.signed else chosen, header)


def local_path(path: str, fallback: str) -> str:
    """Return `path` if it leads to a page of ours and nowhere else, else `fallback`."""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable() or "\\" in path:
        return fallback
    return path if path.isascii() and len(path) <= 500 else fallback


def _read_form(body: bytes) -> Mapping[str, str]:
    """Read a form; of a field that comes twice the last counts. Raises: RequestMalformed."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError as error:
        raise RequestMalformed("The form cannot be read.") from error
    if any("\x00" in text for pair in pairs for text in pair):  # no form of a browser has one, no database takes one
        raise RequestMalformed("The form cannot be read.")
    return dict(pairs)
