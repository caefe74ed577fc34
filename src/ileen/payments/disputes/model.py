"""The vocabulary of disputes. Money is whole cents, credits are nano-credits."""

from enum import StrEnum

from msgspec import Struct

from ileen.base.clock import Instant
from ileen.base.ids import AccountId, LotId, PurchaseId
from ileen.payments.stripe.returns import Disputed


class DisputeState(StrEnum):
    """Where a dispute is for us: nothing has moved (`watched`), the bank has the money (`open`), or an end."""

    WATCHED = "watched"
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"


class Dispute(Struct, frozen=True, kw_only=True):
    """A dispute as recorded; one field per column of its table.

    `amount` is cents with VAT as the bank has them, `net` the part of it that was credits. `seized` are those credits,
    of which `frozen` were left and `owed` were spent. `round` counts how often the bank took the money.
    """

    id: str
    account_id: AccountId
    purchase_id: PurchaseId
    lot_id: LotId
    state: DisputeState
    status: str
    reason: str
    version: int = 1
    round: int = 0
    amount: int
    net: int = 0
    seized: int = 0
    frozen: int = 0
    owed: int = 0
    due_at: Instant | None
    created_at: Instant
    ended_at: Instant | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """How a purchase stands: whether a bank has its money now, and what disputes removed of its lot."""

    open: bool
    lost: int
    net: int


def target(found: Disputed, before: DisputeState | None) -> DisputeState:
    """Return the state a dispute ought to be in, by what Stripe says now and where it was. Pure.

    The bank has the money from the moment it takes it until it gives it back, whatever the words: a chargeback that
    is lost keeps it, one that is won brings it back, and an inquiry never takes it.
    """
    match found.status:
        case "won" | "warning_closed" | "prevented":
            moved = before in {DisputeState.OPEN, DisputeState.WON, DisputeState.LOST}
            return DisputeState.WON if moved else DisputeState.CLOSED
        case "lost":
            return DisputeState.LOST if found.withdrawn > 0 else DisputeState.CLOSED
        case _:
            return DisputeState.OPEN if found.withdrawn > 0 else DisputeState.WATCHED
