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
_PHRASES = (
    "Agree on what it must do",
    "Sketch the smallest version that works",
    "Build the part everything else rests on",
    "Try it with the people it is for",
    "Make it safe to fail",
    "Write down how it is run",
    "Hand it over and look back",
)
Json = dict[str, Any]


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


def heard(content: Any) -> str:
    """Return the sentence by which an answer shows that it knows what a tool found."""
    return f" The tool answered: “{text_of(content)[:200]}”."


def cut(text: str, limit: int | None) -> tuple[str, bool]:
    """Shorten a text to a number of tokens; tell whether that was needed."""
    if limit is None or tokens(text) <= limit:
        return text, False
    return text[: limit * 4], True


def pieces(text: str) -> list[str]:
    """Split a text into the pieces in which it is streamed: a word and the space behind it."""
    return re.findall(r"\S+\s*", text) or [""]


def vector(text: str, dimensions: int) -> list[float]:
    """Return a unit vector that depends on the text alone; texts that share words are alike, as with a real model."""
    numbers = [0.0] * dimensions
    for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", text) or [text]:
        digest = hashlib.blake2b(word.lower().encode("utf-8", "replace"), digest_size=8).digest()
        place, sign = struct.unpack(">Ii", digest)
        numbers[place % dimensions] += 1 if sign > 0 else -1
    if not any(numbers):  # words that cancel each other out
        numbers[len(text) % dimensions] = 1
    length = sqrt(sum(n * n for n in numbers))
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
    return json.dumps(filled(schema, prompt), ensure_ascii=False)


def filled(schema: Any, prompt: str) -> Any:
    """Return a value that fits a schema: words the prompt names where they fit, else phrases that differ by place."""
    return _Form(schema, text=answer(prompt), prompt=prompt).value(schema)


def example(schema: Any, *, text: str = "example") -> Any:
    """Return a value that fits a JSON schema; references are followed, nesting ends at a depth no schema needs."""
    return _Form(schema, text=text).value(schema)


class _Form:
    """A schema that is being filled in. Without a prompt every free text is the same."""

    def __init__(self, schema: Any, *, text: str, prompt: str = "") -> None:
        self._within, self._text, self._prompt = schema, text, prompt

    def value(self, schema: Any, place: str = "", depth: int = 0) -> Any:
        if not isinstance(schema, dict) or depth > 16:  # a schema may refer to itself
            return self._text
        if "$ref" in schema:
            return self.value(_referred(self._within, schema["$ref"]), place, depth + 1)
        if "const" in schema or schema.get("enum"):
            return schema["const"] if "const" in schema else self._one_of(schema["enum"], place)
        for name in ("anyOf", "oneOf", "allOf"):
            if schema.get(name):
                return self.value(schema[name][0], place, depth + 1)
        kind = schema.get("type")
        match kind[0] if isinstance(kind, list) and kind else kind:
            case "object":
                parts = schema.get("properties", {}).items()
                return {name: self.value(part, f"{place}/{name}", depth + 1) for name, part in parts}
            case "array":
                count = min(max(1, int(schema.get("minItems", 1))), 100)
                return [self.value(schema.get("items"), f"{place}/{i}", depth + 1) for i in range(count)]
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
            case "null":
                return None
            case "string":
                return self._words(schema, place)
            case _:
                return self._text

    def _one_of(self, options: list[Any], place: str) -> Any:
        named = [each for each in options if self._prompt and str(each).lower() in self._prompt.lower()]
        return named[0] if named else options[_seed(self._text, place) % len(options) if self._prompt else 0]

    def _words(self, schema: Json, place: str) -> str:
        """Return a text of about the length that the schema or its description asks for."""
        limit = re.search(r"\d+", str(schema.get("maxLength") or schema.get("description") or ""))
        length = schema["maxLength"] if isinstance(schema.get("maxLength"), int) else None
        if not self._prompt:
            return self._text[:length]
        number = re.search(r"\bv?\d+(\.\d+)+\b", self._prompt)
        if place.endswith("/version") and number:
            return number[0]
        short = limit is not None and int(limit[0]) <= 120
        words, last = _PHRASES if short else _SENTENCES, place.rsplit("/", maxsplit=1)[-1]
        step = re.search(r"/(\d+)(?!.*/\d)", place)  # neighbours in a list must differ
        return words[(_seed(self._text, last) + int(step[1] if step else 0)) % len(words)][:length]


def _seed(text: str, place: str) -> int:
    return hashlib.sha256(f"{place}:{text}".encode("utf-8", "replace")).digest()[0]


def _referred(schema: Any, reference: Any) -> Any:
    """Follow a reference such as `#/$defs/Step` inside one schema."""
    for step in str(reference).removeprefix("#/").split("/"):
        schema = schema.get(step) if isinstance(schema, dict) else None
    return schema
