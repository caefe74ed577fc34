"""The way on after a refusal over money, class by class."""

from typing import Final

import pytest

from ileen.base import errors
from ileen.base.errors import IleenError
from ileen.base.way_on import way_on

BUY: Final = "https://shop.example.com/credits"
GATE: Final = "https://credits.example.com/gate"
TO_BUY: Final = {"buy_url": BUY, "next": {"kind": "redirect", "url": BUY, "id": None}}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.InsufficientCredits(needed="2.00", available="1.00"), TO_BUY),
        (errors.DebtLimitReached(needed="2.00", debt_max="1.00"), TO_BUY),
        (errors.QuoteChanged(total="5.95"), TO_BUY),
        (errors.BillingIncomplete(missing="country"), TO_BUY),
        (errors.LocationInvalid(), TO_BUY),
        (
            errors.GateClosed(step="credits", gate_url=GATE),
            {"buy_url": BUY, "next": {"kind": "redirect", "url": GATE, "id": None}},
        ),
        (errors.CapReached(needed="2.00", period="daily", spender="key", available="1.00"), {"buy_url": BUY}),
        (errors.CountryNotSold(country="US"), {"next": {"kind": "contact", "url": None, "id": None}}),
        (errors.TerritoryNotSold(territory="Åland"), {"next": {"kind": "contact", "url": None, "id": None}}),
        (errors.KeyReused(), {}),
        (errors.StripeUnavailable(), {}),
    ],
)
def test_a_refusal_over_money_leads_on(error: IleenError, expected: dict[str, object]) -> None:
    assert way_on(error, buy_url=BUY) == expected


def test_without_a_page_to_buy_nothing_leads_there() -> None:
    assert way_on(errors.QuoteChanged(total="5.95"), buy_url=None) == {}
    assert "buy_url" not in way_on(errors.GateClosed(step="credits", gate_url=GATE), buy_url=None)
