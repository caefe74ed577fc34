"""What a credit note over some credits comes to: which part of the invoice to ask for, by Stripe's own preview.

Owns: the choice between the two ways to ask, by net of the line or by total. Stripe rounds the VAT of each note by
itself, so that many parts by net may come to some cents more than the invoice's VAT, and the last one be refused; by
total it splits what it is told. So the net is asked for where Stripe's VAT is ours, and the total where it is not.
Refuses to know: what may be given back.
Sources: getlago/lago-api#2643, #4553; `lines[].amount` is before tax where Stripe calculates the tax.
"""

from msgspec import Struct

from ileen.base.errors import StripeRefused
from ileen.payments.rules import Record
from ileen.payments.stripe import Stripe, invoices, returns
from ileen.payments.stripe.returns import Part


class Plan(Struct, frozen=True, kw_only=True):
    """A credit note to order: its part of the invoice, and the total Stripe's preview came to."""

    part: Part
    total: int


def plan(stripe: Stripe, record: Record, *, net: int, vat: int, vat_left: int) -> Plan:
    """Return how to give back `net` of a purchase with `vat`, if Stripe allows it, else with the VAT it insists on.

    `vat_left` is what has not gone back of the purchase's VAT: more would leave later parts without theirs.

    Calls: Stripe's preview, once or twice. Raises: StripeRefused, StripeUnavailable.
    """
    assert record.invoice_id is not None, "a settled purchase has an invoice"
    invoice = invoices.read(stripe, record.invoice_id)
    if invoice is None or len(invoice.lines) != 1:
        raise StripeRefused(reason="the invoice has not the one line it had")
    by_net = Part(invoice_id=invoice.id, line_id=invoice.lines[0].id, net=net)
    by_total = Part(invoice_id=invoice.id, line_id=invoice.lines[0].id, net=net, total=net + vat)
    first = returns.try_preview(stripe, by_net)
    if first is not None and first.total == net + vat:
        return Plan(part=by_net, total=first.total)
    second = returns.try_preview(stripe, by_total)
    if second is not None and second.net == net:
        return Plan(part=by_total, total=second.total)
    if first is not None and first.tax <= vat_left:
        return Plan(part=by_net, total=first.total)
    if second is not None:
        return Plan(part=by_total, total=second.total)
    returns.preview(stripe, by_net)  # says why not
    raise StripeRefused(reason="its previews contradict each other")
