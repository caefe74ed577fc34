"""The vocabulary of accounts: the billed party and the keys its applications call with.

Owns: the frozen types and the names of scopes. Refuses to know: how they are stored, and credits.
"""

from typing import Final

from msgspec import Struct

from ileen.base.clock import Instant
from ileen.base.ids import AccountId, KeyId

SPEND: Final = "spend"
"""Scope: hold, capture, void and charge credits; call models through the gateway."""
READ: Final = "read"
"""Scope: see the wallet, calls, entries, usage and rates of the whole account."""
ALL: Final = frozenset({SPEND, READ})
"""What a key gets when no scopes are named: enough for agents, nothing that touches cards or buys credits."""

BALANCE_READ: Final = "balance:read"
"""Scope: see the balance."""
USAGE_READ: Final = "usage:read"
"""Scope: see calls, entries and usage."""
INVOICES_READ: Final = "invoices:read"
"""Scope: see purchases, invoices and billing details."""
PURCHASE: Final = "purchase"
"""Scope: buy credits."""
REFILL: Final = "refill"
"""Scope: change the automatic refill."""
CARDS: Final = "cards"
"""Scope: see, add and remove cards, and change billing details."""
WITHDRAW: Final = "withdraw"
"""Scope: withdraw from a purchase."""
AUDIT_READ: Final = "audit:read"
"""Scope: see what was done in the account and by whom. An owner's: no UI session has it, and `read` lacks it."""

WEBHOOKS: Final = "webhooks"
"""Scope: say which servers are told of events; owners, and keys for which it is named."""

READING: Final = frozenset({BALANCE_READ, USAGE_READ, INVOICES_READ})
"""The scopes of a UI session that only look; `read` of an API key contains them."""
MONEY: Final = frozenset({PURCHASE, REFILL, CARDS, WITHDRAW})
"""The scopes that move money or change how it moves; a key has them only if they are named."""
UI_SCOPES: Final = READING | MONEY
"""What a UI session may be given."""
KEY_SCOPES: Final = ALL | MONEY | {AUDIT_READ, WEBHOOKS}
"""What an API key may be given."""

SECRET_PREFIX: Final = "ileen_sk_"  # noqa: S105  # how secrets start, not one
"""How every secret starts, so that people and secret scanners recognise one."""


class Account(Struct, frozen=True, kw_only=True):
    """The billed party. Its wallet's id shares the body of its own id (`base.ids.wallet_of`)."""

    id: AccountId
    name: str
    email: str | None
    time_zone: str
    created_at: Instant


class ApiKey(Struct, frozen=True, kw_only=True):
    """What a secret stands for. The secret itself is shown once and never kept; `hint` is how it starts.

    `mode` and `activity` are used for calls that name none. `calls_max` bounds the calls under way at once.
    """

    id: KeyId
    account: AccountId
    name: str
    hint: str
    mode: str | None
    activity: str | None
    scopes: frozenset[str]
    calls_max: int | None
    created_at: Instant
    revoked_at: Instant | None
    last_used_at: Instant | None
