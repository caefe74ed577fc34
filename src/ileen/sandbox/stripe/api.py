"""How an endpoint of the API is declared: method, path, what it takes, and the function that serves it.

Owns: the shapes `Call` and `Route`, and the small habits that all endpoints share. Each objects' module has a
`ROUTES` list; `routes` puts them together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.form import NOTHING, Node, inner
from ileen.sandbox.stripe.store import Tx


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an endpoint: the ids in its path, and its parameters as read by the endpoint's reader."""

    path: str
    ids: dict[str, str]
    given: Json

    @property
    def id(self) -> str:
        """The path's `{id}`."""
        return self.ids["id"]


Serve = Callable[[Tx, Call], Json]
"""Serves one call inside one transaction; the answer is what Stripe would return before expansion."""


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint. `takes` reads its parameters; unknown ones are refused."""

    method: str
    path: str
    serve: Serve
    takes: Node = NOTHING
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False, default=re.compile(""))

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", _pattern_of(self.path))

    def match(self, path: str) -> dict[str, str] | None:
        """Return the ids in `path` if it is this endpoint's."""
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None


@dataclass(frozen=True, slots=True)
class PageCall:
    """One request to a hosted page: the ids in its path, its query and, for POST, its form."""

    path: str
    ids: dict[str, str]
    query: Json
    form: Json


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What a browser gets."""

    body: bytes
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A hosted page: served inside one transaction like an endpoint, but to browsers and without a key."""

    method: str
    path: str
    serve: Callable[[Tx, PageCall], PageAnswer]
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False, default=re.compile(""))

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", _pattern_of(self.path))

    def match(self, path: str) -> dict[str, str] | None:
        """Return the ids in `path` if it is this page's."""
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None


def merged_metadata(stored: Json | None, given: dict[str, str | None] | None) -> Json:
    """Merge metadata key by key: an empty value removes its key, an empty whole removes all."""
    if given is None:
        return {}
    whole: Json = {**(stored or {}), **given}
    return {key: value for key, value in whole.items() if value is not None}


def put(body: Json, given: Json, *names: str) -> None:
    """Copy the named parameters that were given onto a document."""
    for name in names:
        if name in given:
            body[name] = given[name]
    if "metadata" in given:
        body["metadata"] = merged_metadata(body.get("metadata"), given["metadata"])


def put_inside(body: Json, given: Json, name: str, **empty: Any) -> None:
    """Merge a given hash into the document's object `name`, whose form is `empty`."""
    if name not in given:
        body.setdefault(name, dict(empty))
        return
    body[name] = {**empty, **inner(body, name), **inner(given, name)}


def address(given: Json | None) -> Json | None:
    """Return a postal address with all its fields, or None."""
    if given is None:
        return None
    return {name: given.get(name) for name in ("city", "country", "line1", "line2", "postal_code", "state")}


def _pattern_of(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
