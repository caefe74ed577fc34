"""The ledger's vocabulary: what a wallet is made of, what may be asked of it, and what it answers.

Owns: the types below. Refuses to know: how they are stored (`rows`), decided (`rules`) or queued (`lanes`).
All amounts are integers of nano-credits; all instants microseconds UTC; durations end in `_us`.
What is said (commands, receipts, entries) is frozen. What a wallet is made of is not: the rules change a batch's own
copies in place, and whoever reads a wallet gets a copy that is theirs alone.
None of them can be part of a cycle, so the garbage collector need not look at them (`gc=False`): there are many.
"""

from enum import StrEnum

from msgspec import Struct

from ileen.base.clock import Instant
from ileen.base.ids import HoldId, KeyId, LotId, WalletId
from ileen.base.money import NANO

DEBT_NANO_MAX_DEFAULT = 5 * NANO
"""What a wallet may owe after a late capture unless its account says otherwise: 5 credits."""
NOTICE_NANO_DEFAULT = 5 * NANO
"""The balance at which an account is told that its credits run low, unless it chooses another: five credits."""


class Book(StrEnum):
    """Where credits can be. Every entry moves an amount from one book of a wallet to another."""

    AVAILABLE = "available"
    HELD = "held"
    SPENT = "spent"
    FROZEN = "frozen"
    DEBT = "debt"
    PURCHASED = "purchased"
    BONUS = "bonus"
    ADJUSTED = "adjusted"
    ABSORBED = "absorbed"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


class Source(StrEnum):
    """How a lot was acquired. Bonus and adjustment lots burn before purchased ones."""

    PURCHASE = "purchase"
    REFILL = "refill"
    BONUS = "bonus"
    ADJUSTMENT = "adjustment"


class HoldState(StrEnum):
    """A hold is open, then ends exactly once. An expired hold can still be captured late, once."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class Attribution(Struct, frozen=True, kw_only=True, gc=False):
    """Who spent and what for. The ledger groups by these and understands none of them."""

    api_key: KeyId | None = None
    mode: str | None = None
    activity: str | None = None
    run: str | None = None
    parent_run: str | None = None
    provider: str | None = None
    model: str | None = None


class Usage(Struct, frozen=True, kw_only=True, gc=False):
    """The measured usage of one completed call. `record` is JSON the ledger keeps and never reads."""

    input_tokens: int = 0
    output_tokens: int = 0
    provider_request_id: str | None = None
    record: str = "{}"


# Commands: what may be asked. `key` is the caller's idempotency key, unique per wallet: the same key with the
# same content replays the first answer, with other content it is refused as `idempotency_key_reused`. Ids of
# things a command creates are not part of the content; a replay answers with the first ones. ------------------


class OpenWallet(Struct, frozen=True, kw_only=True, gc=False):
    """Create a wallet. Asking again changes nothing. `time_zone` is an IANA name, for the windows of caps.

    `notice_mark` (nano-credits) is the balance whose crossing is told; None for a wallet nobody is told of.
    """

    wallet: WalletId
    time_zone: str = "UTC"
    debt_max: int = DEBT_NANO_MAX_DEFAULT
    notice_mark: int | None = None


class SetCaps(Struct, frozen=True, kw_only=True, gc=False):
    """Set what the account (`api_key` None) or one of its keys may spend. None means no cap. Last write wins."""

    wallet: WalletId
    api_key: KeyId | None = None
    day: int | None = None
    month: int | None = None
    total: int | None = None


class CloseKey(Struct, frozen=True, kw_only=True, gc=False):
    """Refuse every later authorization by this API key. Asking again changes nothing."""

    wallet: WalletId
    api_key: KeyId


class Authorize(Struct, frozen=True, kw_only=True, gc=False):
    """Hold up to `amount`, at least `at_least` (default: all of it), until captured, voided or `lifetime_us` over."""

    wallet: WalletId
    key: str
    hold: HoldId
    amount: int
    at_least: int | None = None
    lifetime_us: int
    attribution: Attribution = Attribution()
    tariff: str | None = None


class Capture(Struct, frozen=True, kw_only=True, gc=False):
    """Take `amount` for a completed call and free the rest of its hold. More than was held is an overrun."""

    wallet: WalletId
    key: str
    hold: HoldId
    amount: int
    usage: Usage = Usage()


class Void(Struct, frozen=True, kw_only=True, gc=False):
    """Free a whole hold: the call did not complete."""

    wallet: WalletId
    key: str
    hold: HoldId
    reason: str


class Expire(Struct, frozen=True, kw_only=True, gc=False):
    """Free a hold whose time is over. Refused while it is not, and when it has already ended."""

    wallet: WalletId
    hold: HoldId


class Charge(Struct, frozen=True, kw_only=True, gc=False):
    """Book usage after the fact, without a hold before: from available credits, then as bounded debt."""

    wallet: WalletId
    key: str
    hold: HoldId
    amount: int
    attribution: Attribution = Attribution()
    tariff: str | None = None
    usage: Usage = Usage()


class Fund(Struct, frozen=True, kw_only=True, gc=False):
    """Add a lot of credits. `reference` names what paid for it (a purchase, an invoice), `reason` says why.

    `by` is who gives the credits for nothing; their giving is then told (`ledger.given`). It is no part of the content.
    """

    wallet: WalletId
    key: str
    lot: LotId
    amount: int
    source: Source
    reference: str | None = None
    reason: str | None = None
    by: str | None = None


class Freeze(Struct, frozen=True, kw_only=True, gc=False):
    """Set unspent credits of one lot aside, before a refund or while a dispute runs."""

    wallet: WalletId
    key: str
    lot: LotId
    amount: int
    reason: str


class Unfreeze(Struct, frozen=True, kw_only=True, gc=False):
    """Give frozen credits of one lot back."""

    wallet: WalletId
    key: str
    lot: LotId
    amount: int
    reason: str


class Remove(Struct, frozen=True, kw_only=True, gc=False):
    """Take frozen credits of one lot out of the wallet, to `Book.REFUNDED` or `Book.DISPUTED`."""

    wallet: WalletId
    key: str
    lot: LotId
    amount: int
    to: Book
    reason: str


class Seize(Struct, frozen=True, kw_only=True, gc=False):
    """Set `amount` of a lot aside although it may be spent: money has gone back, whatever the wallet can bear.

    What is left of the lot and not held is frozen; the rest the wallet owes from now on, to `Book.REFUNDED` or
    `Book.DISPUTED`, beyond its debt bound if need be. In the receipt `amount` is frozen and `borrowed` owed.
    """

    wallet: WalletId
    key: str
    lot: LotId
    amount: int
    to: Book
    reason: str


class Restore(Struct, frozen=True, kw_only=True, gc=False):
    """Put credits that were removed back into their lot: the refund failed after all."""

    wallet: WalletId
    key: str
    lot: LotId
    amount: int
    out_of: Book
    reason: str


class Forgive(Struct, frozen=True, kw_only=True, gc=False):
    """Take back what a `Seize` made the wallet owe: from its debt, and what was paid of it since as the lot `lot`."""

    wallet: WalletId
    key: str
    lot: LotId
    amount: int
    out_of: Book
    reason: str


class Adjust(Struct, frozen=True, kw_only=True, gc=False):
    """Correct by hand: a positive amount adds a lot, a negative one burns available credits."""

    wallet: WalletId
    key: str
    lot: LotId
    amount: int
    reason: str


Setup = OpenWallet | SetCaps | CloseKey
Movement = (
    Authorize
    | Capture
    | Void
    | Expire
    | Charge
    | Fund
    | Freeze
    | Unfreeze
    | Remove
    | Seize
    | Restore
    | Forgive
    | Adjust
)
Command = Setup | Movement


class Receipt(Struct, frozen=True, kw_only=True, gc=False):
    """The answer to an accepted command, the same when replayed but for `replayed`.

    `ref` is the hold or lot concerned; `amount` what was held, taken, freed or moved. For a capture or charge,
    `overrun` is the part above the hold, `borrowed` the part of it that became debt and `absorbed` the part beyond
    the debt bound, which the operator bears. `settled`, `held`, `frozen` and `debt` are the wallet's right after.
    """

    wallet: WalletId
    seq: int
    at: Instant
    ref: str
    amount: int
    settled: int
    held: int
    frozen: int
    debt: int
    overrun: int = 0
    borrowed: int = 0
    absorbed: int = 0
    replayed: bool = False

    @property
    def available(self) -> int:
        """What can be authorized now; negative while the wallet owes."""
        return self.settled - self.held


# What a wallet is made of ------------------------------------------------------------------------------------


class Wallet(Struct, kw_only=True, gc=False):
    """The locked row of a wallet: equal, at all times, to what its journal adds up to.

    settled = available + held - debt. `spent`, `purchased`, … are totals over its life. `seq` counts entries and
    `head` is the hash of the last one. `low_mark` is the balance at or below which what lowers it is told,
    `notice_mark` one whose crossing is told, and that of zero with it (`low`).
    """

    id: WalletId
    time_zone: str
    debt_max: int
    created_at: Instant
    seq: int = 0
    settled: int = 0
    held: int = 0
    frozen: int = 0
    debt: int = 0
    spent: int = 0
    purchased: int = 0
    bonus: int = 0
    adjusted: int = 0
    absorbed: int = 0
    refunded: int = 0
    disputed: int = 0
    head: bytes = b""
    low_mark: int | None = None
    notice_mark: int | None = None

    @property
    def available(self) -> int:
        """What can be authorized now; negative while the wallet owes."""
        return self.settled - self.held


class Hold(Struct, kw_only=True, gc=False):
    """Credits set aside for one call."""

    id: HoldId
    amount: int
    state: HoldState
    created_at: Instant
    expires_at: Instant
    attribution: Attribution
    tariff: str | None = None
    captured: int | None = None
    closed_at: Instant | None = None
    reason: str | None = None


class Lot(Struct, kw_only=True, gc=False):
    """Credits acquired at once: `amount` then, `left` now, of which `frozen` may not be burnt."""

    id: LotId
    source: Source
    amount: int
    left: int
    frozen: int
    created_at: Instant
    reference: str | None = None
    reason: str | None = None


class Spender(Struct, kw_only=True, gc=False):
    """What the account (`api_key` "") or one key may spend, and has spent in the windows that run.

    `day` is a date's ordinal and `month` year × 12 + month - 1, both in the account's time zone.
    """

    api_key: str
    cap_day: int | None = None
    cap_month: int | None = None
    cap_total: int | None = None
    held: int = 0
    day: int = 0
    spent_day: int = 0
    month: int = 0
    spent_month: int = 0
    spent_total: int = 0
    closed: bool = False


class Entry(Struct, frozen=True, gc=False):
    """One immutable movement of `amount` from book `debit` to book `credit`, and the wallet right after it.

    The first entry of a command carries its `key` and `fingerprint`. `hash` covers every field and the hash before.
    The order of the fields is the order in which they are hashed and stored.
    """

    wallet: WalletId
    seq: int
    at: Instant
    kind: str
    debit: Book
    credit: Book
    amount: int
    ref: str
    settled: int
    held: int
    frozen: int
    debt: int
    key: str | None = None
    fingerprint: bytes | None = None
    note: str | None = None
    hash: bytes = b""
