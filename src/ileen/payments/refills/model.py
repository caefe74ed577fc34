"""The vocabulary of auto-refill: the rule of an account, its attempts, the operator's limits. Money is whole cents."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from ileen.base.clock import SECOND, Instant
from ileen.base.errors import AmountInvalid
from ileen.base.ids import AccountId, PurchaseId, RefillId
from ileen.payments.amounts import CENTS_MAX, CENTS_MIN, check_cents, write_cents

THRESHOLD_MIN: Final = 1_000
THRESHOLD_MAX: Final = 500_000
CAP_MAX: Final = 5_000_000
"""EUR 50,000 a month: more than a rule that charges at most EUR 500 at a time is for."""
_ROUND: Final = 500
"""Amounts that are suggested are multiples of EUR 5."""
CONSENT_VERSION: Final = "2026-11"
"""Names the wording people agree to; a new wording takes a new one, and asks again at the next save."""

LOOK: Final = "refills.look"
"""The kind of job that decides without a call having asked for it: after a save, a resume, a wait."""

__all__ = ["CENTS_MAX", "CENTS_MIN"]


class Pause(StrEnum):
    """Why a rule rests until its account says otherwise."""

    DECLINED = "declined"
    NOT_CONFIRMED = "not_confirmed"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    NO_CARD = "no_card"
    BILLING = "billing"
    DISPUTED = "disputed"


BY_CARD: Final = frozenset({Pause.DECLINED, Pause.NOT_CONFIRMED, Pause.NO_CARD})
"""Pauses that another card ends."""


class Terms(Struct, frozen=True, kw_only=True):
    """What an account chooses: at or below `threshold`, buy `amount`, at most `cap` per month. All before tax."""

    enabled: bool
    threshold: int
    amount: int
    cap: int | None = None

    def check(self) -> "Terms":
        """Return the terms if they are within the limits. Raises: AmountInvalid."""
        if type(self.threshold) is not int or not THRESHOLD_MIN <= self.threshold <= THRESHOLD_MAX:
            bounds = f"{write_cents(THRESHOLD_MIN)} to {write_cents(THRESHOLD_MAX)}"
            raise AmountInvalid(field="threshold", reason=f"choose EUR {bounds}")
        check_cents(self.amount, field="amount")
        if self.cap is not None and not self.amount <= self.cap <= CAP_MAX:
            reason = f"choose at least the amount of one refill and at most EUR {write_cents(CAP_MAX)}"
            raise AmountInvalid(field="cap", reason=reason)
        return self


class Chain(Struct, frozen=True, kw_only=True):
    """How often a rule may charge in a row: `refills` times, `total` cents before tax, to lift an empty wallet.

    `enough` is an amount with which one refill would do; None if no amount within the limits does.
    """

    refills: int
    total: int
    enough: int | None


def chain_of(threshold: int, amount: int) -> Chain | None:
    """Return what it takes to lift an empty wallet above the threshold, None if one refill does. All in cents."""
    if amount > threshold:
        return None
    refills = threshold // amount + 1
    enough = (threshold // _ROUND + 1) * _ROUND
    return Chain(refills=refills, total=refills * amount, enough=enough if enough <= CENTS_MAX else None)


class Consent(Struct, frozen=True, kw_only=True):
    """What a person has agreed to: the wording they saw and its version."""

    version: str
    text: str


class Setting(Struct, frozen=True, kw_only=True):
    """The rule of an account as it stands; one field per column. `look_at` is when a waiting rule decides again.

    `failures` counts attempts in a row that came to nothing. While `paused` or waiting, no call triggers it.
    """

    account_id: AccountId
    version: int
    enabled: bool
    threshold: int
    amount: int
    cap: int | None = None
    paused: Pause | None = None
    paused_at: Instant | None = None
    failures: int = 0
    look_at: Instant | None = None
    locale: str = "en"
    updated_at: Instant

    @property
    def triggers(self) -> bool:
        """Whether a call that leaves the balance low leads to a decision."""
        return self.enabled and self.paused is None and self.look_at is None


class RefillState(StrEnum):
    """Where an attempt is: under way, ended in credits, or ended in nothing."""

    OPEN = "open"
    SETTLED = "settled"
    FAILED = "failed"


class Refill(Struct, frozen=True, kw_only=True):
    """One attempt. `balance` (nano-credits) is what was left.

    `trigger` is the hold of the call, or a word: `lowered` (a refund, a dispute or a correction took credits), `saved`,
    `resumed`, `card` (another card ended a pause), `again` (a later look).
    """

    id: RefillId
    account_id: AccountId
    state: RefillState
    purchase_id: PurchaseId
    trigger: str
    balance: int
    threshold: int
    amount: int
    because: str | None = None
    created_at: Instant
    ended_at: Instant | None = None


class RefillPolicy(Struct, frozen=True, kw_only=True):
    """The operator's limits: all refills stopped, and how many one account may have per hour and day."""

    stopped: bool = False
    hour_max: int = 5
    day_max: int = 20
    retry_soon_us: int = 3_600 * SECOND
    """When a payment that could not be processed is tried once more."""
    retry_funds_us: int = 86_400 * SECOND
    """When a card that lacked funds is tried once more: limits of cards are mostly those of a day."""
    busy_us: int = 30 * SECOND
    """How long a rule waits for a purchase that is under way."""
    often_us: int = 600 * SECOND
    """How long it waits at the operator's limits, or while all refills are stopped."""
