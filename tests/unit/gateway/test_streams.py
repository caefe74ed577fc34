"""Readers of event streams: what passes on, what is held, what is understood, however the bytes are cut."""

import json

import pytest

from ileen.gateway.streams import Stream, stream_of
from ileen.gateway.surfaces import Surface

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def data(document: object) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


def event(document: dict[str, object]) -> bytes:
    return b"event: " + str(document["type"]).encode() + b"\n" + data(document)


def chunk(text: str, **more: object) -> bytes:
    return data({"id": "c", "model": "gpt-4o-mini-x", "choices": [{"delta": {"content": text}}], **more})


DONE = b"data: [DONE]\n\n"
CHAT = [
    chunk('a "usage" [DONE] \n\n b'),
    chunk("b"),
    data({"model": "m", "choices": [], "usage": USAGE}),
    DONE,
]
RESPONSES = [
    event({"type": "response.created", "response": {"status": "in_progress", "usage": None}}),
    event({"type": "response.output_text.delta", "delta": "say response.completed"}),
    event(
        {
            "type": "response.completed",
            "response": {"model": "m", "status": "completed", "usage": {"input_tokens": 1}},
        }
    ),
]
MESSAGES = [
    event({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 7, "output_tokens": 1}}}),
    event({"type": "content_block_delta", "delta": {"text": "message_stop"}}),
    event({"type": "message_delta", "usage": {"output_tokens": 5, "input_tokens": None}}),
    event({"type": "message_stop"}),
]


def run(stream: Stream, whole: bytes, size: int) -> bytes:
    passed = b"".join(stream.feed(whole[at : at + size]) for at in range(0, len(whole), size))
    return passed + stream.finish()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_chat_passes_all_but_the_end_however_it_is_cut(size: int) -> None:
    stream = stream_of(Surface.CHAT, hide_usage=False)

    passed = run(stream, b"".join(CHAT), size)

    assert b"".join(CHAT[:3]) == passed
    assert stream.held == DONE
    assert stream.seen.usage == USAGE
    assert stream.seen.model == "m"
    assert stream.seen.ended
    assert not stream.seen.failed


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_chat_hides_usage_the_client_did_not_ask_for(size: int) -> None:
    stream = stream_of(Surface.CHAT, hide_usage=True)
    whole = chunk("a", usage=None) + CHAT[0] + CHAT[2] + DONE

    passed = run(stream, whole, size)

    assert chunk("a") + CHAT[0] == passed
    assert stream.seen.usage == USAGE


def test_chat_hides_usage_that_comes_with_a_choice() -> None:
    stream = stream_of(Surface.CHAT, hide_usage=True)

    passed = stream.feed(chunk("last", usage=USAGE))

    assert chunk("last") == passed
    assert stream.seen.usage == USAGE


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_responses_hold_the_completed_event(size: int) -> None:
    stream = stream_of(Surface.RESPONSES, hide_usage=False)

    passed = run(stream, b"".join(RESPONSES), size)

    assert b"".join(RESPONSES[:2]) == passed
    assert RESPONSES[2] == stream.held
    assert stream.seen.usage == {"input_tokens": 1}


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_messages_merge_the_usage_of_start_and_deltas(size: int) -> None:
    stream = stream_of(Surface.MESSAGES, hide_usage=False)

    passed = run(stream, b"".join(MESSAGES), size)

    assert b"".join(MESSAGES[:3]) == passed
    assert MESSAGES[3] == stream.held
    assert stream.seen.usage == {"input_tokens": 7, "output_tokens": 5}


def test_messages_without_a_delta_have_no_usage() -> None:
    stream = stream_of(Surface.MESSAGES, hide_usage=False)

    stream.feed(MESSAGES[0] + MESSAGES[3])

    assert stream.seen.ended
    assert stream.seen.usage is None


@pytest.mark.parametrize(
    ("surface", "events"),
    [(Surface.CHAT, CHAT), (Surface.RESPONSES, RESPONSES), (Surface.MESSAGES, MESSAGES)],
)
def test_a_stream_cut_before_its_end_event_has_not_ended(surface: Surface, events: list[bytes]) -> None:
    whole = b"".join(events)
    for cut in range(len(whole) - len(events[-1]) + 1):
        stream = stream_of(surface, hide_usage=False)
        stream.feed(whole[:cut])
        assert not stream.seen.ended, cut


def test_an_end_without_a_blank_line_is_an_end() -> None:
    stream = stream_of(Surface.CHAT, hide_usage=False)

    passed = run(stream, b"".join(CHAT[:3]) + b"data: [DONE]\n", 11)

    assert b"".join(CHAT[:3]) == passed
    assert stream.held == b"data: [DONE]\n"


def test_carriage_returns_end_events_too() -> None:
    stream = stream_of(Surface.CHAT, hide_usage=True)
    whole = b"".join([CHAT[0], CHAT[2], DONE]).replace(b"\n\n", b"\r\n\r\n")

    passed = run(stream, whole, 10)

    assert CHAT[0].replace(b"\n\n", b"\r\n\r\n") == passed
    assert stream.seen.ended


@pytest.mark.parametrize(
    ("surface", "failure"),
    [
        (Surface.CHAT, data({"error": {"message": "no", "type": "server_error"}})),
        (Surface.RESPONSES, event({"type": "response.failed", "response": {"error": {"code": "x"}}})),
        (Surface.RESPONSES, event({"type": "error", "error": {"message": "no"}})),
        (Surface.MESSAGES, event({"type": "error", "error": {"type": "overloaded_error"}})),
    ],
)
def test_a_failure_in_the_stream_is_seen_and_passed_on(surface: Surface, failure: bytes) -> None:
    stream = stream_of(surface, hide_usage=False)

    assert failure == stream.feed(failure)
    assert stream.seen.failed


def test_an_event_that_is_not_json_passes_on() -> None:
    stream = stream_of(Surface.CHAT, hide_usage=False)

    assert stream.feed(b'data: "usage" {{\n\n') == b'data: "usage" {{\n\n'
    assert stream.seen.usage is None
