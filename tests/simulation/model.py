"""What must have come of a world, computed from what was charged and spent, not from our own rules.

VAT by the rates that apply on the world's days (standard rates of the member states, from the Commission's tables, and
none where the seller is not registered); credits by what the bank took less that VAT; balances by what agents captured.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ileen.base.ids import AccountId

RATES = {"DE": "19", "FR": "20", "AT": "20", "FI": "25.5", "HU": "27", "IE": "23", "LU": "17", "US": "0", "CH": "0"}
NANO_PER_CENT = 10_000_000  # 1 credit = €1 before tax = 10^9 nano-credits


@dataclass
class Model:
    """`captured` is what agents spent, by account, in nano-credits."""

    captured: dict[AccountId, int] = field(default_factory=lambda: defaultdict(int))

    def vat(self, net_cents: int, country: str, *, reversed_: bool) -> int:
        """Cents of VAT on a sale: rounded half up, once; none where the charge is reversed."""
        if reversed_:
            return 0
        exact = net_cents * Fraction(RATES[country]) / 100
        return int(exact + Fraction(1, 2))

    def net(self, invoice: dict[str, Any]) -> int:
        """Cents before tax of a paid invoice, from what was paid and the country on it."""
        paid, country = invoice["amount_paid"], invoice["customer_address"]["country"]
        reversed_ = any(tax["taxability_reason"] == "reverse_charge" for tax in invoice["total_taxes"])
        net = invoice["subtotal"]
        vat = self.vat(net, country, reversed_=reversed_)
        assert paid == net + vat, f"paid {paid} for {net} in {country}: VAT should be {vat}"
        return net

    def balance(self, account: AccountId, paid_nets: list[int]) -> int:
        """Nano-credits an account must have, given the nets of its paid invoices."""
        return sum(paid_nets) * NANO_PER_CENT - self.captured[account]
