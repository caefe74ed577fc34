"""The endpoints that end a draft or an invoice: finalize, pay, void, mark uncollectible.

Owns: their parameters and defaults (`off_session` is true unless said otherwise). What they do is in `closing` and
`payments`.
"""

from ileen.sandbox.stripe import closing, payments
from ileen.sandbox.stripe.api import Call, Route
from ileen.sandbox.stripe.errors import Json, refused
from ileen.sandbox.stripe.form import flag, group, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import shown


def _pay(tx: Tx, call: Call) -> Json:
    given = call.given
    if given.get("paid_out_of_band"):
        body = tx.get("invoice", call.id)
        if body["status"] not in {"open", "uncollectible"}:
            raise refused("Invoice is already paid" if body["status"] == "paid" else "This invoice is not open.")
        body["amount_paid_off_stripe"] = body["amount_remaining"]
        return shown(tx, payments.settled(tx, body, charge=None))
    off_session = given.get("off_session")
    paid = payments.pay(
        tx,
        call.id,
        payment_method=given.get("payment_method"),
        off_session=True if off_session is None else off_session,
    )
    return shown(tx, paid)


def _finalize(tx: Tx, call: Call) -> Json:
    return shown(tx, closing.finalized(tx, call.id, auto_advance=call.given.get("auto_advance")))


_PAY = group(payment_method=text, off_session=flag, paid_out_of_band=flag)

ROUTES = [
    Route("POST", "/v1/invoices/{id}/finalize", _finalize, group(auto_advance=flag)),
    Route("POST", "/v1/invoices/{id}/pay", _pay, _PAY),
    Route("POST", "/v1/invoices/{id}/void", lambda tx, call: shown(tx, closing.voided(tx, call.id))),
    Route("POST", "/v1/invoices/{id}/mark_uncollectible", lambda tx, c: shown(tx, closing.uncollectible(tx, c.id))),
]
