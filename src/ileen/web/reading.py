"""The endpoints that only look: wallet, holds, calls, entries, usage, rates, health.

Owns: pagination and the bounds of what can be asked for. Refuses to know: how anything came about.
A cursor is the id of the last thing on a page; pages stay right while new things arrive.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from sqlalchemy import select

from ileen.base.clock import SECOND, Instant, to_instant, to_text
from ileen.base.errors import RequestInvalid
from ileen.base.ids import HoldId, body, is_id
from ileen.base.money import write
from ileen.web import models, views
from ileen.web.house import BalanceCaller, InHouse, UsageCaller
from ileen.web.models import Label
from ileen.web.problems import responses
from ileen.web.writes import AnyId

router = APIRouter(prefix="/v1", tags=["reading"])
health_router = APIRouter(tags=["health"])

_MONTH_US: Final = 30 * 24 * 60 * 60 * SECOND
_YEARS: Final = range(2000, 2200)
_SEQ: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")]


@router.get("/wallet", responses=responses())
def read_wallet(house: InHouse, caller: BalanceCaller) -> models.WalletView:
    """Return the balance: settled, held and available credits, and the totals so far."""
    return views.wallet(house.ledger.wallet(caller.wallet))


@router.get("/holds/{id}", responses=responses(404))
def read_hold(id: AnyId, house: InHouse, caller: UsageCaller) -> models.HoldView:  # noqa: A002  # the path's own word
    """Return a hold."""
    return views.hold(house.ledger.hold(caller.wallet, views.hold_id(id)))


@router.get("/calls", responses=responses())
def read_calls(
    house: InHouse,
    caller: UsageCaller,
    limit: Limit = 50,
    cursor: Cursor = None,
    run: Annotated[Label | None, Query()] = None,
    mode: Annotated[Label | None, Query()] = None,
    activity: Annotated[Label | None, Query()] = None,
    key: Annotated[Label | None, Query(description="The id of an API key, `key_…`.")] = None,
) -> models.CallPage:
    """Return the account's calls, newest first."""
    before = None if cursor is None else _call_cursor(cursor)
    found = house.ledger.calls(
        caller.wallet, limit=limit + 1, before=before, run=run, mode=mode, activity=activity, api_key=key
    )
    page = [views.call(each) for each in found[:limit]]
    return models.CallPage(data=page, next_cursor=page[-1].id if len(found) > limit else None)


@router.get("/calls/{id}", responses=responses(404))
def read_call(id: AnyId, house: InHouse, caller: UsageCaller) -> models.CallView:  # noqa: A002  # the path's own word
    """Return a call: its charge, tokens, attribution and timing."""
    return views.call(house.ledger.call(caller.wallet, views.hold_id(id, what="call")))


@router.get("/calls/{id}/explanation", responses=responses(404))
def explain_call(id: AnyId, house: InHouse, caller: UsageCaller) -> models.Explanation:  # noqa: A002  # the path's own word
    """Return the whole calculation of a charge: token classes, prices, exchange rate, markup, rounding."""
    call = house.ledger.call(caller.wallet, views.hold_id(id, what="call"))
    return models.Explanation(
        call=views.call_id(call.hold.id),
        charge=write(call.charge or 0),
        tariff=call.hold.tariff,
        explanation=house.quotes.explain(call),
    )


@router.get("/entries", responses=responses())
def read_entries(house: InHouse, caller: UsageCaller, limit: Limit = 50, cursor: Cursor = None) -> models.EntryPage:
    """Return the wallet's journal, newest first."""
    before = None if cursor is None else _entry_cursor(cursor)
    found = house.ledger.entries(caller.wallet, limit=limit + 1, before=before)
    page = [views.entry(each) for each in found[:limit]]
    return models.EntryPage(data=page, next_cursor=str(page[-1].seq) if len(found) > limit else None)


@router.get("/usage", responses=responses())
def read_usage(
    house: InHouse,
    caller: UsageCaller,
    group_by: Annotated[Literal["mode", "activity", "model", "key", "run", "day"], Query()] = "activity",
    since: Annotated[AwareDatetime | None, Query(description="Default: 30 days before `until`.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Default: now.")] = None,
) -> models.UsageView:
    """Sum the completed calls of a span of time by mode, activity, model, key, run or day."""
    end = house.clock.now() if until is None else _instant(until, "until")
    start = Instant(end - _MONTH_US) if since is None else _instant(since, "since")
    if start > end:
        raise _not_valid("since", "it must not be after until")
    groups = house.ledger.usage(caller.wallet, group_by=group_by, since=start, until=end)
    rows = [
        models.UsageRow(
            group=each.group,
            calls=each.calls,
            charge=write(each.charge),
            input_tokens=each.input_tokens,
            output_tokens=each.output_tokens,
        )
        for each in groups
    ]
    return models.UsageView(group_by=group_by, since=to_text(start), until=to_text(end), data=rows)


@router.get("/rates", responses=responses())
def read_rates(house: InHouse, caller: UsageCaller) -> dict[str, Any]:  # noqa: ARG001  # a key is demanded
    """Return the rate card in effect: modes, activities, tiers and markups."""
    return house.prices.rates(house.clock.now())


@health_router.get("/healthz")
def read_health(house: InHouse) -> models.Health:
    """Tell whether the server is up and reaches its database."""
    with house.database.read() as connection:
        connection.execute(select(1))
    return models.Health()


def _call_cursor(cursor: str) -> HoldId:
    if not is_id(cursor, "call"):
        raise _not_valid("cursor", "pass the next_cursor of the page before")
    return HoldId("hold_" + body(cursor))


def _entry_cursor(cursor: str) -> int:
    if not _SEQ.fullmatch(cursor):
        raise _not_valid("cursor", "pass the next_cursor of the page before")
    return int(cursor)


def _instant(moment: datetime, field: str) -> Instant:
    if moment.year not in _YEARS:
        raise _not_valid(field, "it must be between the years 2000 and 2199")
    return to_instant(moment)


def _not_valid(field: str, reason: str) -> RequestInvalid:
    return RequestInvalid(f"{field}: {reason}.", fields=[{"field": field, "reason": reason}])
