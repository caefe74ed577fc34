"""The rules of refunds: pure, no clock, no database, no Stripe.

R1  what can go back of a purchase is what is left of its lot, neither held nor frozen, in whole cents: never bonus
    credits, never what was spent, never what went back already.
R2  VAT goes back in proportion, counted over all refunds of the purchase together, as near as Stripe's rounding of each
    credit note allows: the last cent of credits takes the last cent of VAT, however many parts there were.
R3  credits follow the net alone: VAT that goes back takes no credits.
R4  a refund ends in one of two ways: the money has gone and the credits with it, or neither has.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from ileen.base.clock import SECOND, Instant
from ileen.ledger.model import Lot, Wallet
from ileen.payments.amounts import credits_of
from ileen.payments.refunds.model import (
    BY_PAYER,
    ENDED,
    IN_VAIN,
    Origin,
    Refund,
    Refundable,
    RefundPolicy,
    RefundState,
)
from ileen.payments.rules import Record
from ileen.payments.stripe.returns import Note, Refunded

_CENT_NANO: Final = credits_of(1)


class Do(StrEnum):
    """What to do next about a refund. KNOW and CLOSE only write down; the others call the ledger or Stripe."""

    NOTHING = "nothing"
    WAIT = "wait"
    SET_ASIDE = "set_aside"
    KNOW = "know"
    SEND = "send"
    TAKE = "take"
    CLOSE = "close"
    GIVE_BACK = "give_back"


def decide(refund: Refund, note: Note | None, back: Refunded | None) -> Do:
    """Return the next step. `note` and `back` are fresh reads of its credit note and refund at Stripe, if there are."""
    gone = back is None or back.stands
    if refund.state in IN_VAIN:
        return Do.NOTHING
    if refund.closing is not None:
        return Do.GIVE_BACK
    match refund.state:
        case RefundState.REQUESTED:
            return Do.SET_ASIDE
        case RefundState.HELD:
            return Do.WAIT
        case RefundState.APPROVED:
            return Do.SEND if note is None else Do.KNOW
        case RefundState.SENT if gone:
            pending = back is not None and back.status != "succeeded"
            return Do.WAIT if pending else Do.TAKE
        case _:
            return Do.NOTHING if gone else Do.CLOSE


def survey(record: Record, lot: Lot, wallet: Wallet, refunds: Iterable[Refund], *, until: Instant, now: Instant,
           disputed: bool, lost: int) -> Refundable:  # fmt: skip
    """Return what can go back of a settled purchase. `lost` is what disputes removed of its lot (nano-credits)."""
    assert record.paid_at is not None, "a settled purchase was paid"
    known = [each for each in refunds if counts(each)]
    removed = sum(each.frozen for each in known if each.state is RefundState.DONE) + lost
    loose = lot.left - lot.frozen
    free = max(wallet.settled - wallet.held + wallet.debt, 0)
    room = min(loose, free)
    creditable = record.net - sum(each.net for each in known)
    return Refundable(
        purchase=record.id,
        lot=lot.id,
        number=record.invoice_number,
        net=record.net,
        vat=record.vat,
        total=record.total,
        paid_at=record.paid_at,
        until=until,
        open=now < until + SECOND,
        disputed=disputed,
        used=lot.amount - lot.left - removed,
        held=loose - room,
        frozen=lot.frozen,
        refunded=sum(each.net for each in known if each.state is RefundState.DONE),
        refundable=0 if disputed else max(min(room // _CENT_NANO, creditable), 0),
    )


def counts(refund: Refund) -> bool:
    """Tell whether a refund stands: its money has gone or is going, or its credit note was issued all the same."""
    return refund.state not in IN_VAIN or refund.note_id is not None


def vat_of(record: Record, refunds: Iterable[Refund], net: int) -> int:
    """Return the VAT that goes back with `net` more cents of a purchase, after all that went back before (R2)."""
    known = [each for each in refunds if counts(each)]
    net_then = sum(each.net for each in known) + net
    return max(_part(record.vat, net_then, record.net) - sum(each.vat for each in known), 0)


def vat_left(record: Record, refunds: Iterable[Refund]) -> int:
    """Return what has not gone back of a purchase's VAT."""
    return record.vat - sum(each.vat for each in refunds if counts(each))


def net_of(record: Record, refunds: Iterable[Refund], total: int) -> int:
    """Return what of a refund that names only its total is credits: in proportion, the rest with the last cent (R3)."""
    known = [each for each in refunds if counts(each)]
    total_then = sum(each.total for each in known) + total
    return max(_part(record.net, min(total_then, record.total), record.total) - sum(each.net for each in known), 0)


def needed(origin: Origin, total: int, *, is_open: bool, policy: RefundPolicy) -> int:
    """Return how many people must approve a refund; whoever begins it for the operator is one of them.

    A letter always needs one: its writer has not signed in, and could be anybody who knows when somebody bought.
    """
    if origin in {Origin.DASHBOARD, Origin.FRAUD_WARNING}:
        return 0
    many = policy.four_eyes_above is not None and total > policy.four_eyes_above
    known = origin in BY_PAYER and origin is not Origin.LETTER
    if known and is_open and policy.automatic and not many:
        return 0
    return 2 if many else 1


def under_way(refunds: Iterable[Refund]) -> list[Refund]:
    """Return the refunds that have not ended."""
    return [each for each in refunds if each.state not in ENDED]


def _part(whole: int, of: int, base: int) -> int:
    """Return `whole` times `of` over `base`, rounded half up once."""
    return (2 * whole * of + base) // (2 * base)
