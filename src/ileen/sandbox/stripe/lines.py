"""Invoice lines: from what is billed to net, tax and total, all in whole cents.

Owns: lines, their taxes, and an invoice's sums. Refuses to know: statuses, payments.
N1  subtotal is the sum of the lines as priced; total adds exclusive taxes; inclusive ones are carved out.
N2  tax is rounded once for each line, half up.
N3  a draft's lines are made anew from its items at every change; after finalization they are never touched.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from ileen.sandbox.stripe import tax
from ileen.sandbox.stripe.errors import Json, no_such, refused
from ileen.sandbox.stripe.form import Node, choice, decimal, flag, group, inner, mapping, text, whole
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.vat import Decision, Reason, tax_on, tax_within

_BEHAVIOUR: Final = choice("exclusive", "inclusive", "unspecified")
_PRICE_DATA: Final = group(
    needs=("product",), currency=text, product=text, unit_amount=whole, unit_amount_decimal=decimal,
    tax_behavior=_BEHAVIOUR,
)  # fmt: skip
_BILLED: Final[dict[str, Node]] = {
    "amount": whole,
    "description": text,
    "discountable": flag,
    "metadata": mapping,
    "period": group(needs=("start", "end"), start=whole, end=whole),
    "price_data": _PRICE_DATA,
    "quantity": whole,
    "tax_behavior": _BEHAVIOUR,
    "tax_code": text,
    "unit_amount_decimal": decimal,
}
ITEM: Final = group(_BILLED, currency=text)
"""What a preview says is billed."""
LINE: Final = group({name: node for name, node in _BILLED.items() if name not in {"tax_behavior", "tax_code"}})
"""What `add_lines` says is billed; its tax behaviour is in the price."""
NEW_ITEM: Final = group(_BILLED, customer=text, invoice=text, currency=text)
"""What a new invoice item says."""
CHANGED_ITEM: Final = group(_BILLED)
_TAXED: Final = (Reason.STANDARD_RATED, Reason.REVERSE_CHARGE)


def amount_of(given: Json) -> tuple[int, Decimal, int]:
    """Return amount, price of one (cents) and quantity. Raises: ApiError for contradictions."""
    price, amount, quantity = inner(given, "price_data"), given.get("amount"), given.get("quantity")
    unit: Any = price.get("unit_amount_decimal")
    unit = price.get("unit_amount") if unit is None else unit
    unit = given.get("unit_amount_decimal") if unit is None else unit
    if (amount is None) == (unit is None):
        raise refused("Exactly one of amount, price_data or unit_amount_decimal is needed.", param="amount")
    if amount is not None:
        return amount, Decimal(amount), 1
    quantity = 1 if quantity is None else quantity
    return int((Decimal(unit) * quantity).quantize(Decimal(1), ROUND_HALF_UP)), Decimal(unit), quantity


def priced(tx: Tx, given: Json, customer: str, currency: str) -> Json:
    """Return an invoice item (not saved) of what a request says is billed. Raises: ApiError for contradictions."""
    amount, each, quantity = amount_of(given)
    price = inner(given, "price_data")
    product = _product(tx, price)
    period = given.get("period") or {"start": tx.now, "end": tx.now}
    return {
        "id": tx.mint("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "date": tx.now,
        "description": given.get("description"),
        "discountable": amount > 0,
        "discounts": [],
        "frozen_fields": None,
        "invoice": None,
        "invoicing_rules": None,
        "livemode": False,
        "metadata": inner(given, "metadata"),
        "net_amount": amount,
        "parent": None,
        "period": period,
        "pricing": {
            "price_details": {"price": tx.mint("price"), "product": product},
            "type": "price_details",
            "unit_amount_decimal": f"{each:f}",
        },
        "proration": False,
        "proration_details": None,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "tax_rates": [],
        "test_clock": None,
        "_line": tx.mint("il"),
        "_tax_behavior": price.get("tax_behavior") or given.get("tax_behavior"),
    }


def computed(tx: Tx, invoice: Json, items: list[Json], customer: Json) -> None:
    """Set a draft's lines, taxes and sums from its items. `customer` says where and what the buyer is."""
    decision = _decision(tx, invoice, customer)
    lines = [_line(tx, invoice, item, decision) for item in items]
    invoice["_lines"] = lines
    taxes = _summed([one for line in lines for one in line["taxes"]])
    inclusive = sum(one["amount"] for one in taxes if one["tax_behavior"] == "inclusive")
    added = sum(one["amount"] for one in taxes if one["tax_behavior"] == "exclusive")
    subtotal = sum(line["amount"] for line in lines)
    invoice["subtotal"] = subtotal
    invoice["subtotal_excluding_tax"] = subtotal - inclusive
    invoice["total"] = subtotal + added
    invoice["total_excluding_tax"] = subtotal - inclusive
    invoice["total_taxes"] = taxes
    invoice["amount_due"] = max(0, invoice["total"])
    invoice["amount_remaining"] = invoice["amount_due"]


def _decision(tx: Tx, invoice: Json, customer: Json) -> Decision | None:
    automatic = invoice["automatic_tax"]
    if not automatic["enabled"]:
        return None
    place = tax.place_of(tx, customer)
    if place is None:
        automatic["status"] = "requires_location_inputs"
        return None
    automatic["status"] = "complete"
    return tax.decided(tx, customer, place, on=tax.day(tx.now))


def _line(tx: Tx, invoice: Json, item: Json, decision: Decision | None) -> Json:
    return {
        "id": item["_line"],
        "object": "line_item",
        "amount": item["amount"],
        "currency": item["currency"],
        "description": item["description"],
        "discount_amounts": [],
        "discountable": item["discountable"],
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": False,
        "metadata": item["metadata"],
        "parent": {
            "invoice_item_details": {
                "invoice_item": item["id"],
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": None,
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": item["period"],
        "pretax_credit_amounts": [],
        "pricing": item["pricing"],
        "quantity": item["quantity"],
        "quantity_decimal": item["quantity_decimal"],
        "subscription": None,
        "subtotal": item["amount"],
        "taxes": _taxes(tx, item, decision),
    }


def _taxes(tx: Tx, item: Json, decision: Decision | None) -> list[Json]:
    if decision is None:
        return []
    wanted = item["_tax_behavior"]
    if wanted == "unspecified" or item["amount"] < 0:
        raise refused(
            "Automatic tax needs a tax behavior of inclusive or exclusive and an amount that is not negative."
        )
    behaviour = tax.behaviour(tx, wanted, item["currency"])
    inclusive = behaviour == "inclusive"
    due = (tax_within if inclusive else tax_on)(item["amount"], decision.rate)
    net = item["amount"] - due if inclusive else item["amount"]
    return [
        {
            "amount": due,
            "tax_behavior": behaviour,
            "tax_rate_details": {"tax_rate": tax.rate_object(tx, decision)},
            "taxability_reason": tax.reason_shown(tx, decision),
            "taxable_amount": net if decision.reason in _TAXED else 0,
            "type": "tax_rate_details",
        }
    ]


def _summed(taxes: list[Json]) -> list[Json]:
    """Add up taxes that differ in their amounts only."""
    by_kind: dict[tuple[str, str, str], Json] = {}
    for one in taxes:
        kind = (one["tax_behavior"], one["taxability_reason"], one["tax_rate_details"]["tax_rate"])
        if kind in by_kind:
            by_kind[kind]["amount"] += one["amount"]
            by_kind[kind]["taxable_amount"] += one["taxable_amount"]
        else:
            by_kind[kind] = dict(one)
    return list(by_kind.values())


def _product(tx: Tx, price: Json) -> str:
    """Return the product billed: the one named, or an unnamed one made on the spot, as Stripe does."""
    if not price:
        return tx.mint("prod")
    if tx.find("product", price["product"]) is None:
        raise no_such("product", price["product"], param="price_data[product]", status=400)
    return price["product"]
