"""The door of outbound: endpoints as their owner manages them, and the job that delivers."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Final

import structlog
from sqlalchemy import Connection

from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import NotFound, RequestInvalid
from ileen.base.ids import AccountId, Ids
from ileen.jobs import Handler, Job
from ileen.outbound import book
from ileen.outbound.book import Delivery, Endpoint
from ileen.outbound.target import Reach, TargetRefused, check_url, send
from ileen.store.engine import Database

EVENTS: Final = (
    "refill.succeeded",
    "refill.failed",
    "refill.paused",
    "refill.capped",
    "balance.low",
    "balance.empty",
)
"""Every type of event."""
PAUSES_S: Final = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 64_800)
"""After each failed try: about two days in all, so that a weekend's outage of theirs loses nothing told on Sunday."""
ENDPOINTS_MAX: Final = 10

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32
_log = structlog.get_logger()


class Outbound:
    """The events of all accounts. Thread-safe; the job blocks on a stranger's server, ten seconds a step."""

    def __init__(self, database: Database, *, reach: Reach, clock: Clock, ids: Ids) -> None:
        self._database, self._reach, self._clock, self._ids = database, reach, clock, ids

    def handlers(self) -> Mapping[str, Handler]:
        """Return the jobs of this room."""
        return {book.SEND: self._send}

    def tell(
        self, connection: Connection, *, account: AccountId, type_: str, data: Mapping[str, str | None], key: str
    ) -> None:
        """Tell of an event in the caller's transaction; see `book.tell`."""
        assert type_ in EVENTS, f"an event of type {type_} is not documented"
        now = self._clock.now()
        book.tell(connection, ids=self._ids, now=now, account=account, type_=type_, data=data, key=key)

    def add(self, account: AccountId, url: str, *, events: Sequence[str] = ()) -> Endpoint:
        """Add an endpoint, with a fresh secret. Raises: RequestInvalid."""
        if unknown := [each for each in events if each not in EVENTS]:
            reason = f"there is no event '{unknown[0][:40]}'"
            raise RequestInvalid(f"events: {reason}.", fields=[{"field": "events", "reason": reason}])
        endpoint = Endpoint(
            id=self._ids.mint("whe"),
            account_id=account,
            url=check_url(url, self._reach),
            events=tuple(dict.fromkeys(events)),
            secret=_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode(),
            created_at=self._clock.now(),
        )
        with self._database.write() as connection:
            if len(book.of_account(connection, account)) >= ENDPOINTS_MAX:
                reason = f"there are {ENDPOINTS_MAX} already"
                raise RequestInvalid(f"url: {reason}.", fields=[{"field": "url", "reason": reason}])
            book.add(connection, endpoint)
        return endpoint

    def remove(self, account: AccountId, id_: str) -> None:
        """Remove an endpoint; nothing more is sent to it. Raises: NotFound."""
        with self._database.write() as connection:
            if not book.remove(connection, account, id_):
                raise NotFound(what="webhook", id=id_[:64])

    def endpoints(self, account: AccountId) -> list[Endpoint]:
        """Return an account's endpoints, oldest first."""
        with self._database.read() as connection:
            return book.of_account(connection, account)

    def deliveries(self, account: AccountId, id_: str, *, limit: int) -> list[Delivery]:
        """Return what an endpoint was told, newest first. Raises: NotFound."""
        with self._database.read() as connection:
            found = book.endpoint(connection, id_)
            if found is None or found.account_id != account:
                raise NotFound(what="webhook", id=id_[:64])
            return book.newest(connection, id_, limit=limit)

    def _send(self, job: Job) -> None:
        """Try a delivery once; write down how it went, and when it is tried again."""
        event, endpoint_id = job.payload["event"], job.payload["endpoint"]
        with self._database.read() as connection:
            endpoint, owed = book.endpoint(connection, endpoint_id), book.delivery(connection, event, endpoint_id)
        if endpoint is None or owed.state != "owed":
            return
        status, error = self._try(endpoint, owed)
        crash.point("outbound.sent")
        now, attempts = self._clock.now(), owed.attempts + 1
        taken = status is not None and 200 <= status < 300
        ended = taken or attempts > len(PAUSES_S)
        next_at = None if ended else Instant(now + PAUSES_S[attempts - 1] * SECOND)
        state = "delivered" if taken else "failed" if ended else "owed"
        with self._database.write() as connection:
            book.keep(
                connection,
                owed,
                state=state,
                attempts=attempts,
                status=status,
                error=error,
                next_at=next_at,
                ended_at=now if ended else None,
            )
            if next_at is not None:
                book.owe(connection, event, endpoint_id, attempt=attempts + 1, ids=self._ids, now=now, at=next_at)
        _log.info("outbound.event.sent", event_id=event, endpoint=endpoint_id, state=state, status=status)

    def _try(self, endpoint: Endpoint, owed: Delivery) -> tuple[int | None, str | None]:
        body, now_s = owed.body.encode(), self._clock.now() // SECOND
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Ileen-Webhooks",
            "webhook-id": owed.event_id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": sign(endpoint.secret, owed.event_id, now_s, body),
        }
        try:
            status = send(endpoint.url, body, headers, self._reach)
        except TargetRefused as refused:
            return None, str(refused)
        except (OSError, HTTPException, UnicodeError) as error:
            return None, type(error).__name__
        return status, None if 200 <= status < 300 else f"the answer was {status}"


def sign(secret: str, id_: str, at_s: int, body: bytes) -> str:
    """Return the signature of what is sent, as Standard Webhooks has it: `v1,` and a keyed SHA-256 in base 64."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.new(key, f"{id_}.{at_s}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
