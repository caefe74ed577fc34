"""Usage: every provider's wire shape becomes the same disjoint classes; what cannot be trusted is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from ileen.base.errors import UsageInvalid
from ileen.pricing import TokenUsage, normalise
from ileen.pricing.usage import INPUT_CLASSES, OUTPUT_CLASSES, TOKENS_MAX

FIXTURES = sorted(Path(__file__).with_name("fixtures").glob("*.json"))

WELL_FORMED: dict[str, dict[str, Any]] = {
    "openai.chat": {"prompt_tokens": 10, "completion_tokens": 5},
    "openai.responses": {"input_tokens": 10, "output_tokens": 5},
    "openai.embeddings": {"prompt_tokens": 10},
    "anthropic.messages": {"input_tokens": 10, "output_tokens": 5},
}
FIELDS = [
    ("openai.chat", "prompt_tokens"),
    ("openai.chat", "completion_tokens"),
    ("openai.chat", "total_tokens"),
    ("openai.chat", "prompt_cache_hit_tokens"),
    ("openai.chat", "prompt_tokens_details.cached_tokens"),
    ("openai.chat", "prompt_tokens_details.cache_write_tokens"),
    ("openai.chat", "prompt_tokens_details.audio_tokens"),
    ("openai.chat", "prompt_tokens_details.image_tokens"),
    ("openai.chat", "completion_tokens_details.reasoning_tokens"),
    ("openai.chat", "completion_tokens_details.audio_tokens"),
    ("openai.responses", "input_tokens"),
    ("openai.responses", "output_tokens"),
    ("openai.responses", "input_tokens_details.cached_tokens"),
    ("openai.responses", "output_tokens_details.reasoning_tokens"),
    ("openai.embeddings", "prompt_tokens"),
    ("anthropic.messages", "input_tokens"),
    ("anthropic.messages", "output_tokens"),
    ("anthropic.messages", "cache_read_input_tokens"),
    ("anthropic.messages", "cache_creation_input_tokens"),
    ("anthropic.messages", "cache_creation.ephemeral_5m_input_tokens"),
    ("anthropic.messages", "cache_creation.ephemeral_1h_input_tokens"),
]


def with_field(surface: str, path: str, value: object) -> dict[str, Any]:
    outer, _, inner = path.partition(".")
    return {**WELL_FORMED[surface], outer: {inner: value} if inner else value}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_a_recorded_shape_becomes_its_disjoint_classes(fixture: Path) -> None:
    recorded = json.loads(fixture.read_text())
    assert normalise(recorded["surface"], recorded["usage"]).classes() == recorded["classes"]


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_the_classes_add_up_to_what_the_provider_counted(fixture: Path) -> None:
    recorded = json.loads(fixture.read_text())
    raw, usage = recorded["usage"], normalise(recorded["surface"], recorded["usage"])
    if recorded["surface"] == "anthropic.messages":
        read = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        assert usage.input_total == sum(raw[name] for name in read)
        assert usage.output_total == raw["output_tokens"]
    else:
        assert usage.input_total + usage.output_total == raw["total_tokens"]


@pytest.mark.parametrize(("surface", "field"), FIELDS)
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (-1, "negative"),
        (True, "not a whole number"),
        (3.0, "not a whole number"),
        ("3", "not a whole number"),
        (TOKENS_MAX + 1, "larger than any call"),
    ],
)
def test_a_count_that_is_no_count_is_refused_by_name(surface: str, field: str, value: object, why: str) -> None:
    with pytest.raises(UsageInvalid) as refused:
        normalise(surface, with_field(surface, field, value))
    assert f"'{field.rpartition('.')[2]}' is {why}" in str(refused.value)


@pytest.mark.parametrize("surface", WELL_FORMED)
def test_an_empty_usage_is_refused_not_free(surface: str) -> None:
    with pytest.raises(UsageInvalid, match="is missing"):
        normalise(surface, {})


@pytest.mark.parametrize(
    ("surface", "field"), [("openai.responses", "output_tokens"), ("anthropic.messages", "output_tokens")]
)
def test_a_missing_output_is_refused_where_the_surface_always_reports_it(surface: str, field: str) -> None:
    with pytest.raises(UsageInvalid, match=f"'{field}' is missing"):
        normalise(surface, with_field(surface, field, None))


@pytest.mark.parametrize(
    ("surface", "usage", "whole"),
    [
        ("openai.chat", {"prompt_tokens_details": {"cached_tokens": 11}}, "prompt_tokens"),
        ("openai.chat", {"prompt_cache_hit_tokens": 11}, "prompt_tokens"),
        ("openai.chat", {"prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 5}}, "prompt_tokens"),
        ("openai.chat", {"completion_tokens_details": {"reasoning_tokens": 6}}, "completion_tokens"),
        ("openai.responses", {"input_tokens_details": {"cached_tokens": 11}}, "input_tokens"),
        ("openai.responses", {"output_tokens_details": {"reasoning_tokens": 6}}, "output_tokens"),
    ],
)
def test_details_that_exceed_their_whole_are_refused(surface: str, usage: dict[str, Any], whole: str) -> None:
    with pytest.raises(UsageInvalid, match=f"the details of '{whole}' are more than the whole"):
        normalise(surface, {**WELL_FORMED[surface], **usage})


@pytest.mark.parametrize(
    ("minutes", "hour", "total"), [(100, 100, 248), (248, 1, 248), (0, 0, 5)], ids=["less", "more", "none"]
)
def test_a_cache_creation_that_contradicts_its_total_is_refused(minutes: int, hour: int, total: int) -> None:
    usage = {
        **WELL_FORMED["anthropic.messages"],
        "cache_creation_input_tokens": total,
        "cache_creation": {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour},
    }
    with pytest.raises(UsageInvalid, match="does not add up"):
        normalise("anthropic.messages", usage)


@pytest.mark.parametrize("details", [[], "none", 3])
def test_details_that_are_not_an_object_are_refused(details: object) -> None:
    with pytest.raises(UsageInvalid, match="'prompt_tokens_details' is not an object"):
        normalise("openai.chat", {"prompt_tokens": 1, "prompt_tokens_details": details})


def test_a_surface_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageInvalid, match=r"openai\.telepathy"):
        normalise("openai.telepathy", {"prompt_tokens": 1})


def test_every_class_is_either_read_or_written() -> None:
    assert set(INPUT_CLASSES) | set(OUTPUT_CLASSES) == set(TokenUsage.__struct_fields__)
    assert not set(INPUT_CLASSES) & set(OUTPUT_CLASSES)
