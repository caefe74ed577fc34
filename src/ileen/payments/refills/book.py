"""The rows of auto-refill: rules, consents, attempts. Functions work in the caller's transaction.

Owns: the tables `refill_setting`, `refill_consent`, `refill`. Refuses to know: when a refill is due (`rules`).
Locks are taken in one order, so that nobody waits in a circle: the account's purchase, its setting, its wallet.
"""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, select, update

from ileen.base.clock import SECOND, Instant, to_datetime, to_instant
from ileen.base.ids import AccountId, PurchaseId, RefillId, wallet_of
from ileen.ledger import low
from ileen.payments.amounts import credits_of
from ileen.payments.refills.model import Consent, Refill, RefillState, Setting
from ileen.store.bulk import insert_new
from ileen.store.schema import purchase as purchases
from ileen.store.schema import refill as refills
from ileen.store.schema import refill_consent as consents
from ileen.store.schema import refill_setting as settings

_HOUR_US: Final = 3_600 * SECOND
_DUE_MAX: Final = 200


def setting_of(connection: Connection, account: AccountId) -> Setting | None:
    """Return an account's rule, None if it never saved one."""
    row = connection.execute(select(settings).where(settings.c.account_id == account)).one_or_none()
    return None if row is None else msgspec.convert(row, type=Setting, from_attributes=True)


def lock(connection: Connection, account: AccountId) -> Setting | None:
    """Return an account's rule and keep others from changing it. Locks: its row."""
    query = select(settings).where(settings.c.account_id == account).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else msgspec.convert(row, type=Setting, from_attributes=True)


def begin(connection: Connection, setting: Setting) -> Setting:
    """Return the account's rule for changing it, adding `setting` if there is none. Locks: its row."""
    insert_new(connection, settings, _plain(setting))
    kept = lock(connection, setting.account_id)
    assert kept is not None
    return kept


def put(connection: Connection, setting: Setting, *, at: Instant, **changes: Any) -> Setting:
    """Change a locked rule, and the low mark of the wallet with it (F4). Locks: the wallet's row."""
    changed = msgspec.structs.replace(setting, version=setting.version + 1, updated_at=at, **changes)
    mine = settings.c.account_id == setting.account_id
    connection.execute(update(settings).where(mine).values(_plain(changed)))
    low_mark = credits_of(changed.threshold) if changed.triggers else None
    low.set_mark(connection, wallet_of(changed.account_id), low_mark)
    return changed


def keep_consent(connection: Connection, setting: Setting, consent: Consent, *, by: str) -> None:
    """Keep what was agreed to with this version of the rule, as a fact."""
    connection.execute(
        insert(consents).values(
            account_id=setting.account_id,
            version=setting.version,
            at=setting.updated_at,
            by=by,
            enabled=setting.enabled,
            threshold=setting.threshold,
            amount=setting.amount,
            cap=setting.cap,
            consent_version=consent.version,
            consent_text=consent.text,
        )
    )


def due(connection: Connection, *, now: Instant) -> list[AccountId]:
    """Return the accounts whose rules have waited long enough, longest overdue first."""
    query = select(settings.c.account_id).where(settings.c.look_at <= now).order_by(settings.c.look_at).limit(_DUE_MAX)
    return [AccountId(row.account_id) for row in connection.execute(query)]


# Attempts --------------------------------------------------------------------------------------------------------


def add(connection: Connection, refill: Refill) -> None:
    """Record an attempt, in the transaction that records its purchase."""
    connection.execute(insert(refills).values(_plain(refill)))


def end(connection: Connection, id_: RefillId, state: RefillState, *, because: str | None, at: Instant) -> None:
    """Record how an attempt ended; one that failed can still be paid later, never the other way round."""
    mine = and_(refills.c.id == id_, refills.c.state != RefillState.SETTLED.value)
    connection.execute(update(refills).where(mine).values(state=state.value, because=because, ended_at=at))


def get(connection: Connection, id_: RefillId) -> Refill:
    """Return an attempt that is known to be there."""
    return _refill(connection.execute(select(refills).where(refills.c.id == id_)).one())


def of_account(
    connection: Connection, account: AccountId, *, limit: int, before: RefillId | None = None
) -> list[Refill]:
    """Return an account's attempts, newest first."""
    query = select(refills).where(refills.c.account_id == account).order_by(refills.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(refills.c.id < before)
    return [_refill(row) for row in connection.execute(query)]


def of_purchase(connection: Connection, purchase: PurchaseId) -> Refill | None:
    """Return the attempt a purchase belongs to, if the rule began it."""
    row = connection.execute(select(refills).where(refills.c.purchase_id == purchase)).one_or_none()
    return None if row is None else _refill(row)


def card_refused(connection: Connection, account: AccountId) -> str | None:
    """Return the card that the account's newest attempt was to charge, if that came to nothing."""
    joined = refills.join(purchases, purchases.c.id == refills.c.purchase_id)
    query = select(refills.c.state, purchases.c.card).select_from(joined).where(refills.c.account_id == account)
    row = connection.execute(query.order_by(refills.c.id.desc()).limit(1)).one_or_none()
    return row.card if row is not None and row.state == RefillState.FAILED.value else None


def counted(connection: Connection, account: AccountId, *, now: Instant) -> tuple[int, int]:
    """Return how many attempts began in the last hour and the last 24 hours."""
    mine = and_(refills.c.account_id == account, refills.c.created_at > now - 24 * _HOUR_US)
    begun = list(connection.execute(select(refills.c.created_at).where(mine)).scalars())
    return sum(at > now - _HOUR_US for at in begun), len(begun)


def month_total(connection: Connection, account: AccountId, *, now: Instant, zone: str) -> int:
    """Return the cents before tax of refills that began in the account's present month and were not in vain."""
    since = month_start(now, zone)
    mine = and_(refills.c.account_id == account, refills.c.created_at >= since)
    counts = and_(mine, refills.c.state != RefillState.FAILED.value)
    return int(connection.execute(select(func.coalesce(func.sum(refills.c.amount), 0)).where(counts)).scalar_one())


def month_start(now: Instant, zone: str) -> Instant:
    """Return when the month began that it is in a time zone."""
    local = to_datetime(now).astimezone(ZoneInfo(zone))
    return to_instant(datetime(local.year, local.month, 1, tzinfo=ZoneInfo(zone)))


def next_month_start(now: Instant, zone: str) -> Instant:
    """Return when the next month begins in a time zone."""
    local = to_datetime(now).astimezone(ZoneInfo(zone))
    years, month = divmod(local.year * 12 + local.month, 12)
    return to_instant(datetime(years, month + 1, 1, tzinfo=ZoneInfo(zone)))


def _refill(row: Row[Any]) -> Refill:
    return msgspec.convert(row, type=Refill, from_attributes=True)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
