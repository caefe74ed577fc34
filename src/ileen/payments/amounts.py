"""Money as whole cents: how much may be bought, how it is read and written, and what it is in credits.

Owns: the bounds of a purchase and the one exchange rate there is: 1 credit = EUR 1 before tax.
Refuses to know: VAT, which never becomes credits.
"""

import re
from typing import Final

from ileen.base.errors import AmountInvalid
from ileen.base.money import NANO

CENTS_MIN: Final = 500
"""The smallest purchase: EUR 5, well above what Stripe charges at all (EUR 0.50)."""
CENTS_MAX: Final = 50_000
"""The largest purchase: EUR 500."""

_EUROS: Final = re.compile(r"(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,2}))?", re.ASCII)


def read_cents(text: object, *, field: str = "amount") -> int:
    """Read euros before tax, such as "25" or "25.50", as whole cents that may be bought. Raises: AmountInvalid."""
    return check_cents(read_euros(text, field=field), field=field)


def read_euros(text: object, *, field: str) -> int:
    """Read euros, such as "25" or "25.50", as whole cents, however many. Raises: AmountInvalid."""
    match = _EUROS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise AmountInvalid(field=field, reason='write euros with at most two decimals, such as "25.50"')
    euros, decimals = match.groups()
    return int(euros) * 100 + int((decimals or "").ljust(2, "0"))


def read_total(text: object, *, field: str = "total") -> int:
    """Read the total that was shown, such as "29.75", as whole cents. Raises: AmountInvalid."""
    match = _EUROS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise AmountInvalid(field=field, reason='write the total of the quote, such as "29.75"')
    euros, decimals = match.groups()
    return int(euros) * 100 + int((decimals or "").ljust(2, "0"))


def check_cents(cents: int, *, field: str = "amount") -> int:
    """Return whole cents that may be bought. Raises: AmountInvalid."""
    if type(cents) is not int or not CENTS_MIN <= cents <= CENTS_MAX:
        bounds = f"{write_cents(CENTS_MIN)} to {write_cents(CENTS_MAX)}"
        raise AmountInvalid(field=field, reason=f"buy for EUR {bounds} before tax")
    return cents


def write_cents(cents: int) -> str:
    """Write cents as euros with two decimals: "59.50"."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def credits_of(net_cents: int) -> int:
    """Return the nano-credits that cents before tax buy."""
    return net_cents * (NANO // 100)
