"""Who calls, what for, and how many of their calls are under way.

Owns: a short memory of authenticated keys, the attribution headers, the count per key.
Refuses to know: credits. A revoked key can linger here for `REMEMBERED_S`, but not spend: the ledger refuses it in
the same decision that would hold credits for it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from ileen.accounts import ApiKey
from ileen.base.clock import SECOND, Clock
from ileen.base.errors import ActivityUnknown, Forbidden, KeyInvalid, RequestInvalid, TooManyCalls
from ileen.base.ids import KeyId
from ileen.ledger.model import Attribution

REMEMBERED_S: Final = 30
"""How long a key is taken to be valid without asking again."""
_REMEMBERED_MAX: Final = 50_000
RUN_LENGTH_MAX: Final = 128
"""Characters of a run's id."""
_SPEND: Final = "spend"


class Card(Protocol):
    """The part of prices that names activities."""

    def activities(self) -> Mapping[str, Sequence[str]]:
        """Return the activities of each mode."""
        ...


class Callers:
    """Keys that call now or did lately. Used from one event loop."""

    def __init__(self, authenticate: Callable[[str], ApiKey], clock: Clock, *, calls_max: int) -> None:
        self._authenticate = authenticate
        self._clock = clock
        self._calls_max = calls_max
        self._known: dict[bytes, tuple[ApiKey, int]] = {}
        self._under_way: dict[KeyId, int] = {}

    async def identify(self, secret: str) -> ApiKey:
        """Return the key a secret belongs to. Raises: KeyInvalid, Forbidden."""
        if not secret:
            raise KeyInvalid
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        known = self._known.get(digest)
        now = self._clock.now()
        if known is None or known[1] <= now:
            key = await asyncio.to_thread(self._authenticate, secret)
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            self._known[digest] = known = (key, now + REMEMBERED_S * SECOND)
        if _SPEND not in known[0].scopes:
            raise Forbidden(scope=_SPEND)
        return known[0]

    def forget(self, key: ApiKey) -> None:
        """Ask about this key again before believing it."""
        self._known = {digest: known for digest, known in self._known.items() if known[0].id != key.id}

    @contextmanager
    def slot(self, key: ApiKey) -> Generator[None]:
        """Count a call while it runs. Raises: TooManyCalls."""
        limit = self._calls_max if key.calls_max is None else key.calls_max
        count = self._under_way.get(key.id, 0)
        if count >= limit:
            raise TooManyCalls(limit=limit)
        self._under_way[key.id] = count + 1
        try:
            yield
        finally:
            left = self._under_way[key.id] - 1
            if left:
                self._under_way[key.id] = left
            else:
                del self._under_way[key.id]


def attribute(key: ApiKey, headers: Sequence[tuple[bytes, bytes]], card: Card) -> Attribution:
    """Read the attribution headers; what they leave out comes from the key. Raises: ActivityUnknown, RequestInvalid."""
    named = {name: value.decode("latin-1").strip() for name, value in headers if name.startswith(b"ileen-")}
    mode, activity = named.get(b"ileen-mode") or None, named.get(b"ileen-activity") or None
    if mode is None and activity is None:
        mode, activity = key.mode, key.activity
    elif activity is None and mode == key.mode:
        activity = key.activity
    if mode is not None or activity is not None:
        mode, activity = _on_card(mode, activity, card.activities())
    return Attribution(
        api_key=key.id,
        mode=mode,
        activity=activity,
        run=_run(named, b"ileen-run"),
        parent_run=_run(named, b"ileen-parent-run"),
    )


def _on_card(
    mode: str | None, activity: str | None, activities: Mapping[str, Sequence[str]]
) -> tuple[str | None, str | None]:
    """Check a mode and activity; an activity alone tells its mode."""
    if mode is None:
        mode = next((owner for owner, members in activities.items() if activity in members), None)
    members = activities.get(mode or "")
    if members is None or (activity is not None and activity not in members):
        known = [f"{owner}/{member}" for owner, names in activities.items() for member in names]
        unknown = "/".join(name for name in (mode, activity) if name)
        raise ActivityUnknown(activity=unknown, known=", ".join(known))
    return mode, activity


def _run(named: Mapping[bytes, str], name: bytes) -> str | None:
    run = named.get(name)
    if not run:
        return None
    if len(run) > RUN_LENGTH_MAX or not run.isascii() or not run.isprintable():
        header = "-".join(word.capitalize() for word in name.decode().split("-"))
        raise RequestInvalid(f"'{header}' must have at most {RUN_LENGTH_MAX} printable ASCII characters.", param=header)
    return run
