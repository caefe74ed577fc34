"""Charges: one try at a card, successful or not, and the money it moved.

Owns: charge and balance transaction documents. `charge.aftermath` is scheduled by `payments` for cards that are
disputed later; what disputes do is another module's.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from ileen.sandbox.stripe import events
from ileen.sandbox.stripe.cards import Decline
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.store import Tx

FEE_PERCENT: Final = Decimal("1.5")
FEE_FIXED: Final = 25
"""Stripe's price for a European card: a part of the amount, and a sum in cents."""
_AVAILABLE_AFTER_S: Final = 7 * 86_400


def charged(tx: Tx, intent: Json, method: Json) -> Json:
    """Record a successful charge and its balance transaction."""
    body = _charge(tx, intent, method)
    body.update(
        amount_captured=body["amount"], captured=True, paid=True, status="succeeded",
        outcome={**_OUTCOME, "network_status": "approved_by_network", "seller_message": "Payment complete.",
                 "type": "authorized"},
    )  # fmt: skip
    fee = int((body["amount"] * FEE_PERCENT / 100).quantize(Decimal(1), ROUND_HALF_UP)) + FEE_FIXED
    moved = balance_transaction(
        tx, body["amount"], body["currency"], fee=fee, source=body["id"], kind="charge", description=body["description"]
    )
    body["balance_transaction"] = moved["id"]
    tx.save(body)
    events.emit(tx, "charge.succeeded", body)
    return body


def failed(tx: Tx, intent: Json, method: Json, decline: Decline) -> Json:
    """Record a charge that the bank refused."""
    body = _charge(tx, intent, method)
    body.update(
        captured=False, paid=False, status="failed", failure_code=decline.code, failure_message=decline.message,
        outcome={**_OUTCOME, "advice_code": decline.advice, "network_status": "declined_by_network",
                 "reason": decline.decline_code, "seller_message": "The bank did not approve.",
                 "type": "issuer_declined"},
    )  # fmt: skip
    tx.save(body)
    events.emit(tx, "charge.failed", body)
    return body


def balance_transaction(
    tx: Tx, amount: int, currency: str, *, fee: int, source: str, kind: str, description: str | None
) -> Json:
    """Record money that moved on the seller's balance: `amount` and `fee` in cents, both signed."""
    fees: list[Json] = []
    if fee:
        fees.append(
            {"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees",
             "type": "stripe_fee"}
        )  # fmt: skip
    return tx.save(
        {
            "id": tx.mint("txn"), "object": "balance_transaction", "amount": amount,
            "available_on": tx.now + _AVAILABLE_AFTER_S, "balance_type": "payments", "created": tx.now,
            "currency": currency, "description": description, "exchange_rate": None, "fee": fee, "fee_details": fees,
            "net": amount - fee, "reporting_category": "dispute" if kind == "adjustment" else kind,
            "source": source, "status": "pending", "type": kind,
        }
    )  # fmt: skip


_OUTCOME: Final[Json] = {
    "advice_code": None, "network_advice_code": None, "network_decline_code": None, "network_status": None,
    "reason": None, "risk_level": "normal", "risk_score": 12, "seller_message": None, "type": "authorized",
}  # fmt: skip


def _charge(tx: Tx, intent: Json, method: Json) -> Json:
    none: Json = dict.fromkeys(
        (
            "application", "application_fee", "application_fee_amount", "balance_transaction",
            "calculated_statement_descriptor", "failure_balance_transaction", "failure_code", "failure_message",
            "on_behalf_of", "receipt_email", "receipt_number", "receipt_url", "review", "shipping", "source",
            "source_transfer", "statement_descriptor", "statement_descriptor_suffix", "transfer_data",
            "transfer_group",
        )
    )  # fmt: skip
    return {
        **none,
        "id": tx.mint("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "captured": False,
        "created": tx.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card_details(method["card"]), "type": "card"},
        "radar_options": {},
        "refunded": False,
        "status": "pending",
    }


def _card_details(card: Json) -> Json:
    kept = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {
        **{name: card[name] for name in kept},
        "authorization_code": None, "installments": None, "mandate": None, "network": card["brand"],
        "network_token": {"used": False}, "network_transaction_id": None, "regulated_status": "unregulated",
        "three_d_secure": None, "wallet": None,
    }  # fmt: skip
