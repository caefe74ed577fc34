"""Money that goes back, at Stripe: credit notes, refunds, disputes; read, previewed, and the one order we give.

Owns: the parameters of these calls and how answers become our own values. We order a refund in one way only, as a
credit note over the invoice's line with the refund in it, so that money, VAT and document are one step at Stripe.
Refuses to know: what is refundable, and our tables.
"""

from collections.abc import Iterator
from typing import Any, Final

import stripe as sdk
from msgspec import Struct

from ileen.base.errors import StripeRefused
from ileen.payments.stripe.client import Stripe, answered

METADATA: Final = "ileen_refund"
"""The name under which a credit note carries the id of our refund."""

_PAGE: Final = 100


class Refunded(Struct, frozen=True, kw_only=True):
    """A refund at Stripe: cents with VAT; `status` is pending, requires_action, succeeded, failed or canceled."""

    id: str
    amount: int
    status: str
    failure: str | None
    intent_id: str | None
    created_s: int

    @property
    def stands(self) -> bool:
        """Whether the money has gone or is going."""
        return self.status not in {"failed", "canceled"}


class Note(Struct, frozen=True, kw_only=True):
    """A credit note, or the preview of one, in cents. `refunds` are the ids of its refunds with their parts of it.

    `otherwise` is what it gives back without a refund; `refund` the id of ours, if we ordered it.
    """

    id: str
    number: str | None
    void: bool
    invoice_id: str
    net: int
    tax: int
    total: int
    refunds: tuple[tuple[str, int], ...]
    otherwise: int
    refund: str | None
    pdf_url: str | None
    created_s: int


class Disputed(Struct, frozen=True, kw_only=True):
    """A dispute at Stripe, cents with VAT. `withdrawn` is what the bank has of it now, without its fee."""

    id: str
    amount: int
    withdrawn: int
    status: str
    reason: str
    intent_id: str | None
    due_s: int | None
    created_s: int


class Part(Struct, frozen=True, kw_only=True):
    """What to credit of an invoice's one line: `net` cents of it, or so much that it comes to `total`."""

    invoice_id: str
    line_id: str
    net: int
    total: int | None = None


def preview(stripe: Stripe, part: Part) -> Note:
    """Ask what a credit note over a part would come to. Changes nothing. Raises: StripeRefused, StripeUnavailable."""
    with answered():
        found = stripe.client.v1.credit_notes.preview(_part(part))  # pyright: ignore[reportArgumentType]  # built below
    return _note(found)


def order(stripe: Stripe, part: Part, *, back: int, refund_id: str, memo: str, key: str) -> Note:
    """Issue a credit note over a part and have `back` cents refunded to the card that paid.

    Raises: StripeRefused, StripeUnavailable.
    """
    params: dict[str, Any] = {
        **_part(part),
        "refund_amount": back,
        "email_type": "none",  # Stripe would mail the payer by itself
        "memo": memo,
        "metadata": {METADATA: refund_id},
    }
    with answered():
        return _note(stripe.client.v1.credit_notes.create(params, {"idempotency_key": key}))  # pyright: ignore[reportArgumentType]  # built above


def refund(stripe: Stripe, refund_id: str) -> Refunded:
    """Read a refund. Raises: StripeRefused, StripeUnavailable."""
    with answered():
        return _refunded(stripe.client.v1.refunds.retrieve(refund_id))


def note(stripe: Stripe, note_id: str) -> Note:
    """Read a credit note, with an address of its PDF that is valid for some days."""
    with answered():
        return _note(stripe.client.v1.credit_notes.retrieve(note_id))


def dispute(stripe: Stripe, dispute_id: str) -> Disputed:
    """Read a dispute. Raises: StripeRefused, StripeUnavailable."""
    with answered():
        return _disputed(stripe.client.v1.disputes.retrieve(dispute_id))


def refunds_of(stripe: Stripe, intent_id: str) -> list[Refunded]:
    """Read the refunds of a payment, oldest first."""
    with answered():
        page = stripe.client.v1.refunds.list({"payment_intent": intent_id, "limit": _PAGE})
        return [_refunded(each) for each in reversed(list(page.auto_paging_iter()))]


def notes_of(stripe: Stripe, invoice_id: str) -> list[Note]:
    """Read the credit notes of an invoice, oldest first, voided ones too."""
    with answered():
        page = stripe.client.v1.credit_notes.list({"invoice": invoice_id, "limit": _PAGE})
        return [_note(each) for each in reversed(list(page.auto_paging_iter()))]


def disputes_of(stripe: Stripe, intent_id: str) -> list[Disputed]:
    """Read the disputes of a payment, oldest first."""
    with answered():
        page = stripe.client.v1.disputes.list({"payment_intent": intent_id, "limit": _PAGE})
        return [_disputed(each) for each in reversed(list(page.auto_paging_iter()))]


def refunds_listed(stripe: Stripe, *, since_s: int, until_s: int) -> Iterator[Refunded]:
    """Read all refunds made in a span of Unix seconds, `until_s` excluded, newest first."""
    with answered():
        page = stripe.client.v1.refunds.list({"created": {"gte": since_s, "lt": until_s}, "limit": _PAGE})
        for each in page.auto_paging_iter():
            yield _refunded(each)


def disputes_listed(stripe: Stripe, *, since_s: int, until_s: int) -> Iterator[Disputed]:
    """Read all disputes opened in a span of Unix seconds, `until_s` excluded, newest first."""
    with answered():
        page = stripe.client.v1.disputes.list({"created": {"gte": since_s, "lt": until_s}, "limit": _PAGE})
        for each in page.auto_paging_iter():
            yield _disputed(each)


def notes_listed(stripe: Stripe, *, since_s: int, until_s: int) -> Iterator[Note]:
    """Read all credit notes made in a span of Unix seconds, `until_s` excluded, newest first."""
    with answered():
        page = stripe.client.v1.credit_notes.list({"created": {"gte": since_s, "lt": until_s}, "limit": _PAGE})
        for each in page.auto_paging_iter():
            yield _note(each)


def try_preview(stripe: Stripe, part: Part) -> Note | None:
    """Do what `preview` does; None if Stripe refuses the part. Raises: StripeUnavailable."""
    try:
        return preview(stripe, part)
    except StripeRefused:
        return None


def _part(part: Part) -> dict[str, Any]:
    if part.total is not None:
        return {"invoice": part.invoice_id, "amount": part.total}
    line = {"type": "invoice_line_item", "invoice_line_item": part.line_id, "amount": part.net}
    return {"invoice": part.invoice_id, "lines": [line]}


def _refunded(found: sdk.Refund) -> Refunded:
    return Refunded(
        id=found.id,
        amount=found.amount,
        status=str(found.status),
        failure=getattr(found, "failure_reason", None),
        intent_id=_id(found.payment_intent),
        created_s=found.created,
    )


def _note(found: sdk.CreditNote) -> Note:
    parts = tuple((str(_id(each.refund)), each.amount_refunded) for each in found.refunds or ())
    return Note(
        id=found.id,
        number=getattr(found, "number", None),
        void=found.status == "void",
        invoice_id=str(_id(found.invoice)),
        net=found.subtotal,
        tax=found.total - found.subtotal,
        total=found.total,
        refunds=parts,
        otherwise=found.post_payment_amount - sum(amount for _, amount in parts),
        refund=_mark(found),
        pdf_url=getattr(found, "pdf", None),
        created_s=found.created,
    )


def _mark(found: sdk.CreditNote) -> str | None:
    return found.metadata[METADATA] if found.metadata and METADATA in found.metadata else None


def _disputed(found: sdk.Dispute) -> Disputed:
    return Disputed(
        id=found.id,
        amount=found.amount,
        withdrawn=-sum(each.amount for each in found.balance_transactions),
        status=str(found.status),
        reason=found.reason,
        intent_id=_id(found.payment_intent),
        due_s=getattr(found.evidence_details, "due_by", None),
        created_s=found.created,
    )


def _id(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(getattr(value, "id", ""))
