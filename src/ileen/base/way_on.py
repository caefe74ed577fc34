"""The way on after a refusal over money: where a person goes, the same by the API and by the gateway.

Owns: which refusals end with a visit to the page where credits are bought, or to the gate's, and which only somebody
else can end; after how long the same request may succeed. Refuses to know: how answers are written.
"""

from typing import Final

from ileen.base.errors import (
    BillingIncomplete,
    CountryNotSold,
    DebtLimitReached,
    GateClosed,
    IleenError,
    InsufficientCredits,
    LocationInvalid,
    QuoteChanged,
    TerritoryNotSold,
    TooManyCalls,
    Unavailable,
)

_DONE_BY_BUYING: Final = (InsufficientCredits, DebtLimitReached)
_DONE_WHERE_BOUGHT: Final = (QuoteChanged, BillingIncomplete, LocationInvalid)
"""The page where credits are bought shows the new total, and leads to billing details, address and cards."""
_NOT_SOLD: Final = (CountryNotSold, TerritoryNotSold)


def retry_after_s(error: IleenError) -> int | None:
    """Return after how many seconds the same request may succeed, for `Retry-After`; None if time is no remedy."""
    if isinstance(error, (TooManyCalls, Unavailable)):
        return 1
    found = error.fields.get("retry_after_s")
    return found if isinstance(found, int) else None


def way_on(error: IleenError, *, buy_url: str | None) -> dict[str, object]:
    """Return the members to add to a refusal: `buy_url`, and `next` where that page, or the gate's, is the remedy.

    A cap gets no `next`: more credits would not lift it. Where nothing is sold, only the operator can help.
    """
    if isinstance(error, _NOT_SOLD):
        return {"next": {"kind": "contact", "url": None, "id": None}}
    if error.status != 402 and not isinstance(error, _DONE_WHERE_BOUGHT):
        return {}
    found: dict[str, object] = {"buy_url": buy_url} if buy_url else {}
    url = error.fields["gate_url"] if isinstance(error, GateClosed) else buy_url
    if url and isinstance(error, (GateClosed, *_DONE_BY_BUYING, *_DONE_WHERE_BOUGHT)):
        found["next"] = {"kind": "redirect", "url": url, "id": None}
    return found
