"""The rows of outbound: endpoints, events, deliveries. Each function works inside the caller's transaction."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from ileen import jobs
from ileen.base.clock import Instant, to_text
from ileen.base.ids import AccountId, Ids
from ileen.store.bulk import insert_new
from ileen.store.schema import outbound_delivery as deliveries
from ileen.store.schema import outbound_endpoint as endpoints
from ileen.store.schema import outbound_event as events

SEND: Final = "outbound.send"
"""The kind of job that tries one delivery once."""


class Tell(Protocol):
    """Whoever takes an event in the caller's transaction (`Outbound.tell`)."""

    def __call__(
        self, connection: Connection, *, account: AccountId, type_: str, data: Mapping[str, str | None], key: str
    ) -> None:
        """Tell of an event."""
        ...


def silent(connection: Connection, *, account: AccountId, type_: str, data: Mapping[str, str | None], key: str) -> None:
    """Tell nobody: for rooms put together without servers to tell."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where an account wants to be told: `events` by type, none meaning all. `secret` signs what is sent."""

    id: str
    account_id: AccountId
    url: str
    events: tuple[str, ...]
    secret: str
    created_at: Instant


class Delivery(Struct, frozen=True, kw_only=True):
    """How far one endpoint was told of one event: `owed`, `delivered` or `failed`; `status` is the last answer's."""

    event_id: str
    endpoint_id: str
    type: str
    body: str
    state: Literal["owed", "delivered", "failed"]
    attempts: int
    status: int | None
    error: str | None
    next_at: Instant | None
    created_at: Instant


def tell(
    connection: Connection,
    *,
    ids: Ids,
    now: Instant,
    account: AccountId,
    type_: str,
    data: Mapping[str, str | None],
    key: str,
) -> None:
    """Tell an account's endpoints of an event in the caller's transaction; the same `key` tells nothing more."""
    body = msgspec.json.encode({"type": type_, "timestamp": to_text(now), "data": {"account": account, **data}})
    event_id = ids.mint("msg")
    row = {"id": event_id, "account_id": account, "type": type_, "key": key, "created_at": now, "body": body.decode()}
    wanted = [each for each in of_account(connection, account) if not each.events or type_ in each.events]
    if not wanted or not insert_new(connection, events, row):
        return
    for endpoint in wanted:
        named = {"event_id": event_id, "endpoint_id": endpoint.id}
        connection.execute(insert(deliveries).values(**named, state="owed", attempts=0, next_at=now))
        owe(connection, event_id, endpoint.id, attempt=1, ids=ids, now=now, at=now)


def owe(
    connection: Connection, event: str, endpoint: str, *, attempt: int, ids: Ids, now: Instant, at: Instant
) -> None:
    """Have a delivery tried at an instant, for the so manyth time."""
    payload = {"event": event, "endpoint": endpoint}
    key = f"{event}:{endpoint}:{attempt}"
    jobs.enqueue(connection, ids=ids, kind=SEND, payload=payload, now=now, key=key, run_at=at)


def add(connection: Connection, endpoint: Endpoint) -> None:
    """Add an endpoint."""
    row = msgspec.structs.asdict(endpoint) | {"events": ",".join(endpoint.events), "enabled": True}
    connection.execute(insert(endpoints).values(row))


def remove(connection: Connection, account: AccountId, id_: str) -> bool:
    """Remove an endpoint for good; what it was still owed is not sent. False if it is not there."""
    mine = and_(endpoints.c.id == id_, endpoints.c.account_id == account)
    return connection.execute(delete(endpoints).where(mine)).rowcount == 1


def of_account(connection: Connection, account: AccountId) -> list[Endpoint]:
    """Return an account's endpoints, oldest first."""
    query = select(endpoints).where(endpoints.c.account_id == account).order_by(endpoints.c.id)
    return [_endpoint(row) for row in connection.execute(query)]


def endpoint(connection: Connection, id_: str) -> Endpoint | None:
    """Return an endpoint, None if it was removed."""
    row = connection.execute(select(endpoints).where(endpoints.c.id == id_)).one_or_none()
    return None if row is None else _endpoint(row)


def delivery(connection: Connection, event: str, endpoint_id: str) -> Delivery:
    """Return one delivery that is known to be there."""
    mine = and_(deliveries.c.event_id == event, deliveries.c.endpoint_id == endpoint_id)
    return _delivery(connection.execute(_DELIVERIES.where(mine)).one())


def newest(connection: Connection, endpoint_id: str, *, limit: int) -> list[Delivery]:
    """Return what an endpoint was told, newest first."""
    query = _DELIVERIES.where(deliveries.c.endpoint_id == endpoint_id).order_by(deliveries.c.event_id.desc())
    return [_delivery(row) for row in connection.execute(query.limit(limit))]


def keep(connection: Connection, of: Delivery, **values: Any) -> None:
    """Write down how a delivery went."""
    mine = and_(deliveries.c.event_id == of.event_id, deliveries.c.endpoint_id == of.endpoint_id)
    connection.execute(update(deliveries).where(mine).values(values))


_DELIVERIES: Final = select(deliveries, events.c.type, events.c.body, events.c.created_at).join(
    events, events.c.id == deliveries.c.event_id
)


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id,
        account_id=row.account_id,
        url=row.url,
        events=tuple(row.events.split(",")) if row.events else (),
        secret=row.secret,
        created_at=row.created_at,
    )


def _delivery(row: Row[Any]) -> Delivery:
    return msgspec.convert(row, type=Delivery, from_attributes=True)
