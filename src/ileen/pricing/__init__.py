"""Pricing: what a call may cost before it, and does cost after it. Pure; reaches no database and no network.

Owns: rate cards, model prices, exchange rates, the normal form of usage, tariffs, the one rounding of charges.
Refuses to know: wallets, HTTP. Its door: `Prices` makes a `Tariff`, `normalise` makes a `TokenUsage`,
`Tariff.charge(usage)` makes the charge.
"""

from ileen.pricing.card import PricingFileInvalid
from ileen.pricing.prices import Prices
from ileen.pricing.tariff import Charged, Tariff
from ileen.pricing.usage import TokenUsage, normalise

__all__ = ["Charged", "Prices", "PricingFileInvalid", "Tariff", "TokenUsage", "normalise"]
