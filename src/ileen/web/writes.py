"""The endpoints that move credits: holds, captures, voids and charges after the fact.

Owns: the order of their steps. Each ends in exactly one ledger command, whose idempotency key is the caller's.
Refuses to know: how the ledger decides. A repeated request answers as the first did and is marked as replayed.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from ileen.base.clock import SECOND
from ileen.base.errors import RequestInvalid
from ileen.base.ids import HoldId
from ileen.base.money import parse
from ileen.ledger.model import Authorize, Capture, Charge, Receipt, Void
from ileen.pricing import Tariff
from ileen.web import views
from ileen.web.house import House, InHouse, KeyCaller, SpendCaller
from ileen.web.models import (
    CaptureRequest,
    ChargeAnswer,
    ChargeRequest,
    HoldAnswer,
    HoldRequest,
    VoidRequest,
)
from ileen.web.problems import responses

router = APIRouter(prefix="/v1", tags=["credits"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Your name for this intent. The same key with the same content is answered as the first time.",
        examples=["build-42-step-7"],
    ),
]
AnyId = Annotated[
    str, Path(description="`hold_…` or `call_…`", examples=["hold_01KB2Z8M6T0000000000000000"], max_length=64)
]


@router.post("/holds", status_code=201, responses=responses(402, 409, 413))
def create_hold(
    request: HoldRequest, house: InHouse, caller: SpendCaller, response: Response, key: IdempotencyKey = None
) -> HoldAnswer:
    """Set credits aside before a call.

    Name an amount, or a model with the most tokens the call can take: then the upper bound of its charge is held,
    with today's prices pinned for the capture.
    """
    attribution = house.quotes.attribution(caller.key, request)
    name = _key("authorize", key, house)

    def command(first: Tariff | None) -> Authorize:
        if request.amount is not None:
            tariff = first or house.quotes.pin_if_priced(attribution)
            amount = parse(request.amount)
        else:
            assert request.input_tokens is not None and request.output_tokens is not None
            tariff = first or house.quotes.pin(attribution)
            amount = tariff.bound(input_tokens=request.input_tokens, output_tokens=request.output_tokens)
        return Authorize(
            wallet=caller.wallet,
            key=name,
            hold=HoldId(house.ids.mint("hold")),
            amount=amount,
            at_least=_at_least(request, amount),
            lifetime_us=(request.lifetime_s or house.hold_lifetime_s) * SECOND,
            attribution=attribution,
            tariff=tariff.id if tariff else None,
        )

    with _behind_gate(house, caller):
        receipt = _mark(response, house.quotes.run_repeatable(caller.wallet, name, command))
    return views.hold_answer(house.ledger.hold(caller.wallet, HoldId(receipt.ref)), receipt)


@router.post("/holds/{id}/capture", responses=responses(404, 409, 413))
def capture_hold(
    id: AnyId,  # noqa: A002  # the path's own word
    request: CaptureRequest,
    house: InHouse,
    caller: SpendCaller,
    response: Response,
    key: IdempotencyKey = None,
) -> ChargeAnswer:
    """Take what a completed call cost and free the rest of its hold.

    With `usage`, the charge is calculated with the prices pinned when the hold was made. A hold that has expired in
    the meantime can still be captured, once.
    """
    hold = house.ledger.hold(caller.wallet, views.hold_id(id))
    amount, usage = house.quotes.measure(request, house.quotes.tariff_of(hold) if request.usage else None)
    name = f"capture:{hold.id}" if key is None else _key("capture", key, house)
    command = Capture(wallet=caller.wallet, key=name, hold=hold.id, amount=amount, usage=usage)
    return views.charge_answer(_mark(response, house.ledger.run(command)))


@router.post("/holds/{id}/void", responses=responses(404, 409, 413))
def void_hold(
    id: AnyId,  # noqa: A002  # the path's own word
    house: InHouse,
    caller: SpendCaller,
    response: Response,
    request: VoidRequest | None = None,
    key: IdempotencyKey = None,
) -> HoldAnswer:
    """Free a whole hold: the call did not complete."""
    hold_id = views.hold_id(id)
    name = f"void:{hold_id}" if key is None else _key("void", key, house)
    reason = (request.reason if request else None) or "voided by the application"
    receipt = _mark(response, house.ledger.run(Void(wallet=caller.wallet, key=name, hold=hold_id, reason=reason)))
    return views.hold_answer(house.ledger.hold(caller.wallet, hold_id), receipt)


@router.post("/charges", status_code=201, responses=responses(402, 409, 413))
def create_charge(
    request: ChargeRequest, house: InHouse, caller: SpendCaller, response: Response, key: IdempotencyKey = None
) -> ChargeAnswer:
    """Book a call that already happened: from the available credits, then as bounded debt.

    Send an `Idempotency-Key`, for example the provider's request id, so that a repeated report is booked once.
    """
    attribution = house.quotes.attribution(caller.key, request)
    name = _key("charge", key, house)

    def command(first: Tariff | None) -> Charge:
        tariff = (first or house.quotes.pin(attribution)) if request.usage else None
        amount, usage = house.quotes.measure(request, tariff)
        return Charge(
            wallet=caller.wallet,
            key=name,
            hold=HoldId(house.ids.mint("hold")),
            amount=amount,
            attribution=attribution,
            tariff=tariff.id if tariff else None,
            usage=usage,
        )

    with _behind_gate(house, caller):
        receipt = _mark(response, house.quotes.run_repeatable(caller.wallet, name, command))
    return views.charge_answer(receipt)


def _behind_gate(house: House, caller: KeyCaller) -> AbstractContextManager[None]:
    return nullcontext() if house.gate is None else house.gate.passage(caller.account)


def _key(operation: str, header: str | None, house: House) -> str:
    """Name a command by the caller's key, apart from the names that Ileen gives by itself; else afresh."""
    return f"{operation}:{house.ids.mint('req')}" if header is None else f"{operation}:key:{header}"


def _at_least(request: HoldRequest, amount: int) -> int | None:
    if request.at_least is None:
        return None
    at_least = parse(request.at_least, field="at_least")
    if at_least > amount:
        reason = "it must not be more than what the hold asks for"
        raise RequestInvalid(f"at_least: {reason}.", fields=[{"field": "at_least", "reason": reason}])
    return at_least


def _mark(response: Response, receipt: Receipt) -> Receipt:
    if receipt.replayed:
        response.headers["Ileen-Replayed"] = "true"
    return receipt
