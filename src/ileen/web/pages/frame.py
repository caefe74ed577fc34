"""The frame of every page: templates, the headers that keep it safe, and our own files under /assets/.

Owns: the Jinja environment, security headers, the names of assets. Refuses to know: what pages say.
Assets are named with a hash of their content, so that browsers keep them for good and never show an old one.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

_HERE: Final = Path(__file__).parent
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_CSP: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": then browsers send `Origin: null` with our own forms. Other sites get nothing either way.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS: Final = "max-age=31536000"


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return the HTML of a template; every value is escaped, a missing one is an error."""
    return _environment().get_template(template).render(context)


def headers(public_url: str) -> dict[str, str]:
    """Return the headers of every answer: policy against injection and framing; strict transport on https only."""
    secure = {"Strict-Transport-Security": _HSTS} if public_url.startswith("https://") else {}
    return _HEADERS | secure


def asset_url(name: str) -> str:
    """Return the address of one of our own files. Raises: KeyError if there is none of that name."""
    digest, _ = _assets()[name]
    return f"/assets/{digest}/{name}"


def asset(digest: str, name: str) -> Response | None:
    """Return one of our own files, if that is its content's hash."""
    known = _assets().get(name)
    if known is None or known[0] != digest:
        return None
    forever = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{digest}"'}
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
