"""Cross-origin requests: named origins read answers, all others get nothing; cookies are never part of it."""

import pytest

from ileen.accounts.hosts import TTL_S_MAX

HERE, ELSEWHERE = "https://app.example.com", "https://evil.example"
ASKED = {"access-control-request-method": "POST", "access-control-request-headers": "authorization, idempotency-key"}


@pytest.fixture
def token(world) -> str:
    """A UI session's token for the pages of HERE."""
    host, _ = world.people.hosts.create_key("shop")
    made = world.people.hosts.open_ui_session(
        host, world.account.id, scopes=["balance:read"], origins=[HERE], ttl_s=TTL_S_MAX, host_user=None
    )
    world.http.headers.pop("authorization")
    return made[1]


def cors(answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


async def ask(world, token: str, path: str = "/v1/wallet", *, origin: str = HERE, method: str = "GET", **more):
    headers = {"authorization": f"Bearer {token}", "origin": origin}
    return await world.http.request(method, path, headers=headers, **more)


async def test_the_named_origin_reads_the_answer_without_credentials(world, token) -> None:
    answer = await ask(world, token)

    assert (answer.status_code, answer.json()["settled"]) == (200, "5.00")
    assert cors(answer) == {
        "access-control-allow-origin": HERE,
        "access-control-expose-headers": "ileen-request-id, ileen-replayed, retry-after",
    }
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize(
    "origin", [ELSEWHERE, "https://app.example.com.evil.example", "http://app.example.com", "null"]
)
async def test_a_foreign_origin_reads_nothing(world, token, origin) -> None:
    answer = await ask(world, token, origin=origin)

    assert (answer.status_code, answer.json()["code"], cors(answer)) == (403, "origin_refused", {})


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/v1/calls", None, "forbidden"),
        ("GET", "/v1/nothing", None, "not_found"),
        ("POST", "/v1/purchases", "{", "payments_disabled"),
        ("POST", "/v1/holds", "x" * 1_100_000, "too_large"),
    ],
)
async def test_the_named_origin_reads_refusals_too(world, token, method, path, body, code) -> None:
    answer = await ask(world, token, path, method=method, content=body)

    assert answer.status_code >= 400
    assert cors(answer)["access-control-allow-origin"] == HERE
    assert answer.json()["code"] in {code, "request_malformed", "forbidden"}


async def test_an_ended_session_may_still_be_read_to_have_ended_by_its_own_origin(world, token) -> None:
    world.clock.advance(TTL_S_MAX)

    own, foreign = await ask(world, token), await ask(world, token, origin=ELSEWHERE)

    assert [(each.status_code, each.json()["code"]) for each in (own, foreign)] == [(401, "session_invalid")] * 2
    assert "access-control-allow-origin" in cors(own)
    assert cors(foreign) == {}


@pytest.mark.parametrize("secret", ["ileen_ui_forged", "ileen_sk_forged", None])
async def test_no_other_proof_is_for_pages_of_other_origins(world, token, secret) -> None:
    """API keys belong on servers; a browser session's cookie works on our own pages only."""
    proof = {"authorization": f"Bearer {secret}"} if secret else {"cookie": "ileen_session=whatever"}

    answer = await world.http.get("/v1/wallet", headers=proof | {"origin": HERE})

    assert (answer.status_code, cors(answer)) == (401, {})


async def test_an_api_key_is_served_as_ever_and_not_to_be_read_across_origins(world) -> None:
    answer = await world.http.get("/v1/wallet", headers={"origin": HERE})

    assert (answer.status_code, cors(answer)) == (200, {})


async def test_a_preflight_of_a_named_origin_is_allowed_what_the_api_takes(world, token) -> None:
    answer = await world.http.options("/v1/purchases", headers={"origin": HERE, **ASKED})

    assert (answer.status_code, answer.content) == (204, b"")
    assert cors(answer) == {
        "access-control-allow-origin": HERE,
        "access-control-allow-methods": "GET, POST, PUT, DELETE",
        "access-control-allow-headers": "authorization, content-type, idempotency-key, last-event-id",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize("origin", [ELSEWHERE, "https://app.example", "https://%", "*", "null", "", "x" * 5000])
async def test_a_preflight_of_a_foreign_origin_is_refused(world, token, origin) -> None:
    answer = await world.http.options("/v1/purchases", headers={"origin": origin, **ASKED})

    assert (answer.status_code, answer.json()["code"], cors(answer)) == (403, "origin_refused", {})


async def test_a_preflight_is_refused_once_no_living_session_names_the_origin(world, token) -> None:
    world.clock.advance(TTL_S_MAX)

    assert (await world.http.options("/v1/wallet", headers={"origin": HERE, **ASKED})).status_code == 403


@pytest.mark.parametrize("path", ["/sign-in", "/openai/v1/models", "/hooks/stripe"])
async def test_only_the_api_answers_preflights(world, token, path) -> None:
    answer = await world.http.options(path, headers={"origin": HERE, **ASKED})

    assert answer.status_code != 204
    assert cors(answer) == {}
