"""What a browser's request must prove before it may write, and where it comes from. Pure functions over headers.

Owns: the names of our cookies, the CSRF token, the same-origin rule, the network of an address.
Refuses to know: who is signed in.
G1  a writing request of a browser session passes three checks: the cookie is SameSite, the browser does not say that
    another site sent it, and it carries a token that only pages of ours contain.
G2  the CSRF token is derived from the cookie's secret, so that it needs no storage, changes with every sign-in, and
    does not give the secret away.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from ileen.base.errors import OriginRefused, RequestForged

CSRF_HEADER: Final = "ileen-csrf"
"""Where requests of scripts carry the token; forms have it in the field `csrf`."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CSRF_CONTEXT: Final = b"ileen csrf 1"
_NETWORK_BITS: Final = {4: 24, 6: 48}


def cookie_name(kind: str, public_url: str) -> str:
    """Return the name of the cookie `kind`: on https with the prefix by which browsers bind it to this very host."""
    return f"__Host-ileen_{kind}" if public_url.startswith("https://") else f"ileen_{kind}"


def csrf_token(secret: str) -> str:
    """Return the token that pages for the holder of this cookie contain."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), _CSRF_CONTEXT, hashlib.sha256).hexdigest()


def check_write(method: str, headers: Mapping[str, str], *, secret: str, token: str | None, public_url: str) -> None:
    """Let a request of a browser pass if it only reads, or proves to come from a page of ours (G1).

    Raises: RequestForged.
    """
    if method in _SAFE:
        return
    if not is_same_origin(headers, public_url=public_url):
        raise RequestForged
    if token is None or not hmac.compare_digest(csrf_token(secret).encode(), token.encode("utf-8", "surrogatepass")):
        raise RequestForged


def is_same_origin(headers: Mapping[str, str], *, public_url: str) -> bool:
    """Tell whether the browser says that a page of ours sent this. Old browsers say it by Origin only."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True  # no browser of the last ten years; the token still decides
    return urlsplit(origin).netloc in {headers.get("host"), urlsplit(public_url).netloc}


def check_origin(headers: Mapping[str, str], origins: frozenset[str], *, public_url: str) -> None:
    """Let a UI session's token be used only from the origins it was made for.

    A browser names the origin with every request across origins; a page of ours, which may be among the allowed
    ones, does not need to when it reads. Raises: OriginRefused.
    """
    origin = headers.get("origin")
    if origin is None and headers.get("sec-fetch-site") == "same-origin":
        origin = _origin_of(public_url)
    if origin is None or origin not in origins:
        raise OriginRefused(origin=(origin or "none")[:200])


def network_of(peer: str | None, forwarded: str | None, *, proxies: int) -> str:
    """Return the network a request comes from: /24 of IPv4, /48 of IPv6, which is what one subscriber gets.

    `forwarded` is X-Forwarded-For; only as many of its last entries are believed as there are proxies of ours.
    """
    address = peer or ""
    if proxies and forwarded:
        named = [part.strip() for part in forwarded.split(",")]
        address = named[-min(proxies, len(named))]
    try:
        parsed = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, _NETWORK_BITS[parsed.version]), strict=False))


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
