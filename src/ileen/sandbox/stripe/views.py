"""What callers see of a document: private keys gone, computed fields added, lists cut into pages, ids expanded.

Owns: `expand[]`, list pages, and the registry of computed and expand-only fields (objects' modules add theirs).
V1  a field that Stripe returns only when expanded is absent otherwise.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import cast

from ileen.sandbox.stripe.errors import Json, invalid
from ileen.sandbox.stripe.store import KIND_OF, Tx

Dress = Callable[[Tx, Json, Json], None]
"""Given a stored document, adds computed fields to its public copy."""
DRESS: dict[str, Dress] = {}
"""By kind: fields computed at the moment of showing, such as URLs that age."""
ONLY_EXPANDED: dict[tuple[str, str], Callable[[Tx, Json], object]] = {}
"""By (kind, field): fields that exist only when expanded."""

_DEPTH_MAX = 4  # Stripe's own limit
_PAGE_DEFAULT, _PAGE_MAX = 10, 100


def shown(tx: Tx, body: Json) -> Json:
    """Return the public copy of a document."""
    public = {name: value for name, value in body.items() if not name.startswith("_")}
    dress = DRESS.get(body["object"])
    if dress:
        dress(tx, body, public)
    return public


def page(url: str, items: list[Json]) -> Json:
    """Return a list object that holds all of `items`."""
    return {"object": "list", "data": items, "has_more": False, "url": url}


def listed(tx: Tx, url: str, found: Iterable[Json], given: Json) -> Json:
    """Cut one page out of `found` (newest first) as `limit`, `starting_after` and `ending_before` say."""
    limit = given.get("limit")
    limit = _PAGE_DEFAULT if limit is None else limit
    if not 1 <= limit <= _PAGE_MAX:
        raise invalid(f"Invalid integer: must be between 1 and {_PAGE_MAX}", param="limit")
    after, before = given.get("starting_after"), given.get("ending_before")
    if after and before:
        raise invalid("You may only specify one of these parameters: ending_before, starting_after.")
    rest = iter(found)
    if before:
        earlier = _up_to(rest, before, "ending_before")
        chosen, more = earlier[-limit:], len(earlier) > limit
    else:
        if after:
            _up_to(rest, after, "starting_after")
        following = list(islice(rest, limit + 1))
        chosen, more = following[:limit], len(following) > limit
    return {"object": "list", "data": [shown(tx, item) for item in chosen], "has_more": more, "url": url}


def within(found: Iterable[Json], bounds: Json | None) -> Generator[Json]:
    """Yield the documents created within `bounds` (gt, gte, lt, lte)."""
    given = bounds or {}
    low, high = given.get("gte", 0), given.get("lte", 2**62)
    low, high = max(low, given.get("gt", -1) + 1), min(high, given.get("lt", 2**62 + 1) - 1)
    yield from (body for body in found if low <= body["created"] <= high)


def expand(tx: Tx, answer: Json, paths: list[str]) -> None:
    """Expand each dotted path of `answer` in place. Raises: ApiError for what cannot be expanded."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEPTH_MAX:
            raise invalid(f"You cannot expand more than {_DEPTH_MAX} levels of a property.", param="expand")
        _expand(tx, answer, steps, path)


def _expand(tx: Tx, place: Json, steps: list[str], path: str) -> None:
    step, rest = steps[0], steps[1:]
    if place.get("object") == "list" and step == "data":
        for item in place["data"]:
            if rest:
                _expand(tx, item, rest, path)
        return
    only = ONLY_EXPANDED.get((str(place.get("object")), step))
    if only and step not in place:
        place[step] = only(tx, place)
    elif step not in place:
        raise invalid(
            f"This property cannot be expanded ({path}). You may want to try expanding a different property.",
            param="expand",
        )
    place[step] = _expanded(tx, place[step], step, path)
    inner = place[step]
    if rest and inner is not None:
        for item in cast("list[object]", inner) if isinstance(inner, list) else [inner]:
            if isinstance(item, dict):
                _expand(tx, cast("Json", item), rest, path)


def _expanded(tx: Tx, value: object, step: str, path: str) -> object:
    if isinstance(value, list):
        return [_expanded(tx, item, step, path) for item in cast("list[object]", value)]
    if not isinstance(value, str):
        return value
    kind = KIND_OF.get(value.split("_")[0])
    found = tx.find(kind, value) if kind else None
    if found is None:
        raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    return shown(tx, found)


def _up_to(rest: Iterator[Json], wanted: str, param: str) -> list[Json]:
    """Take documents off `rest` up to the one wanted, which is taken too but not returned."""
    passed: list[Json] = []
    for item in rest:
        if item["id"] == wanted:
            return passed
        passed.append(item)
    raise invalid(f"No such object: '{wanted}'", param=param, code="resource_missing")
