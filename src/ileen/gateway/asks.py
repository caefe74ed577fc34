"""What a request asks for: read from its body, estimated from above, rewritten where Ileen must.

Owns: the fields of the four surfaces that bear on credits. Refuses to know: prices, providers, HTTP.
A1  the body sent upstream is written anew from what was read here, so that provider and estimate see one request
    (a body with a field twice could otherwise be priced by one reading and served by another).
A2  the input estimate is never below what a byte-level tokenizer makes of the body's text: no token is shorter than
    a byte. Pictures, files and sound count fixed or proportional allowances instead of their encoded length.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from ileen.base.errors import RequestInvalid, RequestMalformed
from ileen.gateway.surfaces import Surface

ANSWER_MIN: Final = 256
"""Output tokens below which an answer is not useful: a wallet that cannot cover them is told so instead."""
IMAGE_TOKENS: Final = 5_000
"""Tokens one picture may cost; above the documented maxima of current models except those in the next table."""
IMAGE_TOKENS_BY_PREFIX: Final = (("gpt-4o-mini", 48_169),)
"""gpt-4o-mini bills 2,833 + 5,667 per tile, at most 8 tiles (platform.openai.com/docs/guides/images-vision)."""
FILE_TOKENS: Final = 50_000
"""Tokens one attached file (such as a PDF) may cost, whatever its size."""
AUDIO_CHARACTERS_PER_TOKEN: Final = 64
"""Characters of base64 per token of sound: compressed speech carries about ten tokens a second."""
STATE_TOKENS: Final = 50_000
"""Tokens that a conversation kept by the provider (`previous_response_id` and the like) may add."""
PARTS_TOKENS: Final = 16
"""Tokens a protocol adds around each message or tool, besides its text."""
OVERHEAD_TOKENS: Final = 512
"""Tokens a protocol adds once: roles, separators, the system text that turns tools on."""
_TEXT_MAX: Final = 256

_decode = msgspec.json.Decoder().decode
encode: Callable[[object], bytes] = msgspec.json.Encoder().encode


class Ask(Struct):
    """One readable request. `output_max` is None when the request names no limit; `choices` multiply the output."""

    surface: Surface
    body: dict[str, Any]
    model: str
    stream: bool
    input_bound: int
    output_max: int | None
    output_min: int
    choices: int
    shows_usage: bool


def read(surface: Surface, raw: bytes) -> Ask:
    """Read a request. Raises: RequestMalformed, RequestInvalid."""
    body = parse(raw)
    model = model_in(body)
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise RequestInvalid("'stream' must be true or false.", param="stream")
    if surface is Surface.RESPONSES and body.get("background"):
        raise RequestInvalid(
            "Background responses cannot be charged call by call; leave 'background' out.", param="background"
        )
    output_max = _output_max(surface, body)
    options = body.get("stream_options")
    return Ask(
        surface=surface,
        body=body,
        model=model,
        stream=bool(stream),
        input_bound=_input_bound(body, len(raw), model),
        output_max=output_max,
        output_min=_output_min(body, output_max),
        choices=_count(body, "n", high=128) or 1 if surface is Surface.CHAT else 1,
        shows_usage=isinstance(options, dict) and bool(cast("dict[str, object]", options).get("include_usage")),
    )


def parse(raw: bytes) -> dict[str, Any]:
    """Read a body as a JSON object. Raises: RequestMalformed."""
    try:
        body = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RequestMalformed from error
    if not isinstance(body, dict):
        raise RequestMalformed("The request body must be a JSON object.")
    return cast("dict[str, Any]", body)


def model_in(body: dict[str, Any]) -> str:
    """Return the model a body names. Raises: RequestInvalid."""
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= _TEXT_MAX or not model.isprintable():
        raise RequestInvalid("'model' must name a model.", param="model")
    return model


def limit_output(ask: Ask, tokens: int, *, newest_field: bool) -> None:
    """Lower the output limit sent upstream to `tokens` per choice.

    `newest_field`: OpenAI's own models want `max_completion_tokens`; most compatible providers only `max_tokens`.
    """
    if ask.surface is Surface.CHAT:
        given = [name for name in ("max_completion_tokens", "max_tokens") if ask.body.get(name) is not None]
        for name in given or ["max_completion_tokens" if newest_field else "max_tokens"]:
            ask.body[name] = tokens
    else:
        ask.body["max_output_tokens" if ask.surface is Surface.RESPONSES else "max_tokens"] = tokens


def want_usage(ask: Ask) -> None:
    """Ask the provider to end a chat stream with its usage."""
    options = ask.body.get("stream_options")
    kept = cast("dict[str, object]", options) if isinstance(options, dict) else {}
    ask.body["stream_options"] = {**kept, "include_usage": True}


def _output_max(surface: Surface, body: dict[str, Any]) -> int | None:
    if surface is Surface.EMBEDDINGS:
        return 0
    if surface is Surface.RESPONSES:
        return _count(body, "max_output_tokens")
    if surface is Surface.MESSAGES:
        return _count(body, "max_tokens")
    given = [_count(body, "max_completion_tokens"), _count(body, "max_tokens")]
    return max((limit for limit in given if limit is not None), default=None)


def _output_min(body: dict[str, Any], output_max: int | None) -> int:
    # Anthropic refuses a `max_tokens` that does not exceed the budget for thinking.
    thinking: object = body.get("thinking")
    budget: object = cast("dict[str, object]", thinking).get("budget_tokens") if isinstance(thinking, dict) else 0
    least = ANSWER_MIN + (budget if isinstance(budget, int) and 0 < budget < 10**7 else 0)
    return least if output_max is None else min(least, output_max)


def _count(body: dict[str, Any], name: str, *, high: int = 10**7) -> int | None:
    value: object = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
        raise RequestInvalid(f"'{name}' must be a whole number from 1 to {high}.", param=name)
    return value


# The input estimate ----------------------------------------------------------------------------------------------


def _input_bound(body: dict[str, Any], size: int, model: str) -> int:
    """Count the body's bytes as tokens, but parts that are not text by their allowances."""
    bound = size + OVERHEAD_TOKENS
    for name in ("messages", "input", "tools"):
        parts: object = body.get(name)
        if isinstance(parts, list):
            bound += PARTS_TOKENS * len(cast("list[object]", parts))
    for name in ("previous_response_id", "conversation", "prompt"):
        if body.get(name) is not None:
            bound += STATE_TOKENS
    image = next((tokens for prefix, tokens in IMAGE_TOKENS_BY_PREFIX if model.startswith(prefix)), IMAGE_TOKENS)
    stack: list[object] = [body.get("messages"), body.get("input"), body.get("system")]
    while stack:  # a stack, because nesting is the client's choice and recursion has an end
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(cast("list[object]", node))
        elif isinstance(node, dict):
            part = cast("dict[str, object]", node)
            bound += _beyond_text(part, image)
            stack.extend(part.values())
    return bound


def _beyond_text(part: dict[str, object], image: int) -> int:
    """Return what a part that is not text adds, less the encoded length already counted."""
    match part.get("type"):
        case "image_url" | "input_image" | "image":
            return image - _encoded(part, ("image_url", "source"))
        case "file" | "input_file" | "document" | "container_upload":
            return FILE_TOKENS - _encoded(part, ("file", "file_data", "source"))
        case "input_audio":
            length = _encoded(part, ("input_audio",))
            return length // AUDIO_CHARACTERS_PER_TOKEN - length
        case _:
            return 0


def _encoded(part: dict[str, object], names: tuple[str, ...]) -> int:
    """Return the length of a part's base64 data, where the protocols put it; text documents have none."""
    for name in names:
        inner = part.get(name)
        if isinstance(inner, dict):
            holder = cast("dict[str, object]", inner)
            if holder.get("type") in {"text", "content"}:
                return 0
            inner = holder.get("data") or holder.get("file_data") or holder.get("url")
        if isinstance(inner, str):
            return len(inner)
    return 0
