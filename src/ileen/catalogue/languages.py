"""Which of our languages a reader gets: what they chose, else what their browser asks for, else English."""

import re
from typing import Final

LOCALES: Final = ("en", "de", "fr", "es", "it")
"""The languages of the catalogue; the first is the source and the fallback."""

_WISH: Final = re.compile(r"([A-Za-z]{2,8})(?:[-_][A-Za-z0-9]{1,8})*(?:;q=([01](?:\.[0-9]{0,3})?))?")
_HEADER_CHARACTERS_MAX: Final = 500
"""Longer headers are cut: nobody reads a hundred languages, and the header is a stranger's."""


def locale_of(*wishes: str | None) -> str:
    """Return the first of our languages among `wishes`, each a stored tag ("de-AT") or an Accept-Language header."""
    for wish in wishes:
        if wish and (found := _first(wish)):
            return found
    return LOCALES[0]


def _first(wish: str) -> str | None:
    ranked: list[tuple[int, str]] = []
    for part in wish[:_HEADER_CHARACTERS_MAX].replace(" ", "").split(","):
        match = _WISH.fullmatch(part)
        if match and match[1].lower() in LOCALES and (weight := _thousandths(match[2])):
            ranked.append((weight, match[1].lower()))
    # max() keeps the first of equals, which is the reader's own order.
    return max(ranked, key=lambda entry: entry[0])[1] if ranked else None


def _thousandths(quality: str | None) -> int:
    whole, _, rest = (quality or "1").partition(".")
    return min(int(whole) * 1000 + int(rest.ljust(3, "0")[:3] or 0), 1000)
