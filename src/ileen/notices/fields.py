"""The facts of a mail: how each type of value is checked when it is owed, and written when it is sent.

Values are strings, since they wait in the database: decimal strings for amounts, RFC 3339 for instants.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ileen.base.clock import to_instant
from ileen.catalogue import LOCALES, balance, day, moment, money, percent, sentences, text

_CHARACTERS_MAX: Final = {"line": 120, "prose": 2000}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029\ud800-\udfff]+")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)


class Field(StrEnum):
    """The type of a value."""

    LINE = "line"
    """Anything short: a name, a card, a device. Cleaned, cut, never refused."""
    PROSE = "prose"
    """Anything longer, written by the program: the detail of an alarm."""
    MONEY = "money"
    """Whole cents as a decimal string of euros: "29.75"."""
    BALANCE = "balance"
    """Credits as a decimal string, shown floored to cents."""
    PERCENT = "percent"
    """Percent points as a decimal string: "25.5"."""
    MOMENT = "moment"
    """An instant as RFC 3339 text, shown in the mail's `time_zone`, which it names."""
    DAY = "day"
    """A calendar day: "2026-11-30"."""
    ZONE = "zone"
    """An IANA time zone for the mail's moments; not shown by itself."""
    CHOICE = "choice"
    """One of a few words; its sentence is the catalogue's `<field>.<word>`."""
    LINK = "link"
    """A path on this server ("/billing"), or an http(s) address."""
    SECRET_LINK = "secret_link"  # noqa: S105  # the name of a type
    """A link that carries a token: blanked once the mail is out."""


def clean(name: str, field: Field, value: str) -> str:
    """Return a value as it is kept. Raises: ValueError if it is not of its type: a mistake of the caller.

    Free text is never refused: an odd name must not undo the transaction that owes the mail.
    """
    if field in {Field.LINE, Field.PROSE}:
        return _CONTROL.sub(" ", value).strip()[: _CHARACTERS_MAX[field.value]]
    try:
        _CHECKS[field](name, value)
    except (ValueError, KeyError, InvalidOperation, OSError) as error:
        raise ValueError(f"'{name}' is not of type {field.value}") from error
    return value


def show(name: str, field: Field, value: str, *, locale: str, zone: str, public_url: str) -> str:
    """Write a value for a reader."""
    if field is Field.MOMENT:
        return moment(locale, to_instant(datetime.fromisoformat(value)), zone)
    if field is Field.CHOICE:
        return text(locale, f"{name}.{value}")
    if field in {Field.LINK, Field.SECRET_LINK}:
        return public_url + value if value.startswith("/") else value
    writer = _WRITERS.get(field)
    return writer(locale, value) if writer else value


def _check_money(_: str, value: str) -> None:
    _check_decimal(_, value)
    money(LOCALES[0], value)


def _check_decimal(_: str, value: str) -> None:
    if not _DECIMAL.fullmatch(value):
        raise ValueError
    Decimal(value)


def _check_moment(_: str, value: str) -> None:
    if datetime.fromisoformat(value).tzinfo is None:
        raise ValueError


def _check_day(_: str, value: str) -> None:
    day(LOCALES[0], value)


def _check_zone(_: str, value: str) -> None:
    ZoneInfo(value)


def _check_choice(name: str, value: str) -> None:
    sentences(LOCALES[0])[f"{name}.{value}"]


def _check_link(_: str, value: str) -> None:
    parts = urlsplit(value)
    inside = value.startswith("/") and not value.startswith(("//", "/\\"))
    outside = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if _CONTROL.search(value) or " " in value or not (inside or outside):
        raise ValueError


_CHECKS: Final[Mapping[Field, Callable[[str, str], None]]] = {
    Field.MONEY: _check_money,
    Field.BALANCE: _check_decimal,
    Field.PERCENT: _check_decimal,
    Field.MOMENT: _check_moment,
    Field.DAY: _check_day,
    Field.ZONE: _check_zone,
    Field.CHOICE: _check_choice,
    Field.LINK: _check_link,
    Field.SECRET_LINK: _check_link,
}
_WRITERS: Final[Mapping[Field, Callable[[str, str], str]]] = {
    Field.MONEY: money,
    Field.BALANCE: balance,
    Field.PERCENT: percent,
    Field.DAY: day,
}
