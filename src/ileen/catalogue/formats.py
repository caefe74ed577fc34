"""How money, dates and times are written in each language, as browsers write them with `useGrouping: "always"`.

Plain English follows Ireland, since amounts are in euros and days come before months: "€1,234.50", "17 Nov 2026".
"""

import datetime as dt
from decimal import ROUND_FLOOR, Decimal
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from ileen.base.clock import Instant, to_datetime

_CENT: Final = Decimal("0.01")
_REGION: Final = {"en": "en_IE", "de": "de_DE", "fr": "fr_FR", "es": "es_ES", "it": "it_IT"}


def money(locale: str, amount: str | int, currency: str = "EUR") -> str:
    """Write whole cents, given as an integer of cents or as a decimal string of the currency ("1234.50").

    Raises: ValueError for a part of a cent: what is charged is exact, only a `balance` may be floored.
    """
    exact = Decimal(amount).scaleb(-2) if isinstance(amount, int) else Decimal(amount)
    if exact != exact.quantize(_CENT, ROUND_FLOOR):
        raise ValueError(f"{amount} is not whole cents")
    return format_currency(exact, currency, locale=_REGION[locale])


def balance(locale: str, amount: str, currency: str = "EUR") -> str:
    """Write a balance given as a decimal string of credits, floored to cents: nobody is told more than they have."""
    return format_currency(Decimal(amount).quantize(_CENT, ROUND_FLOOR), currency, locale=_REGION[locale])


def cost(locale: str, amount: str, currency: str = "EUR") -> str:
    """Write a decimal string of credits with all its digits, at least two: a call often costs part of a cent."""
    pattern = str(Locale.parse(_REGION[locale]).currency_formats["standard"].pattern)
    every_digit = pattern.replace("0.00", "0.00#######")
    return format_currency(Decimal(amount), currency, format=every_digit, locale=_REGION[locale], currency_digits=False)


def sum_of(locale: str, amount: str, currency: str = "EUR") -> str:
    """Write a sum of credits floored to cents; what is more than nothing but below a cent is told as that."""
    exact = Decimal(amount)
    return f"< {balance(locale, '0.01', currency)}" if 0 < exact < _CENT else balance(locale, amount, currency)


def number(locale: str, count: int) -> str:
    """Write a whole number, grouped."""
    return format_decimal(count, locale=_REGION[locale], group_separator=True)


def decimal(locale: str, text: str) -> str:
    """Write a decimal string with exactly the digits it has: a rate, a markup."""
    return format_decimal(Decimal(text), locale=_REGION[locale], decimal_quantization=False)


def percent(locale: str, rate: str) -> str:
    """Write a decimal string of percent points with all its digits: "25.5" is "25,5 %" in German."""
    return format_percent(Decimal(rate).scaleb(-2), locale=_REGION[locale], decimal_quantization=False)


def day(locale: str, iso: str) -> str:
    """Write a calendar day given as "2026-11-17", which has no time zone: "17 Nov 2026"."""
    return format_date(dt.date.fromisoformat(iso), "medium", locale=_REGION[locale])


def date(locale: str, instant: Instant, zone: str) -> str:
    """Write the day on which an instant falls in the time zone `zone` (an IANA name): "17 Nov 2026"."""
    return format_date(_local(instant, zone).date(), "medium", locale=_REGION[locale])


def moment(locale: str, instant: Instant, zone: str) -> str:
    """Write day, minute and zone of an instant: "17 Nov 2026, 23:59 CET". A deadline without its zone is none."""
    local = _local(instant, zone)
    name = local.strftime("%Z")
    # Zones without a name of their own are called by their offset: "-03" alone would puzzle people.
    named = f"UTC{name}" if name.startswith(("+", "-")) else name
    return f"{date(locale, instant, zone)}, {format_time(local.time(), 'short', locale=_REGION[locale])} {named}"


def _local(instant: Instant, zone: str) -> dt.datetime:
    return to_datetime(instant).astimezone(ZoneInfo(zone))
