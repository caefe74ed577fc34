"""What the two protocols look like from outside: paths, error shapes, where a key is found.

Owns: the table of endpoints and the form of every refusal. Refuses to know: credits, providers' addresses.
Sources: the API references of OpenAI (error object: message, type, param, code) and Anthropic (type "error", error).
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from ileen.base.errors import GateClosed, IleenError, InsufficientCredits
from ileen.base.way_on import retry_after_s, way_on

Headers = Iterable[tuple[bytes, bytes]]


class Protocol(StrEnum):
    """Whose protocol a surface speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Surface(StrEnum):
    """A metered endpoint, under the name `pricing` knows its usage by."""

    CHAT = "openai.chat"
    RESPONSES = "openai.responses"
    EMBEDDINGS = "openai.embeddings"
    MESSAGES = "anthropic.messages"


class Endpoint(Struct, frozen=True):
    """One path: `surface` is None where calls are free. `path` is what follows the provider's base URL."""

    protocol: Protocol
    method: str
    path: str
    surface: Surface | None = None
    model: str | None = None


_PREFIXES: Final = ((Protocol.OPENAI, "/openai/v1"), (Protocol.ANTHROPIC, "/anthropic/v1"))
_POSTS: Final = {
    (Protocol.OPENAI, "/chat/completions"): Surface.CHAT,
    (Protocol.OPENAI, "/responses"): Surface.RESPONSES,
    (Protocol.OPENAI, "/embeddings"): Surface.EMBEDDINGS,
    (Protocol.ANTHROPIC, "/messages"): Surface.MESSAGES,
    (Protocol.ANTHROPIC, "/messages/count_tokens"): None,
}
_ENDPOINTS: Final = {
    prefix + path: Endpoint(protocol, "POST", path, surface)
    for protocol, prefix in _PREFIXES
    for (owner, path), surface in _POSTS.items()
    if owner is protocol
} | {prefix + "/models": Endpoint(protocol, "GET", "/models") for protocol, prefix in _PREFIXES}

_encode = msgspec.json.Encoder().encode


def protocol_of(path: str) -> Protocol:
    """Return whose error shape a path is answered in."""
    return Protocol.ANTHROPIC if path.startswith("/anthropic") else Protocol.OPENAI


def endpoint_of(path: str) -> Endpoint | None:
    """Return the endpoint at a path, or None."""
    found = _ENDPOINTS.get(path)
    if found is not None:
        return found
    for protocol, prefix in _PREFIXES:
        model = path.removeprefix(prefix + "/models/")
        if model not in {path, ""} and ".." not in model:
            return Endpoint(protocol, "GET", "/models/" + model, None, model)
    return None


def secret_in(headers: Headers) -> str:
    """Return the secret a request carries (`Authorization: Bearer …` or `x-api-key`), or an empty text."""
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1").strip()
        if name == b"authorization":
            scheme, _, secret = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                return secret.strip()
    return ""


_OPENAI_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def error_body(protocol: Protocol, error: IleenError, *, call: str | None, buy_url: str | None) -> bytes:
    """Write a refusal in the protocol's own shape, with our code and its fields (amounts as decimal strings)."""
    fields: dict[str, object] = {**error.fields, **way_on(error, buy_url=buy_url)}
    message = error.detail
    if isinstance(error, InsufficientCredits) and buy_url:
        message += f" Buy more at {buy_url}."
    if isinstance(error, GateClosed):
        message += f" Continue at {error.fields['gate_url']}."
    inner: dict[str, object] = {
        "message": message,
        "type": _type_of(protocol, error.status),
        "code": error.code,
    }
    if protocol is Protocol.OPENAI:
        inner = {"param": None, **fields, **inner}
        return _encode({"error": inner})
    return _encode({"type": "error", "error": {**fields, **inner}, "request_id": call})


def error_headers(error: IleenError) -> list[tuple[bytes, bytes]]:
    """Return the headers a refusal needs besides its body."""
    headers = [(b"content-type", b"application/json")]
    if (after_s := retry_after_s(error)) is not None:
        headers.append((b"retry-after", str(after_s).encode()))
    return headers


def _type_of(protocol: Protocol, status: int) -> str:
    types: Mapping[int, str] = _OPENAI_TYPES if protocol is Protocol.OPENAI else _ANTHROPIC_TYPES
    default = "server_error" if protocol is Protocol.OPENAI else "api_error"
    return types.get(status, "invalid_request_error" if status < 500 else default)
