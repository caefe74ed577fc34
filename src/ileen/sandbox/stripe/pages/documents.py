"""Invoices, receipts and credit notes as documents: from Stripe's objects to what the law wants on paper.

Owns: what stands on each document, and in which order. Refuses to know: layout (`pdf`), who may see them.
L1  an invoice shows net, rate and tax per rate, and "Reverse charge" with the buyer's VAT id where the buyer owes it.
L2  a credit note names the invoice it corrects, and that invoice's date.

Directive 2006/112/EC, Art. 226 and 219.
"""

from decimal import Decimal
from typing import Final

from ileen.sandbox.stripe.business import address_lines, seller_party
from ileen.sandbox.stripe.crediting import charges_of, net_of, percent_of
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.form import many
from ileen.sandbox.stripe.pages.frame import day, moment
from ileen.sandbox.stripe.pdf import Document, Line, Party, money, percentage
from ileen.sandbox.stripe.store import Tx

_REASONS: Final = {
    "reverse_charge": "Reverse charge: the buyer owes the VAT (Article 196, Directive 2006/112/EC).",
    "not_collecting": "VAT is not collected for this place.",
    "not_subject_to_tax": "Not subject to VAT.",
    "not_supported": "VAT is not calculated for this place.",
    "customer_exempt": "The customer is exempt from VAT.",
}


def invoice(tx: Tx, body: Json) -> Document:
    """Return a finalized invoice as a document."""
    stamps = body["status_transitions"]
    facts = [("Invoice number", body["number"]), ("Date of issue", day(stamps["finalized_at"]))]
    facts.append(("Date of supply", day(stamps["paid_at"] or stamps["finalized_at"])))
    if body["status"] == "paid":
        facts.append(("Date of payment", day(stamps["paid_at"])))
        headline = f"{money(body['amount_paid'], body['currency'])} paid on {day(stamps['paid_at'])}"
    elif body["status"] == "void":
        headline = "This invoice is void"
    else:
        headline = f"{money(body['amount_remaining'], body['currency'])} due"
    facts += [(one["name"], one["value"]) for one in many(body, "custom_fields")]
    return _document(tx, body, title="Invoice", facts=facts, headline=headline, totals=totals(tx, body))


def receipt(tx: Tx, body: Json) -> Document:
    """Return the receipt of a paid invoice as a document."""
    paid_at = body["status_transitions"]["paid_at"]
    facts = [("Receipt for invoice", body["number"]), ("Date of payment", day(paid_at))]
    for charge_id in charges_of(tx, body):
        card = tx.get("charge", charge_id)["payment_method_details"]["card"]
        facts.append(("Payment method", f"{str(card['brand']).capitalize()} ending in {card['last4']}"))
    headline = f"{money(body['amount_paid'], body['currency'])} paid on {day(paid_at)}"
    return _document(tx, body, title="Receipt", facts=facts, headline=headline, totals=totals(tx, body))


def credit_note(tx: Tx, body: Json) -> Document:
    """Return a credit note as a document."""
    corrected = tx.get("invoice", body["invoice"])
    currency = body["currency"]
    facts = [
        ("Credit note number", body["number"]),
        ("Date of issue", day(body["effective_at"])),
        ("Corrects invoice", f"{corrected['number']} of {day(corrected['status_transitions']['finalized_at'])}"),
    ]
    if body["reason"]:
        facts.append(("Reason", str(body["reason"]).replace("_", " ").capitalize()))
    percents = {line["id"]: percent_of(tx, line) for line in corrected["_lines"]}
    lines = [
        Line(
            description=line["description"] or "", quantity=line["quantity"] or 1,
            unit_net_cents=-Decimal(line["amount"]) / (line["quantity"] or 1), net_cents=-line["amount"],
            percent=percents.get(line["invoice_line_item"]) or None,
        )
        for line in body["_lines"]
    ]  # fmt: skip
    rows = [("Subtotal (net)", money(-body["subtotal"], currency)), *_tax_rows(tx, body["total_taxes"], currency, -1)]
    rows += [("Total credited", money(-body["total"], currency))]
    notes = ["This credit note is void."] if body["status"] == "void" else []
    notes += [body["memo"]] if body["memo"] else []
    return Document(
        title="Credit note", number=body["number"], issued_at=moment(body["effective_at"]), currency=currency,
        facts=facts, seller=seller_party(tx), buyer=buyer(corrected),
        headline=f"{money(body['total'], currency)} credited", lines=lines, totals=rows,
        notes=[*notes, *_reasons(body["total_taxes"])],
    )  # fmt: skip


def totals(tx: Tx, body: Json) -> list[tuple[str, str]]:
    """Return an invoice's sums: net, tax per rate, total, and what was credited, paid and is due."""
    currency = body["currency"]
    rows = [("Subtotal (net)", money(body["total_excluding_tax"], currency))]
    rows += _tax_rows(tx, body["total_taxes"], currency, 1)
    rows.append(("Total", money(body["total"], currency)))
    applied = body["total"] - body["amount_due"] - body["pre_payment_credit_notes_amount"]
    if applied:
        rows.append(("From the balance", money(-applied, currency)))
    if body["pre_payment_credit_notes_amount"]:
        rows.append(("Credited", money(-body["pre_payment_credit_notes_amount"], currency)))
    if body["amount_paid"]:
        rows.append(("Paid", money(-body["amount_paid"], currency)))
    rows.append(("Amount due", money(0 if body["status"] == "void" else body["amount_remaining"], currency)))
    return rows


def notes(body: Json) -> list[str]:
    """Return the sentences below an invoice's sums: why there is no tax, and the seller's own."""
    given = [body["description"], body["footer"]]
    return [*_reasons(body["total_taxes"]), *(one for one in given if one)]


def buyer(body: Json) -> Party:
    """Return the buyer as the invoice recorded them."""
    return Party(
        name=body["customer_name"] or body["customer_email"] or "",
        address=address_lines(body["customer_address"]),
        email=body["customer_email"],
        tax_ids=[one["value"] for one in many(body, "customer_tax_ids")],
    )


def _document(
    tx: Tx, body: Json, *, title: str, facts: list[tuple[str, str]], headline: str, totals: list[tuple[str, str]]
) -> Document:
    lines = [
        Line(
            description=line["description"] or "", quantity=line["quantity"],
            unit_net_cents=_unit_net(line), net_cents=net_of(line), percent=percent_of(tx, line) or None,
        )
        for line in body["_lines"]
    ]  # fmt: skip
    return Document(
        title=title, number=body["number"], issued_at=moment(body["status_transitions"]["finalized_at"]),
        currency=body["currency"], facts=facts, seller=seller_party(tx), buyer=buyer(body), headline=headline,
        lines=lines, totals=totals, notes=notes(body),
    )  # fmt: skip


def _unit_net(line: Json) -> Decimal:
    """Return the net price of one: as priced where tax comes on top, else carved out to the hundredth of a cent."""
    if net_of(line) == line["amount"]:
        return Decimal(line["pricing"]["unit_amount_decimal"])
    return (Decimal(net_of(line)) / line["quantity"]).quantize(Decimal("0.01"))


def _tax_rows(tx: Tx, taxes: list[Json], currency: str, sign: int) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for tax in taxes:
        rate = tx.get("tax_rate", tax["tax_rate_details"]["tax_rate"])
        percent, base = Decimal(str(rate["percentage"])), money(sign * tax["taxable_amount"], currency)
        label = f"VAT {rate['country']} {percentage(percent)} on {base}"
        if tax["taxability_reason"] != "standard_rated":
            label = f"VAT {rate['country']} ({tax['taxability_reason'].replace('_', ' ')})"
        rows.append((label, money(sign * tax["amount"], currency)))
    return rows


def _reasons(taxes: list[Json]) -> list[str]:
    return [_REASONS[one["taxability_reason"]] for one in taxes if one["taxability_reason"] in _REASONS]
