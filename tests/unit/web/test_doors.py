"""Who gets in, what is passed on, and what broken requests are answered with."""

import pytest

from ileen.base.ids import is_id


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer ileen_sk_nobody", "Bearer é"])
async def test_no_valid_key_is_a_401(world, header) -> None:
    answer = await world.http.get("/v1/wallet", headers={"Authorization": header.encode("latin-1")})

    assert (answer.status_code, answer.json()["code"]) == (401, "key_invalid")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_revoked_key_is_a_401_at_once(world) -> None:
    assert (await world.http.get("/v1/wallet")).status_code == 200
    world.accounts.revoke_key(world.account.id, world.key.id)

    assert (await world.http.get("/v1/wallet")).status_code == 401


async def test_a_key_does_only_what_its_scopes_say(world) -> None:
    _, reading = world.accounts.create_key(world.account.id, name="report", scopes={"read"})
    _, spending = world.accounts.create_key(world.account.id, name="agent", scopes={"spend"})
    reader, spender = ({"Authorization": f"Bearer {secret}"} for secret in (reading, spending))

    refused = [
        await world.http.post("/v1/holds", json={"amount": "0.10"}, headers=reader),
        await world.http.get("/v1/wallet", headers=spender),
    ]
    allowed = [
        await world.http.post("/v1/holds", json={"amount": "0.10"}, headers=spender),
        await world.http.get("/v1/wallet", headers=reader),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "forbidden")] * 2
    assert [answer.status_code for answer in allowed] == [201, 200]


async def test_another_accounts_things_answer_as_unknown_ones(world) -> None:
    mine = (await world.http.post("/v1/holds", json={"amount": "0.10"})).json()["id"]
    unknown = "hold_01KB2Z8M6T0000000000000000"
    theirs = world.stranger()
    rows = world.rows()

    for method, path, content in [
        ("GET", "/v1/holds/{}", None),
        ("GET", "/v1/calls/{}", None),
        ("GET", "/v1/calls/{}/explanation", None),
        ("POST", "/v1/holds/{}/capture", {"amount": "0.01"}),
        ("POST", "/v1/holds/{}/void", {}),
    ]:
        answers = []
        for id_ in (mine, unknown):
            answer = await world.http.request(method, path.format(id_), json=content, headers=theirs)
            assert answer.status_code == 404
            text = answer.text.replace(answer.headers["ileen-request-id"], "…")
            answers.append(text.replace(id_[-26:], "…"))
        assert answers[0] == answers[1]

    assert (await world.http.get("/v1/calls", headers=theirs)).json()["data"] == []
    assert len((await world.http.get("/v1/entries", headers=theirs)).json()["data"]) == 1
    assert world.rows() == rows


async def test_a_cursor_into_another_accounts_calls_shows_nothing_of_theirs(world) -> None:
    call = (await world.http.post("/v1/holds", json={"amount": "0.10"})).json()["call"]

    page = await world.http.get("/v1/calls", params={"cursor": call}, headers=world.stranger())

    assert page.json() == {"data": [], "next_cursor": None}


@pytest.mark.parametrize("id_", ["x", "hold_", "hold_%00", "%F0%9F%98%80", "call_01KB2Z8M6T00000000000000IL", "a" * 64])
async def test_an_id_that_is_none_is_a_404(world, id_) -> None:
    answer = await world.http.get(f"/v1/holds/{id_}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"amount": ' + b"9" * 10_000 + b"}",
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
)
async def test_a_body_that_cannot_be_read_is_a_400(world, body) -> None:
    answer = await world.http.post("/v1/holds", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"NaN",
        b'{"amount": NaN}',
        b'{"amount": "\\ud800"}',
        b'{"amount": "1.00", "run": "\\ud800"}',
        b'{"amount": "1.00", "\\ud800": 1}',
        b'{"amount": "1.00", "run": "\\u0000"}',
    ],
)
async def test_a_body_of_another_form_is_a_422_that_names_the_field(world, body) -> None:
    rows = world.rows()

    answer = await world.http.post("/v1/holds", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert answer.json()["fields"]
    assert world.rows() == rows


async def test_a_body_over_the_limit_is_a_413_with_and_without_a_length(world) -> None:
    async def chunks():
        for _ in range(20):
            yield b" " * 100_000

    for content in (b" " * 1_100_000, chunks()):
        answer = await world.http.post("/v1/holds", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
async def test_a_wrong_idempotency_key_is_a_422(world, key) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}

    answer = await world.http.post("/v1/holds", json={"amount": "0.10"}, headers=headers)

    assert answer.status_code == 422


async def test_unknown_paths_and_methods_are_problems_too(world) -> None:
    nothing = await world.http.get("/v2/nothing")
    method = await world.http.delete("/v1/wallet")

    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_found")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "GET"
    assert (await world.http.get("/docs")).status_code == 404


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/anthropic/v1/messages"])
async def test_model_calls_reach_the_gateway_untouched(world, path) -> None:
    answer = await world.http.post(path, content=b"{")

    assert (answer.status_code, answer.headers["seen-path"]) == (418, path)
    assert is_id(answer.headers["ileen-request-id"], "req")


async def test_every_answer_has_an_id_of_its_own(world) -> None:
    paths = ["/v1/wallet", "/v1/wallet", "/nothing", "/healthz", "/openapi.json", "/v1/calls?limit=0"]
    ids = {(await world.http.get(path)).headers["ileen-request-id"] for path in paths}

    assert len(ids) == len(paths)
    assert all(is_id(each, "req") for each in ids)


async def test_the_openapi_document_describes_the_problems_of_every_operation(world) -> None:
    document = (await world.http.get("/openapi.json")).json()

    operations = [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]
    assert len(operations) == 48
    for path, operation in operations:
        problems = {
            status: answer["content"] for status, answer in operation["responses"].items() if int(status) >= 400
        }
        assert problems
        assert all(list(content) == ["application/problem+json"] for content in problems.values())
        if path != "/healthz":
            assert {"400", "401", "403", "422", "503"} <= problems.keys()
            assert operation["security"] == [{"ApiKey": []}]
    assert "Problem" in document["components"]["schemas"]
    assert document["components"]["schemas"]["HoldRequest"]["examples"]


async def test_a_problem_names_its_request(world) -> None:
    """People quote the document they see, not a header they do not."""
    answer = await world.http.get("/v1/holds/none")

    assert answer.json()["request_id"] == answer.headers["ileen-request-id"]
