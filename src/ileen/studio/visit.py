"""One request of a person in the studio: who it is, what they filled in, and how pages are answered.

Owns: templates, the studio's own files, the policy its pages carry. Refuses to know: agents and runs.
V1  pages work without JavaScript; the one script is our own file, and nothing is inline.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ileen import catalogue
from ileen.accounts.who import Role, SignedIn
from ileen.base.ids import AccountId
from ileen.client import Wallet
from ileen.studio.ileen import Reception

_HERE: Final = Path(__file__).parent
_MEDIA_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


class Guest(Struct, frozen=True, kw_only=True):
    """Who is in the studio: the person, the account they work for, and its balance."""

    signed: SignedIn
    account: AccountId
    member: str
    csrf: str
    wallet: Wallet

    @property
    def locale(self) -> str:
        """The person's language."""
        return catalogue.locale_of(self.signed.person.locale)

    @property
    def may_buy(self) -> bool:
        """Whether the person may buy credits for the account."""
        return self.signed.role in {Role.OWNER, Role.BILLING}


class Visit:
    """A request of a guest and its answer to come."""

    def __init__(self, request: Request, guest: Guest, reception: Reception, form: Mapping[str, Any]) -> None:
        self.request, self.guest, self.form, self._reception = request, guest, form, reception
        self.locale = guest.locale

    def text(self, key: str, **values: object) -> str:
        """Return a sentence of the catalogue in the person's language."""
        return catalogue.text(self.locale, key, **values)

    def balance(self, amount: object) -> str:
        """Write a balance: never more than there is."""
        return catalogue.balance(self.locale, str(amount))

    def cost(self, amount: object) -> str:
        """Write what something cost, with all its digits."""
        return catalogue.cost(self.locale, str(amount))

    def about(self, amount: object) -> str:
        """Write what something will cost: nobody needs more than two digits of a guess."""
        return catalogue.cost(self.locale, rounded(str(amount)))

    def count(self, number: int) -> str:
        """Write a whole number."""
        return catalogue.number(self.locale, number)

    def moment(self, instant: Any) -> str:
        """Write an instant in the person's language and time zone."""
        return catalogue.moment(self.locale, instant, self.guest.signed.person.time_zone)

    def part(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def fragment(self, template: str, **context: Any) -> str:
        """Return a piece of a page."""
        known: dict[str, Any] = {
            "t": self.text,
            "visit": self,
            "guest": self.guest,
            "brand": self._reception.brand,
            "here": self.request.url.path,
            "asset": asset_url,
            "shared": self._reception.asset,
            "csrf": self.guest.csrf,
            "errors": {},
            "values": {},
        }
        return _environment().get_template(template).render(known | context)

    def render(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """Answer with a page."""
        html = self.fragment(template, **context)
        return self.finish(Response(html, status_code=status, media_type="text/html; charset=utf-8"))

    def redirect(self, path: str) -> Response:
        """Answer with a way to another page of ours."""
        return self.finish(RedirectResponse(path, status_code=303))

    def finish(self, answer: Response) -> Response:
        """Add the headers of every page of the studio."""
        for name, value in headers(self._reception).items():
            answer.headers[name] = value
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


def headers(reception: Reception) -> dict[str, str]:
    """Return the house's security headers with the studio's own policy, which lets its one script run."""
    return {**reception.headers(), "Content-Security-Policy": _CSP}


def rounded(amount: str) -> str:
    """Return a decimal string cut to cents, or where it is less than a cent, to its first two digits."""
    whole, _, decimals = amount.partition(".")
    zeros = len(decimals) - len(decimals.lstrip("0"))
    is_tiny = not int(whole) and zeros >= 2
    return f"{whole}.{decimals[: zeros + 2 if is_tiny else 2]:0<2}"


def asset_url(name: str) -> str:
    """Return the address of one of the studio's own files. Raises: KeyError if there is none of that name."""
    return f"/studio/assets/{_assets()[name][0]}/{name}"


def asset(digest: str, name: str) -> Response | None:
    """Return one of the studio's own files, if that is its content's hash."""
    known = _assets().get(name)
    if known is None or known[0] != digest:
        return None
    forever = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(known[1], media_type=_MEDIA_TYPES[Path(name).suffix], headers=forever)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _assets() -> dict[str, tuple[str, bytes]]:
    found: dict[str, tuple[str, bytes]] = {}
    for path in sorted((_HERE / "assets").iterdir()):
        if path.suffix in _MEDIA_TYPES:
            content = path.read_bytes()
            found[path.name] = (hashlib.sha256(content).hexdigest()[:16], content)
    return found
