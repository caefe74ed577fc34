"""Amounts of credits as integers of nano-credits, and their decimal text.

Owns: the unit, its bounds, and the one way amounts are read from and written to text.
Refuses to know: prices, currencies, rounding of charges (that is `pricing`).
M1  an amount is an `int`; no float is accepted, produced or passed through.
M2  `parse(write(n)) == n` for every amount; nothing is ever rounded here.
"""

import re
from typing import Final

from ileen.base.errors import AmountInvalid

NANO: Final = 10**9
"""Nano-credits in one credit. One credit costs one euro before tax."""

AMOUNT_NANO_MAX: Final = 2**62
"""Largest amount accepted anywhere (about 4.6 billion credits): any sum of two still fits a signed 64-bit column."""

_DECIMAL: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,9}))?", re.ASCII)


def parse(text: object, *, field: str = "amount", negative: bool = False) -> int:
    """Read a decimal string of credits, such as "0.10", as nano-credits.

    Strict on purpose: plain digits, a point, at most nine decimals; no sign unless `negative`, no exponent,
    no grouping, no surrounding space, no JSON number (a float could already have lost digits).
    Raises: AmountInvalid, naming `field`.
    """
    match = _DECIMAL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise AmountInvalid(
            field=field, reason='write it as a decimal string with at most nine decimals, such as "0.10"'
        )
    sign, whole, decimals = match.groups()
    units = int(whole) * NANO + int((decimals or "").ljust(9, "0"))
    if units > AMOUNT_NANO_MAX:
        raise AmountInvalid(field=field, reason="it is larger than any wallet can hold")
    if sign and not negative:
        raise AmountInvalid(field=field, reason="it must not be negative")
    return -units if sign else units


def write(nano: int) -> str:
    """Nano-credits as a decimal string with two to nine decimals: "5.00", "0.000000001", "-1.25"."""
    whole, rest = divmod(abs(nano), NANO)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}{whole}.{decimals}"
