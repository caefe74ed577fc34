"""The rules of a purchase: pure decisions, no clock, no database, no Stripe.

`decide(record, invoice, now)` looks at what we recorded and at what Stripe says this moment, and answers with the one
next step. Whoever runs it (the buyer's request, a webhook, the poller) after whatever crash does that step, records
it, reads again and asks again, until there is nothing to do or to wait for.

P1  money first: an invoice of ours that is paid, equals the purchase and is covered by a payment becomes credits,
    whatever we had wanted before.
P2  nothing is paid before the open invoice equals the purchase; one that differs is voided and an alarm is raised.
P3  a purchase ends as failed or void only when its invoice is void, deleted or was never made: nobody can pay it later.
P4  a purchase interrupted before money was asked for is carried on with for a while, then voided, never forgotten.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ileen.base.clock import Instant
from ileen.base.ids import AccountId, LotId, PurchaseId, RefillId
from ileen.payments.model import ENDED, Policy, PurchaseState
from ileen.payments.stripe import Decline, Intent, Invoice
from ileen.payments.stripe.decline import decline_of

CURRENCY: Final = "eur"
_BEFORE_OPEN: Final = frozenset({PurchaseState.QUOTED, PurchaseState.CREATED, PurchaseState.INVOICED})
_BEFORE_LINE: Final = frozenset({PurchaseState.QUOTED, PurchaseState.CREATED})


class Step(StrEnum):
    """What to do next. KNOW, NOTE, CLOSE, END and TAKE only write down; the others call Stripe or the ledger."""

    NOTHING = "nothing"
    WAIT = "wait"
    CREATE = "create"
    KNOW = "know"
    ADD_LINE = "item"
    FINALIZE = "finalize"
    NOTE = "note"
    PAY = "pay"
    PAY_AGAIN = "pay_again"
    CLOSE = "close"
    VOID = "void"
    DELETE = "delete"
    END = "end"
    TAKE = "take"
    SETTLE = "settle"


class Record(Struct, frozen=True, kw_only=True):
    """A purchase as recorded; one field per column of its table. `closing` is the end already decided on, if any.

    `refill_id` names the attempt of the auto-refill rule that began it: then nobody is there to confirm anything.
    """

    id: PurchaseId
    account_id: AccountId
    state: PurchaseState
    closing: PurchaseState | None = None
    because: str | None = None
    alarm: str | None = None
    version: int
    net: int
    vat: int
    total: int
    rate: str | None
    reason: str
    country: str | None
    customer: str
    card: str
    card_name: str
    email: str
    locale: str
    by: str | None
    evidence: str
    invoice_id: str | None = None
    invoice_number: str | None = None
    intent_id: str | None = None
    attempt: int = 0
    attempted_at: Instant | None = None
    decline_code: str | None = None
    action_until: Instant | None = None
    lot_id: LotId | None = None
    leased_until: Instant
    look_at: Instant | None
    created_at: Instant
    paid_at: Instant | None = None
    ended_at: Instant | None = None
    refill_id: RefillId | None = None

    @property
    def gives_way(self) -> bool:
        """Whether it is a refill that waits for the bank: whoever buys by hand meanwhile need not wait with it."""
        return self.refill_id is not None and self.state is PurchaseState.ACTION_REQUIRED


class Decision(Struct, frozen=True, kw_only=True):
    """The next step; `state` is where NOTE, CLOSE and END lead, the rest is written down with it."""

    step: Step
    state: PurchaseState | None = None
    because: str | None = None
    decline: Decline | None = None
    alarm: str | None = None


def decide(record: Record, invoice: Invoice | None, *, now: Instant, policy: Policy) -> Decision:
    """Return the next step. `invoice` is a fresh read; None means Stripe has none for this purchase."""
    if record.state is PurchaseState.SETTLED:
        return Decision(step=Step.NOTHING)
    if invoice is not None and invoice.status == "paid":
        return _paid(record, invoice)
    if record.state is PurchaseState.PAID:  # nothing leaves paid at Stripe: this read is older than the last one
        return Decision(step=Step.WAIT)
    if record.state in ENDED:
        return _leftover(record, invoice)
    if invoice is None:
        return _absent(record, late=_late(record, now, policy))
    if record.invoice_id is None:
        return Decision(step=Step.KNOW)
    match invoice.status:
        case "void":
            return _end(record, "voided_at_stripe")
        case "draft":
            return _draft(record, invoice, late=_late(record, now, policy))
        case _:
            return _open(record, invoice, now, policy)


def differences(record: Record, invoice: Invoice) -> list[str]:
    """Compare a finalized invoice with its purchase; name each difference. None: it is exactly what was agreed."""
    pairs: Iterable[tuple[str, object, object]] = (
        ("purchase", invoice.purchase_id, record.id),
        ("customer", invoice.customer, record.customer),
        ("currency", invoice.currency, CURRENCY),
        ("tax calculation", invoice.tax_status, "complete"),
        ("subtotal", invoice.subtotal, record.net),
        ("tax", invoice.tax, record.vat),
        ("total", invoice.total, record.total),
        ("amount due", invoice.amount_due, record.total),
        ("automatic collection", invoice.auto_advance, False),
    )
    found = [f"{name} is {is_}, not {should}" for name, is_, should in pairs if is_ != should]
    return found + _line_differences(record, invoice)


def is_covered(invoice: Invoice) -> bool:
    """Tell whether payments cover the whole invoice. Paid from a balance, or marked paid by hand, it is not."""
    paid = sum(each.amount for each in invoice.payments if each.status == "paid" and each.intent_id)
    return invoice.amount_remaining == 0 and paid >= invoice.total > 0


def _paid(record: Record, invoice: Invoice) -> Decision:
    if record.state is PurchaseState.PAID:
        return Decision(step=Step.SETTLE)
    found = differences(record, invoice)
    if not is_covered(invoice):
        found.append("no payment covers it")
    if not found:
        return Decision(step=Step.TAKE)
    if record.state in ENDED and record.alarm is not None:
        return Decision(step=Step.NOTHING)
    alarm = f"invoice {invoice.id} is paid, but: {'; '.join(found)}"
    return Decision(step=Step.END, state=PurchaseState.FAILED, because="paid_otherwise", alarm=alarm)


def _leftover(record: Record, invoice: Invoice | None) -> Decision:
    """Say what to do about an invoice that turns up, unpaid, after its purchase has ended."""
    if invoice is None or invoice.status == "void":
        return Decision(step=Step.NOTHING)
    if record.invoice_id is None:
        return Decision(step=Step.KNOW)
    return Decision(step=Step.DELETE if invoice.status == "draft" else Step.VOID)


def _absent(record: Record, *, late: bool) -> Decision:
    if record.invoice_id is not None:
        return _end(record, "deleted_at_stripe")
    if record.closing is not None or late:
        return _end(record, "took_too_long")
    return Decision(step=Step.CREATE)


def _draft(record: Record, invoice: Invoice, *, late: bool) -> Decision:
    if record.closing is not None:
        return Decision(step=Step.DELETE)
    if late:
        return Decision(step=Step.CLOSE, state=PurchaseState.VOID, because="took_too_long")
    if not invoice.lines:
        return Decision(step=Step.ADD_LINE)
    # Before it takes a number, which an invoice keeps even when voided.
    if found := _line_differences(record, invoice):
        return _differs(invoice, found)
    if record.state in _BEFORE_LINE:
        return Decision(step=Step.NOTE, state=PurchaseState.INVOICED)
    return Decision(step=Step.FINALIZE)


def _open(record: Record, invoice: Invoice, now: Instant, policy: Policy) -> Decision:
    if record.closing is not None:
        return Decision(step=Step.VOID)
    if invoice.status == "uncollectible":
        return Decision(step=Step.CLOSE, state=PurchaseState.VOID, because="uncollectible_at_stripe")
    if found := differences(record, invoice):
        return _differs(invoice, found)
    if record.state in _BEFORE_OPEN:
        return Decision(step=Step.NOTE, state=PurchaseState.FINALIZED)
    status = invoice.intent.status if invoice.intent else "requires_payment_method"
    decline = _decline(record, invoice.intent)
    if status in {"processing", "succeeded", "requires_capture"}:
        return _stay(record, PurchaseState.PROCESSING)
    if status == "requires_action" or (decline is not None and decline.wants_action):
        return _action(record, now)
    if decline is not None:
        return Decision(step=Step.CLOSE, state=PurchaseState.FAILED, because="declined", decline=decline)
    return _untried(record, now, policy)


def _action(record: Record, now: Instant) -> Decision:
    if record.state is PurchaseState.ACTION_REQUIRED and record.action_until is not None and now >= record.action_until:
        decline = decline_of("payment_intent_authentication_failure")
        return Decision(step=Step.CLOSE, state=PurchaseState.FAILED, because="not_confirmed", decline=decline)
    return _stay(record, PurchaseState.ACTION_REQUIRED)


def _untried(record: Record, now: Instant, policy: Policy) -> Decision:
    """Go on where Stripe shows no trace of an attempt to pay."""
    if record.state is PurchaseState.ACTION_REQUIRED:
        return _action(record, now)
    if record.state is PurchaseState.PROCESSING:  # the bank has ended it and does not say why
        return Decision(step=Step.CLOSE, state=PurchaseState.FAILED, because="declined", decline=decline_of("generic"))
    if _late(record, now, policy):
        return Decision(step=Step.CLOSE, state=PurchaseState.VOID, because="took_too_long")
    if record.state is PurchaseState.PAYING and record.attempted_at is not None:
        same = now - record.attempted_at < policy.same_key_us
        return Decision(step=Step.PAY_AGAIN if same else Step.PAY)
    return Decision(step=Step.PAY)


def _decline(record: Record, intent: Intent | None) -> Decline | None:
    """Return how the last attempt failed: what Stripe says now, else what it answered when we asked."""
    if intent is not None and intent.decline is not None:
        return intent.decline
    return decline_of(record.decline_code) if record.decline_code is not None else None


def _line_differences(record: Record, invoice: Invoice) -> list[str]:
    if len(invoice.lines) != 1 or invoice.lines_more:
        return [f"it has {len(invoice.lines)} lines, not 1"]
    amount = invoice.lines[0].amount
    return [] if amount == record.net else [f"its line is over {amount}, not {record.net}"]


def _differs(invoice: Invoice, found: list[str]) -> Decision:
    alarm = f"invoice {invoice.id} differs from its purchase: {'; '.join(found)}"
    return Decision(step=Step.CLOSE, state=PurchaseState.VOID, because="invoice_differs", alarm=alarm)


def _stay(record: Record, state: PurchaseState) -> Decision:
    if record.state is state:
        return Decision(step=Step.WAIT)
    return Decision(step=Step.NOTE, state=state)


def _end(record: Record, because: str) -> Decision:
    if record.closing is not None:
        return Decision(step=Step.END, state=record.closing, because=record.because)
    return Decision(step=Step.END, state=PurchaseState.VOID, because=because)


def _late(record: Record, now: Instant, policy: Policy) -> bool:
    return now - record.created_at >= policy.resume_us
