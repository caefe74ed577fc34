"""Reads of the ledger: short, never locking, each limited to one wallet.

Owns: the queries behind wallet, journal, calls and usage. Refuses to know: how anything came about.
"""

from collections.abc import Collection, Generator, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, select

from ileen.base.clock import Instant
from ileen.base.errors import NotFound, RequestInvalid
from ileen.base.ids import HoldId, WalletId
from ileen.ledger import rows
from ileen.ledger.calendar import windows
from ileen.ledger.model import Entry, Hold, Lot, Source, Spender, Wallet
from ileen.ledger.places import bucket_of
from ileen.ledger.state import burn_order
from ileen.store import schema
from ileen.store.engine import byte_order

GROUPS: Final = ("mode", "activity", "model", "key", "run", "day")
"""What usage can be grouped by."""

_USAGE_COLUMNS: Final = ("at", "charge", "input_tokens", "output_tokens", "provider_request_id", "record")
_STREAMED: Final = {"stream_results": True, "yield_per": 500}


class Call(Struct, frozen=True, kw_only=True):
    """One call: its hold, and its usage record if it completed."""

    hold: Hold
    at: Instant | None = None
    charge: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    provider_request_id: str | None = None
    record: str | None = None


class UsageGroup(Struct, frozen=True, kw_only=True):
    """What completed calls of one group came to. `group` is "" for calls without that attribution."""

    group: str
    calls: int
    charge: int
    input_tokens: int
    output_tokens: int


def wallet(connection: Connection, id_: WalletId) -> Wallet:
    """Return a wallet. Raises: NotFound."""
    table = schema.wallet
    row = connection.execute(select(table).where(table.c.bucket == bucket_of(id_), table.c.id == id_)).one_or_none()
    if row is None:
        raise NotFound(what="wallet", id=id_)
    return rows.wallet_of(row)


def wallets(connection: Connection, ids: Collection[WalletId]) -> list[Wallet]:
    """Return those wallets that there are, in no order."""
    table = schema.wallet
    buckets = {bucket_of(each) for each in ids}
    found = connection.execute(select(table).where(table.c.bucket.in_(buckets), table.c.id.in_(ids)))
    return [rows.wallet_of(row) for row in found]


def spender(connection: Connection, id_: WalletId, api_key: str) -> Spender:
    """Return the caps and counters of the account ("") or a key; untouched ones are all zero and None."""
    table = schema.spender
    row = connection.execute(select(table).where(_of(table, id_), table.c.api_key == api_key)).one_or_none()
    return rows.spender_of(row) if row else Spender(api_key=api_key)


def lots(connection: Connection, id_: WalletId) -> list[Lot]:
    """Return all lots in burn order."""
    found = connection.execute(select(schema.lot).where(_of(schema.lot, id_)))
    return burn_order(rows.lot_of(row) for row in found)


def by_reference(
    connection: Connection, sources: Collection[Source], *, since: Instant | None = None
) -> Generator[tuple[WalletId, Lot]]:
    """Stream the lots of some sources, all or since an instant; close it after.

    They come in the order of what they say paid for them, a page in memory.
    """
    table = schema.lot
    reference = func.coalesce(table.c.reference, "")
    query = (
        select(table)
        .where(table.c.source.in_([each.value for each in sources]))
        .order_by(byte_order(connection, reference), table.c.id)
    )
    if since is not None:
        query = query.where(table.c.created_at >= since)
    with connection.execute(query, execution_options=_STREAMED) as found:
        for row in found:
            yield WalletId(row.wallet_id), rows.lot_of(row)


def hold(connection: Connection, id_: WalletId, hold_id: HoldId) -> Hold:
    """Return a hold. Raises: NotFound."""
    table = schema.hold
    row = connection.execute(select(table).where(_of(table, id_), table.c.id == hold_id)).one_or_none()
    if row is None:
        raise NotFound(what="hold", id=hold_id)
    return rows.hold_of(row)


def hold_of_key(connection: Connection, id_: WalletId, key: str) -> Hold | None:
    """Return the hold that the command with this idempotency key was about, or None if there was none."""
    journal, table = schema.entry, schema.hold
    named = select(journal.c.ref).where(_of(journal, id_), journal.c.key == key).scalar_subquery()
    row = connection.execute(select(table).where(_of(table, id_), table.c.id == named)).one_or_none()
    return rows.hold_of(row) if row else None


def call(connection: Connection, id_: WalletId, hold_id: HoldId) -> Call:
    """Return a call by its hold. Raises: NotFound."""
    row = connection.execute(_calls(id_).where(schema.hold.c.id == hold_id)).one_or_none()
    if row is None:
        raise NotFound(what="call", id="call_" + hold_id[-26:])
    return _call_of(row)


def calls(
    connection: Connection, id_: WalletId, *, limit: int, before: HoldId | None, filters: dict[str, str | None]
) -> list[Call]:
    """Return calls, newest first, older than `before`, matching the given columns of their holds."""
    query = _calls(id_).order_by(schema.hold.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(schema.hold.c.id < before)
    for name, value in filters.items():
        if value is not None:
            query = query.where(schema.hold.c[name] == value)
    return [_call_of(row) for row in connection.execute(query)]


def entries(connection: Connection, id_: WalletId, *, limit: int, before: int | None) -> list[Entry]:
    """Return journal entries, newest first, with sequence numbers below `before`."""
    table = schema.entry
    query = select(table).where(_of(table, id_)).order_by(table.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.seq < before)
    return [rows.entry_of(row) for row in connection.execute(query)]


def usage(connection: Connection, of: Wallet, *, group_by: str, since: Instant, until: Instant) -> list[UsageGroup]:
    """Sum completed calls from the day of `since` up to the day of `until`, both included, in the account's time zone.

    By run from the records themselves, between the instants; by anything else from daily sums kept with each capture.
    """
    if group_by not in GROUPS:
        raise RequestInvalid(f"Usage can be grouped by {', '.join(GROUPS)}.", field="group_by")
    if group_by == "run":
        return _usage_by_run(connection, of.id, since, until)
    table = schema.usage_day
    column = table.c["api_key" if group_by == "key" else group_by]
    first, _ = windows(since, of.time_zone)
    last, _ = windows(until, of.time_zone)
    query = (
        select(column, *(func.sum(table.c[name]) for name in ("calls", "charge", "input_tokens", "output_tokens")))
        .where(_of(table, of.id), table.c.day.between(first, last))
        .group_by(column)
        .order_by(column)
    )
    return [_group(row, day=group_by == "day") for row in connection.execute(query)]


def _usage_by_run(connection: Connection, id_: WalletId, since: Instant, until: Instant) -> list[UsageGroup]:
    record, hold_ = schema.usage_record, schema.hold
    joined = record.join(hold_, and_(_same_wallet(record, hold_), hold_.c.id == record.c.hold_id))
    run = func.coalesce(hold_.c.run, literal(""))
    sums = (func.count(), *(func.sum(record.c[name]) for name in ("charge", "input_tokens", "output_tokens")))
    query = (
        select(run, *sums)
        .select_from(joined)
        .where(_of(record, id_), record.c.at >= since, record.c.at < until)
        .group_by(run)
        .order_by(run)
    )
    return [_group(row, day=False) for row in connection.execute(query)]


def _group(row: Any, *, day: bool) -> UsageGroup:
    from datetime import date  # noqa: PLC0415  # only here

    name = date.fromordinal(row[0]).isoformat() if day else row[0]
    return UsageGroup(
        group=name, calls=int(row[1]), charge=int(row[2]), input_tokens=int(row[3]), output_tokens=int(row[4])
    )


def _of(table: Any, id_: WalletId) -> ColumnElement[bool]:
    return and_(table.c.bucket == bucket_of(id_), table.c.wallet_id == id_)


def _same_wallet(one: Any, other: Any) -> ColumnElement[bool]:
    return and_(one.c.bucket == other.c.bucket, one.c.wallet_id == other.c.wallet_id)


def _calls(id_: WalletId) -> Select[Any]:
    record, hold_ = schema.usage_record, schema.hold
    joined = hold_.outerjoin(record, and_(_same_wallet(record, hold_), record.c.hold_id == hold_.c.id))
    return select(hold_, *(record.c[name] for name in _USAGE_COLUMNS)).select_from(joined).where(_of(hold_, id_))


def _call_of(row: Sequence[Any]) -> Call:
    held = rows.hold_of(row)
    at, charge, input_tokens, output_tokens, request_id, record = row[len(schema.hold.columns) :]
    if at is None:
        return Call(hold=held)
    return Call(
        hold=held,
        at=Instant(at),
        charge=charge,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        provider_request_id=request_id,
        record=record,
    )
