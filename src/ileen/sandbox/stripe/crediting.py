"""What a credit note would credit: lines, taxes and how the total splits, computed without changing anything.

Owns: the arithmetic of credit notes and its refusals. Refuses to know: refunds, balances, documents.
K1  lines are net where the invoice has automatic tax; each line's tax is rounded once, half up, as on the invoice.
K2  no line is credited beyond its net amount, and no invoice beyond its total, direct refunds counted.
K3  what is still owed is credited first; the rest is money to give back, and the caller must say how.
"""

from dataclasses import dataclass
from decimal import Decimal

from ileen.sandbox.stripe.doubts import variant
from ileen.sandbox.stripe.errors import Json, invalid, no_such, refused
from ileen.sandbox.stripe.pdf import money
from ileen.sandbox.stripe.refunds import standing
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.vat import tax_on, tax_within


@dataclass(frozen=True, slots=True)
class Left:
    """What of an invoice line has not been credited: net and tax in cents; and its rate in percent."""

    line: Json
    net: int
    tax: int
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Plan:
    """A credit note's content. `pre` lowers what is owed, `post` is given back; both in cents."""

    lines: list[Json]
    subtotal: int
    taxes: list[Json]
    total: int
    pre: int
    post: int


def planned(tx: Tx, invoice: Json, given: Json) -> Plan:
    """Compute a credit note. Raises: ApiError for contradictions, and for more than may be credited."""
    if invoice["status"] not in {"open", "paid", "uncollectible"}:
        raise refused(f"Credit notes need a finalized invoice; this one is {invoice['status']}.", param="invoice")
    named = [name for name in ("amount", "lines", "shipping_cost") if given.get(name) is not None]
    if len(named) != 1:
        raise invalid("You must pass exactly one of amount, lines or shipping_cost.", param="amount")
    if named == ["shipping_cost"]:
        raise refused("This invoice has no shipping cost to credit.", param="shipping_cost")
    left = _all_left(tx, invoice)
    lines = _by_amount(tx, given["amount"], left) if named == ["amount"] else _by_lines(tx, invoice, given, left)
    subtotal = sum(line["amount"] for line in lines)
    taxes = [dict(one) for line in lines for one in line["taxes"]]
    total = subtotal + sum(one["amount"] for one in taxes)
    most = creditable(tx, invoice)
    if total > most:
        currency = invoice["currency"]
        raise refused(
            f"The credit note amount ({money(total, currency)}) exceeds the maximum amount that can still be credited "
            f"({money(most, currency)}).",
            param=named[0],
        )
    owed = invoice["amount_remaining"] if invoice["status"] != "paid" else 0
    pre = min(total, owed)
    return Plan(lines, subtotal, taxes, total, pre, total - pre)


def creditable(tx: Tx, invoice: Json) -> int:
    """Return how many cents of an invoice may still be credited."""
    notes = _issued(tx, invoice)
    linked = {one["refund"] for note in notes for one in note["refunds"]}
    direct = sum(
        one["amount"] for charge in charges_of(tx, invoice) for one in standing(tx, charge) if one["id"] not in linked
    )
    return invoice["total"] - sum(note["total"] for note in notes) - direct


def charges_of(tx: Tx, invoice: Json) -> list[str]:
    """Return the ids of the charges that paid an invoice."""
    payments = [one for one in tx.select("invoice_payment", invoice=invoice["id"]) if one["status"] == "paid"]
    intents = [tx.get("payment_intent", one["payment"]["payment_intent"]) for one in payments]
    return [intent["latest_charge"] for intent in intents if intent["latest_charge"]]


def percent_of(tx: Tx, line: Json) -> Decimal:
    """Return the rate of an invoice line in percent; 0 where it bears no tax."""
    for tax in line["taxes"]:
        if tax["taxability_reason"] == "standard_rated":
            return Decimal(str(tx.get("tax_rate", tax["tax_rate_details"]["tax_rate"])["percentage"]))
    return Decimal(0)


def net_of(line: Json) -> int:
    """Return an invoice line's net amount in cents."""
    return line["amount"] - sum(one["amount"] for one in line["taxes"] if one["tax_behavior"] == "inclusive")


def _issued(tx: Tx, invoice: Json) -> list[Json]:
    return [note for note in tx.select("credit_note", invoice=invoice["id"]) if note["status"] == "issued"]


def _all_left(tx: Tx, invoice: Json) -> list[Left]:
    credited = [line for note in _issued(tx, invoice) for line in note["_lines"]]
    left: list[Left] = []
    for line in invoice["_lines"]:
        gone = [one for one in credited if one["invoice_line_item"] == line["id"]]
        net = net_of(line) - sum(one["amount"] for one in gone)
        tax = sum(one["amount"] for one in line["taxes"]) - sum(one["amount"] for note in gone for one in note["taxes"])
        left.append(Left(line, net, tax, percent_of(tx, line)))
    return left


def _by_amount(tx: Tx, amount: int, left: list[Left]) -> list[Json]:
    """Split a whole total over the lines, first to last: Stripe's own split of several lines is not published."""
    if amount < 1:
        raise refused("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    lines: list[Json] = []
    for one in left:
        part = min(amount, one.net + one.tax)
        if part <= 0:
            continue
        tax = one.tax if part == one.net + one.tax else max(part - one.net, tax_within(part, one.percent))
        lines.append(_credited(tx, one, part - tax, tax))
        amount -= part
    if amount and lines:  # the refusal for too much names the sums, so let it stand in one line
        lines[-1]["amount"] += amount
    elif amount:
        raise refused("Nothing of this invoice is left to be credited.", param="amount")
    return lines


def _by_lines(tx: Tx, invoice: Json, given: Json, left: list[Left]) -> list[Json]:
    by_id = {one.line["id"]: one for one in left}
    lines: list[Json] = []
    for position, asked in enumerate(given["lines"]):
        where = f"lines[{position}]"
        if asked.get("tax_amounts") is not None or asked.get("tax_rates") is not None:
            raise refused("You cannot pass tax_amounts or tax_rates when the invoice has automatic tax.", param=where)
        if asked["type"] == "custom_line_item":
            lines.append(_custom(tx, invoice, asked, where))
            continue
        one = by_id.get(asked.get("invoice_line_item") or "")
        if one is None:
            line = asked.get("invoice_line_item") or ""
            raise no_such("invoice line item", line, param=f"{where}[invoice_line_item]", status=400)
        net = _net_asked(one, asked, where)
        tax = tax_on(net, one.percent)
        if net == one.net and variant(tx, "credit_note_rounding") == "last_takes_rest":
            tax = one.tax
        credited = _credited(tx, one, net, tax)
        credited["quantity"] = asked.get("quantity")
        lines.append(credited)
        # A line may be named twice; the second time less of it is left.
        by_id[one.line["id"]] = Left(one.line, one.net - net, one.tax - tax, one.percent)
    return lines


def _net_asked(one: Left, asked: Json, where: str) -> int:
    amount, quantity = asked.get("amount"), asked.get("quantity")
    if (amount is None) == (quantity is None):
        raise refused("Pass exactly one of amount and quantity for a line.", param=f"{where}[amount]")
    if quantity is not None:
        if not 1 <= quantity <= one.line["quantity"]:
            raise refused("The quantity is larger than the invoice line's.", param=f"{where}[quantity]")
        amount = net_of(one.line) * quantity // one.line["quantity"]
    assert amount is not None, "one of the two was given"
    if not 1 <= amount <= one.net:
        raise refused(
            f"The amount of the line must be between 1 and what is left of it ({one.net}).", param=f"{where}[amount]"
        )
    return amount


def _custom(tx: Tx, invoice: Json, asked: Json, where: str) -> Json:
    if invoice["automatic_tax"]["enabled"]:
        raise refused("You cannot pass custom_line_item when the invoice has automatic tax.", param=f"{where}[type]")
    each, quantity = asked.get("unit_amount"), asked.get("quantity") or 1
    if each is None or not asked.get("description"):
        raise refused("A custom_line_item needs a description and a unit_amount.", param=where)
    return _line(tx, asked["description"], each * quantity, None, []) | {
        "quantity": quantity, "unit_amount": each, "unit_amount_decimal": str(each),
    }  # fmt: skip


def _credited(tx: Tx, one: Left, net: int, tax: int) -> Json:
    taxes = [
        {**was, "amount": tax, "taxable_amount": net if was["taxable_amount"] else 0, "tax_behavior": "exclusive"}
        for was in one.line["taxes"][:1]
    ]
    return _line(tx, one.line["description"], net, one.line["id"], taxes)


def _line(tx: Tx, description: str | None, net: int, invoice_line: str | None, taxes: list[Json]) -> Json:
    return {
        "id": tx.mint("cnli"),
        "object": "credit_note_line_item",
        "amount": net,
        "description": description,
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": invoice_line,
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "tax_rates": [],
        "taxes": taxes,
        "type": "invoice_line_item" if invoice_line else "custom_line_item",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }
