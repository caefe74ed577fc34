"""Invoices at Stripe: preview, create, fill, finalize, pay, void, and read back.

Owns: the parameters of these calls, the same in all places, and how answers become `model.Invoice`.
Everything Stripe would decide by an account's defaults is sent explicitly: whether it calculates tax, that prices are
before tax (EUR would be inclusive), that pending items of other origin stay out, that Stripe collects nothing by
itself, and that the payer is present.
"""

from collections.abc import Iterator
from typing import Final

import stripe as sdk
from msgspec.structs import replace

from ileen.base.errors import StripeRefused
from ileen.payments.stripe.client import Stripe, answered
from ileen.payments.stripe.decline import decline_of
from ileen.payments.stripe.model import Intent, Invoice, Line, PaidBy, Tax

CURRENCY: Final = "eur"
METADATA: Final = "ileen_purchase"
"""The name under which an invoice carries the id of its purchase."""

_QUOTED: Final = "quote"
_PAGE: Final = 100
_AWAITED: Final = frozenset({"open", "uncollectible"})


def preview(stripe: Stripe, *, customer: str, cents: int, description: str, tax_code: str) -> Invoice:
    """Ask what an invoice over `cents` before tax would come to today, with nothing else on it. Changes nothing.

    Raises: LocationInvalid, StripeRefused, StripeUnavailable.
    """
    with answered():
        found = stripe.client.v1.invoices.create_preview(
            {
                "customer": customer,
                "currency": CURRENCY,
                "automatic_tax": {"enabled": True},
                "invoice_items": [
                    {
                        "amount": cents,
                        "currency": CURRENCY,
                        "description": description,
                        "tax_behavior": "exclusive",
                        "tax_code": tax_code,
                        "metadata": {METADATA: _QUOTED},
                    }
                ],
            }
        )
    previewed = _invoice(found, payments=(), intent=None)
    return previewed if len(previewed.lines) == 1 else _alone(previewed, found)


def _alone(previewed: Invoice, found: sdk.Invoice) -> Invoice:
    """Leave only our line of a preview: pending items of other origin are in it, though they stay out of invoices."""
    ours = [each for each in found.lines.data if METADATA in each.metadata]
    assert len(ours) == 1, "a preview has the line that was asked for"
    taxes = tuple(_tax(each) for each in ours[0].taxes or ())
    total = ours[0].amount + sum(each.amount for each in taxes)
    line = tuple(each for each in previewed.lines if each.id == ours[0].id)
    return replace(previewed, subtotal=ours[0].amount, total=total, amount_due=total, taxes=taxes, lines=line)


def create(stripe: Stripe, *, customer: str, purchase_id: str, footer: str | None, key: str) -> str:
    """Create an empty draft and return its id. Raises: StripeRefused, StripeUnavailable."""
    params: sdk.params.InvoiceCreateParams = {
        "customer": customer,
        "currency": CURRENCY,
        "auto_advance": False,
        "collection_method": "charge_automatically",
        "automatic_tax": {"enabled": True},
        "pending_invoice_items_behavior": "exclude",
        "payment_settings": {"payment_method_types": ["card"]},
        "metadata": {METADATA: purchase_id},
    }
    if footer:
        params["footer"] = footer
    with answered():
        return stripe.client.v1.invoices.create(params, {"idempotency_key": key}).id


def add_line(
    stripe: Stripe, invoice_id: str, *, customer: str, cents: int, description: str, tax_code: str, key: str
) -> None:
    """Put the one line on a draft, `cents` before tax. Raises: StripeRefused, StripeUnavailable."""
    with answered():
        stripe.client.v1.invoice_items.create(
            {
                "customer": customer,
                "invoice": invoice_id,
                "currency": CURRENCY,
                "amount": cents,
                "description": description,
                "tax_behavior": "exclusive",
                "tax_code": tax_code,
                "discountable": False,
            },
            {"idempotency_key": key},
        )


def finalize(stripe: Stripe, invoice_id: str, *, key: str) -> None:
    """Give a draft its number, fix its tax, open it for payment.

    Raises: LocationInvalid, StripeRefused, StripeUnavailable.
    """
    with answered():
        stripe.client.v1.invoices.finalize_invoice(invoice_id, {"auto_advance": False}, {"idempotency_key": key})


def pay(stripe: Stripe, invoice_id: str, *, card: str, off_session: bool, key: str) -> None:
    """Charge a card of the customer; `off_session` says that the payer is not present.

    Raises: CardDeclined, StripeRefused, StripeUnavailable.
    Returning means that Stripe took the order, not that the invoice is paid: read it.
    """
    with answered():
        stripe.client.v1.invoices.pay(
            invoice_id, {"payment_method": card, "off_session": off_session}, {"idempotency_key": key}
        )


def void(stripe: Stripe, invoice_id: str, *, key: str) -> None:
    """Make an open invoice uncollectable for good; its number stays used. Raises: StripeRefused, StripeUnavailable."""
    with answered():
        stripe.client.v1.invoices.void_invoice(invoice_id, {}, {"idempotency_key": key})


def delete(stripe: Stripe, invoice_id: str) -> None:
    """Delete a draft, which has no number yet. Raises: StripeRefused, StripeUnavailable."""
    with answered():
        stripe.client.v1.invoices.delete(invoice_id)


def read(stripe: Stripe, invoice_id: str) -> Invoice | None:
    """Read an invoice afresh, its payments, and the state of an open one's payment; None if Stripe has none such."""
    try:
        with answered():
            found = stripe.client.v1.invoices.retrieve(invoice_id, {"expand": ["payments"]})
    except StripeRefused as error:
        if error.fields.get("stripe_code") == "resource_missing":
            return None
        raise
    return _with_payments(stripe, found)


def find(stripe: Stripe, *, customer: str, purchase_id: str, since_s: int) -> Invoice | None:
    """Look for a purchase's invoice among the customer's since a moment (Unix seconds), when its id is not known.

    Lists instead of searching: Stripe's search lags behind by up to a minute, and what was just created is what
    matters here.
    """
    for each in _list(stripe, {"customer": customer, "created": {"gte": since_s}}):
        if _purchase_of(each) == purchase_id:
            return _with_payments(stripe, each)
    return None


def listed(stripe: Stripe, *, since_s: int, until_s: int) -> Iterator[Invoice]:
    """Read all invoices created in a span of Unix seconds, `until_s` excluded, newest first."""
    for each in _list(stripe, {"created": {"gte": since_s, "lt": until_s}}):
        yield _invoice(each, payments=_payments(each), intent=None)


def of_intent(stripe: Stripe, intent_id: str) -> str | None:
    """Return the id of the invoice a payment intent pays; intents and charges do not name it themselves."""
    with answered():
        page = stripe.client.v1.invoice_payments.list(
            {"payment": {"type": "payment_intent", "payment_intent": intent_id}, "limit": 1}
        )
    return _id(page.data[0].invoice) if page.data else None


def rate(stripe: Stripe, rate_id: str) -> str:
    """Return a tax rate's percentage as exact text, such as "25.5"."""
    with answered():
        found = stripe.client.v1.tax_rates.retrieve(rate_id)
    # The SDK reads this one number of the API as a float; its shortest decimal form is what was sent.
    percentage = found.effective_percentage if found.effective_percentage is not None else found.percentage
    return repr(percentage).removesuffix(".0")


def _list(stripe: Stripe, span: "sdk.params.InvoiceListParams") -> Iterator[sdk.Invoice]:
    with answered():
        page = stripe.client.v1.invoices.list({**span, "limit": _PAGE, "expand": ["data.payments"]})
        yield from page.auto_paging_iter()


def _with_payments(stripe: Stripe, found: sdk.Invoice) -> Invoice:
    payments = _payments(found)
    open_ = [each for each in payments if each.status == "open" and each.intent_id]
    intent = _intent(stripe, str(open_[0].intent_id)) if found.status in _AWAITED and open_ else None
    return _invoice(found, payments=payments, intent=intent)


def _intent(stripe: Stripe, intent_id: str) -> Intent:
    with answered():
        found = stripe.client.v1.payment_intents.retrieve(intent_id)
    error = found.last_payment_error
    code = (getattr(error, "decline_code", None) or getattr(error, "code", None)) if error else None
    return Intent(id=found.id, status=found.status, decline=decline_of(str(code)) if code else None)


def _payments(found: sdk.Invoice) -> tuple[PaidBy, ...]:
    listed_ = getattr(found, "payments", None)
    if listed_ is None:
        return ()
    return tuple(
        PaidBy(
            id=each.id,
            status=each.status,
            amount=each.amount_paid or 0,
            intent_id=_id(getattr(each.payment, "payment_intent", None)),
        )
        for each in found.payments.data  # pyright: ignore[reportOptionalMemberAccess]  # checked above
    )


def _invoice(found: sdk.Invoice, *, payments: tuple[PaidBy, ...], intent: Intent | None) -> Invoice:
    address = getattr(found, "customer_address", None)
    return Invoice(
        id=found.id,
        status=str(found.status),
        live=found.livemode,
        customer=_id(found.customer),
        purchase_id=_purchase_of(found),
        number=found.number,
        currency=found.currency,
        subtotal=found.subtotal,
        total=found.total,
        amount_due=found.amount_due,
        amount_paid=found.amount_paid,
        amount_remaining=found.amount_remaining,
        taxes=tuple(_tax(each) for each in found.total_taxes or ()),
        tax_status=found.automatic_tax.status if found.automatic_tax.enabled else None,
        country=getattr(address, "country", None),
        auto_advance=bool(found.auto_advance),
        lines=tuple(
            Line(id=each.id, amount=each.amount, description=each.description or "") for each in found.lines.data
        ),
        lines_more=found.lines.has_more,
        payments=payments,
        intent=intent,
        hosted_url=getattr(found, "hosted_invoice_url", None),
        pdf_url=getattr(found, "invoice_pdf", None),
        created_s=found.created,
        paid_s=found.status_transitions.paid_at,
    )


def _tax(found: sdk.Invoice.TotalTax | sdk.InvoiceLineItem.Tax) -> Tax:
    rate_ = found.tax_rate_details
    return Tax(
        amount=found.amount,
        taxable=found.taxable_amount or 0,
        reason=found.taxability_reason,
        rate_id=rate_.tax_rate if rate_ else None,
    )


def _purchase_of(found: sdk.Invoice) -> str | None:
    return found.metadata[METADATA] if found.metadata and METADATA in found.metadata else None


def _id(value: object) -> str | None:
    """Return the id of what may be an id or, where something was expanded, the object."""
    return value if value is None or isinstance(value, str) else str(getattr(value, "id", ""))
