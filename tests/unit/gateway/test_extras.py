"""What costs more than its tokens is found, and what is not known to be free counts as that."""

import pytest

from ileen.gateway.extras import unpriced

FUNCTION = {"type": "function", "name": "get_weather"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tools": None},
        {"tools": [FUNCTION, {"type": "custom", "name": "x"}, {"type": "mcp"}]},
        {"service_tier": "auto"},
        {"service_tier": "flex"},
        {"tools": "not a list"},
    ],
)
def test_openai_requests_that_cost_their_tokens_pass(body) -> None:
    assert unpriced(body, anthropic=False) is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tools": [{"name": "get_weather", "input_schema": {}}]},
        {"tools": [{"type": "custom", "name": "x"}, {"type": "bash_20250124"}, {"type": "web_fetch_20250910"}]},
        {"service_tier": "standard_only"},
        {"speed": "standard", "inference_geo": "global"},
    ],
)
def test_anthropic_requests_that_cost_their_tokens_pass(body) -> None:
    assert unpriced(body, anthropic=True) is None


@pytest.mark.parametrize(
    ("body", "anthropic", "expected"),
    [
        ({"tools": [FUNCTION, {"type": "web_search"}]}, False, "the tool 'web_search'"),
        ({"tools": [{"type": "file_search"}]}, False, "the tool 'file_search'"),
        ({"tools": [{"type": "code_interpreter"}]}, False, "the tool 'code_interpreter'"),
        ({"tools": [{"type": "image_generation"}]}, False, "the tool 'image_generation'"),
        ({"tools": [{"type": "invented_next_year"}]}, False, "the tool 'invented_next_year'"),
        ({"tools": [{"type": 7}]}, False, "the tool '7'"),
        ({"web_search_options": {}}, False, "web search"),
        ({"service_tier": "priority"}, False, "the service tier 'priority'"),
        ({"service_tier": ["auto"]}, False, "the service tier '['auto']'"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True, "the tool 'web_search_20250305'"),
        ({"tools": [{"type": "code_execution_20250825"}]}, True, "the tool 'code_execution_20250825'"),
        ({"speed": "fast"}, True, "the speed 'fast'"),
        ({"inference_geo": "us"}, True, "inference in one region"),
    ],
)
def test_what_costs_more_is_named(body, anthropic, expected) -> None:
    assert expected == unpriced(body, anthropic=anthropic)


def test_a_long_name_is_cut() -> None:
    assert len(unpriced({"tools": [{"type": "x" * 10_000}]}, anthropic=False) or "") < 100
