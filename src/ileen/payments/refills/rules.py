"""The rules of auto-refill: pure decisions, no clock, no database, no Stripe.

`decide` answers whether to charge now, and if not, why; reasons are checked in one fixed order. `after_failure` answers
what follows an attempt that came to nothing: one later retry, or a pause until the account says otherwise.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from ileen.payments.amounts import credits_of
from ileen.payments.refills.model import Pause, RefillPolicy, Setting
from ileen.payments.stripe.decline import DeclineKind, decline_of


class Verdict(StrEnum):
    """Charge now, or why not."""

    CHARGE = "charge"
    OFF = "off"
    PAUSED = "paused"
    WAITING = "waiting"
    ABOVE = "above"
    BUSY = "busy"
    STOPPED = "stopped"
    CAPPED = "capped"
    TOO_OFTEN = "too_often"


class Facts(Struct, frozen=True, kw_only=True):
    """What a decision rests on. `balance` is nano-credits; `month` cents of refills of this month, under way or paid.

    `hour` and `day` count the attempts of the last hour and day, whatever became of them; `busy` tells that a purchase
    of the account is under way, whoever began it; `waits` that the rule was told to look again later than now.
    """

    setting: Setting | None
    waits: bool
    balance: int
    busy: bool
    month: int
    hour: int
    day: int


def decide(facts: Facts, policy: RefillPolicy) -> Verdict:
    """Return whether to charge now."""
    setting = facts.setting
    if setting is None or not setting.enabled:
        return Verdict.OFF
    if setting.paused is not None:
        return Verdict.PAUSED
    if facts.waits:
        return Verdict.WAITING
    if facts.balance > credits_of(setting.threshold):
        return Verdict.ABOVE
    if facts.busy:
        return Verdict.BUSY
    if policy.stopped:
        return Verdict.STOPPED
    if setting.cap is not None and facts.month + setting.amount > setting.cap:
        return Verdict.CAPPED
    if facts.hour >= policy.hour_max or facts.day >= policy.day_max:
        return Verdict.TOO_OFTEN
    return Verdict.CHARGE


class Aftermath(Struct, frozen=True, kw_only=True):
    """What follows a failed attempt: a retry in so many microseconds, or a pause."""

    retry_us: int | None = None
    pause: Pause | None = None


SUPERSEDED: Final = "superseded"
"""How an attempt ends that waited for the bank while a person bought by hand."""
_PAUSE_OF: Final = {
    "declined": Pause.DECLINED,
    "not_confirmed": Pause.NOT_CONFIRMED,
    "cancelled": Pause.CANCELLED,
    "took_too_long": Pause.UNAVAILABLE,
}


def after_failure(because: str, decline_code: str | None, *, failures: int, policy: RefillPolicy) -> Aftermath:
    """Return what follows; `failures` counts those in a row, this one included.

    Only what may pass by itself is tried again, and once: a card that was refused for good must not be charged again
    without its owner, and networks fine those who do (docs.stripe.com/declines, "Retries").
    """
    retry_us = None
    if because == SUPERSEDED:  # nothing has failed: it decides afresh once that purchase has ended
        return Aftermath(retry_us=policy.busy_us)
    if failures == 1:
        retry_us = _retry_us(because, decline_code, policy)
    if retry_us is not None:
        return Aftermath(retry_us=retry_us)
    return Aftermath(pause=_PAUSE_OF.get(because, Pause.REFUSED))


def _retry_us(because: str, decline_code: str | None, policy: RefillPolicy) -> int | None:
    if because == "took_too_long":
        return policy.retry_soon_us
    if because != "declined" or decline_code is None:
        return None
    match decline_of(decline_code).kind:
        case DeclineKind.TRY_LATER:
            return policy.retry_soon_us
        case DeclineKind.FUNDS:
            return policy.retry_funds_us
        case _:
            return None
