"""Rate cards: which activity is how complex, and what markup its calls bear.

Owns: the form of the rate card file (TOML, documented in docs/reference/rate-card.md) and its checks.
Cards are dated: the one in force at a call is the last whose `effective` day (UTC) has come.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ileen.base.errors import ActivityUnknown

T = TypeVar("T")


class PricingFileInvalid(ValueError):
    """A rate card, price or exchange rate file that cannot be used; the sentence names the file and the place."""


class Complexity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a class of activities bears: a factor on the provider's cost, and a fee per call in credits."""

    markup: str
    fee: str = "0"


class Override(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other terms for some models and activities; `*` matches anything. The last that matches wins."""

    model: str = "*"
    activity: str = "*"
    markup: str | None = None
    fee: str | None = None


class Card(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of the rate card."""

    version: str
    effective: date
    tiers: dict[str, Complexity]
    default_tier: str
    modes: dict[str, dict[str, str]]
    overrides: list[Override] = []
    output_ceiling: int = 8192

    def place(self, mode: str | None, activity: str | None) -> tuple[str | None, str]:
        """Return an activity's mode and tier; without an activity, the default tier. Raises: ActivityUnknown."""
        if activity is None:
            if mode is not None and mode not in self.modes:
                raise ActivityUnknown(activity=mode, known=", ".join(self.modes))
            return mode, self.default_tier
        for name, activities in self.modes.items():
            if activity in activities and mode in {None, name}:
                return name, activities[activity]
        known = ", ".join(name for activities in self.modes.values() for name in activities)
        raise ActivityUnknown(activity=f"{mode}/{activity}" if mode else activity, known=known)

    def terms(self, tier: str, model: str, activity: str | None) -> tuple[str, str]:
        """Return markup and fee for a model and activity."""
        markup, fee = self.tiers[tier].markup, self.tiers[tier].fee
        for override in self.overrides:
            if fnmatchcase(model, override.model) and fnmatchcase(activity or "", override.activity):
                markup, fee = override.markup or markup, override.fee or fee
        return markup, fee


class _CardFile(Struct, frozen=True, forbid_unknown_fields=True):
    cards: list[Card]


def load_cards(path: Path) -> list[Card]:
    """Read a rate card file; return its cards by effective day. Raises: PricingFileInvalid."""
    cards = sorted(read_toml(path, _CardFile).cards, key=lambda card: card.effective)
    if not cards:
        raise PricingFileInvalid(f"{path.name}: it has no [[cards]].")
    if len({card.effective for card in cards}) != len(cards) or len({card.version for card in cards}) != len(cards):
        raise PricingFileInvalid(f"{path.name}: two cards share a version or an effective day.")
    for card in cards:
        _check(card, f"{path.name}, card '{card.version}'")
    return cards


def read_toml(path: Path, form: type[T]) -> T:
    """Read a TOML file in a given form. Raises: PricingFileInvalid."""
    try:
        data: Mapping[str, Any] = tomllib.loads(path.read_text("utf-8"))
        return msgspec.convert(data, type=form)
    except OSError as error:
        raise PricingFileInvalid(f"{path.name} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PricingFileInvalid(f"{path.name} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise PricingFileInvalid(f"{path.name}: {error}.") from error


def check_decimal(text: str, where: str, *, low: str = "0") -> None:
    """Check that a text is a plain decimal of at least `low`. Raises: PricingFileInvalid."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < Decimal(low) or "e" in text.lower():
        raise PricingFileInvalid(f"{where} must be a decimal number of at least {low}, written as text, not '{text}'.")


def _check(card: Card, where: str) -> None:
    for name, tier in card.tiers.items():
        check_decimal(tier.markup, f"{where}: the markup of tier '{name}'")
        check_decimal(tier.fee, f"{where}: the fee of tier '{name}'")
    if card.default_tier not in card.tiers:
        raise PricingFileInvalid(f"{where}: default_tier '{card.default_tier}' is not among its tiers.")
    for mode, activities in card.modes.items():
        for activity, tier in activities.items():
            if tier not in card.tiers:
                raise PricingFileInvalid(f"{where}: {mode}.{activity} names the tier '{tier}', which it does not have.")
    for index, override in enumerate(card.overrides, 1):
        for text in (override.markup, override.fee):
            if text is not None:
                check_decimal(text, f"{where}: override {index}")
    if card.output_ceiling < 1:
        raise PricingFileInvalid(f"{where}: output_ceiling must be at least 1.")
