"""Signatures of webhooks: proof that raw bytes came from Stripe, with a secret of ours, just now.

Owns: the scheme (docs.stripe.com/webhooks#verify-manually): `t=<Unix seconds>,v1=<hex>[,v1=<hex>…]`, where each v1 is
HMAC-SHA256 over "<t>.<body>". While a secret is rolled there is one v1 for each, and we may know two secrets ourselves:
any pair counts. Times of the future are refused like old ones; Stripe's SDK lets them pass.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from ileen.base.clock import SECOND, Instant
from ileen.base.errors import WebhookInvalid

TOLERANCE_S: Final = 300
"""How far a signature's time may be from ours: Stripe signs each retry afresh, so this need only cover clocks."""
_HEADER_CHARACTERS_MAX: Final = 2000
_TIME: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


def check(raw: bytes, header: str, *, secrets: Sequence[str], now: Instant) -> None:
    """Let raw bytes pass if one of the secrets signed them within the tolerance. Raises: WebhookInvalid."""
    assert secrets and all(secrets), "an empty secret would let anybody sign"
    times, signatures = _read(header)
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not signatures:
        raise WebhookInvalid(reason="its signature header cannot be read")
    signed = times[0].encode() + b"." + raw
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    # Every pair is compared, in constant time: how long it takes tells nothing.
    matches = [hmac.compare_digest(one, other.encode()) for one in expected for other in signatures]
    if not any(matches):
        raise WebhookInvalid(reason="its signature is not ours")
    if abs(now // SECOND - int(times[0])) > TOLERANCE_S:
        raise WebhookInvalid(reason="it is too old or from the future")


def _read(header: str) -> tuple[list[str], list[str]]:
    if len(header) > _HEADER_CHARACTERS_MAX:
        raise WebhookInvalid(reason="its signature header is too long")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    return times, [value for name, _, value in pairs if name == "v1"]
