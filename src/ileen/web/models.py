"""What requests and answers look like: the one description that both validation and the OpenAPI document follow.

Owns: field names, bounds and examples. Refuses to know: where values come from (that is `views`).
Amounts are decimal strings of credits (JSON numbers lose digits), instants RFC 3339 in UTC. Unknown fields are refused.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

TOKENS_MAX: Final = 1_000_000_000
"""No call has more tokens; a larger count is a mistake."""
LIFETIME_S_MAX: Final = 24 * 60 * 60
"""A hold that lasts longer than a day keeps credits from everything else for a call that is surely lost."""

_TEXT: Final = r"^[^\u0000-\u001F\u007F]+$"

Label = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_TEXT)]
"""A name of the caller's own, such as a run: 1 to 128 characters, none of them control characters."""
Remark = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_TEXT)]
Amount = Annotated[
    str,
    Field(
        max_length=24,
        description='Credits as a decimal string with at most nine decimals, such as "0.10".',
        json_schema_extra={"pattern": r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?$"},
    ),
]
Tokens = Annotated[int, Field(ge=0, le=TOKENS_MAX)]
Credits = Annotated[str, Field(description="Credits as a decimal string.", examples=["4.90"])]
Moment = Annotated[str, Field(description="RFC 3339 in UTC.", examples=["2026-11-24T09:30:00.000000Z"])]
Surface = Literal["openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages"]


class Request(BaseModel):
    """The base of every request body: exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Attributed(Request):
    """Who spends and what for. What is left out comes from the API key's defaults."""

    mode: Label | None = None
    activity: Label | None = None
    run: Label | None = Field(None, description="Your id for the piece of work this call belongs to.")
    parent_run: Label | None = None
    model: Label | None = None
    provider: Label | None = None


class UsageReport(BaseModel):
    """The provider's own usage object, with the surface it came from. Its other members are passed on as they are."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"examples": [{"surface": "openai.chat", "prompt_tokens": 1200, "completion_tokens": 350}]},
    )

    surface: Surface

    def provider_usage(self) -> dict[str, Any]:
        """Return the provider's members alone."""
        return dict(self.model_extra or {})


class HoldRequest(Attributed):
    """Set credits aside before a call: an amount, or a model with the most tokens the call can take."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"amount": "0.10", "run": "build-42"},
                {"model": "gpt-4o-mini", "input_tokens": 1200, "output_tokens": 400, "activity": "code_query"},
            ]
        }
    )

    amount: Amount | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    at_least: Amount | None = Field(
        None, description="Be content with this much if the wallet or a cap does not cover all of it."
    )
    lifetime_s: Annotated[int, Field(ge=1, le=LIFETIME_S_MAX)] | None = None

    @model_validator(mode="after")
    def _one_way_to_say_how_much(self) -> Self:
        tokens = self.input_tokens is not None or self.output_tokens is not None
        if self.amount is not None and tokens:
            raise ValueError("give either amount, or model with input_tokens and output_tokens, not both")
        if self.amount is None and (self.model is None or self.input_tokens is None or self.output_tokens is None):
            raise ValueError("give amount, or model with input_tokens and output_tokens")
        return self


class Measured(Request):
    """What a completed call cost: exactly one of `amount` and `usage`."""

    amount: Amount | None = None
    usage: UsageReport | None = None
    input_tokens: Tokens | None = Field(None, description="For your information only, beside `amount`.")
    output_tokens: Tokens | None = Field(None, description="For your information only, beside `amount`.")
    provider_request_id: Remark | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.amount is None) == (self.usage is None):
            raise ValueError("give exactly one of amount and usage")
        if self.usage is not None and (self.input_tokens is not None or self.output_tokens is not None):
            raise ValueError("input_tokens and output_tokens come from usage; leave them out")
        return self


class CaptureRequest(Measured):
    """Take what a completed call cost and free the rest of its hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"usage": {"surface": "openai.chat", "prompt_tokens": 1200, "completion_tokens": 350}},
                {"amount": "0.042"},
            ]
        }
    )


class VoidRequest(Request):
    """Free a whole hold: the call did not complete."""

    reason: Remark | None = None


class ChargeRequest(Measured, Attributed):
    """Book a call that already happened, without a hold before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"amount": "0.042", "activity": "changelog"},
                {
                    "model": "gpt-4o-mini",
                    "usage": {"surface": "openai.chat", "prompt_tokens": 1200, "completion_tokens": 350},
                },
            ]
        }
    )

    @model_validator(mode="after")
    def _usage_needs_a_model(self) -> Self:
        if self.usage is not None and self.model is None:
            raise ValueError("usage needs a model to be priced by")
        return self


# Answers -----------------------------------------------------------------------------------------------------


class Balance(BaseModel):
    """The wallet right after a command."""

    settled: Credits
    held: Credits
    available: Credits
    frozen: Credits
    debt: Credits


class WalletView(Balance):
    """The wallet now, and its totals so far. settled = available + held - debt."""

    id: str = Field(examples=["wal_01KB2Z8M6T0000000000000000"])
    spent: Credits
    purchased: Credits
    bonus: Credits
    time_zone: str = Field(examples=["Europe/Berlin"])


class Attribution(BaseModel):
    """Who spent and what for."""

    api_key: str | None
    mode: str | None
    activity: str | None
    run: str | None
    parent_run: str | None
    provider: str | None
    model: str | None


class HoldView(BaseModel):
    """Credits set aside for one call."""

    id: str = Field(examples=["hold_01KB2Z8M6T0000000000000000"])
    call: str = Field(examples=["call_01KB2Z8M6T0000000000000000"])
    amount: Credits
    state: Literal["open", "captured", "voided", "expired"]
    captured: Credits | None
    created_at: Moment
    expires_at: Moment
    closed_at: Moment | None
    reason: str | None
    attribution: Attribution


class HoldAnswer(HoldView):
    """A hold, and the wallet right after it was made or voided."""

    wallet: Balance


class ChargeAnswer(BaseModel):
    """What a call cost. `overrun` is the part above its hold; `borrowed` became debt, `absorbed` is not yours."""

    id: str = Field(examples=["hold_01KB2Z8M6T0000000000000000"])
    call: str = Field(examples=["call_01KB2Z8M6T0000000000000000"])
    state: Literal["captured"] = "captured"
    charge: Credits
    overrun: Credits
    borrowed: Credits
    absorbed: Credits
    wallet: Balance


class CallView(BaseModel):
    """One call: what was held, what it cost, who made it and when."""

    id: str = Field(examples=["call_01KB2Z8M6T0000000000000000"])
    hold: str = Field(examples=["hold_01KB2Z8M6T0000000000000000"])
    state: Literal["open", "captured", "voided", "expired"]
    held: Credits
    charge: Credits | None = Field(description="None until the call is captured.")
    input_tokens: int
    output_tokens: int
    provider_request_id: str | None
    created_at: Moment
    closed_at: Moment | None
    duration_ms: int | None = Field(description="From the hold to its end.")
    surface: str | None = Field(description="The protocol of the usage, such as openai.chat.")
    tokens: dict[str, int] = Field(description="Tokens by class; no token is in two classes.")
    answered_model: str | None = Field(description="The model that the provider says has answered.")
    streamed: bool | None
    started_at: Moment | None = Field(description="When the provider was asked; for calls through the gateway.")
    first_chunk_at: Moment | None
    ended_at: Moment | None
    reason: str | None
    tariff: str | None = Field(description="The pinned prices the charge was calculated with.")
    attribution: Attribution


class Explanation(BaseModel):
    """The whole calculation of a charge. `explanation` is None when the application gave the amount itself."""

    call: str
    charge: Credits
    tariff: str | None
    explanation: dict[str, Any] | None


class EntryView(BaseModel):
    """One immutable movement from book `debit` to book `credit`, and the wallet right after it."""

    seq: int
    at: Moment
    kind: str
    debit: str
    credit: str
    amount: Credits
    ref: str
    settled: Credits
    held: Credits
    frozen: Credits
    debt: Credits
    key: str | None
    note: str | None
    hash: str


class CallPage(BaseModel):
    """Calls, newest first."""

    data: list[CallView]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; None at the end.")


class EntryPage(BaseModel):
    """Entries, newest first."""

    data: list[EntryView]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; None at the end.")


class UsageRow(BaseModel):
    """What the completed calls of one group came to. `group` is empty for calls without that attribution."""

    group: str
    calls: int
    charge: Credits
    input_tokens: int
    output_tokens: int


class UsageView(BaseModel):
    """Usage in a span of time. Except by run, whole days of the account's time zone are counted."""

    group_by: str
    since: Moment
    until: Moment
    data: list[UsageRow]


class Health(BaseModel):
    """The server is up and reaches its database."""

    status: Literal["ok"] = "ok"
