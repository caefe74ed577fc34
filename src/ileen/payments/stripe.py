"""The one door to Stripe's SDK: every call made to Stripe is a function here, with an explicit idempotency key.

Owns: the client and its API version. Refuses to know: our tables.
"""

from typing import Final

from stripe import StripeClient

API_VERSION: Final = "2026-10-28.endive"
"""The version every request and every webhook endpoint is pinned to."""


def client(secret_key: str, *, base_url: str | None = None) -> StripeClient:
    """Return a client; `base_url` is the sandbox's, None is Stripe itself. Makes no call."""
    addresses = {"api": base_url} if base_url else None
    return StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses=addresses,  # pyright: ignore[reportArgumentType]  # the SDK's typed dict of bases
        max_network_retries=2,
    )
