"""The vocabulary of refunds: what can be given back, where a refund is, the operator's policy. Money is whole cents.

Owns: the frozen types that leave this room. Refuses to know: how they are stored, and Stripe's words.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from ileen.base.clock import SECOND, Instant
from ileen.base.ids import AccountId, LotId, PurchaseId, RefundId


class RefundState(StrEnum):
    """Where a refund is. The last four are ends; only a refund that is done can still fail, at the payer's bank."""

    REQUESTED = "requested"
    HELD = "held"
    APPROVED = "approved"
    SENT = "sent"
    DONE = "done"
    CHANGED = "changed"
    DENIED = "denied"
    FAILED = "failed"


ENDED: Final = frozenset({RefundState.DONE, RefundState.CHANGED, RefundState.DENIED, RefundState.FAILED})
IN_VAIN: Final = frozenset({RefundState.CHANGED, RefundState.DENIED, RefundState.FAILED})
"""Ends after which the credits are where they were."""


class Origin(StrEnum):
    """Who began a refund.

    The payer: in the app, by the API, by the withdrawal function or its page without sign-in (`letter`); the operator;
    a person in Stripe's dashboard; or a fraud warning, by the operator's policy.
    """

    APP = "app"
    API = "api"
    WITHDRAWAL = "withdrawal"
    LETTER = "letter"
    OPERATOR = "operator"
    DASHBOARD = "dashboard"
    FRAUD_WARNING = "fraud_warning"


BY_PAYER: Final = frozenset({Origin.APP, Origin.API, Origin.WITHDRAWAL, Origin.LETTER})
WITHDRAWALS: Final = frozenset({Origin.WITHDRAWAL, Origin.LETTER})


class Refund(Struct, frozen=True, kw_only=True):
    """A refund as recorded; one field per column of its table.

    `closing` is the end already decided on; `needs` how many people must approve it, `approved_by` who has, with commas
    between. `frozen` are its lot's credits set aside (nano-credits), `owed` those that were spent already. `stripe_id`
    is Stripe's id of the refund, or of the credit note where money goes back without one.
    """

    id: RefundId
    account_id: AccountId
    purchase_id: PurchaseId
    lot_id: LotId
    state: RefundState
    closing: RefundState | None = None
    because: str | None = None
    version: int
    origin: Origin
    by: str
    reason: str | None = None
    needs: int = 0
    approved_by: str | None = None
    net: int
    vat: int
    total: int
    card_name: str
    email: str
    locale: str
    stripe_id: str | None = None
    note_id: str | None = None
    note_number: str | None = None
    frozen: int = 0
    owed: int = 0
    attempt: int = 0
    attempted_at: Instant | None = None
    key: str | None = None
    fingerprint: str | None = None
    leased_until: Instant
    look_at: Instant | None
    created_at: Instant
    sent_at: Instant | None = None
    ended_at: Instant | None = None

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who has approved it."""
        return tuple(self.approved_by.split(",")) if self.approved_by else ()


class Step(Struct, frozen=True, kw_only=True):
    """One thing that was decided about a refund."""

    at: Instant
    step: str
    state: RefundState
    by: str
    detail: str | None


class Refundable(Struct, frozen=True, kw_only=True):
    """What can be given back of one purchase, and why no more: cents before VAT, but for the fields in nano-credits.

    `used`, `held` and `frozen` are nano-credits: spent, reserved for calls under way, set aside for refunds and
    disputes. `refunded` has gone back; `refundable` can go back now; `until` is the last second to ask for it by right.
    """

    purchase: PurchaseId
    lot: LotId
    number: str | None
    net: int
    vat: int
    total: int
    paid_at: Instant
    until: Instant
    open: bool
    disputed: bool
    used: int
    held: int
    frozen: int
    refunded: int
    refundable: int


class RefundQuote(Struct, frozen=True, kw_only=True):
    """What a refund would give back now: `net` of credits, its VAT, the total to the card, by Stripe's preview."""

    purchase: PurchaseId
    net: int
    vat: int
    total: int
    card_name: str
    until: Instant
    open: bool


class RefundPolicy(Struct, frozen=True, kw_only=True):
    """The operator's terms. `four_eyes_above` is cents with VAT, None for never; durations end in `_us`."""

    automatic: bool = True
    """Whether a payer within the window gets the refund without anybody's approval."""
    four_eyes_above: int | None = None
    by_payer: bool = True
    """Whether payers can ask for refunds by themselves at all."""
    withdrawal: bool = True
    """Whether payers have the withdrawal function of EU law; no for operators who sell to businesses only."""
    debt: bool = True
    """Whether credits that were spent become a debt when their money goes back."""
    refund_warned: bool = False
    """Whether an early fraud warning has what is left refunded, before it becomes a dispute."""
    lease_us: int = 60 * SECOND
    again_us: int = 10 * SECOND
    same_key_us: int = 120 * SECOND
    """How long an order without any trace at Stripe is repeated under its own key, before a new attempt: by then it is
    executed or never will be, and Stripe may remember its failure under the old key for a day."""
    look_us: int = 3600 * SECOND
    """How often a refund is read again at Stripe that its bank has not decided on; webhooks are much faster."""
