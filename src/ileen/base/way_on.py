"""The way on after a refusal over credits: where a person goes, the same by the API and by the gateway.

Owns: which refusals end once somebody has bought credits or passed the gate. Refuses to know: how answers are written.
"""

from ileen.base.errors import (
    DebtLimitReached,
    GateClosed,
    IleenError,
    InsufficientCredits,
    TooManyCalls,
    Unavailable,
)


def retry_after_s(error: IleenError) -> int | None:
    """Return after how many seconds the same request may succeed, for `Retry-After`; None if time is no remedy."""
    if isinstance(error, (TooManyCalls, Unavailable)):
        return 1
    found = error.fields.get("retry_after_s")
    return found if isinstance(found, int) else None


def way_on(error: IleenError, *, buy_url: str | None) -> dict[str, object]:
    """Return the members to add to a refusal: `buy_url`, and `next` where that page, or the gate's, is the remedy.

    A cap gets no `next`: more credits would not lift it.
    """
    if error.status != 402:
        return {}
    found: dict[str, object] = {"buy_url": buy_url} if buy_url else {}
    url = error.fields["gate_url"] if isinstance(error, GateClosed) else buy_url
    if url and isinstance(error, (GateClosed, InsufficientCredits, DebtLimitReached)):
        found["next"] = {"kind": "redirect", "url": url, "id": None}
    return found
