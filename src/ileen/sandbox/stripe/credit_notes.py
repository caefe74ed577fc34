"""Credit notes: the documents that correct a finalized invoice, and the money that goes with them.

Owns: /v1/credit_notes and what a note does to its invoice. Refuses to know: how amounts come about (`crediting`).
G1  refunds, credit and money returned outside Stripe add up to exactly what was paid and is credited.
G2  an invoice that was paid stays `paid`; one that is owed is paid when nothing is left of it.
G3  a preview equals the note it becomes and changes nothing.
G4  a note whose money has gone cannot be voided.
"""

from ileen.sandbox.stripe import closing, events
from ileen.sandbox.stripe.api import Call, Route, merged_metadata
from ileen.sandbox.stripe.crediting import Plan, charges_of, planned
from ileen.sandbox.stripe.errors import Json, refused
from ileen.sandbox.stripe.form import Node, array, choice, decimal, group, instants, many, mapping, page_of, text, whole
from ileen.sandbox.stripe.refunds import refunded
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import DRESS, listed, page, shown, within

_LINES_SHOWN_MAX = 10
_SOURCES = ("refund_amount", "credit_amount", "out_of_band_amount")


def created(tx: Tx, given: Json) -> Json:
    """Issue a credit note and move the money it speaks of. Raises: ApiError for sums that do not meet."""
    invoice = tx.get("invoice", given["invoice"], param="invoice", status=400)
    plan = planned(tx, invoice, given)
    _check_sources(tx, invoice, given, plan)
    body = _body(tx, invoice, given, plan)
    body["refunds"] = _refunds(tx, invoice, given)
    body["customer_balance_transaction"] = _credit(tx, body, given)
    tx.save(body)
    _correct(tx, invoice["id"], plan)
    if given.get("email_type") != "none":
        _mail(tx, body, invoice)
    events.emit(tx, "credit_note.created", body)
    return body


def previewed(tx: Tx, given: Json) -> Json:
    """Return the note that `created` would issue, without issuing it."""
    invoice = tx.get("invoice", given["invoice"], param="invoice", status=400)
    plan = planned(tx, invoice, given)
    if any(given.get(name) for name in (*_SOURCES, "refunds")):
        _check_sources(tx, invoice, given, plan)
    return _body(tx, invoice, given, plan)


def voided(tx: Tx, id_: str) -> Json:
    """Void a note on an invoice that is still owed. Raises: ApiError once money has gone."""
    body = tx.get("credit_note", id_)
    if body["status"] == "void":
        raise refused("This credit note has already been voided.")
    invoice = tx.get("invoice", body["invoice"])
    if body["post_payment_amount"] or invoice["status"] == "paid":
        raise refused("You can only void a credit note on an open invoice, before any money was given back.")
    body["status"] = "void"
    body["voided_at"] = tx.now
    tx.save(body)
    _owe(tx, invoice, -body["pre_payment_amount"])
    events.emit(tx, "credit_note.voided", body)
    return body


def mails(tx: Tx) -> list[Json]:
    """Return the e-mails that Stripe would have sent by itself, newest first."""
    return tx.select("_mail")


def _body(tx: Tx, invoice: Json, given: Json, plan: Plan) -> Json:
    numbers = len(tx.select("credit_note", invoice=invoice["id"])) + 1
    return {
        "id": tx.mint("cn"),
        "object": "credit_note",
        "amount": plan.total,
        "amount_shipping": 0,
        "created": tx.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": given.get("effective_at") or tx.now,
        "invoice": invoice["id"],
        "livemode": False,
        "memo": given.get("memo"),
        "metadata": merged_metadata({}, given.get("metadata")),
        "number": f"{invoice['number']}-CN-{numbers:02d}",
        "out_of_band_amount": given.get("out_of_band_amount"),
        "post_payment_amount": plan.post,
        "pre_payment_amount": plan.pre,
        "pretax_credit_amounts": [],
        "reason": given.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": plan.subtotal,
        "subtotal_excluding_tax": plan.subtotal,
        "total": plan.total,
        "total_excluding_tax": plan.subtotal,
        "total_taxes": plan.taxes,
        "type": "mixed" if plan.pre and plan.post else "post_payment" if plan.post else "pre_payment",
        "voided_at": None,
        "_lines": plan.lines,
        "_token": tx.mint("live"),
    }


def _check_sources(tx: Tx, invoice: Json, given: Json, plan: Plan) -> None:
    linked = many(given, "refunds")
    taken = {one["refund"] for note in tx.select("credit_note", invoice=invoice["id"]) for one in note["refunds"]}
    sum_linked = 0
    for position, one in enumerate(linked):
        refund = tx.get("refund", one["refund"], param=f"refunds[{position}][refund]", status=400)
        if refund["charge"] not in charges_of(tx, invoice) or refund["id"] in taken:
            raise refused("The refund belongs to another invoice or credit note.", param=f"refunds[{position}][refund]")
        sum_linked += one.get("amount_refunded", refund["amount"])
    total = sum(given.get(name) or 0 for name in _SOURCES) + sum_linked
    if total != plan.post:
        raise refused(
            f"The sum of refund amount, credit amount and out of band amount ({total}) must equal the post payment "
            f"amount of the credit note ({plan.post}).",
            param="refund_amount",
        )


def _refunds(tx: Tx, invoice: Json, given: Json) -> list[Json]:
    linked = [(tx.get("refund", one["refund"]), one) for one in many(given, "refunds")]
    made = [(refund["id"], one.get("amount_refunded", refund["amount"])) for refund, one in linked]
    if given.get("refund_amount"):
        charges = charges_of(tx, invoice)
        if not charges:
            raise refused("No charge paid this invoice, so there is nothing to refund to.", param="refund_amount")
        refund = refunded(tx, tx.get("charge", charges[0]), amount=given["refund_amount"])
        made.append((refund["id"], refund["amount"]))
    return [{"amount_refunded": amount, "refund": id_, "type": "refund"} for id_, amount in made]


def _credit(tx: Tx, body: Json, given: Json) -> str | None:
    """Put `credit_amount` on the customer's balance; a negative balance is credit."""
    amount = given.get("credit_amount")
    if not amount:
        return None
    customer = tx.get("customer", body["customer"])
    customer["balance"] -= amount
    events.update(tx, customer, "customer.updated")
    return tx.save(
        {
            "id": tx.mint("cbtxn"),
            "object": "customer_balance_transaction",
            "amount": -amount,
            "created": tx.now,
            "credit_note": body["id"],
            "currency": body["currency"],
            "customer": body["customer"],
            "customer_account": None,
            "description": None,
            "ending_balance": customer["balance"],
            "invoice": body["invoice"],
            "livemode": False,
            "metadata": {},
            "type": "adjustment",
        }
    )["id"]


def _correct(tx: Tx, invoice_id: str, plan: Plan) -> None:
    invoice = tx.get("invoice", invoice_id)
    if plan.post:
        invoice["post_payment_credit_notes_amount"] += plan.post
        events.update(tx, invoice, "invoice.updated")
    if plan.pre:
        _owe(tx, invoice, plan.pre)


def _owe(tx: Tx, invoice: Json, less: int) -> None:
    """Lower what is owed of an invoice (or raise it again), and what its payment asks for."""
    invoice["pre_payment_credit_notes_amount"] += less
    invoice["amount_due"] -= less
    invoice["amount_remaining"] -= less
    events.update(tx, invoice, "invoice.updated")
    payment = closing.default_payment(tx, invoice["id"])
    if payment:
        payment["amount_requested"] -= less
        tx.save(payment)
        intent = tx.get("payment_intent", payment["payment"]["payment_intent"])
        intent["amount"] -= less
        tx.save(intent)
    if invoice["amount_remaining"] == 0:
        closing.cancel_payments(tx, invoice["id"])
        closing.paid(tx, invoice)


def _mail(tx: Tx, body: Json, invoice: Json) -> None:
    tx.save(
        {"id": tx.mint("mail"), "object": "_mail", "created": tx.now, "to": invoice["customer_email"],
         "subject": f"Credit note {body['number']}", "credit_note": body["id"], "customer": body["customer"]}
    )  # fmt: skip


def _dress(tx: Tx, body: Json, public: Json) -> None:
    lines = body["_lines"]
    public["lines"] = page(f"/v1/credit_notes/{body['id']}/lines", lines[:_LINES_SHOWN_MAX])
    public["lines"]["has_more"] = len(lines) > _LINES_SHOWN_MAX
    public["pdf"] = f"{tx.base_url}/credit_notes/{body['id']}/{body['_token']}/pdf"


def _update(tx: Tx, call: Call) -> Json:
    body = tx.get("credit_note", call.id)
    if "memo" in call.given:
        body["memo"] = call.given["memo"]
    if "metadata" in call.given:
        body["metadata"] = merged_metadata(body["metadata"], call.given["metadata"])
    events.update(tx, body, "credit_note.updated")
    return shown(tx, body)


def _list(tx: Tx, call: Call) -> Json:
    given = call.given
    found = tx.select("credit_note", customer=given.get("customer"), invoice=given.get("invoice"))
    return listed(tx, call.path, within(found, given.get("created")), given)


DRESS["credit_note"] = _dress

_LINE: Node = group(
    needs=("type",), type=choice("invoice_line_item", "custom_line_item"), amount=whole, description=text,
    invoice_line_item=text, metadata=mapping, quantity=whole, unit_amount=whole, unit_amount_decimal=decimal,
    tax_rates=array(text),
    tax_amounts=array(group(amount=whole, tax_rate=text, taxable_amount=whole)),
)  # fmt: skip
_FIELDS: dict[str, Node] = {
    "invoice": text,
    "amount": whole,
    "credit_amount": whole,
    "effective_at": whole,
    "email_type": choice("credit_note", "none"),
    "lines": array(_LINE),
    "memo": text,
    "metadata": mapping,
    "out_of_band_amount": whole,
    "reason": choice("duplicate", "fraudulent", "order_change", "product_unsatisfactory"),
    "refund_amount": whole,
    "refunds": array(group(needs=("refund",), refund=text, amount_refunded=whole, type=choice("refund"))),
    "shipping_cost": group(shipping_rate=text),
}
_NOTE = group(_FIELDS, needs=("invoice",))
_PREVIEW_LINES = group(_FIELDS, needs=("invoice",), limit=whole, starting_after=text, ending_before=text)
_BASE = "/v1/credit_notes"

ROUTES = [
    Route("GET", _BASE + "/preview", lambda tx, call: shown(tx, previewed(tx, call.given)), _NOTE),
    Route("GET", _BASE + "/preview/lines",
          lambda tx, call: listed(tx, call.path, previewed(tx, call.given)["_lines"], call.given), _PREVIEW_LINES),
    Route("POST", _BASE, lambda tx, call: shown(tx, created(tx, call.given)), _NOTE),
    Route("GET", _BASE, _list, page_of(customer=text, invoice=text, created=instants)),
    Route("GET", _BASE + "/{id}", lambda tx, call: shown(tx, tx.get("credit_note", call.id))),
    Route("POST", _BASE + "/{id}", _update, group(memo=text, metadata=mapping)),
    Route("POST", _BASE + "/{id}/void", lambda tx, call: shown(tx, voided(tx, call.id))),
    Route("GET", _BASE + "/{id}/lines",
          lambda tx, call: listed(tx, call.path, tx.get("credit_note", call.id)["_lines"], call.given), page_of()),
]  # fmt: skip
