"""The frame of all hosted pages: templates, headers, forms, and what a refusal does to a transaction.

Owns: how a page is asked for and answered. Refuses to know: what any page shows.
H1  a page never runs script and loads nothing from elsewhere; forms lead to the sandbox, or where a visit returns to.
H2  a page leads away only to the URL that the seller's own request gave.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from ileen.sandbox.stripe.api import PageAnswer, PageCall
from ileen.sandbox.stripe.errors import ApiError, Json
from ileen.sandbox.stripe.store import Tx

_HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


def page(
    template: str,
    *,
    status: int = 200,
    back: str | None = None,
    leads_to: Sequence[str] = (),
    brand: str,
    **values: Any,
) -> PageAnswer:
    """Fill a template in. `back` is where the page may lead away to, `leads_to` where its forms may end up."""
    home = back if back and _origin(back) else None
    shown: Json = {"alert": None, "notice": None, "form": {}, "errors": {}, **values}
    text = _templates().get_template(template).render(brand=brand, back=home, **shown)
    # Chromium applies form-action to every redirect after a form too, so each way out must be named in it.
    origins = {_origin(url) for url in (back or "", *leads_to)} - {""}
    actions = " ".join(["'self'", *sorted(origins)])
    policy = f"default-src 'none'; style-src 'self'; form-action {actions}; base-uri 'none'; frame-ancestors 'none'"
    headers = {**_HEADERS, "Content-Security-Policy": policy}
    return PageAnswer(text.encode(), status, headers=tuple(headers.items()))


def over(heading: str, sentence: str, *, brand: str, back: str | None = None, status: int = 410) -> PageAnswer:
    """Say that a link leads nowhere any more, and where to go on."""
    return page("over.html", status=status, brand=brand, back=back, heading=heading, sentence=sentence)


def expired(*, brand: str, back: str | None = None) -> PageAnswer:
    """Say that a link has expired."""
    sentence = "Links to this page work once and only for a short while. Nothing was changed."
    return over("This link has expired", sentence, brand=brand, back=back)


def goto(url: str) -> PageAnswer:
    """Lead on to another page after a form."""
    return PageAnswer(b"", 303, "text/plain; charset=utf-8", (*_HEADERS.items(), ("Location", url)))


def document(content: bytes, name: str) -> PageAnswer:
    """Hand out a PDF file."""
    named = ("Content-Disposition", f'inline; filename="{name}.pdf"')
    return PageAnswer(content, 200, "application/pdf", (*_HEADERS.items(), named))


def stylesheet(_tx: Tx, _call: PageCall) -> PageAnswer:
    """Serve the one stylesheet of all pages."""
    content = (resources.files(__package__ or "") / "templates" / "style.css").read_bytes()
    return PageAnswer(content, 200, "text/css; charset=utf-8", tuple(_HEADERS.items()))


def fields(form: Json) -> dict[str, str]:
    """Return a form's plain fields; brackets in names mean nothing here."""
    return {name: value for name, value in form.items() if isinstance(value, str)}


def attempt(tx: Tx, act: Callable[[], object]) -> ApiError | None:
    """Do something that may be refused: return the refusal, undoing what came before it unless it is to be kept."""
    tx.connection.execute("SAVEPOINT page")
    refusal = None
    try:
        act()
    except ApiError as error:
        refusal = error
        if not error.keep:
            tx.connection.execute("ROLLBACK TO page")
    tx.connection.execute("RELEASE page")
    return refusal


def said(refusal: ApiError) -> str:
    """Return a refusal's sentence for people."""
    return str(refusal.body["error"]["message"])


def _origin(url: str) -> str:
    """Return the origin of an http(s) URL; nothing for any other."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} and parts.netloc else ""


def moment(seconds: int) -> datetime:
    """Return a Unix second as a UTC datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def day(seconds: int | None) -> str:
    """Write the day of a Unix second: "24 November 2026"; nothing for None."""
    return "" if seconds is None else f"{moment(seconds):%-d %B %Y}"


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader(__package__ or "", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
