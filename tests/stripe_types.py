"""What Stripe's SDK declares about Stripe, turned into a judge of a server's traffic.

The SDK's service modules name every route with the parameters it takes and the object it answers with; its classes
and TypedDicts are generated from Stripe's specification. A server that answers with a field the pinned version does
not have, leaves out one that is never absent, or accepts a parameter that does not exist, is caught here by name.
Enumerations are open in the SDK (`Literal[...] | str`); here only the listed words pass.
"""

import ast
import importlib
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Union, get_args, get_origin
from urllib.parse import parse_qsl, urlsplit

import stripe
import typing_extensions
from stripe._error_object import ErrorObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._request_options import RequestOptions
from stripe._stripe_object import StripeObject, UntypedStripeObject

Json = dict[str, Any]
_SDK = Path(stripe.__file__).parent
_UNIONS = (Union, types.UnionType)
_DELETED = {"id", "object", "deleted"}


@dataclass(frozen=True)
class Route:
    """A route as a service method of the SDK declares it."""

    method: str
    path: str
    params: type | None
    answer: Any

    def serves(self, method: str, path: str) -> bool:
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", self.path)
        return method == self.method and re.fullmatch(pattern, path) is not None


@dataclass
class Exchange:
    """One request and its answer, as they went over the wire."""

    method: str
    url: str
    body: str
    status: int
    answer: str

    def drift(self) -> list[str]:
        """Return what the SDK would not expect of this exchange, by route and field."""
        parts = urlsplit(self.url)
        name = f"{self.method.upper()} {parts.path}"
        route = route_of(self.method, parts.path)
        answer = json.loads(self.answer)
        if self.status >= 400:
            return [f"{name}: {one}" for one in error_drift(answer)]
        found = [*answer_drift(answer, route.answer, "answer")]
        form = decode(self.body if self.method == "post" else parts.query)
        if route.params is None:
            found += [f"{key}: takes no parameters" for key in form]
        else:
            found += params_drift(form, route.params, "request")
        return [f"{name}: {one}" for one in found]


@dataclass
class CheckedClient(stripe.HTTPClient):
    """The HTTP client to give to `StripeClient(http_client=...)`: it fails the test at the first drift."""

    inner: stripe.HTTPClient = field(default_factory=stripe.RequestsClient)
    exchanges: list[Exchange] = field(default_factory=list)
    name: ClassVar[str] = "checked"

    def __post_init__(self) -> None:
        super().__init__()

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_: object) -> Any:
        content, status, answer_headers = self.inner.request(method, url, headers, post_data)
        text = content.decode() if isinstance(content, bytes) else content
        exchange = Exchange(method, url, post_data or "", status, text)
        self.exchanges.append(exchange)
        if answer_headers.get("content-type", "").startswith("application/json"):
            drift = exchange.drift()
            assert not drift, "\n".join(drift)
        return content, status, answer_headers

    def close(self) -> None:
        self.inner.close()


def event_drift(body: Json) -> list[str]:
    """Return what is wrong with the body of a webhook delivery."""
    return [*answer_drift(body, stripe.Event, "event")]


def error_drift(body: Json) -> Iterator[str]:
    """Judge an error's body: an envelope with nothing else, a type, a message and only known, non-null fields."""
    if set(body) != {"error"}:
        yield f"error: the envelope holds {sorted(body)}"
        return
    error = body["error"]
    known = set(fields_of(ErrorObject)) | {"request_log_url"}
    yield from (f"error.{name}: not a field of errors" for name in error.keys() - known)
    yield from (f"error.{name}: null is left out" for name, value in error.items() if value is None)
    kinds = {"api_error", "card_error", "idempotency_error", "invalid_request_error"}
    if error.get("type") not in kinds or not error.get("message"):
        yield "error: a type and a message are always there"
    for name in ("payment_intent", "payment_method", "setup_intent"):
        if name in error:
            yield from answer_drift(error[name], class_of(name), f"error.{name}")


def answer_drift(value: Any, declared: Any, where: str, home: Json | None = None) -> Iterator[str]:
    """Judge an answer, or a part of one, by what is declared. `home` is the module in which names are looked up."""
    declared = _resolve(declared, home or {})
    origin = get_origin(declared)
    if origin in _UNIONS:
        yield from _union_drift(value, declared, where, home)
    elif origin is Literal:
        if value not in get_args(declared):
            yield f"{where}: {value!r} is none of {get_args(declared)[:12]}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: a list was declared, not {value!r}"
            return
        for position, item in enumerate(value):
            yield from answer_drift(item, get_args(declared)[0], f"{where}[{position}]", home)
    elif origin in {dict, UntypedStripeObject}:
        if not isinstance(value, dict):
            yield f"{where}: a hash was declared, not {value!r}"
            return
        for name, item in value.items():
            yield from answer_drift(item, get_args(declared)[-1], f"{where}.{name}", home)
    elif origin is stripe.ListObject:
        yield from _list_drift(value, get_args(declared)[0], where, home)
    elif isinstance(declared, type) and issubclass(declared, StripeObject):
        yield from _object_drift(value, declared, where)
    elif declared is not Any and not _is_plain(value, declared):
        yield f"{where}: {declared.__name__} was declared, not {value!r}"


def params_drift(form: Any, declared: Any, where: str, home: Json | None = None) -> Iterator[str]:
    """Judge decoded parameters that a server accepted."""
    declared = _resolve(declared, home or {})
    origin = get_origin(declared)
    if origin in {typing.NotRequired, typing_extensions.NotRequired}:
        yield from params_drift(form, get_args(declared)[0], where, home)
    elif origin in _UNIONS:
        judged = [[*params_drift(form, one, where, home)] for one in _closed(get_args(declared), home)]
        if all(judged):
            yield from min(judged, key=len)
    elif origin is Literal:
        if form not in [str(word) for word in get_args(declared)]:
            yield f"{where}: {form!r} is none of {get_args(declared)[:12]}"
    elif typing_extensions.is_typeddict(declared):
        yield from _hash_drift(form, declared, where)
    elif origin in {list, dict, UntypedStripeObject}:
        if not isinstance(form, dict):
            yield f"{where}: brackets were declared, not {form!r}"
            return
        for name, item in form.items():
            if origin is list and not name.isdigit():
                yield f"{where}[{name}]: not an index"
            yield from params_drift(item, get_args(declared)[-1], f"{where}[{name}]", home)
    elif not _is_written(form, declared):
        yield f"{where}: {getattr(declared, '__name__', declared)} was declared, not {form!r}"


def decode(text: str) -> Json:
    """Read a form with nested names; list elements are keyed by their index, or by their turn for `[]`."""
    whole: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        steps = [name.split("[")[0], *re.findall(r"\[([^\]]*)\]", name)]
        place = whole
        for step in steps[:-1]:
            place = place.setdefault(step, {})
        place[steps[-1] or str(len(place))] = value
    return whole


def class_of(name: str) -> type[StripeObject]:
    """Return the SDK's class of an `object` name."""
    module, cls = OBJECT_CLASSES[name]
    return getattr(importlib.import_module(module), cls)


@cache
def route_of(method: str, path: str) -> Route:
    """Return the route the SDK has for a request; fixed names go before ids."""
    found = [route for route in routes() if route.serves(method, path)]
    assert found, f"the SDK has no {method.upper()} {path}"
    return min(found, key=lambda route: route.path.count("{"))


@cache
def routes() -> tuple[Route, ...]:
    """Read all routes of version 1 of the API from the SDK's service modules."""
    modules = [path for path in sorted(_SDK.rglob("_*_service.py")) if "v2" not in path.parts]
    return tuple(route for path in modules for route in _routes_in(path))


@cache
def fields_of(cls: type) -> dict[str, tuple[Any, Json]]:
    """Return a class's public fields with their declarations and the module to read those in."""
    found: dict[str, tuple[Any, Json]] = {}
    for base in reversed(cls.__mro__):
        for name, declared in inspect.get_annotations(base).items():
            if not name.startswith("_") and get_origin(declared) is not ClassVar:
                found[name] = (declared, names_in(base.__module__))
    return found


@cache
def names_in(module: str) -> Json:
    """Return a module's names, with those it imports for type checkers only."""
    known = vars(importlib.import_module(module)).copy()
    source = Path(str(sys.modules[module].__file__)).read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                if isinstance(line, ast.ImportFrom) and line.module:
                    inside = importlib.import_module(line.module)
                    known |= {one.asname or one.name: getattr(inside, one.name) for one in line.names}
    return known


def _routes_in(path: Path) -> Iterator[Route]:
    module = ".".join(["stripe", *path.relative_to(_SDK).with_suffix("").parts])
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.returns is None:
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "self._request":
                method, place = (next(_words(argument)) for argument in call.args[:2])
                noted = [word for one in function.args.args if one.annotation for word in _words(one.annotation)]
                params = next((word for word in noted if word.endswith("Params")), None)
                known = names_in(module)
                yield Route(method, place, known[params] if params else None, _resolve(function.returns, known))


def _words(node: ast.AST) -> Iterator[str]:
    return (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _resolve(declared: Any, home: Json) -> Any:
    """Evaluate what stands in quotes: the SDK's own text, never the server's."""
    if isinstance(declared, ast.AST):
        declared = next(_words(declared), ast.unparse(declared))
    if isinstance(declared, typing.ForwardRef):
        declared = declared.__forward_arg__
    return _evaluated(declared, home["__name__"]) if isinstance(declared, str) else declared


@cache
def _evaluated(text: str, module: str) -> Any:
    return eval(text, dict(names_in(module)))


def _closed(members: Any, home: Json | None) -> list[Any]:
    """Close an open enumeration: without `str`, where words (other than the empty one) are listed."""
    known = [_resolve(one, home or {}) for one in members]
    words = [word for one in known if get_origin(one) is Literal for word in get_args(one)]
    return [one for one in known if one is not str] if set(words) - {""} else known


def _union_drift(value: Any, declared: Any, where: str, home: Json | None) -> Iterator[str]:
    members = _closed(get_args(declared), home)
    if value is None and type(None) in members:
        return
    judged = [[*answer_drift(value, one, where, home)] for one in members if one is not type(None)]
    if all(judged):
        # The member that fits best explains most: a hash is compared with classes before it is called no string.
        yield from max(judged, key=lambda found: (found[0].partition(":")[0] != where, -len(found)))


def _list_drift(value: Any, item: Any, where: str, home: Json | None) -> Iterator[str]:
    if not isinstance(value, dict) or value.get("object") != "list" or set(value) != {
        "object", "data", "has_more", "url",
    }:  # fmt: skip
        yield f"{where}: a list object was declared, not {value!r}"
        return
    for position, one in enumerate(value["data"]):
        yield from answer_drift(one, item, f"{where}.data[{position}]", home)


def _object_drift(value: Any, cls: type[StripeObject], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: a {cls.__name__} was declared, not {value!r}"
        return
    if value.get("deleted") is True:
        if set(value) != _DELETED:
            yield f"{where}: a deleted object has only {sorted(_DELETED)}"
        return
    declared = fields_of(cls)
    yield from (f"{where}.{name}: not a field of {cls.__name__}" for name in value.keys() - declared.keys())
    for name, (annotation, home) in declared.items():
        if name in value:
            yield from answer_drift(value[name], annotation, f"{where}.{name}", home)
        elif not _may_be_absent(annotation):
            yield f"{where}.{name}: never absent from a {cls.__name__}"
    if cls is stripe.Event and "data" in value:
        yield from _event_data_drift(value["data"], where)


def _event_data_drift(data: Json, where: str) -> Iterator[str]:
    cls = class_of(data["object"]["object"])
    yield from answer_drift(data["object"], cls, f"{where}.data.object")
    for name in (data.get("previous_attributes") or {}).keys() - fields_of(cls).keys():
        yield f"{where}.data.previous_attributes.{name}: not a field of {cls.__name__}"


def _hash_drift(form: Any, declared: Any, where: str) -> Iterator[str]:
    if not isinstance(form, dict):
        yield f"{where}: {declared.__name__} was declared, not {form!r}"
        return
    known = {name: one for name, one in declared.__annotations__.items() if name not in RequestOptions.__annotations__}
    yield from (f"{where}[{name}]: not a parameter of {declared.__name__}" for name in form.keys() - known.keys())
    required = declared.__required_keys__ & known.keys()
    yield from (f"{where}[{name}]: required by {declared.__name__}" for name in required - form.keys())
    for name in form.keys() & known.keys():
        yield from params_drift(form[name], known[name], f"{where}[{name}]", names_in(declared.__module__))


def _may_be_absent(annotation: Any) -> bool:
    return annotation is Any or (get_origin(annotation) in _UNIONS and type(None) in get_args(annotation))


def _is_plain(value: Any, declared: Any) -> bool:
    if declared is Decimal:
        return isinstance(value, str) and _is_number(value)
    if declared is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is declared


def _is_written(form: Any, declared: Any) -> bool:
    if declared is bool:
        return form in ("true", "false")
    if declared is int:
        return isinstance(form, str) and re.fullmatch(r"-?\d+", form) is not None
    if declared in {Decimal, float}:
        return isinstance(form, str) and _is_number(form)
    return declared is Any or (declared is str and isinstance(form, str))


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
