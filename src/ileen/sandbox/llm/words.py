"""Answers and token counts: readable, repeatable, dependent on the prompt."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Requests are JSON of any form here: a provider reads what it understands of them.

import hashlib
import json
import re
import struct
from math import sqrt
from typing import Any

_OPENINGS = (
    "Here is what I make of it.",
    "Let us take this step by step.",
    "In short, this is how I would go about it.",
    "A good question; here is a first answer.",
)
_SENTENCES = (
    "Start with the part that matters most and leave the rest for later.",
    "Write down what must stay true before changing anything.",
    "Keep the steps small, so that each can be checked on its own.",
    "Name things by what they mean to the people who use them.",
    "When two ways look equal, take the one that is easier to undo.",
    "Measure before and after, and keep the numbers with the change.",
)


def tokens(text: str) -> int:
    """Count tokens: one for each four characters, rounded up."""
    return -(-len(text) // 4)


def mark(text: str) -> str:
    """Return a short name for a text, by which it is recognised later without being kept."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def answer(prompt: str) -> str:
    """Return an answer that names what was asked and is the same for the same prompt."""
    seed = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()
    asked = re.sub(r"\s+", " ", prompt).strip()[:80] or "nothing in particular"
    picked = [_SENTENCES[seed[i] % len(_SENTENCES)] for i in range(1, 3 + seed[0] % 3)]
    unique = list(dict.fromkeys(picked))
    return f"You asked: “{asked}”. {_OPENINGS[seed[7] % len(_OPENINGS)]} {' '.join(unique)}"


def cut(text: str, limit: int | None) -> tuple[str, bool]:
    """Shorten a text to a number of tokens; tell whether that was needed."""
    if limit is None or tokens(text) <= limit:
        return text, False
    return text[: limit * 4], True


def pieces(text: str) -> list[str]:
    """Split a text into the pieces in which it is streamed: a word and the space behind it."""
    return re.findall(r"\S+\s*", text) or [""]


def vector(text: str, dimensions: int) -> list[float]:
    """Return a unit vector that depends on the text alone."""
    raw = b"".join(
        hashlib.sha256(f"{i}:{text}".encode("utf-8", "replace")).digest() for i in range(-(-dimensions // 8))
    )
    numbers = [n / 2**31 - 1 for n in struct.unpack(f">{len(raw) // 4}I", raw)][:dimensions]
    length = sqrt(sum(n * n for n in numbers)) or 1.0
    return [n / length for n in numbers]


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or its parts' text. An image counts as 340 tokens."""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for part in content if isinstance(content, list) else []:
        if not isinstance(part, dict):
            continue
        kind = part.get("type")
        if kind in {"image", "image_url", "input_image"}:
            parts.append("\N{FRAME WITH PICTURE}" * 1360)
        elif kind == "tool_result":
            parts.append(text_of(part.get("content")))
        else:
            parts.append(str(part.get("text") or part.get("input") or ""))
    return "\n".join(parts)


def structured(schema: Any, prompt: str) -> str:
    """Return JSON that fits a schema, its free texts made of the answer to the prompt."""
    return json.dumps(example(schema, text=answer(prompt)), ensure_ascii=False)


def example(schema: Any, *, text: str = "example", within: Any = None, depth: int = 0) -> Any:
    """Return a value that fits a JSON schema; references are followed, nesting ends at a depth no schema needs."""
    within = schema if within is None else within
    if not isinstance(schema, dict) or depth > 16:  # a schema may refer to itself
        return text
    if "$ref" in schema:
        return example(_referred(within, schema["$ref"]), text=text, within=within, depth=depth + 1)
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return example(schema[name][0], text=text, within=within, depth=depth + 1)
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            parts = schema.get("properties", {}).items()
            return {name: example(part, text=text, within=within, depth=depth + 1) for name, part in parts}
        case "array":
            count = max(1, int(schema.get("minItems", 1)))
            return [example(schema.get("items"), text=text, within=within, depth=depth + 1)] * min(count, 100)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return text[: schema["maxLength"]] if isinstance(schema.get("maxLength"), int) else text


def _referred(schema: Any, reference: Any) -> Any:
    """Follow a reference such as `#/$defs/Step` inside one schema."""
    for step in str(reference).removeprefix("#/").split("/"):
        schema = schema.get(step) if isinstance(schema, dict) else None
    return schema
