"""What Stripe says, as far as we read it: frozen values with our own names. Money is whole cents.

Owns: the types. Refuses to know: the SDK.
"""

from msgspec import Struct

from ileen.payments.stripe.decline import Decline


class Tax(Struct, frozen=True, kw_only=True):
    """One tax of an invoice. `reason` is Stripe's taxability reason, `rate_id` names the rate."""

    amount: int
    taxable: int
    reason: str
    rate_id: str | None


class Line(Struct, frozen=True, kw_only=True):
    """One line of an invoice, before tax."""

    id: str
    amount: int
    description: str


class PaidBy(Struct, frozen=True, kw_only=True):
    """A payment towards an invoice: `status` is open, paid or canceled, `amount` what was paid so far."""

    id: str
    status: str
    amount: int
    intent_id: str | None


class Intent(Struct, frozen=True, kw_only=True):
    """The payment Stripe is trying to make for an invoice, and how its last attempt went."""

    id: str
    status: str
    decline: Decline | None


class Invoice(Struct, frozen=True, kw_only=True):
    """An invoice, or the preview of one. `intent` is read for open invoices only."""

    id: str
    status: str
    live: bool
    customer: str | None
    purchase_id: str | None
    number: str | None
    currency: str
    subtotal: int
    total: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    taxes: tuple[Tax, ...]
    tax_status: str | None
    country: str | None
    auto_advance: bool
    lines: tuple[Line, ...]
    lines_more: bool
    payments: tuple[PaidBy, ...]
    intent: Intent | None
    hosted_url: str | None
    pdf_url: str | None
    created_s: int
    paid_s: int | None

    @property
    def tax(self) -> int:
        """All taxes together."""
        return sum(each.amount for each in self.taxes)
