"""Paths, error shapes, keys, routing and headers."""

import json
from dataclasses import dataclass, field

import pytest

from ileen.accounts import ApiKey
from ileen.base.clock import Instant, ManualClock
from ileen.base.errors import (
    ActivityUnknown,
    CapReached,
    Forbidden,
    GateClosed,
    InsufficientCredits,
    KeyInvalid,
    RequestInvalid,
    TooManyCalls,
)
from ileen.base.ids import AccountId, KeyId
from ileen.gateway.callers import REMEMBERED_S, Callers, attribute
from ileen.gateway.routes import Routes, passed_back
from ileen.gateway.surfaces import Protocol, Surface, endpoint_of, error_body, secret_in


def test_every_surface_has_its_path() -> None:
    assert endpoint_of("/openai/v1/chat/completions").surface is Surface.CHAT
    assert endpoint_of("/openai/v1/responses").surface is Surface.RESPONSES
    assert endpoint_of("/openai/v1/embeddings").surface is Surface.EMBEDDINGS
    assert endpoint_of("/anthropic/v1/messages").surface is Surface.MESSAGES
    assert endpoint_of("/anthropic/v1/messages/count_tokens").surface is None
    assert endpoint_of("/openai/v1/models/ft:gpt-4o:me").model == "ft:gpt-4o:me"


@pytest.mark.parametrize(
    "path",
    [
        "/openai/v1",
        "/openai/v1/files",
        "/anthropic/v1/chat/completions",
        "/openai/v1/models/../files",
        "/v1/x",
    ],
)
def test_other_paths_are_not_served(path: str) -> None:
    assert endpoint_of(path) is None


def test_insufficient_credits_in_openais_shape() -> None:
    error = InsufficientCredits(needed="1.00", available="0.25")

    body = json.loads(error_body(Protocol.OPENAI, error, call="call_1", buy_url="https://shop.example"))

    assert body["error"] == {
        "message": "This needs 1.00 credits; 0.25 are available. Buy more at https://shop.example.",
        "type": "billing_error",
        "param": None,
        "code": "insufficient_credits",
        "needed": "1.00",
        "available": "0.25",
        "buy_url": "https://shop.example",
        "next": {"kind": "redirect", "url": "https://shop.example", "id": None},
    }


def test_a_cap_says_where_to_buy_but_not_that_buying_helps() -> None:
    error = CapReached(needed="1.00", available="0.25", period="day", spender="key")

    body = json.loads(error_body(Protocol.OPENAI, error, call="call_1", buy_url="https://shop.example"))

    assert body["error"]["buy_url"] == "https://shop.example"
    assert "next" not in body["error"]


def test_a_closed_gate_leads_to_the_gate() -> None:
    error = GateClosed(step="credits", gate_url="https://credits.example/gate")

    body = json.loads(error_body(Protocol.ANTHROPIC, error, call="call_1", buy_url=None))

    assert body["error"]["next"] == {"kind": "redirect", "url": "https://credits.example/gate", "id": None}


def test_insufficient_credits_in_anthropics_shape() -> None:
    error = InsufficientCredits(needed="1.00", available="0.25")

    body = json.loads(error_body(Protocol.ANTHROPIC, error, call="call_1", buy_url=None))

    assert body["type"] == "error"
    assert body["request_id"] == "call_1"
    assert body["error"]["type"] == "billing_error"
    assert body["error"]["code"] == "insufficient_credits"
    assert body["error"]["available"] == "0.25"


def test_a_secret_is_found_in_either_header() -> None:
    assert secret_in([(b"authorization", b"Bearer s")]) == "s"
    assert secret_in([(b"x-api-key", b"s")]) == "s"
    assert secret_in([(b"authorization", b"Basic s")]) == ""


@dataclass
class Setting:
    name: str
    base_url: str
    api_key: str | None = "k"
    prefixes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass
class Card:
    modes: dict[str, list[str]] = field(default_factory=lambda: {"design": ["plan"], "develop": ["code_query"]})

    def activities(self) -> dict[str, list[str]]:
        return self.modes


def routes() -> Routes:
    others = (
        Setting("mistral", "https://mistral.example/v1/", prefixes=("mistral-", "codestral")),
        Setting("ollama", "http://localhost:11434/v1", None, prefixes=("ollama",)),
        Setting("special", "https://special.example/v1", models=("mistral-special",)),
    )
    own = ("https://openai.example/v1", "provider-key")
    return Routes(openai=own, anthropic=("https://anthropic.example", "anthropic-key"), others=others)


@pytest.mark.parametrize(
    ("model", "provider", "there"),
    [
        ("gpt-4o", "openai", "gpt-4o"),
        ("mistral-large", "mistral", "mistral-large"),
        ("mistral-special", "special", "mistral-special"),
        ("ollama/llama3", "ollama", "llama3"),
    ],
)
def test_a_model_finds_its_provider(model: str, provider: str, there: str) -> None:
    found, name = routes().find(Protocol.OPENAI, model)

    assert (provider, there) == (found.name, name)


def test_anthropics_base_url_may_or_may_not_end_in_v1() -> None:
    assert routes().find(Protocol.ANTHROPIC, "claude")[0].base_url == "https://anthropic.example/v1"


def test_keys_and_our_own_headers_stop_here() -> None:
    sent = [
        (b"authorization", b"Bearer client-key"),
        (b"x-api-key", b"client-key"),
        (b"cookie", b"a=b"),
        (b"ileen-run", b"r"),
        (b"ileen-sandbox-fault", b"stall"),
        (b"openai-organization", b"org"),
        (b"anthropic-version", b"2023-06-01"),
        (b"accept-encoding", b"gzip"),
    ]

    passed = dict(routes().find(Protocol.OPENAI, "gpt-4o")[0].request_headers(sent))
    local = dict(routes().find(Protocol.OPENAI, "ollama/x")[0].request_headers(sent))

    assert passed == {
        "anthropic-version": "2023-06-01",
        "accept-encoding": "identity",
        "authorization": "Bearer provider-key",
    }
    assert local["ileen-sandbox-fault"] == "stall"
    assert "authorization" not in local


def test_the_operators_account_is_not_shown_to_clients() -> None:
    assert passed_back(
        [
            (b"x-request-id", b"r"),
            (b"openai-organization", b"o"),
            (b"set-cookie", b"c"),
            (b"ileen-charge", b"0"),
        ]
    ) == [(b"x-request-id", b"r")]


def api_key(**fields: object) -> ApiKey:
    base = {
        "id": KeyId("key_1"),
        "account": AccountId("acct_1"),
        "name": "k",
        "hint": "h",
        "mode": None,
        "activity": None,
        "scopes": frozenset({"spend"}),
        "calls_max": None,
        "created_at": Instant(0),
        "revoked_at": None,
        "last_used_at": None,
    }
    return ApiKey(**(base | fields))


def test_an_activity_alone_tells_its_mode() -> None:
    found = attribute(api_key(mode="design", activity="plan"), [(b"ileen-activity", b"code_query")], Card())

    assert (found.mode, found.activity) == ("develop", "code_query")


def test_the_keys_defaults_are_used() -> None:
    found = attribute(api_key(mode="design", activity="plan"), [(b"ileen-run", b"r1")], Card())

    assert (found.mode, found.activity, found.run) == ("design", "plan", "r1")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"ileen-mode", b"dream")],
        [(b"ileen-activity", b"dream")],
        [(b"ileen-mode", b"design"), (b"ileen-activity", b"code_query")],
    ],
)
def test_an_unknown_activity_lists_the_known_ones(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(ActivityUnknown) as refusal:
        attribute(api_key(), headers, Card())

    assert "design/plan, develop/code_query" in refusal.value.detail


@pytest.mark.parametrize("run", [b"x" * 129, b"a\tb", "é".encode()])
def test_a_run_must_be_short_and_printable(run: bytes) -> None:
    with pytest.raises(RequestInvalid):
        attribute(api_key(), [(b"ileen-run", run)], Card())


async def test_a_key_is_remembered_for_a_while(clock: ManualClock) -> None:
    asked: list[str] = []

    def authenticate(secret: str) -> ApiKey:
        asked.append(secret)
        return api_key()

    callers = Callers(authenticate, clock, calls_max=1)
    key = await callers.identify("s")
    await callers.identify("s")
    clock.advance(REMEMBERED_S)
    await callers.identify("s")
    callers.forget(key)
    await callers.identify("s")

    assert asked == ["s"] * 3


async def test_a_key_must_be_given_and_may_spend(clock: ManualClock) -> None:
    callers = Callers(lambda _: api_key(scopes=frozenset({"read"})), clock, calls_max=1)

    with pytest.raises(KeyInvalid):
        await callers.identify("")
    with pytest.raises(Forbidden):
        await callers.identify("s")


def test_calls_at_once_are_bounded_per_key(clock: ManualClock) -> None:
    callers = Callers(lambda _: api_key(), clock, calls_max=1)
    key = api_key()

    with callers.slot(key), pytest.raises(TooManyCalls), callers.slot(key):
        pass
    with callers.slot(key), callers.slot(api_key(id=KeyId("key_2"))):
        pass
    with callers.slot(api_key(calls_max=2)), callers.slot(api_key(calls_max=2)):
        pass
