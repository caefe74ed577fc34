"""One normal form of usage: disjoint classes of tokens, none negative, read from each provider's wire shape.

Owns: the classes and how wire shapes map to them. Refuses to know: prices.
U1  classes are disjoint: their sum is what the provider counted, cached tokens never twice.
U2  whatever is missing, negative, not a whole number, absurd or contradictory is refused, never guessed.
Shapes: OpenAI's and Anthropic's API references; compatible providers' additions are named where they are read.
"""

from collections.abc import Mapping
from typing import Final, cast

from msgspec import Struct
from msgspec.structs import asdict

from ileen.base.errors import UsageInvalid

TOKENS_MAX: Final = 2**40
"""More tokens than any call can have."""

INPUT_CLASSES: Final = (
    "input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "cache_read_audio", "input_image",
)  # fmt: skip
OUTPUT_CLASSES: Final = ("output", "reasoning", "output_audio", "output_image")


class TokenUsage(Struct, frozen=True, kw_only=True):
    """Tokens of one call by class. `cache_write` is kept for minutes, `cache_write_1h` for an hour."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    cache_read_audio: int = 0
    input_image: int = 0
    output: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0

    @property
    def input_total(self) -> int:
        """All tokens read, cached ones too: what context tiers are measured by."""
        return (
            self.input
            + self.cache_read
            + self.cache_write
            + self.cache_write_1h
            + self.input_audio
            + self.cache_read_audio
            + self.input_image
        )

    @property
    def output_total(self) -> int:
        """All tokens written, reasoning too."""
        return self.output + self.reasoning + self.output_audio + self.output_image

    def classes(self) -> dict[str, int]:
        """Return the classes that are not zero."""
        return {name: count for name, count in asdict(self).items() if count}


def normalise(surface: str, usage: Mapping[str, object]) -> TokenUsage:
    """Read a provider's usage object, as its `surface` reports it. Raises: UsageInvalid."""
    match surface:
        case "openai.chat":
            return _chat(usage)
        case "openai.responses":
            return _responses(usage)
        case "openai.embeddings":
            return TokenUsage(input=_count(usage, "prompt_tokens"))
        case "anthropic.messages":
            return _messages(usage)
        case _:
            raise UsageInvalid(reason=f"the surface '{surface}' is not known")


def _chat(usage: Mapping[str, object]) -> TokenUsage:
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens", default=0)
    read, written = _part(usage, "prompt_tokens_details"), _part(usage, "completion_tokens_details")
    cached = _count(read, "cached_tokens", default=0) or _count(usage, "prompt_cache_hit_tokens", default=0)  # DeepSeek
    cache_write = _count(read, "cache_write_tokens", default=0)  # OpenRouter
    audio, image = _count(read, "audio_tokens", default=0), _count(read, "image_tokens", default=0)
    reasoning = _count(written, "reasoning_tokens", default=0)
    said_audio, said_image = _count(written, "audio_tokens", default=0), _count(written, "image_tokens", default=0)
    total = _count(usage, "total_tokens", default=prompt + completion)
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning  # xAI counts reasoning beside the completion, not inside it
    # Audio or images that were served from the cache are reported in both details; the cache's part is not split up.
    audio, image = _beside(audio, prompt - cached - cache_write), _beside(image, prompt - cached - cache_write - audio)
    return TokenUsage(
        input=_rest(prompt, cached, cache_write, audio, image, what="prompt_tokens"),
        cache_read=cached,
        cache_write=cache_write,
        input_audio=audio,
        input_image=image,
        output=_rest(completion, reasoning, said_audio, said_image, what="completion_tokens"),
        reasoning=reasoning,
        output_audio=said_audio,
        output_image=said_image,
    )


def _responses(usage: Mapping[str, object]) -> TokenUsage:
    read, written = _part(usage, "input_tokens_details"), _part(usage, "output_tokens_details")
    cached = _count(read, "cached_tokens", default=0)
    reasoning = _count(written, "reasoning_tokens", default=0)
    return TokenUsage(
        input=_rest(_count(usage, "input_tokens"), cached, what="input_tokens"),
        cache_read=cached,
        output=_rest(_count(usage, "output_tokens"), reasoning, what="output_tokens"),
        reasoning=reasoning,
    )


def _messages(usage: Mapping[str, object]) -> TokenUsage:
    written = _count(usage, "cache_creation_input_tokens", default=0)
    parts = _part(usage, "cache_creation")
    hour = _count(parts, "ephemeral_1h_input_tokens", default=0)
    minutes = _count(parts, "ephemeral_5m_input_tokens", default=0)
    if parts and hour + minutes != written:
        if written:
            raise UsageInvalid(reason="cache_creation does not add up to cache_creation_input_tokens")
        written = hour + minutes
    return TokenUsage(
        input=_count(usage, "input_tokens"),
        cache_read=_count(usage, "cache_read_input_tokens", default=0),
        cache_write=written - hour,
        cache_write_1h=hour,
        output=_count(usage, "output_tokens"),
    )


def _count(usage: Mapping[str, object], name: str, *, default: int | None = None) -> int:
    value = usage.get(name)
    if value is None:
        if default is None:
            raise UsageInvalid(reason=f"'{name}' is missing")
        return default
    if type(value) is not int:  # a bool is an int to Python, and a float has lost what it counted
        raise UsageInvalid(reason=f"'{name}' is not a whole number")
    if not 0 <= value <= TOKENS_MAX:
        raise UsageInvalid(reason=f"'{name}' is {'negative' if value < 0 else 'larger than any call can be'}")
    return value


def _part(usage: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = usage.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageInvalid(reason=f"'{name}' is not an object")
    return cast("Mapping[str, object]", value)


def _beside(part: int, room: int) -> int:
    return min(part, max(room, 0))


def _rest(whole: int, *parts: int, what: str) -> int:
    rest = whole - sum(parts)
    if rest < 0:
        raise UsageInvalid(reason=f"the details of '{what}' are more than the whole")
    return rest
