"""Holds, captures, voids and charges over HTTP."""

import pytest

USAGE = {"surface": "openai.chat", "prompt_tokens": 1200, "completion_tokens": 350, "total_tokens": 1550}


async def hold(world, **content) -> dict:
    answer = await world.http.post("/v1/holds", json=content)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_hold_sets_the_amount_aside(world) -> None:
    made = await hold(world, amount="0.10", run="build-42")

    assert made["amount"] == "0.10"
    assert made["state"] == "open"
    assert made["id"].startswith("hold_")
    assert made["call"] == "call_" + made["id"][-26:]
    assert made["wallet"] == {"settled": "5.00", "held": "0.10", "available": "4.90", "frozen": "0.00", "debt": "0.00"}
    assert made["expires_at"] == "2026-01-01T00:15:00.000000Z"
    assert made["attribution"]["run"] == "build-42"
    assert made["attribution"]["api_key"] == world.key.id


async def test_a_hold_for_a_model_is_its_upper_bound_and_its_capture_the_exact_charge(world) -> None:
    made = await hold(world, model="gpt-4o-mini", input_tokens=1200, output_tokens=400, activity="code_query")
    assert made["attribution"]["mode"].lower() == "develop"

    answer = await world.http.post(f"/v1/holds/{made['id']}/capture", json={"usage": USAGE})

    assert answer.status_code == 200, answer.text
    taken = answer.json()
    assert 0 < float(taken["charge"]) <= float(made["amount"])
    assert taken["overrun"] == taken["borrowed"] == taken["absorbed"] == "0.00"
    assert taken["wallet"]["held"] == "0.00"
    call = (await world.http.get(f"/v1/calls/{made['call']}")).json()
    assert (call["charge"], call["input_tokens"], call["output_tokens"]) == (taken["charge"], 1200, 350)
    assert (call["surface"], call["tokens"]) == ("openai.chat", {"input": 1200, "output": 350})
    explained = (await world.http.get(f"/v1/calls/{made['id']}/explanation")).json()
    assert explained["charge"] == taken["charge"]
    assert explained["explanation"]


async def test_a_capture_takes_its_amount_and_frees_the_rest(world) -> None:
    made = await hold(world, amount="1.00")

    taken = (await world.http.post(f"/v1/holds/{made['call']}/capture", json={"amount": "0.25"})).json()

    assert taken["charge"] == "0.25"
    assert taken["wallet"] == {"settled": "4.75", "held": "0.00", "available": "4.75", "frozen": "0.00", "debt": "0.00"}
    explained = (await world.http.get(f"/v1/calls/{made['id']}/explanation")).json()
    assert explained["explanation"] is None


async def test_a_void_frees_everything(world) -> None:
    made = await hold(world, amount="1.00")

    voided = (await world.http.post(f"/v1/holds/{made['id']}/void", json={"reason": "the model failed"})).json()

    assert (voided["state"], voided["reason"]) == ("voided", "the model failed")
    assert voided["wallet"]["available"] == "5.00"


async def test_a_void_needs_no_body(world) -> None:
    made = await hold(world, amount="1.00")

    assert (await world.http.post(f"/v1/holds/{made['id']}/void")).status_code == 200


async def test_a_hold_beyond_the_wallet_is_refused_with_what_is_there_and_where_to_buy(world) -> None:
    answer = await world.http.post("/v1/holds", json={"amount": "5.01"})

    assert answer.status_code == 402
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["needed"], problem["available"]) == ("insufficient_credits", "5.01", "5.00")
    assert problem["buy_url"] == problem["next"]["url"] == "https://shop.example.com/credits"


async def test_a_hold_content_with_less_gets_what_is_there(world) -> None:
    assert (await hold(world, amount="9.00", at_least="1.00"))["amount"] == "5.00"


async def test_the_same_key_and_content_is_answered_as_the_first_time(world) -> None:
    headers = {"Idempotency-Key": "step-7"}
    first = await world.http.post("/v1/holds", json={"amount": "0.10"}, headers=headers)
    rows = world.rows()

    again = await world.http.post("/v1/holds", json={"amount": "0.10"}, headers=headers)

    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["ileen-replayed"] == "true"
    assert world.rows() == rows


async def test_the_same_key_for_something_else_is_a_conflict(world) -> None:
    headers = {"Idempotency-Key": "step-7"}
    await world.http.post("/v1/holds", json={"amount": "0.10"}, headers=headers)

    answer = await world.http.post("/v1/holds", json={"amount": "0.20"}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_repeated_capture_without_a_key_is_the_same_capture(world) -> None:
    made = await hold(world, amount="1.00")
    path = f"/v1/holds/{made['id']}/capture"
    first = await world.http.post(path, json={"amount": "0.25"})

    again = await world.http.post(path, json={"amount": "0.25"})
    other = await world.http.post(path, json={"amount": "0.26"})

    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_voided_hold_cannot_be_captured(world) -> None:
    made = await hold(world, amount="1.00")
    await world.http.post(f"/v1/holds/{made['id']}/void")

    answer = await world.http.post(f"/v1/holds/{made['id']}/capture", json={"amount": "0.25"})

    assert (answer.status_code, answer.json()["code"]) == (409, "hold_closed")


async def test_an_expired_hold_can_still_be_captured_once(world) -> None:
    made = await hold(world, amount="1.00", lifetime_s=60)
    world.clock.advance(61)
    assert world.ledger.sweep() == 1

    answer = await world.http.post(f"/v1/holds/{made['id']}/capture", json={"amount": "0.25"})

    assert (answer.status_code, answer.json()["wallet"]["settled"]) == (200, "4.75")


async def test_a_charge_books_usage_after_the_fact_once_per_key(world) -> None:
    content = {"model": "gpt-4o-mini", "usage": USAGE, "activity": "changelog", "provider_request_id": "req-1"}
    headers = {"Idempotency-Key": "req-1"}

    first = await world.http.post("/v1/charges", json=content, headers=headers)
    again = await world.http.post("/v1/charges", json=content, headers=headers)

    assert first.status_code == 201, first.text
    assert again.json() == first.json()
    call = (await world.http.get(f"/v1/calls/{first.json()['call']}")).json()
    assert call["provider_request_id"] == "req-1"
    assert call["state"] == "captured"


async def test_a_charge_beyond_the_debt_bound_is_refused(world) -> None:
    answer = await world.http.post("/v1/charges", json={"amount": "5.01"})

    assert (answer.status_code, answer.json()["code"]) == (402, "debt_limit_reached")


async def test_usage_for_a_hold_without_a_model_asks_for_an_amount(world) -> None:
    made = await hold(world, amount="1.00")

    answer = await world.http.post(f"/v1/holds/{made['id']}/capture", json={"usage": USAGE})

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ({}, 422, "request_invalid"),
        ({"amount": 0.1}, 422, "request_invalid"),
        ({"amount": "0.1234567891"}, 422, "amount_invalid"),
        ({"amount": "-1"}, 422, "amount_invalid"),
        ({"amount": "1e3"}, 422, "amount_invalid"),
        ({"amount": "9999999999"}, 422, "amount_invalid"),
        ({"amount": "1" * 5000}, 422, "request_invalid"),
        ({"amount": "1.00", "at_least": "2.00"}, 422, "request_invalid"),
        ({"amount": "1.00", "input_tokens": 5}, 422, "request_invalid"),
        ({"amount": "1.00", "unknown": 1}, 422, "request_invalid"),
        ({"amount": "1.00", "lifetime_s": 0}, 422, "request_invalid"),
        ({"amount": "1.00", "lifetime_s": True}, 422, "request_invalid"),
        ({"amount": "1.00", "run": "a\x00b"}, 422, "request_invalid"),
        ({"amount": "1.00", "run": ""}, 422, "request_invalid"),
        ({"amount": "1.00", "activity": "napping"}, 400, "activity_unknown"),
        ({"amount": "1.00", "mode": "napping"}, 400, "activity_unknown"),
        ({"model": "gpt-4o-mini", "input_tokens": -1, "output_tokens": 1}, 422, "request_invalid"),
        ({"model": "gpt-4o-mini", "input_tokens": 10**30, "output_tokens": 1}, 422, "request_invalid"),
        ({"model": "gpt-4o-mini", "input_tokens": 1}, 422, "request_invalid"),
        ({"model": "nobody-prices-this", "input_tokens": 1, "output_tokens": 1}, 400, "model_not_priced"),
    ],
)
async def test_a_wrong_hold_is_a_typed_error_and_writes_nothing(world, content, status, code) -> None:
    rows = world.rows()

    answer = await world.http.post("/v1/holds", json=content)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert world.rows() == rows


@pytest.mark.parametrize(
    "usage",
    [
        {"surface": "openai.chat"},
        {"surface": "openai.chat", "prompt_tokens": -1, "completion_tokens": 1},
        {"surface": "openai.chat", "prompt_tokens": 1.5, "completion_tokens": 1},
        {"surface": "openai.chat", "prompt_tokens": "12", "completion_tokens": 1},
        {"surface": "openai.chat", "prompt_tokens": 10**40, "completion_tokens": 1},
        {"surface": "openai.chat", "prompt_tokens": True, "completion_tokens": 1},
        {"surface": "openai.chat", "prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": []},
        {"surface": "anthropic.messages", "input_tokens": 1, "output_tokens": None},
    ],
)
async def test_absurd_usage_is_refused_and_the_hold_stays_open(world, usage) -> None:
    made = await hold(world, model="gpt-4o-mini", input_tokens=10, output_tokens=10)
    rows = world.rows()

    answer = await world.http.post(f"/v1/holds/{made['id']}/capture", json={"usage": usage})

    assert (answer.status_code, answer.json()["code"]) == (422, "usage_invalid")
    assert world.rows() == rows


@pytest.mark.parametrize(
    ("path", "content", "other"),
    [
        (
            "/v1/holds",
            {"model": "gpt-4o-mini", "input_tokens": 1200, "output_tokens": 400},
            {"model": "gpt-4o-mini", "input_tokens": 1200, "output_tokens": 401},
        ),
        (
            "/v1/charges",
            {"model": "gpt-4o-mini", "usage": USAGE},
            {"model": "gpt-4o-mini", "usage": {**USAGE, "prompt_tokens": 1201, "total_tokens": 1551}},
        ),
    ],
)
async def test_a_repeated_request_is_answered_as_first_under_other_prices(world, path, content, other) -> None:
    """Prices are dated: asked again after midnight, the same request used to be refused as another one."""
    headers = {"Idempotency-Key": "step-7"}
    first = await world.http.post(path, json=content, headers=headers)
    world.clock.advance(86_400)

    again = await world.http.post(path, json=content, headers=headers)
    changed = await world.http.post(path, json=other, headers=headers)

    assert (first.status_code, again.status_code, changed.status_code) == (201, 201, 409), again.text
    assert again.headers["ileen-replayed"] == "true"
    assert first.json()["wallet"] == again.json()["wallet"]
