"""Host applications: accounts by reference, UI sessions, and what a host cannot reach."""

import pytest

from ileen.accounts.who import Visitor
from ileen.base.ids import wallet_of

LAPTOP = Visitor(token="laptop", network="192.0.2.0/24", agent="Firefox")


def host_headers(world) -> dict[str, str]:
    return {"authorization": f"Bearer {world.people.hosts.create_key('shop')[1]}"}


def session(account: str, **changes: object) -> dict[str, object]:
    return {"account": account, "scopes": ["balance:read"], "origins": ["https://app.example.com"]} | changes


async def test_a_reference_names_one_account_with_a_wallet_for_good(world) -> None:
    headers = host_headers(world)
    body = {"reference": "company-42", "name": "Analytical Engines Ltd", "time_zone": "Europe/London"}

    first = await world.http.post("/v1/accounts", json=body, headers=headers)
    again = await world.http.post("/v1/accounts", json=body | {"name": "Renamed"}, headers=host_headers(world))

    assert (first.status_code, again.status_code, again.headers["ileen-replayed"]) == (201, 200, "true")
    assert first.json() == again.json()
    assert world.ledger.wallet(wallet_of(first.json()["id"])).time_zone == "Europe/London"


async def test_a_host_opens_and_ends_a_session_for_its_user(world) -> None:
    headers = host_headers(world)
    account = (await world.http.post("/v1/accounts", json={"reference": "r", "name": "A"}, headers=headers)).json()[
        "id"
    ]

    made = await world.http.post("/v1/ui-sessions", json=session(account, user="u1"), headers=headers)
    assert made.status_code == 201, made.text
    browser = {"authorization": f"Bearer {made.json()['token']}", "origin": "https://app.example.com"}
    assert (await world.http.get("/v1/wallet", headers=browser)).json()["settled"] == "0.00"

    others = await world.http.delete(f"/v1/ui-sessions/{made.json()['id']}", headers=host_headers(world))
    ended = await world.http.delete(f"/v1/ui-sessions/{made.json()['id']}", headers=headers)
    assert (others.status_code, ended.status_code) == (404, 204)
    assert (await world.http.get("/v1/wallet", headers=browser)).json()["code"] == "session_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"ttl_s": 901},
        {"ttl_s": 0},
        {"scopes": []},
        {"scopes": ["spend"]},
        {"scopes": ["everything"]},
        {"origins": []},
        {"origins": ["*"]},
        {"origins": ["https://app.example.com/path"]},
        {"origins": ["https://user@app.example.com"]},
        {"origins": ["javascript:alert(1)"]},
        {"origins": ["https://app.example.com:99999"]},
    ],
)
async def test_a_session_beyond_the_bounds_is_a_422(world, changes) -> None:
    answer = await world.http.post(
        "/v1/ui-sessions", json=session(world.account.id, **changes), headers=host_headers(world)
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


@pytest.mark.parametrize("secret", ["ileen_hk_forged", "ileen_ui_forged", "", "ileen_sk_"])
async def test_only_a_living_host_key_gets_in(world, secret) -> None:
    for path in ("/v1/accounts", "/v1/ui-sessions"):
        body = {"reference": "r", "name": "A"} if path.endswith("accounts") else session(world.account.id)
        for headers in ({"authorization": f"Bearer {secret}"}, {"authorization": f"Bearer {world.secret}"}):
            answer = await world.http.post(path, json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "key_invalid")


async def test_a_host_cannot_be_somebody_who_signed_up_here(world) -> None:
    people = world.people
    people.sign_ups.ask(
        name="Eve",
        email="eve@example.com",
        password="a very good password",
        locale="en",
        time_zone="UTC",
        visitor=LAPTOP,
    )
    import msgspec
    from sqlalchemy import select

    from ileen.store import schema

    with world.database.read() as connection:
        secrets = connection.execute(select(schema.notice.c.secrets)).scalar_one()
    token = msgspec.json.decode(secrets)["link"].rsplit("/", 1)[1]
    signed = people.sessions.current(people.sign_ups.confirm(token, password=None, visitor=LAPTOP, replaces=None))

    answers = [
        await world.http.post("/v1/ui-sessions", json=session(account), headers=host_headers(world))
        for account in (signed.session.account, "acct_01KB2Z8M6T0000000000000000", "nonsense")
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 3
