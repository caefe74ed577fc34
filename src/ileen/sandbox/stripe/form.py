"""Requests as the SDK writes them: forms with nested names, read into typed parameters.

Owns: `lines[0][amount]=3000` and `expand[]=payments` (brackets literal or percent-encoded), and the small
language in which each endpoint declares what it takes. Refuses to know: the endpoints.
F1  an empty string means "unset" and is read as None, so `"name" in given` tells unset from not given.
F2  numbers are read as `int` or `Decimal`, never as floats.
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from urllib.parse import parse_qsl

from ileen.sandbox.stripe.errors import Json, invalid, missing_parameter, unknown_parameter

Node = Callable[[object, str], Any]
"""Reads one raw value, given its full name (for refusals)."""

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_METADATA_KEYS_MAX, _METADATA_KEY_MAX, _METADATA_VALUE_MAX = 50, 40, 500


def decode(raw: str) -> Json:
    """Read a form or query string as nested dicts; array elements stay keyed by their index."""
    whole_form: dict[str, object] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        match = _NAME.fullmatch(name)
        if match is None:
            raise invalid(f"Invalid parameter name: {name}", param=name)
        place = whole_form
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        for step in path[:-1]:
            place = _hash(place.setdefault(step or str(len(place)), {}), name)
        place[path[-1] or str(len(place))] = value
    return whole_form


def text(value: object, name: str) -> str | None:
    """Read a string of at most 5000 characters."""
    if not isinstance(value, str):
        raise invalid("Invalid string: a string was expected here.", param=name)
    if len(value) > 5000:
        raise invalid("Invalid string: must be at most 5000 characters", param=name)
    return value or None


def whole(value: object, name: str) -> int | None:
    """Read an integer."""
    if value == "":
        return None
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        raise invalid(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
    return int(value)


def flag(value: object, name: str) -> bool | None:
    """Read "true" or "false"."""
    if value not in {"true", "false", ""}:
        raise invalid(f"Invalid boolean: {value}", param=name)
    return None if value == "" else value == "true"


def decimal(value: object, name: str) -> Decimal | None:
    """Read a decimal string."""
    if value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise invalid(f"Invalid decimal: {value}", param=name)
    return number


def choice(*words: str) -> Node:
    """Build a reader of one of `words`."""

    def read(value: object, name: str) -> str | None:
        if value == "":
            return None
        if value not in words:
            raise invalid(f"Invalid {name}: must be one of {', '.join(words)}", param=name)
        return str(value)

    return read


def mapping(value: object, name: str) -> dict[str, str | None] | None:
    """Read metadata: strings by name, within Stripe's limits; an empty value removes its key."""
    if value == "":
        return None
    read: dict[str, str | None] = {}
    for key, item in _hash(value, name).items():
        if len(key) > _METADATA_KEY_MAX:
            raise invalid(f"Metadata keys can be at most {_METADATA_KEY_MAX} characters.", param=name)
        content = text(item, f"{name}[{key}]")
        if content is not None and len(content) > _METADATA_VALUE_MAX:
            raise invalid(f"Metadata values can be at most {_METADATA_VALUE_MAX} characters.", param=name)
        read[key] = content
    if len(read) > _METADATA_KEYS_MAX:
        raise invalid(f"Metadata can have at most {_METADATA_KEYS_MAX} keys.", param=name)
    return read


def array(node: Node) -> Node:
    """Build a reader of a list whose elements `node` reads."""

    def read(value: object, name: str) -> list[Any] | None:
        if value == "":
            return None
        items = _hash(value, name)
        if not all(key.isdigit() for key in items):
            raise invalid("Invalid array", param=name)
        ordered = [items[key] for key in sorted(items, key=int)]
        return [node(item, f"{name}[{position}]") for position, item in enumerate(ordered)]

    return read


def group(fields: dict[str, Node] | None = None, /, *, needs: tuple[str, ...] = (), **named: Node) -> Node:
    """Build a reader of a hash with these fields, those in `needs` required."""
    taken = {**(fields or {}), **named}

    def read(value: object, name: str) -> Json | None:
        if value == "":
            return None
        given: Json = {}
        for key, item in _hash(value, name).items():
            full = f"{name}[{key}]" if name else key
            if key not in taken:
                raise unknown_parameter(full)
            given[key] = taken[key](item, full)
        for key in needs:
            if given.get(key) is None:
                full = f"{name}[{key}]" if name else key
                raise _cannot_unset(full) if key in given else missing_parameter(full)
        return given

    return read


def inner(given: Json, name: str) -> Json:
    """Return the hash at `name`, empty if it is absent or unset."""
    return given.get(name) or {}


def many(given: Json, name: str) -> list[Json]:
    """Return the list at `name`, empty if it is absent or unset."""
    return given.get(name) or []


def page_of(**filters: Node) -> Node:
    """Build a reader of a list request: the paging parameters and these filters."""
    return group(filters, limit=whole, starting_after=text, ending_before=text)


def instants(value: object, name: str) -> Json | None:
    """Read a filter on `created`: one instant, or bounds (gt, gte, lt, lte), in Unix seconds."""
    if isinstance(value, str):
        exact = whole(value, name)
        return None if exact is None else {"gte": exact, "lte": exact}
    return group(gt=whole, gte=whole, lt=whole, lte=whole)(value, name)


ADDRESS = group(line1=text, line2=text, city=text, postal_code=text, state=text, country=text)
"""A postal address."""
NOTHING = group()
"""An endpoint that takes no parameters."""


def _hash(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise invalid("Invalid hash: a hash was expected here.", param=name)
    return cast("dict[str, object]", value)


def _cannot_unset(name: str) -> Exception:
    return invalid(
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a field; however "
        f"'{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value.",
        param=name,
        code="parameter_invalid_empty",
    )
