"""The endpoints of auto-refill: the rule, its consent, resuming it, the refills it made.

Owns: the paths, and what requests and answers look like. Refuses to know: when a refill is due.
Amounts are euros before tax: what is charged is what a purchase of as much costs then, VAT included.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ileen import catalogue
from ileen.accounts.model import INVOICES_READ, REFILL
from ileen.base.clock import to_text
from ileen.base.errors import RequestInvalid
from ileen.base.ids import RefillId, body, is_id
from ileen.base.money import write
from ileen.payments.amounts import read_euros, write_cents
from ileen.payments.refills.model import CONSENT_VERSION, Consent, Refill, Setting, Terms, chain_of
from ileen.web.buying import Cursor, payments_of
from ileen.web.house import Caller, House, InHouse, needs
from ileen.web.models import Moment, Request
from ileen.web.money import Euros, Language
from ileen.web.payer import billing_of, locale_of
from ileen.web.problems import responses

router = APIRouter(prefix="/v1", tags=["auto-refill"])

Reader = Annotated[Caller, Depends(needs(INVOICES_READ))]
Keeper = Annotated[Caller, Depends(needs(REFILL))]
Amount = Annotated[str, StringConstraints(max_length=20)]


class ConsentView(BaseModel):
    """The wording a person must be shown before the rule is saved; send its `version` back."""

    version: str = Field(examples=[CONSENT_VERSION])
    text: str


class PauseView(BaseModel):
    """Why the rule rests until it is resumed."""

    reason: Literal[
        "declined", "not_confirmed", "cancelled", "refused", "unavailable", "no_card", "billing", "disputed"
    ]
    message: str
    at: Moment


class ChainView(BaseModel):
    """A warning: lifting an empty wallet above the threshold takes this many charges in a row."""

    refills: int = Field(examples=[101])
    total: Euros
    enough: Euros | None = Field(description="With this amount one would do; null if none within the limits does.")


class RefillSettingView(BaseModel):
    """The rule. `waits_until`: it was due and could not be, for the cap or a limit; it decides again then."""

    enabled: bool
    threshold: Euros | None
    amount: Euros | None
    cap: Euros | None
    month: Euros = Field(description="What was refilled this month, before tax.")
    chain: ChainView | None = Field(description="Set if one refill may not be enough.")
    paused: PauseView | None
    waits_until: Moment | None
    consent: ConsentView


class RefillSettingRequest(Request):
    """The rule, whole. A `cap` left out means none; one that is on needs the `consent` that `GET` shows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"enabled": True, "threshold": "20.00", "amount": "50.00", "cap": "250.00", "consent": CONSENT_VERSION}
            ]
        }
    )

    enabled: bool
    threshold: Amount = Field(description="10.00 to 5000.00.")
    amount: Amount = Field(description="5.00 to 500.00, before tax.")
    cap: Amount | None = Field(None, description="At most per calendar month, before tax; at least one `amount`.")
    consent: Annotated[str, StringConstraints(max_length=40)] | None = None
    charge_now: bool = Field(default=False, description="Needed if the balance is low already: saving charges at once.")
    accept_chain: bool = Field(default=False, description="Needed for an `amount` up to `threshold` without `cap`.")
    language: Language | None = Field(None, description="The language of the wording that was shown.")


class RefillView(BaseModel):
    """One attempt. `trigger` is the call that left the balance low, or why else; follow `purchase` for the rest."""

    id: str = Field(examples=["refill_01KB2Z8M6T0000000000000000"])
    state: Literal["open", "settled", "failed"]
    trigger: str = Field(examples=["call_01KB2Z8M6T0000000000000000"])
    balance: str = Field(description="What was left, in credits.", examples=["19.80"])
    threshold: Euros
    amount: Euros
    purchase: str = Field(examples=["pur_01KB2Z8M6T0000000000000000"])
    because: str | None
    created_at: Moment
    ended_at: Moment | None


class RefillPage(BaseModel):
    """Refills, newest first."""

    data: list[RefillView]
    next_cursor: str | None


@router.get("/auto-refill", responses=responses(404, 502))
def read_auto_refill(house: InHouse, caller: Reader) -> RefillSettingView:
    """Return the rule and how it stands, with the wording to consent to."""
    return _view(house, caller, payments_of(house).refills.setting(caller.account))


@router.put("/auto-refill", responses=responses(404, 409, 413, 502))
def write_auto_refill(request: RefillSettingRequest, house: InHouse, caller: Keeper) -> RefillSettingView:
    """Save the rule; the account is mailed. Turning it off needs no consent.

    If the balance is at or below the threshold already, saving charges at once: it is refused with
    `refill_charges_now` unless `charge_now` says that this is wanted. A rule without `cap` whose `amount` may have to
    be charged many times in a row is refused with `refill_chains` unless `accept_chain` says so. Saving ends a pause.
    """
    refills = payments_of(house).refills
    terms = Terms(
        enabled=request.enabled,
        threshold=read_euros(request.threshold, field="threshold"),
        amount=read_euros(request.amount, field="amount"),
        cap=None if request.cap is None else read_euros(request.cap, field="cap"),
    )
    locale = request.language or _locale(house, caller)
    consent = Consent(version=request.consent or "", text=consent_text(house, locale))
    saved = refills.save(
        caller.account,
        terms,
        consent=consent,
        by=caller.actor,
        locale=locale,
        charge_now=request.charge_now,
        accept_chain=request.accept_chain,
    )
    return _view(house, caller, saved)


@router.post("/auto-refill/resume", responses=responses(404, 409, 502))
def resume_auto_refill(house: InHouse, caller: Keeper) -> RefillSettingView:
    """End a pause or a wait. If the balance is low, a refill follows at once."""
    return _view(house, caller, payments_of(house).refills.resume(caller.account, by=caller.actor))


@router.get("/refills", responses=responses(404, 502))
def read_refills(
    house: InHouse,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> RefillPage:
    """Return the refills the rule began, newest first."""
    found = payments_of(house).refills.refills(caller.account, limit=limit + 1, before=_cursor(cursor))
    page = [_refill_view(each) for each in found[:limit]]
    return RefillPage(data=page, next_cursor=page[-1].id if len(found) > limit else None)


def consent_text(house: House, locale: str) -> str:
    """Return what a person agrees to, in their language, as it is kept with the rule."""
    return catalogue.text(locale, "refill.consent", brand=house.brand)


def _view(house: House, caller: Caller, of: Setting | None) -> RefillSettingView:
    locale = _locale(house, caller)
    month = payments_of(house).refills.month_total(caller.account)
    look_at = None if of is None else of.look_at
    waits_until = to_text(look_at) if look_at is not None and look_at > house.clock.now() else None
    paused = None
    if of is not None and of.paused is not None and of.paused_at is not None:
        message = catalogue.text(locale, f"refill_pause.{of.paused.value}")
        paused = PauseView(reason=of.paused.value, message=message, at=to_text(of.paused_at))
    return RefillSettingView(
        enabled=of is not None and of.enabled,
        threshold=None if of is None else write_cents(of.threshold),
        amount=None if of is None else write_cents(of.amount),
        cap=None if of is None or of.cap is None else write_cents(of.cap),
        month=write_cents(month),
        chain=None if of is None else _chain_view(of),
        paused=paused,
        waits_until=waits_until,
        consent=ConsentView(version=CONSENT_VERSION, text=consent_text(house, locale)),
    )


def _chain_view(of: Setting) -> ChainView | None:
    chain = chain_of(of.threshold, of.amount)
    if chain is None:
        return None
    enough = None if chain.enough is None else write_cents(chain.enough)
    return ChainView(refills=chain.refills, total=write_cents(chain.total), enough=enough)


def trigger_name(of: Refill) -> str:
    """Return what led to a refill: the call's id, or a word."""
    return f"call_{body(RefillId(of.trigger))}" if is_id(of.trigger, "hold") else of.trigger


def _refill_view(of: Refill) -> RefillView:
    return RefillView(
        id=of.id,
        state=of.state.value,
        trigger=trigger_name(of),
        balance=write(of.balance),
        threshold=write_cents(of.threshold),
        amount=write_cents(of.amount),
        purchase=of.purchase_id,
        because=of.because,
        created_at=to_text(of.created_at),
        ended_at=None if of.ended_at is None else to_text(of.ended_at),
    )


def _locale(house: House, caller: Caller) -> str:
    return locale_of(billing_of(house).customer(caller.account))


def _cursor(text: str | None) -> RefillId | None:
    if text is None:
        return None
    if not is_id(text, "refill"):
        reason = "pass the next_cursor of the page before"
        raise RequestInvalid(f"cursor: {reason}.", fields=[{"field": "cursor", "reason": reason}])
    return RefillId(text)
