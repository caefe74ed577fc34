"""The one door: who is let in with which proof, and nobody else."""

import pytest
from sqlalchemy import insert

from ileen.accounts.model import UI_SCOPES
from ileen.accounts.who import Role, Visitor
from ileen.store import schema
from ileen.web.guards import csrf_token

HERE = "https://app.example.com"
VISITOR = Visitor(token="browser", network="192.0.2.0/24", agent="Firefox")


def ui_token(world, *, scopes=UI_SCOPES, origins=(HERE,), ttl_s=900) -> str:
    host, _ = world.people.hosts.create_key("shop")
    made = world.people.hosts.open_ui_session(
        host, world.account.id, scopes=scopes, origins=origins, ttl_s=ttl_s, host_user="u1"
    )
    return made[1]


def browser(world, role: Role | None = Role.OWNER) -> str:
    """Sign somebody in with a role in the world's account; return the session's token."""
    now = world.clock.now()
    person = {"id": world.ids.mint("per"), "email": "a@example.com", "email_folded": world.ids.mint("x"), "name": "Ada"}
    with world.database.write() as connection:
        connection.execute(
            insert(schema.person).values(person | {"locale": "en", "time_zone": "UTC", "created_at": now})
        )
        if role is not None:
            place = {"id": world.ids.mint("mem"), "account_id": world.account.id, "person_id": person["id"]}
            connection.execute(insert(schema.member).values(place | {"role": role.value, "created_at": now}))
        return world.people.sessions.start(
            connection, person["id"], account=world.account.id, method="password", visitor=VISITOR, replaces=None
        )


async def ask(world, path="/v1/wallet", **headers):
    world.http.headers.pop("authorization", None)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.http.get(path, headers=named)


async def test_a_ui_token_sees_the_balance_of_its_account_from_its_origin(world) -> None:
    answer = await ask(world, authorization=f"Bearer {ui_token(world)}", origin=HERE)

    assert (answer.status_code, answer.json()["settled"]) == (200, "5.00")


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.com.evil.example", "null", "", None])
async def test_a_ui_token_is_refused_from_any_other_origin(world, origin) -> None:
    headers = {"authorization": f"Bearer {ui_token(world)}"} | ({} if origin is None else {"origin": origin})

    answer = await ask(world, **headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")


async def test_a_ui_token_is_worth_nothing_after_its_time_or_its_host_keys(world) -> None:
    token = ui_token(world, ttl_s=60)
    world.clock.advance(60)
    late = await ask(world, authorization=f"Bearer {token}", origin=HERE)
    again = ui_token(world)
    for key in world.people.hosts.list_keys():
        world.people.hosts.revoke_key(key.id)
    revoked = await ask(world, authorization=f"Bearer {again}", origin=HERE)

    assert [(each.status_code, each.json()["code"]) for each in (late, revoked)] == [(401, "session_invalid")] * 2


async def test_a_ui_token_has_the_scopes_it_was_made_with_and_never_spends(world) -> None:
    headers = {"authorization": f"Bearer {ui_token(world, scopes={'balance:read'})}", "origin": HERE}

    assert (await ask(world, **headers)).status_code == 200
    assert (await ask(world, "/v1/calls", **headers)).json()["code"] == "forbidden"
    assert (await world.http.post("/v1/holds", json={"amount": "0.10"}, headers=headers)).json()[
        "code"
    ] == "key_invalid"


@pytest.mark.parametrize("role", list(Role))
async def test_a_member_sees_the_balance_with_the_session_cookie(world, role) -> None:
    answer = await ask(world, cookie=f"ileen_session={browser(world, role)}")

    assert (answer.status_code, answer.json()["settled"]) == (200, "5.00")


async def test_a_session_without_a_place_in_the_account_sees_nothing(world) -> None:
    answer = await ask(world, cookie=f"ileen_session={browser(world, None)}")

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_session_ends_after_a_week_unused_and_after_a_month_used(world) -> None:
    unused, used = browser(world), browser(world)
    for _ in range(4):
        world.clock.advance(7 * 24 * 3600 - 1)
        assert world.people.sessions.current(used) is not None
    assert world.people.sessions.current(unused) is None
    world.clock.advance(2 * 24 * 3600 + 4)

    assert world.people.sessions.current(used) is None


async def test_an_unknown_session_is_a_401(world) -> None:
    assert (await ask(world, cookie="ileen_session=nobody")).json()["code"] == "session_invalid"
    assert (await ask(world, cookie="ileen_session=")).json()["code"] == "key_invalid"


async def test_a_session_cookie_holds_no_credits(world) -> None:
    token = browser(world)
    headers = {"cookie": f"ileen_session={token}", "ileen-csrf": csrf_token(token)}
    world.http.headers.pop("authorization")

    answer = await world.http.post("/v1/holds", json={"amount": "0.10"}, headers=headers)

    assert answer.json()["code"] == "key_invalid"
