"""The gate in front of holds and charges: who may spend, and what the others are told."""

import pytest
from msgspec.structs import replace

from ileen.base.ids import wallet_of
from ileen.base.money import parse
from ileen.ledger.model import Source
from ileen.payments.gate import GateRule

strict = pytest.mark.parametrize("gate_rule", [GateRule.STRICT])

HOLD = ("/v1/holds", {"amount": "2.00"})
CHARGE = ("/v1/charges", {"amount": "2000.00"})
"""More than the wallet may owe."""


@pytest.mark.parametrize(("path", "body"), [HOLD, CHARGE])
async def test_who_never_passed_and_is_short_is_told_the_missing_step(shop, path, body) -> None:
    shop.paying.fund("1.00", Source.BONUS)

    answer = await shop.http.post(path, json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (402, "application/problem+json")
    problem = answer.json()
    assert (problem["code"], problem["step"]) == ("gate_closed", "payment_method")
    assert problem["gate_url"] == "https://credits.example.com/gate"


async def test_the_step_is_told_from_our_own_copy_of_the_cards(shop) -> None:
    """A model call that is refused must not wait for Stripe; webhooks and the way back from the portal bring news."""
    await shop.ready()

    unheard = await shop.http.post("/v1/holds", json={"amount": "2.00"})
    shop.billing.refreshed_cards(shop.paying.account.id)
    heard = await shop.http.post("/v1/holds", json={"amount": "2.00"})

    assert (unheard.json()["step"], heard.json()["step"]) == ("payment_method", "credits")


async def test_bonus_credits_can_be_spent_before_the_gate(shop) -> None:
    shop.paying.fund("5.00", Source.BONUS)

    hold = await shop.http.post("/v1/holds", json={"amount": "2.00"})
    charge = await shop.http.post("/v1/charges", json={"amount": "2.00"})

    assert (hold.status_code, charge.status_code) == (201, 201)


async def test_a_call_that_cost_more_than_its_hold_is_booked_before_the_gate_as_bounded_debt(shop) -> None:
    """It was made and will be billed by its provider: not to book it would hide what it cost, not save it."""
    shop.paying.fund("1.00", Source.BONUS)
    hold = (await shop.http.post("/v1/holds", json={"amount": "0.50"})).json()["id"]

    captured = (await shop.http.post(f"/v1/holds/{hold}/capture", json={"amount": "3.00"})).json()
    wallet = (await shop.http.get("/v1/wallet")).json()
    again = await shop.http.post("/v1/holds", json={"amount": "0.01"})
    beyond = await shop.http.post(*CHARGE[:1], json=CHARGE[1])

    limit = shop.paying.ledger.wallet(wallet_of(shop.paying.account.id)).debt_max
    assert wallet["debt"] == captured["borrowed"] and 0 < parse(wallet["debt"]) <= limit
    assert parse(captured["borrowed"]) + parse(captured["absorbed"]) == parse("2.00")
    assert [each.json()["code"] for each in (again, beyond)] == ["gate_closed"] * 2


@pytest.mark.parametrize(("path", "body", "code"), [(*HOLD, "insufficient_credits"), (*CHARGE, "debt_limit_reached")])
async def test_who_has_passed_is_told_that_credits_are_short(shop, path, body, code) -> None:
    shop.paying.fund("1.00")

    assert (await shop.http.post(path, json=body)).json()["code"] == code


@strict
@pytest.mark.parametrize("path", ["/v1/holds", "/v1/charges"])
async def test_strict_no_bonus_is_spent_before_the_gate(shop, path) -> None:
    shop.paying.fund("5.00", Source.BONUS)

    refused = await shop.http.post(path, json={"amount": "0.50"})
    shop.paying.fund("5.00")
    passed = await shop.http.post(path, json={"amount": "0.50"})

    assert (refused.status_code, refused.json()["code"]) == (402, "gate_closed")
    assert passed.status_code == 201


@strict
async def test_strict_an_open_hold_is_captured_whatever_the_gate_says(shop) -> None:
    """The call was made: what it cost is booked."""
    shop.paying.fund("5.00", Source.BONUS)
    hold = await _hold_without_gate(shop)

    captured = await shop.http.post(f"/v1/holds/{hold}/capture", json={"amount": "0.50"})

    assert captured.status_code == 200, captured.text


async def _hold_without_gate(shop) -> str:
    """A hold made before the operator chose strict."""
    house = shop.app._api.state.house
    shop.app._api.state.house = replace(house, gate=None)
    answer = await shop.http.post("/v1/holds", json={"amount": "1.00"})
    shop.app._api.state.house = house
    return answer.json()["id"]
