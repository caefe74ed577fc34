"""From the ledger's types to answers. Owns: nothing but the translation. Refuses to know: who asks."""

from ileen.base.clock import Instant, to_text
from ileen.base.errors import NotFound
from ileen.base.ids import HoldId, body, is_id
from ileen.base.money import write
from ileen.ledger.model import Attribution as LedgerAttribution
from ileen.ledger.model import Entry, Hold, Receipt, Wallet
from ileen.ledger.reads import Call
from ileen.web import models
from ileen.web.records import read_record


def hold_id(text: str, *, what: str = "hold") -> HoldId:
    """Read `hold_…` or `call_…`, which name the same thing. Raises: NotFound for anything else."""
    if is_id(text, "hold") or is_id(text, "call"):
        return HoldId("hold_" + body(text))
    raise NotFound(what=what, id=text[:64])


def call_id(hold: str) -> str:
    """Return the id of the call a hold was made for."""
    return "call_" + body(hold)


def balance(receipt: Receipt) -> models.Balance:
    """Return the wallet right after a command."""
    return models.Balance(
        settled=write(receipt.settled),
        held=write(receipt.held),
        available=write(receipt.available),
        frozen=write(receipt.frozen),
        debt=write(receipt.debt),
    )


def wallet(of: Wallet) -> models.WalletView:
    """Return a wallet with its totals."""
    return models.WalletView(
        id=of.id,
        settled=write(of.settled),
        held=write(of.held),
        available=write(of.available),
        frozen=write(of.frozen),
        debt=write(of.debt),
        spent=write(of.spent),
        purchased=write(of.purchased),
        bonus=write(of.bonus),
        time_zone=of.time_zone,
    )


def hold(of: Hold) -> models.HoldView:
    """Return a hold."""
    return models.HoldView(
        id=of.id,
        call=call_id(of.id),
        amount=write(of.amount),
        state=of.state.value,
        captured=_optional(of.captured),
        created_at=to_text(of.created_at),
        expires_at=to_text(of.expires_at),
        closed_at=_moment(of.closed_at),
        reason=of.reason,
        attribution=attribution(of.attribution),
    )


def hold_answer(of: Hold, receipt: Receipt) -> models.HoldAnswer:
    """Return a hold and the wallet right after the command about it."""
    return models.HoldAnswer(**hold(of).model_dump(), wallet=balance(receipt))


def charge_answer(receipt: Receipt) -> models.ChargeAnswer:
    """Return what a capture or a charge came to."""
    return models.ChargeAnswer(
        id=receipt.ref,
        call=call_id(receipt.ref),
        charge=write(receipt.amount),
        overrun=write(receipt.overrun),
        borrowed=write(receipt.borrowed),
        absorbed=write(receipt.absorbed),
        wallet=balance(receipt),
    )


def call(of: Call) -> models.CallView:
    """Return a call."""
    held = of.hold
    ended = held.closed_at
    record = read_record(of.record)
    return models.CallView(
        id=call_id(held.id),
        hold=held.id,
        state=held.state.value,
        held=write(held.amount),
        charge=_optional(of.charge),
        input_tokens=of.input_tokens,
        output_tokens=of.output_tokens,
        provider_request_id=of.provider_request_id,
        created_at=to_text(held.created_at),
        closed_at=_moment(ended),
        duration_ms=None if ended is None else (ended - held.created_at) // 1000,
        surface=record.surface,
        tokens=record.tokens.classes() if record.tokens else {},
        answered_model=record.answered_model,
        streamed=record.streamed,
        started_at=record.started_at,
        first_chunk_at=record.first_chunk_at,
        ended_at=record.ended_at,
        reason=held.reason,
        tariff=held.tariff,
        attribution=attribution(held.attribution),
    )


def entry(of: Entry) -> models.EntryView:
    """Return a journal entry."""
    return models.EntryView(
        seq=of.seq,
        at=to_text(of.at),
        kind=of.kind,
        debit=of.debit.value,
        credit=of.credit.value,
        amount=write(of.amount),
        ref=of.ref,
        settled=write(of.settled),
        held=write(of.held),
        frozen=write(of.frozen),
        debt=write(of.debt),
        key=of.key,
        note=of.note,
        hash=of.hash.hex(),
    )


def attribution(of: LedgerAttribution) -> models.Attribution:
    """Return who spent and what for."""
    return models.Attribution(
        api_key=of.api_key,
        mode=of.mode,
        activity=of.activity,
        run=of.run,
        parent_run=of.parent_run,
        provider=of.provider,
        model=of.model,
    )


def _optional(nano: int | None) -> str | None:
    return None if nano is None else write(nano)


def _moment(instant: Instant | None) -> str | None:
    return None if instant is None else to_text(instant)
