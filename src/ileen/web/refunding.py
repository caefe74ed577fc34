"""The endpoints of refunds: what can go back, a quote, asking for it, how it stands, its credit note.

Owns: the paths, and what requests and answers look like. Refuses to know: what is refundable.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ileen.accounts.model import INVOICES_READ, WITHDRAW
from ileen.base.clock import to_text
from ileen.base.errors import NotFound, RequestInvalid
from ileen.base.ids import RefundId, is_id
from ileen.base.money import write
from ileen.payments.amounts import read_euros, read_total, write_cents
from ileen.payments.refunds.model import Origin, Refund, Refundable, RefundQuote, Step
from ileen.web.buying import AnyPurchase, Cursor, PurchaseKey, payments_of, purchase_id
from ileen.web.house import Caller, InHouse, needs
from ileen.web.models import Moment, Request
from ileen.web.money import Euros
from ileen.web.problems import responses

router = APIRouter(prefix="/v1", tags=["refunds"])

Reader = Annotated[Caller, Depends(needs(INVOICES_READ))]
Withdrawer = Annotated[Caller, Depends(needs(WITHDRAW))]
Amount = Annotated[str, StringConstraints(max_length=20)]
AnyRefund = Annotated[str, Path(max_length=64, examples=["ref_01KB2Z8M6T0000000000000000"])]
State = Literal["requested", "held", "approved", "sent", "done", "changed", "denied", "failed"]


class RefundableView(BaseModel):
    """What can go back of one purchase. `used` and `held` are credits, the rest euros before VAT."""

    purchase: str
    number: str | None
    paid: Euros
    used: str = Field(examples=["43.80"])
    held: str = Field(description="Reserved for calls under way.", examples=["0.40"])
    refunded: Euros
    refundable: Euros
    until: Moment
    open: bool = Field(description="Whether the payer can still ask for it.")
    disputed: bool


class RefundableList(BaseModel):
    """The newest settled purchases, newest first."""

    data: list[RefundableView]


class RefundQuoteRequest(Request):
    """How much to quote; left out, all that is left."""

    amount: Amount | None = Field(None, description="Euros before VAT.", examples=["5.21"])


class RefundQuoteView(BaseModel):
    """What a refund would give back now. Send `net` and `total` back to ask for it."""

    purchase: str
    net: Euros
    vat: Euros
    total: Euros
    card: str
    until: Moment


class RefundRequest(Request):
    """Ask for unused credits back, at the total that was quoted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"purchase": "pur_01KB2Z8M6T0000000000000000", "amount": "5.21", "total": "6.20"}]
        }
    )

    purchase: Annotated[str, StringConstraints(max_length=64)]
    amount: Amount = Field(description="Euros before VAT, the `net` of the quote.")
    total: Amount = Field(description="The `total` of the quote.")


class StepView(BaseModel):
    """One thing that happened to a refund."""

    at: Moment
    state: State
    step: str


class RefundView(BaseModel):
    """A refund. It has ended when `state` is done, changed, denied or failed."""

    id: str
    purchase: str
    state: State
    origin: Literal["app", "api", "withdrawal", "letter", "operator", "dashboard", "fraud_warning"]
    net: Euros
    vat: Euros
    total: Euros
    card: str
    credit_note: str | None = Field(description="Its number; the PDF is at `/v1/refunds/{id}/credit-note`.")
    because: str | None
    created_at: Moment
    ended_at: Moment | None
    steps: list[StepView] = Field(description="Empty in lists.")


class RefundPage(BaseModel):
    """Refunds, newest first."""

    data: list[RefundView]
    next_cursor: str | None


@router.get("/refundable", responses=responses(404, 502))
def read_refundable(house: InHouse, caller: Reader) -> RefundableList:
    """Return what can go back of each purchase, and until when."""
    found = payments_of(house).refunds.refundables(caller.account)
    return RefundableList(data=[_refundable_view(each) for each in found])


@router.post("/purchases/{id}/refund-quote", responses=responses(404, 409, 413, 502))
def create_refund_quote(
    id: AnyPurchase,  # noqa: A002  # the path's own word
    request: RefundQuoteRequest,
    house: InHouse,
    caller: Withdrawer,
) -> RefundQuoteView:
    """Say what a refund would give back now, by Stripe's calculation. Changes nothing."""
    cents = None if request.amount is None else read_euros(request.amount, field="amount")
    return _quote_view(payments_of(house).refunds.quote(caller.account, purchase_id(id), cents))


@router.post("/refunds", status_code=201, responses=responses(404, 409, 413, 502))
def create_refund(request: RefundRequest, house: InHouse, caller: Withdrawer, key: PurchaseKey) -> RefundView:
    """Ask for unused credits back, for exactly the total that was quoted. They stop working at once.

    If less is left by now, nothing happens and the answer is `refund_changed` with the new quote.
    """
    room = payments_of(house).refunds
    made = room.request(
        caller.account,
        purchase_id(request.purchase),
        read_euros(request.amount, field="amount"),
        total=read_total(request.total),
        key=f"api:{key}",
        by=caller.actor,
        origin=Origin.API,
    )
    return _refund_view(made, room.steps(made.id))


@router.get("/refunds", responses=responses(404, 502))
def read_refunds(
    house: InHouse,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> RefundPage:
    """Return the account's refunds, newest first, those made at Stripe among them."""
    if cursor is not None and not is_id(cursor, "ref"):
        reason = "pass the next_cursor of the page before"
        raise RequestInvalid(f"cursor: {reason}.", fields=[{"field": "cursor", "reason": reason}])
    before = None if cursor is None else RefundId(cursor)
    found = payments_of(house).refunds.refunds(caller.account, limit=limit + 1, before=before)
    page = [_refund_view(each, []) for each in found[:limit]]
    return RefundPage(data=page, next_cursor=page[-1].id if len(found) > limit else None)


@router.get("/refunds/{id}", responses=responses(404, 502))
def read_refund(id: AnyRefund, house: InHouse, caller: Reader) -> RefundView:  # noqa: A002  # the path's own word
    """Return a refund with everything that happened to it."""
    room = payments_of(house).refunds
    found = room.refund(caller.account, refund_id(id))
    return _refund_view(found, room.steps(found.id))


@router.get("/refunds/{id}/credit-note", status_code=307, response_class=Response, responses=responses(404, 502))
def read_credit_note(id: AnyRefund, house: InHouse, caller: Reader) -> Response:  # noqa: A002  # the path's own word
    """Lead to the PDF of a refund's credit note, at an address read at Stripe now."""
    url = payments_of(house).refunds.note_url(caller.account, refund_id(id))
    return Response(status_code=307, headers={"Location": url, "Cache-Control": "no-store"})


def refund_id(text: str) -> RefundId:
    """Read `ref_…`. Raises: NotFound for anything else."""
    if not is_id(text, "ref"):
        raise NotFound(what="refund", id=text[:64])
    return RefundId(text)


def _refundable_view(of: Refundable) -> RefundableView:
    return RefundableView(
        purchase=of.purchase,
        number=of.number,
        paid=write_cents(of.net),
        used=write(of.used),
        held=write(of.held),
        refunded=write_cents(of.refunded),
        refundable=write_cents(of.refundable),
        until=to_text(of.until),
        open=of.open,
        disputed=of.disputed,
    )


def _quote_view(of: RefundQuote) -> RefundQuoteView:
    return RefundQuoteView(
        purchase=of.purchase,
        net=write_cents(of.net),
        vat=write_cents(of.vat),
        total=write_cents(of.total),
        card=of.card_name,
        until=to_text(of.until),
    )


def _refund_view(of: Refund, steps: list[Step]) -> RefundView:
    return RefundView(
        id=of.id,
        purchase=of.purchase_id,
        state=of.state.value,
        origin=of.origin.value,
        net=write_cents(of.net),
        vat=write_cents(of.vat),
        total=write_cents(of.total),
        card=of.card_name,
        credit_note=of.note_number,
        because=of.because,
        created_at=to_text(of.created_at),
        ended_at=None if of.ended_at is None else to_text(of.ended_at),
        steps=[StepView(at=to_text(each.at), state=each.state.value, step=each.step) for each in steps],
    )
