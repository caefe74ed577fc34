"""Reads by day: what was spent for what, and what the balance was, for people who look at a span of time.

Owns: the queries behind charts. Refuses to know: languages and drawings.
Days are ordinals in the account's own time zone. What is read here grows with the days looked at, not with the calls
made in them.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, func, select

from ileen.base.clock import Instant
from ileen.base.ids import WalletId
from ileen.ledger.model import Wallet
from ileen.ledger.places import bucket_of
from ileen.store import schema

_SUMS: Final = ("calls", "charge", "input_tokens", "output_tokens")


class Spent(Struct, frozen=True, kw_only=True):
    """What the completed calls of one day, mode, activity and model came to; "" where a call named none."""

    day: int
    mode: str
    activity: str
    model: str
    calls: int
    charge: int
    input_tokens: int
    output_tokens: int


def spent(connection: Connection, id_: WalletId, *, first: int, last: int) -> list[Spent]:
    """Return what was spent from day `first` to day `last`, both included, from the daily sums kept with captures."""
    table = schema.usage_day
    names = [table.c[name] for name in ("day", "mode", "activity", "model")]
    query = (
        select(*names, *(func.sum(table.c[name]) for name in _SUMS))
        .where(table.c.bucket == bucket_of(id_), table.c.wallet_id == id_, table.c.day.between(first, last))
        .group_by(*names)
        .order_by(*names)
    )
    return [_spent_of(row) for row in connection.execute(query)]


def balances(connection: Connection, of: Wallet, moments: Sequence[Instant]) -> list[int]:
    """Return the settled balance just before each moment, 0 before the first entry.

    Entries are found by halving, for all moments at once: some twenty short queries by primary key, however many
    entries there are. An index by time would cost every call something.
    """
    table = schema.entry
    mine = (table.c.bucket == bucket_of(of.id), table.c.wallet_id == of.id)
    low, high = [0] * len(moments), [of.seq] * len(moments)
    while middles := {-(-(a + b) // 2) for a, b in zip(low, high, strict=True) if a < b}:
        found = connection.execute(select(table.c.seq, table.c.at).where(*mine, table.c.seq.in_(middles)))
        at = {row.seq: row.at for row in found}
        for index, moment in enumerate(moments):
            middle = -(-(low[index] + high[index]) // 2)
            if low[index] == high[index]:
                continue
            if at[middle] < moment:
                low[index] = middle
            else:
                high[index] = middle - 1
    found = connection.execute(select(table.c.seq, table.c.settled).where(*mine, table.c.seq.in_(set(low))))
    settled = {row.seq: row.settled for row in found}
    return [settled.get(seq, 0) for seq in low]


def _spent_of(row: Sequence[Any]) -> Spent:
    day, mode, activity, model, calls, charge, input_tokens, output_tokens = row
    return Spent(
        day=day,
        mode=mode,
        activity=activity,
        model=model,
        calls=int(calls),
        charge=int(charge),
        input_tokens=int(input_tokens),
        output_tokens=int(output_tokens),
    )
