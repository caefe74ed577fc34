"""Which addresses may be called on a stranger's word, and the one call.

An account's URL could name our own network. So the name is looked up here, every address it stands for must be public,
and the connection goes to the very address that was checked: a name that answers differently a moment later is no way
round. The status is all that is read of an answer.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from ileen.base.errors import RequestInvalid

TIMEOUT_S: Final = 10
URL_CHARACTERS_MAX: Final = 500
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class TargetRefused(Exception):  # told in the delivery, never to the caller
    """The address must not be called."""


class Reach(Struct, frozen=True, kw_only=True):
    """How far we go: to public addresses by https; by http too, to this machine (`loopback`), anywhere (`private`)."""

    private: bool = False
    loopback: bool = False


def check_url(url: str, reach: Reach) -> str:
    """Return a URL that may be called as far as its text tells. Raises: RequestInvalid."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _invalid("it is not a URL") from None
    if len(url) > URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url or not host:
        raise _invalid("it is not a URL")
    if parts.username is not None or parts.fragment:
        raise _invalid("leave out user names and fragments")
    if parts.scheme == "http" and (reach.private or (reach.loopback and _is_loopback_name(host))):
        return url
    if parts.scheme != "https":
        raise _invalid("write https://")
    return url


def send(url: str, body: bytes, headers: Mapping[str, str], reach: Reach) -> int:
    """Post to a URL and return the answer's status. Calls out. Raises: TargetRefused, OSError, HTTPException."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = _looked_up(host, port, reach)
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    connection.sock = socket.create_connection((address, port), timeout=TIMEOUT_S)
    try:
        if secure:
            connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=host)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = {} if parts.port is None else {"Host": f"{host}:{port}"}
        connection.request("POST", path, body=body, headers={**named, **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def _looked_up(host: str, port: int, reach: Reach) -> str:
    """Return an address to connect to; all that a name stands for must be allowed. Raises: TargetRefused, OSError."""
    found = {str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for address in found:
        if not _is_allowed(address, reach):
            raise TargetRefused("the address is not a public one")
    return min(found)


def _is_allowed(address: str, reach: Reach) -> bool:
    ip = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if reach.private or (reach.loopback and ip.is_loopback):
        return True
    return ip.is_global and not ip.is_multicast


def _meant(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 address leads to: mapped, by a NAT64 gateway (RFC 6052) or by 6to4."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _is_loopback_name(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"}


def _invalid(reason: str) -> RequestInvalid:
    return RequestInvalid(f"url: {reason}.", fields=[{"field": "url", "reason": reason}])
