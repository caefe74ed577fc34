"""What both clients share: how requests are written, answers read, and when to try again. No input or output here.

Owns: the form of requests, the reading of problem documents, the schedule of retries.
Refuses to know: connections.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

import httpx2
import msgspec

from ileen.client.types import IleenApiError

T = TypeVar("T")

Surface = Literal["openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages"]
"""Where a provider's usage object comes from."""
GroupBy = Literal["mode", "activity", "model", "key", "run", "day"]
"""What usage can be grouped by."""

RETRY_PAUSES_S: Final = (0.1, 0.4, 1.6)
"""Pauses before the second, third and fourth attempt: long enough for a server to restart, short for a person."""

_PLAIN: Final = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]{1,9})?", re.ASCII)
_RETRYABLE_STATUS: Final = frozenset({502, 503, 504})


def new_key() -> str:
    """Return a fresh idempotency key."""
    return os.urandom(16).hex()


def identity(base_url: str, api_key: str) -> str:
    """Return a name for whoever this key speaks for, from which the key cannot be told."""
    return hashlib.sha256(f"{base_url}\n{api_key}".encode()).hexdigest()


def amount(value: Decimal | int | str) -> str:
    """Write an amount of credits. Raises: TypeError for floats, which have already lost digits; ValueError."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str)):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise TypeError('give an amount as a Decimal, an int or a string such as "0.10", not as a float')
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if _PLAIN.fullmatch(text) is None:
        raise ValueError(f"'{text}' is not an amount of credits with at most nine decimals")
    return text


def body(**members: object) -> dict[str, object]:
    """Return the members that were given."""
    return {name: value for name, value in members.items() if value is not None}


def measured(
    *,
    taken: Decimal | int | str | None,
    usage: object | None,
    surface: Surface | None,
    provider_request_id: str | None,
) -> dict[str, object]:
    """Say what a call cost: an amount, or the provider's usage object with its surface. Raises: ValueError."""
    if (taken is None) == (usage is None):
        raise ValueError("give exactly one of amount and usage")
    if usage is not None and surface is None:
        raise ValueError("usage needs its surface, such as surface='openai.chat'")
    report = None if usage is None else {**usage_members(usage), "surface": surface}
    return body(amount=None if taken is None else amount(taken), usage=report, provider_request_id=provider_request_id)


def usage_members(usage: object) -> dict[str, Any]:
    """Return a usage object as a mapping; the official clients' objects are understood as well."""
    if isinstance(usage, Mapping):
        return {str(name): value for name, value in usage.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # any mapping
    dump = getattr(usage, "model_dump", None)
    if callable(dump):
        dumped = dump(mode="json")
        if isinstance(dumped, dict):
            return dumped  # pyright: ignore[reportUnknownVariableType]  # an untyped dump
    raise TypeError("give usage as a mapping, or as the object of the official client")


def query(**members: object) -> dict[str, str]:
    """Return the parameters that were given; instants as RFC 3339."""
    given = body(**members)
    return {name: value.isoformat() if isinstance(value, datetime) else str(value) for name, value in given.items()}


def is_retryable(response: httpx2.Response) -> bool:
    """Tell whether the same request can help: the server said that it is away, not that it refuses."""
    return response.status_code in _RETRYABLE_STATUS


def read(response: httpx2.Response, type_: type[T]) -> T:
    """Read an answer. Raises: IleenApiError for problem documents and for what is no answer of Ileen's."""
    if response.is_success:
        try:
            return msgspec.json.decode(response.content, type=type_)
        except msgspec.MsgspecError as error:
            raise IleenApiError("answer_unreadable", response.status_code, "The answer cannot be read.") from error
    raise read_problem(response)


def read_problem(response: httpx2.Response) -> IleenApiError:
    """Read a problem document; anything else becomes the code `http_error`."""
    try:
        document = msgspec.json.decode(response.content, type=dict[str, object])
    except msgspec.MsgspecError:
        document = {}
    known = {"type", "title", "status", "code", "detail", "request_id"}
    return IleenApiError(
        str(document.get("code", "http_error")),
        response.status_code,
        str(document.get("detail", response.reason_phrase)),
        {name: value for name, value in document.items() if name not in known},
        str(document["request_id"]) if "request_id" in document else None,
    )


def unreachable(error: httpx2.TransportError) -> IleenApiError:
    """Return the error for a server that did not answer."""
    reason = str(error) or type(error).__name__
    return IleenApiError("unreachable", 0, f"The Ileen server did not answer: {reason}")
