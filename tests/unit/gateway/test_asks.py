"""Requests: what is read, refused, estimated and rewritten."""

import json

import pytest

from ileen.base.errors import RequestInvalid, RequestMalformed
from ileen.gateway import asks
from ileen.gateway.surfaces import Surface


def chat(**fields: object) -> asks.Ask:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], **fields}
    return asks.read(Surface.CHAT, json.dumps(body).encode())


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_body_that_is_not_an_object_is_malformed(raw: bytes) -> None:
    with pytest.raises(RequestMalformed):
        asks.read(Surface.CHAT, raw)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", None),
        ("model", ""),
        ("model", 3),
        ("model", "a\nb"),
        ("stream", "yes"),
        ("n", 0),
        ("n", True),
        ("n", 10_000),
        ("max_tokens", -1),
        ("max_tokens", 1.5),
        ("max_completion_tokens", "9"),
        ("max_completion_tokens", 10**30),
    ],
)
def test_a_field_that_bears_on_credits_must_have_its_form(field: str, value: object) -> None:
    with pytest.raises(RequestInvalid) as refusal:
        chat(**{field: value})

    assert field == refusal.value.fields["param"]


def test_background_responses_are_refused() -> None:
    with pytest.raises(RequestInvalid):
        asks.read(Surface.RESPONSES, b'{"model":"gpt-4o","input":"x","background":true}')


def test_the_higher_of_two_limits_counts() -> None:
    assert chat(max_tokens=20, max_completion_tokens=900).output_max == 900


def test_no_limit_is_told_from_a_limit() -> None:
    ask = chat()

    assert ask.output_max is None
    assert ask.output_min == asks.ANSWER_MIN
    assert chat(max_tokens=20).output_min == 20


def test_a_useful_answer_exceeds_the_thinking_budget() -> None:
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 9000,
        "messages": [],
        "thinking": {"budget_tokens": 4000},
    }

    ask = asks.read(Surface.MESSAGES, json.dumps(body).encode())

    assert ask.output_min == 4000 + asks.ANSWER_MIN


def test_the_input_estimate_is_not_below_the_bytes_of_the_text() -> None:
    text = "žluťoučký kůň 🐎" * 50

    assert chat(messages=[{"role": "user", "content": text}]).input_bound > len(text.encode())


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4_000_000}},
        {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 4_000_000},
        {"type": "image", "source": {"type": "base64", "data": "A" * 4_000_000}},
    ],
)
def test_a_picture_counts_an_allowance_not_its_bytes(part: dict[str, object]) -> None:
    bound = chat(messages=[{"role": "user", "content": [part]}]).input_bound

    assert asks.IMAGE_TOKENS < bound < asks.IMAGE_TOKENS + 2_000


def test_a_file_counts_an_allowance_and_a_text_document_its_text() -> None:
    pdf = {"type": "document", "source": {"type": "base64", "data": "A" * 4_000_000}}
    text = {"type": "document", "source": {"type": "text", "data": "word " * 100_000}}

    assert asks.FILE_TOKENS < chat(messages=[{"content": [pdf]}]).input_bound < asks.FILE_TOKENS + 2_000
    assert chat(messages=[{"content": [text]}]).input_bound > 500_000


def test_base64_in_a_text_part_counts_as_text() -> None:
    part = {"type": "text", "text": "A" * 100_000, "data": "A" * 100_000}

    assert chat(messages=[{"role": "user", "content": [part]}]).input_bound > 200_000


def test_state_kept_by_the_provider_counts() -> None:
    plain = asks.read(Surface.RESPONSES, b'{"model":"gpt-4o","input":"x"}').input_bound
    chained = asks.read(Surface.RESPONSES, b'{"model":"gpt-4o","input":"x","previous_response_id":"r"}')

    assert chained.input_bound > plain + asks.STATE_TOKENS


def test_a_lowered_limit_goes_where_the_client_set_it() -> None:
    old, new, compatible = chat(max_tokens=9), chat(), chat()

    asks.limit_output(old, 5, newest_field=True)
    asks.limit_output(new, 5, newest_field=True)
    asks.limit_output(compatible, 5, newest_field=False)

    assert (old.body["max_tokens"], old.body.get("max_completion_tokens")) == (5, None)
    assert new.body["max_completion_tokens"] == 5
    assert compatible.body["max_tokens"] == 5


def test_usage_is_asked_for_beside_the_clients_own_options() -> None:
    ask = chat(stream=True, stream_options={"include_obfuscation": False})

    asks.want_usage(ask)

    assert ask.body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert not ask.shows_usage


def test_a_body_is_written_as_it_was_read() -> None:
    raw = b'{"model":"gpt-4o","temperature":0.1,"seed":12345678901234567890,"user":"\\u00e9\\ud83d\\udc0e"}'

    assert json.loads(raw) == json.loads(asks.encode(asks.read(Surface.CHAT, raw).body))


def test_a_field_given_twice_is_sent_once() -> None:
    ask = asks.read(Surface.CHAT, b'{"model":"gpt-4o","model":"gpt-4o-mini"}')

    assert asks.encode(ask.body) == b'{"model":"gpt-4o-mini"}'
