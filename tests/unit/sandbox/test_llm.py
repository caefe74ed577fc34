"""The offline model provider: tools, structured output, models, caches and fault levers, request by request."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from ileen.sandbox.llm import build, tools, words
from ileen.sandbox.llm.app import Cut
from ileen.sandbox.llm.faults import Faults

WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TIME = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def provider() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=build())
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://sandbox", headers={"Authorization": "Bearer sandbox"}
    ) as http:
        yield http


async def chat(provider: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await provider.post("/openai/v1/chat/completions", json={"model": "gpt-4o", "messages": HELLO, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("given", "prompt", "answered", "expected"),
    [
        (None, "Hello", False, None),
        (None, "Please call a tool", False, "get_weather"),
        (None, "Use get_time now", False, "get_time"),
        (None, "Please call a tool", True, None),
        ("none", "Please call a tool", False, None),
        ("required", "Hello", False, "get_weather"),
        ("required", "Use get_time now", True, "get_time"),
        ({"type": "function", "function": {"name": "get_time"}}, "Hello", True, "get_time"),
        ({"type": "function", "name": "get_time"}, "Hello", False, "get_time"),
        ({"type": "tool", "name": "get_time"}, "Hello", False, "get_time"),
        ({"type": "any"}, "Hello", False, "get_weather"),
        ({"type": "auto"}, "Hello", False, None),
        ({"type": "none"}, "Please call a tool", False, None),
        ({"type": "tool", "name": "unknown"}, "Hello", False, None),
    ],
)
def test_a_tool_is_called_as_the_choice_says(given: Any, prompt: str, answered: bool, expected: str | None) -> None:
    chosen = tools.choose([WEATHER, TIME], tools.Choice.read(given, answered=answered), prompt)

    assert expected == (chosen["name"] if chosen else None)


def test_without_tools_none_is_called() -> None:
    assert tools.choose([], tools.Choice(kind="required"), "call a tool") is None


@pytest.mark.parametrize(
    ("surface", "body", "called"),
    [
        (
            "/openai/v1/chat/completions",
            {"messages": HELLO, "tools": [{"type": "function", "function": WEATHER}], "tool_choice": "required"},
            lambda answer: answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
        ),
        (
            "/openai/v1/responses",
            {"input": "Hello", "tools": [{"type": "function", **WEATHER}], "tool_choice": "required"},
            lambda answer: answer["output"][0]["name"],
        ),
        (
            "/anthropic/v1/messages",
            {
                "messages": HELLO,
                "max_tokens": 100,
                "tools": [{"name": "get_weather", "input_schema": WEATHER["parameters"]}],
                "tool_choice": {"type": "any"},
            },
            lambda answer: answer["content"][0]["name"],
        ),
    ],
)
async def test_every_surface_honours_tool_choice(
    provider: httpx2.AsyncClient, surface: str, body: dict[str, Any], called: Any
) -> None:
    model = "claude-haiku-4-5" if "anthropic" in surface else "gpt-4o"

    answer = (await provider.post(surface, json={"model": model, **body})).json()

    assert called(answer) == "get_weather"


async def test_a_tools_result_is_answered_in_words(provider: httpx2.AsyncClient) -> None:
    """An agent that calls tools in a loop must come to an end."""
    turns = [
        {"role": "user", "content": "Please call a tool"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]

    answer = await chat(provider, messages=turns, tools=[{"type": "function", "function": WEATHER}])

    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_structured_output_fits_its_schema(provider: httpx2.AsyncClient) -> None:
    step = {"type": "object", "properties": {"title": {"type": "string", "maxLength": 20}, "days": {"type": "integer"}}}
    schema = {
        "type": "object",
        "properties": {"steps": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/Step"}}},
        "$defs": {"Step": step},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "plan", "schema": schema}}

    answer = await chat(provider, response_format=wanted)

    steps = json.loads(answer["choices"][0]["message"]["content"])["steps"]
    assert len(steps) == 2
    assert all(len(one["title"]) <= 20 and one["days"] == 1 for one in steps)


async def test_json_mode_answers_an_object(provider: httpx2.AsyncClient) -> None:
    answer = await chat(provider, response_format={"type": "json_object"})

    assert isinstance(json.loads(answer["choices"][0]["message"]["content"]), dict)


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = {"$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"}

    assert isinstance(words.example(schema), dict)


@pytest.mark.parametrize(
    ("surface", "model", "status"),
    [
        ("/openai/v1/chat/completions", "gpt-4o", 200),
        ("/openai/v1/chat/completions", "gpt-4o-2024-08-06", 200),
        ("/openai/v1/chat/completions", "gpt-99", 404),
        ("/openai/v1/chat/completions", "claude-haiku-4-5", 404),
        ("/anthropic/v1/messages", "claude-haiku-4-5-20251001", 200),
        ("/anthropic/v1/messages", "gpt-4o", 404),
    ],
)
async def test_a_model_it_does_not_have_is_a_404(
    provider: httpx2.AsyncClient, surface: str, model: str, status: int
) -> None:
    answer = await provider.post(surface, json={"model": model, "messages": HELLO, "max_tokens": 10})

    assert status == answer.status_code
    if status == 404:
        assert "does not exist" in answer.text


async def test_openai_names_the_missing_model_by_code(provider: httpx2.AsyncClient) -> None:
    answer = await provider.post("/openai/v1/chat/completions", json={"model": "gpt-99", "messages": HELLO})

    assert answer.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Faults()),
        ("status-503", Faults(status=503)),
        ("status-429-retry-2", Faults(status=429, retry_after_s=2)),
        ("status-200", Faults()),
        ("cut-3, no-usage", Faults(cut=3, no_usage=True)),
        ("slow-first-200,latency-5", Faults(slow_first_ms=200, latency_ms=5)),
        ("stall", Faults(stall=True)),
        ("wrong-usage", Faults(wrong_usage=True)),
        ("no-such-lever", Faults()),
    ],
)
def test_levers_are_read(text: str, expected: Faults) -> None:
    assert expected == Faults.read(text)


@pytest.mark.parametrize("chunk", [0, 1, 10_000])
async def test_a_cut_breaks_the_stream_even_beyond_its_last_chunk(provider: httpx2.AsyncClient, chunk: int) -> None:
    body = {"model": f"gpt-4o#cut-{chunk}", "messages": HELLO, "stream": True}

    with pytest.raises(Cut):
        await provider.post("/openai/v1/chat/completions", json=body)


async def test_the_same_prompt_has_the_same_answer_and_is_cached_the_second_time(provider: httpx2.AsyncClient) -> None:
    long = [{"role": "user", "content": "Write a plan. " * 600}]

    first, second = await chat(provider, messages=long), await chat(provider, messages=long)

    assert first["choices"] == second["choices"]
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert (
        second["usage"]["prompt_tokens_details"]["cached_tokens"] % 1024
        == 0
        < (second["usage"]["prompt_tokens_details"]["cached_tokens"])
    )


async def test_a_request_without_a_key_is_refused(provider: httpx2.AsyncClient) -> None:
    answer = await provider.post("/openai/v1/chat/completions", json={}, headers={"Authorization": ""})

    assert answer.status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
async def test_a_body_that_is_no_object_is_refused(provider: httpx2.AsyncClient, body: bytes) -> None:
    answer = await provider.post("/openai/v1/chat/completions", content=body)

    assert answer.status_code == 400


def test_embedding_vectors_are_units_and_depend_on_the_text_alone() -> None:
    one, again, other = words.vector("a", 256), words.vector("a", 256), words.vector("b", 256)

    assert one == again != other
    assert abs(sum(x * x for x in one) - 1) < 1e-9


def test_texts_that_share_words_have_vectors_that_are_alike() -> None:
    """An index of the studio is worth nothing offline otherwise."""
    question, near, far = (
        words.vector(text, 256) for text in ("Who can send mail?", "def send_mail(to):", "class Wallet: pass")
    )

    def likeness(other: list[float]) -> float:
        return sum(a * b for a, b in zip(question, other, strict=True))

    assert likeness(near) > 0.3 > abs(likeness(far))


def test_tools_are_given_what_the_user_names() -> None:
    version, place = {"type": "string"}, {"enum": ["staging", "production"]}
    form = {"type": "object", "properties": {"version": version, "environment": place}}

    assert words.filled(form, "Deploy 1.4.2 to production") == {"version": "1.4.2", "environment": "production"}


async def test_a_tool_counts_as_named_by_the_user_not_by_the_instructions(provider: httpx2.AsyncClient) -> None:
    turns = [{"role": "system", "content": "You have get_weather."}, {"role": "user", "content": "Hello"}]

    answer = await chat(provider, messages=turns, tools=[{"type": "function", "function": WEATHER}])

    assert answer["choices"][0]["message"]["content"].startswith("You asked: “Hello”")
