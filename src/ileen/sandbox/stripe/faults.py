"""Levers that make the API fail: each names requests by method and path, what to do to them, and how often.

Owns: the list of armed faults and which request takes which. The server carries them out.
"""

import json
from fnmatch import fnmatchcase
from typing import Final

from ileen.sandbox.stripe.errors import Json, invalid
from ileen.sandbox.stripe.store import Tx

KINDS: Final = {
    "error_before": "500, nothing was executed and no key remembers it",
    "error_during": "500, execution began and was undone; the key remembers the 500",
    "error_after": "500, everything was committed; the key remembers the 500",
    "timeout_before": "the connection breaks, nothing was executed",
    "timeout_after": "the connection breaks, everything was committed; the key remembers the true answer",
    "rate_limit": "429 before execution",
    "lock_timeout": "429 with code lock_timeout before execution",
    "key_in_use": "409 as if another request with the key were under way",
    "bad_gateway": "502 with a page of HTML, nothing was executed",
    "slow": "a true answer, later",
}
"""What each fault does. `hold_s` delays any of them (a `slow` one by at least that)."""


def arm(tx: Tx, fault: Json) -> Json:
    """Add a fault. Raises: ApiError for an unknown kind."""
    if fault.get("kind") not in KINDS:
        raise invalid(f"Kinds of faults are: {', '.join(KINDS)}", param="kind")
    armed: Json = {
        "kind": fault["kind"],
        "method": str(fault.get("method", "*")).upper(),
        "path": fault.get("path", "*"),
        "count": int(fault.get("count", 1)),
        "skip": int(fault.get("skip", 0)),
        "hold_s": str(fault.get("hold_s", "0")),
        "should_retry": fault.get("should_retry"),
    }
    _store(tx, [*all_armed(tx), armed])
    return armed


def disarm(tx: Tx) -> None:
    """Remove all faults."""
    tx.set("faults", None)


def all_armed(tx: Tx) -> list[Json]:
    """Return the faults that still have something to do."""
    return json.loads(tx.setting("faults") or "[]")


def take(tx: Tx, method: str, path: str) -> Json | None:
    """Return the first armed fault that this request meets, counting it down."""
    armed = all_armed(tx)
    for fault in armed:
        if fault["method"] not in {"*", method} or not fnmatchcase(path, fault["path"]):
            continue
        if fault["skip"] > 0:
            fault["skip"] -= 1
            _store(tx, armed)
            return None
        fault["count"] -= 1
        _store(tx, [one for one in armed if one["count"] > 0])
        return fault
    return None


def _store(tx: Tx, armed: list[Json]) -> None:
    tx.set("faults", json.dumps(armed))
