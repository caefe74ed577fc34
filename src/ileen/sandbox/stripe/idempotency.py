"""Idempotency keys as Stripe keeps them: the first answer again for a day, whatever it was.

Owns: the stored answers. Refuses to know: HTTP.
I1  an answer is stored in the same transaction as what it reports.
I2  nothing is stored for requests refused before execution (malformed, 401, 429, 409).
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from ileen.sandbox.stripe.errors import ApiError, Json
from ileen.sandbox.stripe.store import Tx

KEPT_S: Final = 24 * 3600
_KEY_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer given before."""

    status: int
    body: bytes
    request_id: str


def fingerprint(method: str, path: str, raw: Json) -> str:
    """Name a request by its content; parameters in another order are the same request."""
    canonical = json.dumps([method, path, raw], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def recall(tx: Tx, key: str, request: str) -> Stored | None:
    """Return the answer stored under `key`. Raises: ApiError (400 idempotency_error) if the request differs."""
    if len(key) > _KEY_MAX:
        raise ApiError(400, f"Idempotency keys can be at most {_KEY_MAX} characters.", type_="idempotency_error")
    tx.connection.execute("DELETE FROM answer WHERE created <= ?", (tx.now - KEPT_S,))
    found = tx.connection.execute(
        "SELECT request, status, body, request_id FROM answer WHERE key = ?", (key,)
    ).fetchone()
    if found is None:
        return None
    if found[0] != request:
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try "
            f"using a key other than '{key}' if you meant to execute a different request.",
            type_="idempotency_error",
        )
    return Stored(found[1], found[2], found[3])


def store(tx: Tx, key: str, request: str, answer: Stored) -> None:
    """Remember the first answer under `key`."""
    tx.connection.execute(
        "INSERT INTO answer (key, request, created, status, body, request_id) VALUES (?, ?, ?, ?, ?, ?)",
        (key, request, tx.now, answer.status, answer.body, answer.request_id),
    )


def in_use(key: str, type_: str) -> ApiError:
    """Refuse a request whose key another one is using at this moment."""
    return ApiError(
        409,
        "There is currently another in-progress request using this Idempotency Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later.",
        type_=type_,
        code="idempotency_key_in_use",
    )
