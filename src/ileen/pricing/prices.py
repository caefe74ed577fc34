"""Prices: from model and activity to a tariff, by the card, the catalogue and the exchange rate of the day.

Owns: the choice of what applies. A model without a price is refused before the call, never charged zero.
Order: the operator's price file, then the `genai-prices` catalogue; within each the newest price that is in force.
A class of tokens without a price of its own bears its parent's: see `_PARENTS`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices
from msgspec import Struct
from msgspec.structs import asdict

from ileen.base.clock import SECOND, Instant, to_datetime
from ileen.base.errors import ModelNotPriced
from ileen.pricing.card import Card, PricingFileInvalid, check_decimal, load_cards, read_toml
from ileen.pricing.tariff import FORMULA, Exchange, Tariff, Terms, Tier

STALE_DAYS: Final = 40
"""An exchange rate older than this warns: reference rates are published every working day."""

_PARENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "input_audio": ("input_audio_mtok", "input_mtok"),
    "cache_read_audio": ("cache_audio_read_mtok", "cache_read_mtok", "input_audio_mtok", "input_mtok"),
    "input_image": ("input_image_mtok", "input_mtok"),
    "output": ("output_mtok", "input_mtok"),
    "reasoning": ("output_reasoning_mtok", "output_mtok", "input_mtok"),
    "output_audio": ("output_audio_mtok", "output_mtok", "input_mtok"),
    "output_image": ("output_image_mtok", "output_mtok", "input_mtok"),
}
"""For each class of tokens the catalogue's prices that may apply, the most exact first."""

_QUARTER_US: Final = 900 * SECOND
"""Tariffs are looked up per quarter of an hour: some providers charge less at certain hours of the day."""

_HERE: Final = Path(__file__).parent


class OwnPrice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price from the operator's file. Classes without a price bear input's (read) or output's (written)."""

    model: str
    effective: date
    source: str
    usd_per_mtok: dict[str, str]
    provider: str = "*"
    usd_per_request: str = "0"
    output_ceiling: int | None = None
    above: dict[str, dict[str, str]] = {}


class _PriceFile(Struct, frozen=True, forbid_unknown_fields=True):
    prices: list[OwnPrice]


class _Rate(Struct, frozen=True, forbid_unknown_fields=True):
    date: date
    usd_per_eur: str
    source: str


class _RateFile(Struct, frozen=True, forbid_unknown_fields=True):
    rates: list[_Rate]


class Prices:
    """Everything needed to price a call. Immutable once loaded; thread-safe."""

    def __init__(self, cards: list[Card], own: list[OwnPrice], rates: list[_Rate], fx_rate: str | None) -> None:
        self._cards, self._own, self._rates, self._fx_rate = cards, own, rates, fx_rate
        self._catalogue = f"genai-prices {version('genai-prices')}"
        self._tariff_of_quarter = lru_cache(maxsize=4096)(self._make_tariff)

    @classmethod
    def load(
        cls,
        *,
        rate_card: Path | None = None,
        price_file: Path | None = None,
        fx_rate: str | None = None,
        fx_file: Path | None = None,
    ) -> Self:
        """Read the files; those not named are the packaged ones. Raises: PricingFileInvalid."""
        if fx_rate is not None:
            check_decimal(fx_rate, "The exchange rate", low="0.000001")
        own = read_toml(price_file, _PriceFile).prices if price_file else []
        for price in own:
            _check_own(price, price_file.name if price_file else "")
        fx_path = fx_file or _HERE / "reference_rates.toml"
        rates = sorted(read_toml(fx_path, _RateFile).rates, key=lambda rate: rate.date)
        for rate in rates:
            check_decimal(rate.usd_per_eur, f"{fx_path.name}: the rate of {rate.date}", low="0.000001")
        if not rates:
            raise PricingFileInvalid(f"{fx_path.name}: it has no [[rates]].")
        return cls(load_cards(rate_card or _HERE / "default_card.toml"), own, rates, fx_rate)

    def tariff(
        self, *, model: str, provider: str | None, mode: str | None, activity: str | None, at: Instant
    ) -> Tariff:
        """Return the terms of a call at an instant. Raises: ModelNotPriced, ActivityUnknown."""
        return self._tariff_of_quarter(model, provider, mode, activity, at // _QUARTER_US)

    def activities(self) -> dict[str, list[str]]:
        """Return the newest card's modes and their activities."""
        return {mode: list(activities) for mode, activities in self._cards[-1].modes.items()}

    def terms(self, mode: str, activity: str, at: Instant) -> tuple[str, str, str]:
        """Return the complexity, markup and fee of an activity, overrides by model aside. Raises: ActivityUnknown."""
        card = self._card(to_datetime(at).date())
        _, complexity = card.place(mode, activity)
        return complexity, *card.terms(complexity, "", activity)

    def rates(self, at: Instant) -> dict[str, object]:
        """Return the card in force, as JSON-ready values."""
        card = self._card(to_datetime(at).date())
        return {
            "version": card.version,
            "effective": card.effective.isoformat(),
            "default_tier": card.default_tier,
            "tiers": {name: asdict(tier) for name, tier in card.tiers.items()},
            "modes": {mode: dict(activities) for mode, activities in card.modes.items()},
            "overrides": [asdict(override) for override in card.overrides],
            "exchange": {k: v for k, v in asdict(self._exchange(to_datetime(at).date())).items() if v is not None},
            "catalogue": self._catalogue,
        }

    def models(self) -> list[dict[str, str]]:
        """Return the models that have a price: provider, model and source, the operator's own first."""
        own = [{"provider": p.provider, "model": p.model, "source": p.source} for p in self._own]
        known = [
            {"provider": provider.id, "model": model.id, "source": self._catalogue}
            for provider in get_snapshot().providers
            for model in provider.models
        ]
        return own + known

    def output_ceiling(self, model: str, provider: str | None) -> int:
        """Return how many output tokens to reserve when a request names no limit."""
        for price in reversed(self._own):
            if price.output_ceiling and _matches(price, model, provider):
                return price.output_ceiling
        return self._cards[-1].output_ceiling

    def exchange_rates(self) -> list[dict[str, str]]:
        """Return the reference rates, US dollars for one euro, newest first."""
        return [
            {"date": rate.date.isoformat(), "usd_per_eur": rate.usd_per_eur, "source": rate.source}
            for rate in reversed(self._rates)
        ]

    def newest_rate(self) -> date:
        """Return the day of the newest reference rate."""
        return self._rates[-1].date

    def warnings(self, at: Instant) -> list[str]:
        """Return what an operator should know, as sentences."""
        newest = self._rates[-1].date
        if self._fx_rate is None and (to_datetime(at).date() - newest).days > STALE_DAYS:
            return [
                f"The newest exchange rate is of {newest}. Run 'ileen fx refresh' and restart, or set ILEEN_FX_RATE."
            ]
        return []

    def _make_tariff(
        self, model: str, provider: str | None, mode: str | None, activity: str | None, quarter: int
    ) -> Tariff:
        moment = to_datetime(Instant(quarter * _QUARTER_US))
        day = moment.date()
        card = self._card(day)
        mode, complexity = card.place(mode, activity)
        markup, fee = card.terms(complexity, model, activity)
        found = self._own_price(model, provider, day) or self._catalogue_price(model, provider, moment)
        if found is None:
            raise ModelNotPriced(model=model)
        tiers, per_request, source, priced_on, owner = found
        terms = Terms(
            formula=FORMULA,
            model=model,
            provider=provider or owner,
            mode=mode,
            activity=activity,
            card=card.version,
            complexity=complexity,
            markup=markup,
            fee=fee,
            tiers=tiers,
            usd_per_request=per_request,
            price_source=source,
            price_date=priced_on,
            exchange=self._exchange(day),
        )
        return Tariff(terms)

    def _card(self, day: date) -> Card:
        in_force = [card for card in self._cards if card.effective <= day]
        return in_force[-1] if in_force else self._cards[0]

    def _exchange(self, day: date) -> Exchange:
        if self._fx_rate is not None:
            return Exchange(date=day.isoformat(), source="ILEEN_FX_RATE", eur_per_usd=self._fx_rate)
        known = [rate for rate in self._rates if rate.date <= day] or self._rates[:1]
        rate = known[-1]
        return Exchange(date=rate.date.isoformat(), source=rate.source, usd_per_eur=rate.usd_per_eur)

    def _own_price(self, model: str, provider: str | None, day: date) -> "_Found | None":
        matching = [price for price in self._own if _matches(price, model, provider) and price.effective <= day]
        if not matching:
            return None
        price = max(matching, key=lambda price: price.effective)
        steps = sorted((int(above), prices) for above, prices in price.above.items())
        tiers = [Tier(above=-1, usd_per_mtok=_own_classes(price.usd_per_mtok))]
        tiers += [Tier(above=above, usd_per_mtok=_own_classes({**price.usd_per_mtok, **p})) for above, p in steps]
        return tiers, price.usd_per_request, price.source, price.effective.isoformat(), price.provider

    def _catalogue_price(self, model: str, provider: str | None, moment: datetime) -> "_Found | None":
        snapshot = get_snapshot()
        if provider is not None and all(known.id != provider for known in snapshot.providers):
            return None  # a provider of the operator's own: only the operator knows its prices
        try:
            owner, known = snapshot.find_provider_model(model, None, provider, None)
        except LookupError:
            return None
        price = known.get_prices(moment)
        tiers = _tiers(price)
        if tiers is None:
            return None
        per_request = price.requests_kcount
        assert not isinstance(per_request, TieredPrices), "a price per request has no context tiers"
        fee = _plain(Decimal(per_request) / 1000) if per_request else "0"
        return tiers, fee, self._catalogue, moment.date().isoformat(), owner.id


_Found = tuple[list[Tier], str, str, str, str]
"""Context tiers, USD per request, source, date, provider."""


def _tiers(price: ModelPrice) -> list[Tier] | None:
    """Return the catalogue's price of each class in each context tier; None if it does not price tokens."""
    found: dict[str, Decimal | TieredPrices] = {}
    for name, keys in _PARENTS.items():
        values: list[Any] = [getattr(price, key) for key in keys]
        known = [value for value in values if value is not None]
        if not known:
            return None
        found[name] = known[0]
    starts = {tier.start for value in found.values() if isinstance(value, TieredPrices) for tier in value.tiers}
    return [
        Tier(above=start, usd_per_mtok={name: _plain(_at(value, start)) for name, value in found.items()})
        for start in (-1, *sorted(starts))
    ]


def _at(price: Decimal | TieredPrices, start: int) -> Decimal:
    if isinstance(price, TieredPrices):
        reached = [tier.price for tier in price.tiers if tier.start <= start]
        return Decimal(reached[-1] if reached else price.base)
    return Decimal(price)


def _own_classes(given: Mapping[str, str]) -> dict[str, str]:
    written = {"output", "reasoning", "output_audio", "output_image"}
    return {name: given.get(name) or given["output" if name in written else "input"] for name in _PARENTS}


def _matches(price: OwnPrice, model: str, provider: str | None) -> bool:
    return fnmatchcase(model, price.model) and price.provider in {"*", provider}


def _check_own(price: OwnPrice, file: str) -> None:
    where = f"{file}, price of '{price.model}'"
    for prices in (price.usd_per_mtok, *price.above.values()):
        for name, text in prices.items():
            if name not in _PARENTS:
                raise PricingFileInvalid(f"{where}: '{name}' is not a class of tokens ({', '.join(_PARENTS)}).")
            check_decimal(text, f"{where}: '{name}'")
    for name in ("input", "output"):
        if name not in price.usd_per_mtok:
            raise PricingFileInvalid(f"{where}: usd_per_mtok.{name} is missing.")
    if not all(above.isdecimal() for above in price.above):
        raise PricingFileInvalid(f"{where}: the tables in 'above' are named by a number of tokens.")
    check_decimal(price.usd_per_request, f"{where}: usd_per_request")


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
