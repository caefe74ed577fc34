"""Wallet, calls, entries, usage and rates over HTTP."""

import pytest

from ileen.base.ids import wallet_of
from ileen.ledger.model import Capture, Usage


async def test_the_wallet_shows_decimal_strings(world) -> None:
    await world.http.post("/v1/holds", json={"amount": "0.10"})
    await world.http.post("/v1/charges", json={"amount": "1.00"})

    wallet = (await world.http.get("/v1/wallet")).json()

    assert wallet["settled"] == "4.00"
    assert wallet["held"] == "0.10"
    assert wallet["available"] == "3.90"
    assert wallet["spent"] == "1.00"
    assert wallet["bonus"] == "5.00"
    assert wallet["purchased"] == wallet["debt"] == wallet["frozen"] == "0.00"


async def test_calls_come_newest_first_page_by_page(world) -> None:
    made = []
    for _ in range(5):
        world.clock.advance(1)
        made.append((await world.http.post("/v1/charges", json={"amount": "0.01", "run": "r"})).json()["call"])

    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await world.http.get("/v1/calls", params=parameters)).json()
        seen += [call["id"] for call in page["data"]]
        cursor, pages = page["next_cursor"], pages + 1

    assert seen == made[::-1]
    assert pages == 3
    assert (await world.http.get("/v1/calls", params={"run": "other"})).json() == {"data": [], "next_cursor": None}


async def test_entries_come_newest_first_page_by_page(world) -> None:
    for _ in range(3):
        await world.http.post("/v1/charges", json={"amount": "0.01"})

    first = (await world.http.get("/v1/entries", params={"limit": 3})).json()
    second = (await world.http.get("/v1/entries", params={"limit": 3, "cursor": first["next_cursor"]})).json()

    assert [entry["seq"] for entry in first["data"] + second["data"]] == [4, 3, 2, 1]
    assert second["next_cursor"] is None
    assert second["data"][0]["kind"] == "fund"
    assert second["data"][0]["amount"] == "5.00"


@pytest.mark.parametrize("group_by", ["mode", "activity", "model", "key", "run", "day"])
async def test_usage_sums_by_group(world, group_by) -> None:
    for _ in range(2):
        content = {"amount": "0.25", "run": "r", "activity": "changelog", "model": "m", "input_tokens": 5}
        assert (await world.http.post("/v1/charges", json=content)).status_code == 201
    world.clock.advance(1)

    usage = (await world.http.get("/v1/usage", params={"group_by": group_by})).json()

    (row,) = usage["data"]
    assert (row["calls"], row["charge"], row["input_tokens"]) == (2, "0.50", 10)
    groups = {"activity": "changelog", "model": "m", "key": world.key.id, "run": "r", "day": "2026-01-01"}
    assert row["group"] == groups.get(group_by, row["group"])


async def test_rates_show_the_fourteen_activities(world) -> None:
    answer = await world.http.get("/v1/rates")

    assert answer.status_code == 200
    assert "task_queue_execution" in answer.text


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/v1/calls", {"limit": "0"}),
        ("/v1/calls", {"limit": "201"}),
        ("/v1/calls", {"cursor": "1"}),
        ("/v1/calls", {"run": "a\x00b"}),
        ("/v1/calls", {"key": "\x00"}),
        ("/v1/entries", {"cursor": "-1"}),
        ("/v1/entries", {"cursor": "9" * 60}),
        ("/v1/usage", {"group_by": "mood"}),
        ("/v1/usage", {"since": "yesterday"}),
        ("/v1/usage", {"since": "0001-01-01T00:00:00Z"}),
        ("/v1/usage", {"until": "9999-12-31T23:59:59Z"}),
        ("/v1/usage", {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
    ],
)
async def test_a_wrong_parameter_is_named(world, path, parameters) -> None:
    answer = await world.http.get(path, params=parameters)

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert answer.json()["fields"][0]["field"] in parameters


async def test_a_server_that_reaches_its_database_is_healthy(world) -> None:
    answer = await world.http.get("/healthz", headers={"Authorization": ""})

    assert answer.json() == {"status": "ok"}


async def test_a_call_through_the_gateway_shows_its_timing_and_explains_its_charge(world) -> None:
    content = {"model": "gpt-4o-mini", "input_tokens": 100, "output_tokens": 100}
    made = (await world.http.post("/v1/holds", json=content)).json()
    record = (
        '{"surface":"openai.chat","model":"gpt-4o-mini","answered_model":"gpt-4o-mini-2024-07-18",'
        '"tokens":{"input":90,"cache_read":10},"streamed":true,"started_at":"2026-01-01T00:00:00.000000Z",'
        '"first_chunk_at":null,"ended_at":"2026-01-01T00:00:01.000000Z","policy":"completed"}'
    )
    usage = Usage(input_tokens=100, record=record)
    hold, wallet = made["id"], wallet_of(world.account.id)
    world.ledger.run(Capture(wallet=wallet, key=f"capture:{hold}", hold=hold, amount=5, usage=usage))

    call = (await world.http.get(f"/v1/calls/{hold}")).json()
    explained = (await world.http.get(f"/v1/calls/{hold}/explanation")).json()

    assert call["tokens"] == {"input": 90, "cache_read": 10}
    assert (call["streamed"], call["answered_model"]) == (True, "gpt-4o-mini-2024-07-18")
    assert (call["started_at"], call["first_chunk_at"]) == ("2026-01-01T00:00:00.000000Z", None)
    assert explained["explanation"]
