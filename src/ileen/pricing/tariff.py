"""A tariff: everything a charge depends on but the usage, pinned when the hold is made and stored with it.

Owns: the bound before a call, the charge after it, and its explanation. Refuses to know: where prices come from.
T1  a charge is a pure function of the tariff's body and the usage: replaying it gives the identical charge, whatever
    catalogue, card or exchange rate is in force by then.
T2  arithmetic is exact; there is one rounding, here, up to the next nano-credit.
T3  bound(a, b) >= charge(u) for every usage u with at most a tokens read and b written.

charge = ceil((sum of tokens x USD per token + USD per request) x EUR per USD x markup + fee), in nano-credits.
"""

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Final, Self

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from ileen.base.errors import Corrupt
from ileen.base.money import NANO, write
from ileen.pricing.usage import INPUT_CLASSES, OUTPUT_CLASSES, TokenUsage

FORMULA: Final = 1
"""Raised when the formula above changes, so that old bodies stay readable by the formula they were made for."""
_MTOK: Final = 1_000_000


class Tier(Struct, frozen=True, kw_only=True):
    """USD per million tokens by class, for calls that read more than `above` tokens."""

    above: int
    usd_per_mtok: dict[str, str]


class Exchange(Struct, frozen=True, kw_only=True):
    """The exchange rate used. Central banks publish dollars for one euro; an operator may set euros for a dollar."""

    date: str
    source: str
    usd_per_eur: str | None = None
    eur_per_usd: str | None = None

    def rate(self) -> Fraction:
        """Return euros for one dollar, exactly."""
        if self.eur_per_usd is not None:
            return Fraction(self.eur_per_usd)
        assert self.usd_per_eur is not None, "an exchange rate is quoted one way or the other"
        return 1 / Fraction(self.usd_per_eur)


class Terms(Struct, frozen=True, kw_only=True):
    """The body of a tariff. `tiers` is sorted; the first is for every call. `fee` is in credits, per call."""

    formula: int
    model: str
    provider: str
    mode: str | None
    activity: str | None
    card: str
    complexity: str
    markup: str
    fee: str
    tiers: list[Tier]
    usd_per_request: str
    price_source: str
    price_date: str
    exchange: Exchange


class Charged(Struct, frozen=True):
    """A charge in nano-credits, and on request how it came about."""

    nano: int
    tariff: "Tariff"
    usage: TokenUsage

    @property
    def explanation(self) -> dict[str, object]:
        """The whole calculation: classes, prices with date and source, exchange rate with date, markup, rounding."""
        return self.tariff.explain(self.usage, self.nano)


class Tariff:
    """Pinned terms, ready to calculate with."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.body: str = msgspec.json.encode(terms, order="sorted").decode()
        self.id: str = "tariff_" + hashlib.sha256(self.body.encode()).hexdigest()[:32]
        nano_per_usd = terms.exchange.rate() * Fraction(terms.markup) * NANO
        fixed = Fraction(terms.usd_per_request) * nano_per_usd + Fraction(terms.fee) * NANO
        rates = [
            {name: Fraction(price) * nano_per_usd / _MTOK for name, price in tier.usd_per_mtok.items()}
            for tier in terms.tiers
        ]
        # One denominator for all rates, so that a charge is integer products, one sum and one division.
        self._divisor = lcm(fixed.denominator, *(rate.denominator for tier in rates for rate in tier.values()))
        self._fixed = int(fixed * self._divisor)
        self._above = [tier.above for tier in terms.tiers]
        self._rates = [{name: int(rate * self._divisor) for name, rate in tier.items()} for tier in rates]

    @classmethod
    def read(cls, body: str) -> Self:
        """Read a stored body. Raises: Corrupt for a formula this version does not know."""
        terms = msgspec.json.decode(body, type=Terms)
        if terms.formula != FORMULA:
            raise Corrupt(f"A tariff of formula {terms.formula} cannot be calculated by this version of Ileen.")
        return cls(terms)

    def charge(self, usage: TokenUsage) -> Charged:
        """Return what a completed call costs."""
        rates = self._rates[self._tier(usage.input_total)]
        units = self._fixed + sum(count * rates[name] for name, count in asdict(usage).items() if count)
        return Charged(-(-units // self._divisor), self, usage)

    def bound(self, *, input_tokens: int, output_tokens: int) -> int:
        """Return an upper bound in nano-credits for a call that reads and writes at most so many tokens."""
        units = self._fixed + input_tokens * self._priciest(INPUT_CLASSES, input_tokens)
        units += output_tokens * self._priciest(OUTPUT_CLASSES, input_tokens)
        return -(-units // self._divisor)

    def output_tokens_within(self, nano: int, *, input_tokens: int) -> int:
        """Return how many tokens may be written so that the bound stays within `nano`; 0 if not even the input fits."""
        left = nano * self._divisor - self._fixed - input_tokens * self._priciest(INPUT_CLASSES, input_tokens)
        rate = self._priciest(OUTPUT_CLASSES, input_tokens)
        if left < 0:
            return 0
        return left // rate if rate else 2**31

    def explain(self, usage: TokenUsage, nano: int) -> dict[str, object]:
        """Lay out the calculation of a charge, every number as text."""
        terms = self.terms
        tier = terms.tiers[self._tier(usage.input_total)]
        lines = [
            {
                "class": name,
                "tokens": count,
                "usd_per_mtok": tier.usd_per_mtok[name],
                "usd": _decimal(Fraction(tier.usd_per_mtok[name]) * count / _MTOK),
            }
            for name, count in usage.classes().items()
        ]
        return {
            "tariff": self.id,
            "model": terms.model,
            "provider": terms.provider,
            "mode": terms.mode,
            "activity": terms.activity,
            "lines": lines,
            "context_tier_above": tier.above,
            "usd_per_request": terms.usd_per_request,
            "price_source": terms.price_source,
            "price_date": terms.price_date,
            "usd": _decimal(self._usd(usage, tier.usd_per_mtok)),
            "exchange": {name: value for name, value in asdict(terms.exchange).items() if value is not None},
            "rate_card": terms.card,
            "complexity": terms.complexity,
            "markup": terms.markup,
            "fee": terms.fee,
            "rounding": "up to the next nano-credit",
            "charge": write(nano),
        }

    def _usd(self, usage: TokenUsage, prices: Mapping[str, str]) -> Fraction:
        tokens = sum((Fraction(prices[name]) * count for name, count in usage.classes().items()), Fraction(0))
        return tokens / _MTOK + Fraction(self.terms.usd_per_request)

    def _tier(self, input_total: int) -> int:
        tier = 0
        for index, above in enumerate(self._above):
            if input_total > above:
                tier = index
        return tier

    def _priciest(self, classes: tuple[str, ...], input_tokens: int) -> int:
        if input_tokens <= self._first_step:
            return self._base_max[classes]
        reachable = self._rates[: self._tier(input_tokens) + 1]
        return max(rates[name] for rates in reachable for name in classes)

    @cached_property
    def _first_step(self) -> int:
        return self._above[1] if len(self._above) > 1 else 2**62

    @cached_property
    def _base_max(self) -> dict[tuple[str, ...], int]:
        return {classes: max(self._rates[0][name] for name in classes) for classes in (INPUT_CLASSES, OUTPUT_CLASSES)}


def _decimal(exact: Fraction) -> str:
    """Write a fraction whose denominator is a power of ten, as all our prices are, without rounding."""
    digits = 0
    while exact.denominator != 1 and digits < 30:
        exact *= 10
        digits += 1
    whole = str(int(exact)).rjust(digits + 1, "0")
    return f"{whole[:-digits]}.{whole[-digits:]}" if digits else whole
