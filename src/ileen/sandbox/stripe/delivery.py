"""Webhook delivery: signed over the raw bytes, retried with backoff on the sandbox's clock, recorded try by try.

Owns: the `Stripe-Signature` header, retries, and sending by hand.
D1  each try has a fresh timestamp and signature; one `v1` for each secret that is valid, and a `v0` as in test mode.
D2  anything but a 2xx is a failure; a success by hand does not cancel retries.
"""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass

import httpx2

from ileen.sandbox.stripe.errors import Json, no_such
from ileen.sandbox.stripe.events import rendered
from ileen.sandbox.stripe.store import State, Tx

RETRY_AFTER_S = (600, 3_600, 10_800)
"""A sandbox retries three times over a few hours; the exact gaps are not published."""
_TIMEOUT_S = 10
_ROLLED_S_MAX = 24 * 3600  # an old secret is honoured for a day at most


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery, ready to send."""

    seq: int
    url: str
    body: bytes
    signature: str


class Deliverer:
    """Sends what is due. One at a time for each instant, in rank order, so that modes mean what they say."""

    def __init__(self, state: State, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """`transport` replaces the network."""
        self._state, self._transport = state, transport
        self._client: httpx2.AsyncClient | None = None
        self._turn = asyncio.Lock()

    async def run_due(self) -> None:
        """Deliver everything whose time has come."""
        async with self._turn:
            while True:
                with self._state.transaction() as tx:
                    found = tx.connection.execute(
                        "SELECT seq FROM delivery WHERE state = 'pending' AND due <= ? ORDER BY due, rank, seq LIMIT 1",
                        (tx.now,),
                    ).fetchone()
                if found is None:
                    return
                await self.deliver(found[0])

    async def deliver(self, seq: int, *, by_hand: bool = False) -> int:
        """Make one try of one delivery and record it; return the HTTP status (0: no answer)."""
        with self._state.transaction() as tx:
            letter = _letter(tx, seq)
        status, note = (0, "endpoint gone") if letter is None else await self._send(letter)
        with self._state.transaction() as tx:
            _record(tx, seq, status, note, by_hand=by_hand)
        return status

    async def close(self) -> None:
        """Close connections."""
        if self._client:
            await self._client.aclose()

    async def _send(self, letter: Letter) -> tuple[int, str]:
        if self._client is None:
            self._client = httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, transport=self._transport)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": letter.signature,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            answer = await self._client.post(letter.url, content=letter.body, headers=headers)
        except httpx2.HTTPError as error:
            return 0, type(error).__name__
        return answer.status_code, ""


def signature(body: bytes, *, at: int, secrets: list[str]) -> str:
    """Write the `Stripe-Signature` header of `body` sent at `at` (Unix seconds)."""
    signed = [hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest() for secret in secrets]
    fake = hashlib.sha256(signed[0].encode()).hexdigest()
    return ",".join([f"t={at}", *(f"v1={one}" for one in signed), f"v0={fake}"])


def valid_secrets(endpoint: Json, now: int) -> list[str]:
    """Return the secrets that sign at `now`: the newest, and rolled ones that have not expired."""
    rolled = [old["secret"] for old in endpoint.get("_rolled", []) if old["until"] > now]
    return [endpoint["_secret"], *rolled]


def roll(tx: Tx, endpoint_id: str, *, overlap_s: int) -> str:
    """Give an endpoint a new secret, the old one staying valid for `overlap_s`; return the new one."""
    endpoint = tx.get("webhook_endpoint", endpoint_id)
    until = tx.now + min(overlap_s, _ROLLED_S_MAX)
    endpoint["_rolled"] = [{"secret": endpoint["_secret"], "until": until}, *endpoint.get("_rolled", [])]
    endpoint["_secret"] = tx.mint("whsec")
    tx.save(endpoint)
    return endpoint["_secret"]


def resend(tx: Tx, event_id: str) -> list[int]:
    """Add a delivery of an event by hand to each enabled endpoint; return them, to be delivered at once."""
    tx.get("event", event_id)
    made: list[int] = []
    for endpoint in tx.select("webhook_endpoint", status="enabled"):
        cursor = tx.connection.execute(
            "INSERT INTO delivery (rank, event, endpoint, due, tries, state, note)"
            " VALUES (0, ?, ?, ?, 0, 'by_hand', '')",
            (event_id, endpoint["id"], tx.now),
        )
        assert cursor.lastrowid
        made.append(cursor.lastrowid)
    return made


def release(tx: Tx) -> None:
    """Let go of everything held."""
    tx.connection.execute("UPDATE delivery SET state = 'pending', due = ? WHERE state = 'held'", (tx.now,))


def deliveries(tx: Tx, event_id: str | None = None) -> list[Json]:
    """List deliveries, oldest first, with their tries and state."""
    rows = tx.connection.execute(
        "SELECT d.seq, d.event, d.endpoint, d.due, d.tries, d.state, d.note, json_extract(o.body, '$.type')"
        " FROM delivery d JOIN object o ON o.id = d.event WHERE ? IS NULL OR d.event = ? ORDER BY d.seq",
        (event_id, event_id),
    )
    names = ("seq", "event", "endpoint", "due", "tries", "state", "note", "type")
    return [dict(zip(names, row, strict=True)) for row in rows]


def next_due(tx: Tx) -> int | None:
    """Return when the next delivery is due."""
    return tx.connection.execute("SELECT min(due) FROM delivery WHERE state = 'pending'").fetchone()[0]


def _letter(tx: Tx, seq: int) -> Letter | None:
    found = tx.connection.execute("SELECT event, endpoint FROM delivery WHERE seq = ?", (seq,)).fetchone()
    if found is None:
        raise no_such("delivery", str(seq))
    event, endpoint = tx.find("event", found[0]), tx.find("webhook_endpoint", found[1])
    if event is None or endpoint is None:
        return None
    body = rendered(event, api_version=endpoint["api_version"])
    return Letter(seq, endpoint["url"], body, signature(body, at=tx.now, secrets=valid_secrets(endpoint, tx.now)))


def _record(tx: Tx, seq: int, status: int, note: str, *, by_hand: bool) -> None:
    found = tx.connection.execute("SELECT event, tries, state FROM delivery WHERE seq = ?", (seq,)).fetchone()
    if found is None:  # the sandbox was reset while this was under way
        return
    event, state = found[0], found[2]
    tries = int(found[1])
    note = note or f"HTTP {status}"
    if 200 <= status < 300:
        after, due = "delivered", tx.now
        _count_down(tx, event)
    elif by_hand or state == "by_hand" or tries >= len(RETRY_AFTER_S):
        after, due = "failed", tx.now
    else:
        after, due = "pending", tx.now + RETRY_AFTER_S[tries]
    tx.connection.execute(
        "UPDATE delivery SET tries = tries + 1, state = ?, due = ?, note = ? WHERE seq = ?",
        (after, due, note, seq),
    )


def _count_down(tx: Tx, event_id: str) -> None:
    event = tx.find("event", event_id)
    if event:
        event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
        tx.connection.execute("UPDATE object SET body = ? WHERE id = ?", (json.dumps(event), event_id))
