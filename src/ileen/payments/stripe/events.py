"""Events read back at Stripe: those that not every endpoint has taken (kept there for thirty days).

Owns: the parameters of the list, and an event as text like a webhook's body. Refuses to know: what events mean.
"""

from typing import Any

import msgspec
from msgspec import Struct

from ileen.payments.stripe.client import Stripe, answered


class Page(Struct, frozen=True, kw_only=True):
    """Some events, newest first. `last` is what to go on after, None when there are no more."""

    events: tuple[tuple[str, bytes], ...]
    """Type and text of each."""
    last: str | None


def undelivered(at: Stripe, *, since_s: int, until_s: int, after: str | None, limit: int) -> Page:
    """Read a page of the events created in a span of Unix seconds that are not, or not yet, delivered everywhere.

    Both ends are included. Raises: StripeUnavailable, StripeRefused.
    """
    params: Any = {"delivery_success": False, "created": {"gte": since_s, "lte": until_s}, "limit": limit}
    if after is not None:
        params["starting_after"] = after
    with answered():
        found = at.client.v1.events.list(params)
    events = tuple((each.type, msgspec.json.encode(each.to_dict())) for each in found.data)
    return Page(events=events, last=found.data[-1].id if found.has_more else None)
