"""The hosted invoice: what is owed and for what, a card to pay it with, and its documents.

Owns: pages and PDF files of invoices and credit notes. Refuses to know: how money moves (`payments`).
W1  a link handed out stays good for ten days at least, and thirty days from finalization; then the page says so.
W2  a page pays only an invoice that is open; a paid or void one shows what it is.
"""

import hmac
from typing import Final

from ileen.sandbox.stripe import events, payment_methods, payments
from ileen.sandbox.stripe.api import Page, PageAnswer, PageCall
from ileen.sandbox.stripe.business import brand, business, seller_party
from ileen.sandbox.stripe.crediting import charges_of
from ileen.sandbox.stripe.errors import ApiError, Json
from ileen.sandbox.stripe.pages import card_form, documents
from ileen.sandbox.stripe.pages.frame import attempt, day, document, expired, fields, goto, over, page, said
from ileen.sandbox.stripe.pdf import money, render
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import shown

GOOD_FROM_FINALIZATION_S: Final = 30 * 86_400
GOOD_FROM_HANDED_OUT_S: Final = 10 * 86_400
_TONES: Final = {"paid": "good", "void": "bad", "uncollectible": "bad"}
_PROCESSING: Final = "The bank has not answered yet. Nothing more is needed from you."
_SCA: Final = "invoice_payment_intent_requires_action"


def _found(tx: Tx, call: PageCall) -> Json | PageAnswer:
    """Return the invoice of a link, or the page that says why there is none."""
    body = tx.find("invoice", call.ids["id"])
    if body is None or not hmac.compare_digest(body["_token"], call.ids["token"]) or not body["number"]:
        return expired(brand=brand(tx), back=business(tx)["url"])
    handed_out = str(call.query.get("t", ""))
    since = min(int(handed_out), tx.now) if handed_out.isdecimal() and len(handed_out) < 12 else 0
    finalized = body["status_transitions"]["finalized_at"]
    if tx.now >= max(finalized + GOOD_FROM_FINALIZATION_S, since + GOOD_FROM_HANDED_OUT_S):
        sentence = "Ask the seller for a fresh link to this invoice. Nothing was changed."
        return over("This link has expired", sentence, brand=brand(tx), back=business(tx)["url"])
    return body


def _show(tx: Tx, call: PageCall) -> PageAnswer:
    body = _found(tx, call)
    return body if isinstance(body, PageAnswer) else _page(tx, body)


def _page(
    tx: Tx, body: Json, *, form: dict[str, str] | None = None, errors: dict[str, str] | None = None,
    alert: str | None = None,
) -> PageAnswer:  # fmt: skip
    given = form or {}
    currency = body["currency"]
    methods = tx.select("payment_method", customer=body["customer"])
    owed = body["status"] in {"open", "uncollectible"} and body["amount_remaining"] > 0
    intent = payments.intent_of(tx, body["id"]) if owed else None
    processing = intent is not None and intent["status"] == "processing"
    default = tx.get("customer", body["customer"])["invoice_settings"]["default_payment_method"]
    here = f"{tx.base_url}/invoices/{body['id']}/{body['_token']}"
    state, headline, subline = _state(body, processing=processing)
    return page(
        "invoice.html",
        brand=brand(tx),
        back=business(tx)["url"],
        here=here,
        invoice=body,
        state=state,
        tone=_TONES.get(body["status"], ""),
        headline=headline,
        subline=subline,
        seller=seller_party(tx),
        buyer=documents.buyer(body),
        lines=[
            {"description": one["description"], "quantity": one["quantity"], "amount": money(one["amount"], currency)}
            for one in body["_lines"]
        ],
        totals=documents.totals(tx, body),
        notes=documents.notes(body),
        corrections=_corrections(tx, body),
        invoice_pdf=f"{here}/pdf?t={tx.now}",
        receipt_pdf=f"{here}/receipt?t={tx.now}" if body["status"] == "paid" and body["amount_paid"] else None,
        payable=owed and not processing,
        owed=money(body["amount_remaining"], currency),
        waiting=_waiting(intent),
        cards=[card_form.described(one) for one in methods],
        chosen=given.get("card") or default or (methods[0]["id"] if methods else "new"),
        test_cards=card_form.offered(),
        form=given,
        errors=errors or {},
        alert=alert or ("Check the marked fields." if errors else None) or _last_error(intent),
    )


def _state(body: Json, *, processing: bool) -> tuple[str, str, str]:
    """Return status, headline and the line below it."""
    if processing:
        return "Processing", f"{money(body['amount_remaining'], body['currency'])} is being paid", _PROCESSING
    stamps, currency = body["status_transitions"], body["currency"]
    match body["status"]:
        case "paid":
            return (
                "Paid",
                f"{money(body['amount_paid'], currency)} paid",
                f"Paid on {day(stamps['paid_at'])}. Thank you.",
            )
        case "void":
            return "Void", "Nothing to pay", f"This invoice was voided on {day(stamps['voided_at'])}."
        case _:
            since = f"Issued on {day(stamps['finalized_at'])}."
            return "Open", f"{money(body['amount_remaining'], currency)} due", since


def _waiting(intent: Json | None) -> str | None:
    action = intent["next_action"] if intent else None
    return action["redirect_to_url"]["url"] if action else None


def _last_error(intent: Json | None) -> str | None:
    error = intent["last_payment_error"] if intent else None
    return f"{error['message']} You were not charged." if error else None


def _corrections(tx: Tx, body: Json) -> list[Json]:
    notes = tx.select("credit_note", invoice=body["id"])
    linked = {one["refund"] for note in notes for one in note["refunds"]}
    rows = [
        {
            "title": f"Credit note {one['number']}", "amount": money(-one["total"], one["currency"]),
            "detail": f"{day(one['created'])} · {one['status']}", "pdf": shown(tx, one)["pdf"],
        }
        for one in notes
    ]  # fmt: skip
    for charge in charges_of(tx, body):
        rows += [
            {
                "title": "Refund", "amount": money(-one["amount"], one["currency"]),
                "detail": f"{day(one['created'])} · {one['status']}", "pdf": None,
            }
            for one in tx.select("refund", charge=charge)
            if one["id"] not in linked
        ]  # fmt: skip
    return rows


def _pay(tx: Tx, call: PageCall) -> PageAnswer:
    body = _found(tx, call)
    if isinstance(body, PageAnswer):
        return body
    form = fields(call.form)
    filled = card_form.filled(form)
    if filled is not None:
        return _page(tx, body, form={**filled, "card": "new"})
    if body["status"] not in {"open", "uncollectible"}:
        return goto(shown(tx, body)["hosted_invoice_url"])
    chosen, fresh = form.get("card", ""), form.get("card") == "new"
    if fresh:
        method, errors = card_form.read(tx, form)
        if method is None:
            return _page(tx, body, form=form, errors=errors)
        chosen = method["id"]
    refusal = _charged(tx, body, chosen, fresh=fresh)
    if refusal is None:
        return goto(shown(tx, body)["hosted_invoice_url"])
    if refusal.body["error"].get("code") == _SCA:
        waiting = _waiting(payments.intent_of(tx, body["id"]))
        assert waiting is not None, "an intent that requires action says where"
        return goto(waiting)
    return _page(tx, tx.get("invoice", body["id"]), form=form, alert=f"{said(refusal)} You were not charged.")


def _charged(tx: Tx, body: Json, method_id: str, *, fresh: bool) -> ApiError | None:
    """Pay with a card of the customer's; a new one becomes theirs unless its bank refuses it."""
    if not fresh:
        return attempt(tx, lambda: payments.pay(tx, body["id"], payment_method=method_id, off_session=False))
    method = tx.get("payment_method", method_id)
    # The bank is asked to charge, not to save: a card that cannot be attached must fail as a payment.
    tx.save({**method, "customer": body["customer"]})
    refusal = attempt(tx, lambda: payments.pay(tx, body["id"], payment_method=method_id, off_session=False))
    if refusal is not None and refusal.body["error"].get("code") != _SCA:
        tx.save(method)
    else:
        events.emit(tx, "payment_method.attached", payment_methods.owned(tx, method_id, body["customer"]))
    return refusal


def _invoice_pdf(tx: Tx, call: PageCall) -> PageAnswer:
    body = _found(tx, call)
    if isinstance(body, PageAnswer):
        return body
    return document(render(documents.invoice(tx, body)), f"Invoice-{body['number']}")


def _receipt_pdf(tx: Tx, call: PageCall) -> PageAnswer:
    body = _found(tx, call)
    if isinstance(body, PageAnswer):
        return body
    if body["status"] != "paid":
        return over("There is no receipt yet", "This invoice has not been paid.", brand=brand(tx), status=404)
    return document(render(documents.receipt(tx, body)), f"Receipt-{body['number']}")


def _credit_note_pdf(tx: Tx, call: PageCall) -> PageAnswer:
    body = tx.find("credit_note", call.ids["id"])
    if body is None or not hmac.compare_digest(body["_token"], call.ids["token"]):
        return expired(brand=brand(tx), back=business(tx)["url"])
    return document(render(documents.credit_note(tx, body)), f"Credit-note-{body['number']}")


_LINK: Final = "/invoices/{id}/{token}"

PAGES = [
    Page("GET", _LINK, _show),
    Page("POST", _LINK + "/pay", _pay),
    Page("GET", _LINK + "/pdf", _invoice_pdf),
    Page("GET", _LINK + "/receipt", _receipt_pdf),
    Page("GET", "/credit_notes/{id}/{token}/pdf", _credit_note_pdf),
]
