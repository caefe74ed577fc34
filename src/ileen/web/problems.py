"""Errors as problem documents (RFC 9457), and which of them each operation can answer with.

Owns: the translation of every exception into `application/problem+json`, and its description in OpenAPI.
Refuses to know: what the endpoints do.
"""

import json
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from ileen.base.errors import (
    CapReached,
    Forbidden,
    GateClosed,
    HoldClosed,
    IleenError,
    InsufficientCredits,
    KeyInvalid,
    KeyReused,
    MethodNotAllowed,
    ModelNotPriced,
    NotFound,
    RequestInvalid,
    RequestMalformed,
    StripeRefused,
    TooLarge,
    Unavailable,
)
from ileen.base.way_on import retry_after_s, way_on
from ileen.store.engine import is_transient

MEDIA_TYPE: Final = "application/problem+json"

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request under way; the front door sets it, every problem names it, so that support can find it."""

SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "type": "object",
    "description": "An error (RFC 9457). Besides these members it carries the error's own, such as amounts or limits.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "A stable address for this kind of error."},
        "title": {"type": "string", "description": "The kind of error in a few words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "code": {"type": "string", "description": "The stable code to branch on; see the error reference."},
        "detail": {"type": "string", "description": "What happened this time, in a sentence for people."},
        "request_id": {"type": "string", "description": "Quote it to support; also in `Ileen-Request-Id`."},
        "buy_url": {"type": "string", "description": "The page where credits are bought, if buying helps."},
        "next": {
            "type": "object",
            "description": "What to do, if anything helps: send the person to `url`, or to support.",
            "required": ["kind"],
            "properties": {
                "kind": {"enum": ["redirect", "contact"]},
                "url": {"type": ["string", "null"]},
                "id": {"type": ["string", "null"]},
            },
        },
        "fields": {
            "type": "array",
            "description": "For `request_invalid`: what is wrong with which field.",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}

_EXAMPLES: Final[dict[int, IleenError]] = {
    400: ModelNotPriced(model="my-own-model"),
    401: KeyInvalid(),
    402: InsufficientCredits(needed="0.25", available="0.10"),
    403: Forbidden(scope="spend"),
    404: NotFound(what="hold", id="hold_01KB2Z8M6T0000000000000000"),
    405: MethodNotAllowed(path="/v1/wallet", method="POST"),
    409: KeyReused(),
    413: TooLarge(limit_bytes=1_048_576),
    422: RequestInvalid(
        "The request is not valid: output_tokens: Input should be greater than or equal to 0.",
        fields=[{"field": "output_tokens", "reason": "Input should be greater than or equal to 0"}],
    ),
    502: StripeRefused(reason="this account cannot make charges yet."),
    503: Unavailable(),
}
_DESCRIPTIONS: Final = {
    400: "The request cannot be read, or names a model without a price or an unknown activity.",
    401: "No valid API key.",
    402: f"The wallet does not cover it (`{InsufficientCredits.code}`), a cap does not (`{CapReached.code}`), or "
    f"billing is not set up (`{GateClosed.code}`).",
    403: "The API key lacks the scope.",
    404: "There is no such thing in this account.",
    405: "The path does not accept this method.",
    409: f"The idempotency key was used for something else (`{KeyReused.code}`), or the hold is closed "
    f"(`{HoldClosed.code}`).",
    413: "The body is too large.",
    422: "A field is missing, unknown or out of bounds.",
    502: "Stripe refused what we asked of it: something is not set up there.",
    503: "The database or Stripe cannot be reached. Try again with the same idempotency key.",
}

_log = structlog.get_logger()


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems an operation can answer with; those that any operation can are included."""
    every = sorted({400, 401, 403, 422, 503, *statuses})
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": {**_EXAMPLES[status].problem(), "request_id": "req_01KB2Z8M6T0000000000000000"},
                }
            },
        }
        for status in every
    }


def encode(error: IleenError) -> bytes:
    """Write a problem as JSON. What came in with the request may not be encodable; it is replaced, not trusted."""
    document: Mapping[str, object] = {**error.problem(), "request_id": request_id.get()}
    return json.dumps(document, default=str, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def respond(error: IleenError, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with an error."""
    extra = dict(headers or {})
    if isinstance(error, KeyInvalid):
        extra["WWW-Authenticate"] = "Bearer"
    if (after_s := retry_after_s(error)) is not None:
        extra["Retry-After"] = str(after_s)
    return Response(encode(error), status_code=error.status, media_type=MEDIA_TYPE, headers=extra)


def install(app: FastAPI, *, buy_url: str | None) -> None:
    """Have every exception answered with a problem document. A 402 says where to buy, if that is known."""

    async def ours(_request: Request, error: Exception) -> Response:
        assert isinstance(error, IleenError)
        error.fields.update(way_on(error, buy_url=buy_url))
        return respond(error)

    app.add_exception_handler(IleenError, ours)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(Exception, _unexpected)


async def _not_valid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [{"field": _name(each["loc"]), "reason": str(each["msg"])} for each in error.errors()[:20]]
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return respond(RequestMalformed())
    first = fields[0] if fields else {"field": "body", "reason": "it is not valid"}
    detail = f"The request is not valid: {first['field']}: {first['reason']}."
    return respond(RequestInvalid(detail, fields=fields))


def _name(location: Sequence[str | int]) -> str:
    """Return the dotted name of a field, without the part that says where it came in; at most 200 characters."""
    parts = [str(part) for part in location]
    return ".".join(parts[1:] if len(parts) > 1 else parts)[:200]


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    match error.status_code:
        case 404:
            return respond(NotFound(f"There is nothing at '{path}'.", what="path", id=path))
        case 405:
            return respond(MethodNotAllowed(path=path, method=request.method), headers=error.headers)
        case 413:
            return respond(TooLarge("The request body is too large."))
        case 400:
            return respond(RequestMalformed())
        case _:
            return respond(RequestInvalid(str(error.detail)))


async def _database(request: Request, error: Exception) -> Response:
    if is_transient(error):
        _log.warning("web.database.unavailable", error=type(error).__name__)
        return respond(Unavailable())
    return await _unexpected(request, error)


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("web.request.failed", path=request.url.path, error=type(error).__name__, exc_info=error)
    return respond(IleenError())
