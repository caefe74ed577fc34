"""Events: a frozen snapshot of what changed, and the deliveries owed to each webhook endpoint.

Owns: event documents, `previous_attributes`, and what the chosen delivery mode makes of a new event.
Refuses to know: HTTP (that is `delivery`).
E1  a snapshot never changes after its transaction.
E2  `previous_attributes` holds only keys that changed, and only on `*.updated`-like events.
"""

import json
from typing import Any, Final, cast

from ileen.sandbox.stripe.errors import Json, invalid
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import shown

API_VERSION: Final = "2026-10-28.endive"
"""The account's default version, and the only one this sandbox renders."""
MODES: Final = (
    "normal", "in_order", "reversed", "duplicated", "duplicated_new_id", "delayed", "dropped", "held",
    "before_response",
)  # fmt: skip
"""How new events are delivered. Normal has no order, as Stripe promises none."""
INLINE: Final = "inline"


def emit(tx: Tx, type_: str, body: Json, *, previous: Json | None = None) -> Json:
    """Record that something happened to `body` (as saved), and owe it to every endpoint that wants it."""
    data: Json = {"object": shown(tx, body)}
    if previous is not None:
        data["previous_attributes"] = previous
    event = _recorded(tx, type_, data)
    rule = delivery_rule(tx, type_)
    for endpoint in tx.select("webhook_endpoint", status="enabled"):
        if not ({"*", type_} & set(endpoint["enabled_events"])):
            continue
        _owe(tx, event, endpoint["id"], rule)
        if rule["mode"] == "duplicated":
            _owe(tx, event, endpoint["id"], rule)
        elif rule["mode"] == "duplicated_new_id":
            _owe(tx, _recorded(tx, type_, data), endpoint["id"], rule)
    return event


def update(tx: Tx, body: Json, *types: str) -> None:
    """Save a changed document and emit `types` with what its changed keys were before; nothing if nothing changed."""
    stored = tx.get(body["object"], body["id"])
    before, after = shown(tx, stored), shown(tx, body)
    tx.save(body)
    previous = difference(before, after)
    if previous:
        for type_ in types:
            emit(tx, type_, body, previous=previous)


def difference(before: Json, after: Json) -> Json:
    """Return the former values of the keys that differ, descending into objects."""
    changed: Json = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed[name] = difference(cast("Json", old), cast("Json", new))
        else:
            changed[name] = old
    return changed


def delivery_rule(tx: Tx, type_: str) -> Json:
    """Return the mode that applies to new events of a type."""
    rule: Json = json.loads(tx.setting("webhook_mode") or "{}")
    if rule and (not rule["types"] or type_ in rule["types"]):
        return rule
    return {"mode": "normal", "types": [], "delay_s": 0}


def choose_mode(tx: Tx, mode: str, *, types: list[str], delay_s: int) -> None:
    """Set how events from now on are delivered; `types` empty means all. Raises: ApiError for an unknown mode."""
    if mode not in MODES:
        raise invalid(f"Webhook modes are: {', '.join(MODES)}", param="mode")
    tx.set("webhook_mode", json.dumps({"mode": mode, "types": types, "delay_s": delay_s}))


def rendered(event: Json, *, api_version: str | None) -> bytes:
    """Write the body that an endpoint gets: indented as Stripe's are, so that re-serialising breaks a signature."""
    body: dict[str, Any] = {name: value for name, value in event.items() if not name.startswith("_")}
    body["api_version"] = api_version or API_VERSION
    return json.dumps(body, indent=2).encode()


def _recorded(tx: Tx, type_: str, data: Json) -> Json:
    endpoints = tx.select("webhook_endpoint", status="enabled")
    waiting = sum(1 for endpoint in endpoints if {"*", type_} & set(endpoint["enabled_events"]))
    return tx.save(
        {
            "id": tx.mint("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": tx.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": waiting,
            "request": {"id": tx.cause.request_id, "idempotency_key": tx.cause.key},
            "type": type_,
        }
    )


def _owe(tx: Tx, event: Json, endpoint: str, rule: Json) -> None:
    mode = rule["mode"]
    state = {"dropped": "dropped", "held": "held", "before_response": INLINE}.get(mode, "pending")
    if state == INLINE and tx.cause.request_id is None:  # no API answer to come before
        state = "pending"
    due = tx.now + (rule["delay_s"] if mode == "delayed" else 0)
    cursor = tx.connection.execute(
        "INSERT INTO delivery (rank, event, endpoint, due, tries, state, note) VALUES (0, ?, ?, ?, 0, ?, '')",
        (event["id"], endpoint, due, state),
    )
    made = cursor.lastrowid
    assert made is not None
    # Within one instant deliveries go out by rank: as made, backwards, or, normally, in no order at all.
    rank = {"in_order": made, "reversed": -made}.get(mode, int.from_bytes(event["id"][-6:].encode(), "big"))
    tx.connection.execute("UPDATE delivery SET rank = ? WHERE seq = ?", (rank, made))
    if state == INLINE:
        tx.delivered_inline.append(made)
