"""The vocabulary of purchases: quotes, states, what to do next. Money is whole cents, instants microseconds UTC.

Owns: the frozen types that leave this room. Refuses to know: how they are stored, and Stripe's words.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct
from sqlalchemy import Connection

from ileen.base.clock import SECOND, Instant
from ileen.base.ids import AccountId, LotId, PurchaseId, RefillId
from ileen.payments.stripe import Decline


class PurchaseState(StrEnum):
    """Where a purchase is. The last three are ends; what is paid becomes settled, whatever was before."""

    QUOTED = "quoted"
    CREATED = "created"
    INVOICED = "invoiced"
    FINALIZED = "finalized"
    PAYING = "paying"
    ACTION_REQUIRED = "action_required"
    PROCESSING = "processing"
    PAID = "paid"
    SETTLED = "settled"
    FAILED = "failed"
    VOID = "void"


ENDED: Final = frozenset({PurchaseState.SETTLED, PurchaseState.FAILED, PurchaseState.VOID})
"""States that leave the account free to buy again."""


class NextKind(StrEnum):
    """What the payer's application does next: nothing, go to `url`, ask again soon, or write to the operator."""

    NONE = "none"
    REDIRECT = "redirect"
    POLL = "poll"
    CONTACT = "contact"


class Next(Struct, frozen=True, kw_only=True):
    """The `next` object of every answer about money."""

    kind: NextKind
    url: str | None = None
    id: str | None = None


class Quote(Struct, frozen=True, kw_only=True):
    """What a purchase would come to today, as Stripe calculates it.

    `rate` is the percentage as exact text ("19", "25.5") where one rate applies; `reason` is why, in Stripe's words:
    standard_rated, reverse_charge, not_collecting, …
    """

    net: int
    vat: int
    total: int
    rate: str | None
    reason: str
    country: str | None


class Evidence(Struct, frozen=True, kw_only=True):
    """Where the payer is, by two things that are not each other: kept with the purchase for the tax authorities.

    Regulation (EU) 282/2011, articles 24b and 24f. Countries are ISO codes; what is not known is None.
    """

    billing_country: str | None = None
    ip_address: str | None = None
    ip_country: str | None = None
    card_country: str | None = None


class Payer(Struct, frozen=True, kw_only=True):
    """Who is invoiced: the customer at Stripe, the card to charge, where mail goes.

    `card` is Stripe's id of it, `card_name` what people call it ("Visa •••• 4242").
    """

    customer: str
    card: str
    card_name: str
    card_country: str | None
    email: str
    locale: str
    country: str | None


class Payers(Protocol):
    """Whoever knows the customers at Stripe."""

    def customer_of(self, account: AccountId) -> str:
        """Return the id of the customer to invoice, with all that its tax depends on. Raises: BillingIncomplete."""
        ...

    def payer(self, account: AccountId, *, card: str | None) -> Payer:
        """Return who is invoiced and which card is charged: the one named, else the default.

        Raises: BillingIncomplete, without what tax or payment need; NotFound for a card that is not the account's.
        """
        ...

    def accept(self, account: AccountId, reason: str) -> bool:
        """Judge Stripe's reason for the tax of a preview; False if something was put right and it must be asked again.

        Raises: CountryNotSold, TerritoryNotSold.
        """
        ...


class Notify(Protocol):
    """Whoever owes the outside a message once the caller's transaction is committed; the same `key` owes it once."""

    def __call__(
        self,
        connection: Connection,
        *,
        kind: str,
        account_id: str | None,
        to: str,
        locale: str,
        values: Mapping[str, str],
        key: str,
    ) -> object:
        """Owe a message."""
        ...


class Alarm(Protocol):
    """Whoever tells the operator, once the caller's transaction is committed; the same `key` tells once."""

    def __call__(self, connection: Connection, *, summary: str, detail: str, key: str) -> None:
        """Raise an alarm."""
        ...


class Purchase(Struct, frozen=True, kw_only=True):
    """One intent to buy credits. `alarm` says what the operator must look at, `decline` why no money was taken.

    `refill` names the attempt of the auto-refill rule that began it, if it was not a person.
    """

    id: PurchaseId
    account: AccountId
    state: PurchaseState
    net: int
    vat: int
    total: int
    rate: str | None
    reason: str
    country: str | None
    invoice: str | None
    number: str | None
    decline: Decline | None
    ended_because: str | None
    alarm: str | None
    lot: LotId | None
    next: Next
    refill: RefillId | None
    created_at: Instant
    paid_at: Instant | None
    ended_at: Instant | None

    @property
    def gives_way(self) -> bool:
        """Whether it is a refill that waits for the bank, which buying by hand calls off."""
        return self.refill is not None and self.state is PurchaseState.ACTION_REQUIRED


class Policy(Struct, frozen=True, kw_only=True):
    """The operator's terms and the durations of the machine. Durations end in `_us` (microseconds)."""

    tax_code: str = "txcd_10000000"
    footer: str | None = None
    action_us: int = 3600 * SECOND
    """How long a payer has to confirm a payment with the bank before the invoice is voided."""
    away_us: int = 86_400 * SECOND
    """The same for a payer who was not present: a refill is confirmed by a link in a mail."""
    resume_us: int = 900 * SECOND
    """How long a purchase that was interrupted is carried on with. Later nobody expects to be charged any more, and it
    is voided; far below the 24 hours after which Stripe may forget an idempotency key and charge twice."""
    same_key_us: int = 120 * SECOND
    """How long an order to pay without any trace at Stripe is repeated under its own key, before a new attempt."""
    lease_us: int = 60 * SECOND
    """How long one process has a purchase to itself between two recorded steps; outlives the slowest call."""
    look_us: int = 30 * SECOND
    """How often a purchase that waits (for the bank, for the payer) is read again at Stripe."""
    stuck_us: int = 86_400 * SECOND
    """How old a purchase is when the operator is told that Stripe refuses to end it."""
    again_us: int = 5 * SECOND
    """How soon a purchase is looked at again after a call whose outcome is not known."""
