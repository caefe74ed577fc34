"""What the client answers with. Amounts are exact decimals of credits; fields unknown to this version are ignored.

Owns: the types and the error. Refuses to know: HTTP.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class IleenApiError(Exception):
    """An answer that is an error, or none at all (`status` 0, code `unreachable`).

    `code` is the stable word to branch on, `fields` are the error's own members, such as `needed` and `available`,
    `request_id` is what to quote when asking for help.
    """

    def __init__(
        self,
        code: str,
        status: int,
        detail: str,
        fields: Mapping[str, object] | None = None,
        request_id: str | None = None,
    ) -> None:
        self.code = code
        self.status = status
        self.detail = detail
        self.fields: Mapping[str, object] = fields or {}
        self.request_id = request_id
        super().__init__(f"{detail} ({code}, HTTP {status})" if status else f"{detail} ({code})")


class Balance(Struct, frozen=True, kw_only=True):
    """The wallet right after a command."""

    settled: Decimal
    held: Decimal
    available: Decimal
    frozen: Decimal
    debt: Decimal


class Wallet(Struct, frozen=True, kw_only=True):
    """The wallet now, and its totals so far."""

    id: str
    settled: Decimal
    held: Decimal
    available: Decimal
    frozen: Decimal
    debt: Decimal
    spent: Decimal
    purchased: Decimal
    bonus: Decimal
    time_zone: str


class Attribution(Struct, frozen=True, kw_only=True):
    """Who spent and what for."""

    api_key: str | None = None
    mode: str | None = None
    activity: str | None = None
    run: str | None = None
    parent_run: str | None = None
    provider: str | None = None
    model: str | None = None


class Held(Struct, frozen=True, kw_only=True):
    """Credits set aside for one call."""

    id: str
    call: str
    amount: Decimal
    state: str
    expires_at: datetime
    wallet: Balance


class Charged(Struct, frozen=True, kw_only=True):
    """What a call cost, and the wallet right after."""

    id: str
    call: str
    charge: Decimal
    overrun: Decimal
    borrowed: Decimal
    absorbed: Decimal
    wallet: Balance


class Call(Struct, frozen=True, kw_only=True):
    """One call; `charge` is None until it is captured."""

    id: str
    hold: str
    state: str
    held: Decimal
    charge: Decimal | None
    input_tokens: int
    output_tokens: int
    provider_request_id: str | None
    created_at: datetime
    closed_at: datetime | None
    duration_ms: int | None
    reason: str | None
    tariff: str | None
    attribution: Attribution
    surface: str | None = None
    tokens: dict[str, int] = {}
    answered_model: str | None = None
    streamed: bool | None = None
    started_at: datetime | None = None
    first_chunk_at: datetime | None = None
    ended_at: datetime | None = None


class CallPage(Struct, frozen=True, kw_only=True):
    """Calls, newest first. Pass `next_cursor` for the next page; None at the end."""

    data: list[Call]
    next_cursor: str | None


class UsageRow(Struct, frozen=True, kw_only=True):
    """What the completed calls of one group came to."""

    group: str
    calls: int
    charge: Decimal
    input_tokens: int
    output_tokens: int


class UsageAnswer(Struct, frozen=True, kw_only=True):
    """Usage in a span of time."""

    group_by: str
    since: datetime
    until: datetime
    data: list[UsageRow]


class Next(Struct, frozen=True, kw_only=True):
    """What to do now: `none`, `redirect` to `url`, `poll` for `id`, or `contact` support."""

    kind: str
    url: str | None = None
    id: str | None = None


class Gate(Struct, frozen=True, kw_only=True):
    """The billing gate. `missing` is the next step, None once it is open; then it stays open."""

    open: bool
    payment_method: bool
    credits: bool
    missing: str | None
    next: Next
