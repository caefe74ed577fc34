"""Payment methods: cards made from templates or numbers, attached to customers, detached for good.

Owns: /v1/payment_methods and /v1/customers/{id}/payment_methods. Refuses to know: charges.
M1  a detached card is never attached or charged again.
M2  a card that its bank refuses cannot be attached; one that only fails when charged can.
"""

import hashlib
from typing import Any, Final

from ileen.sandbox.stripe import events
from ileen.sandbox.stripe.api import Call, Route, address, merged_metadata
from ileen.sandbox.stripe.cards import Decline, TestCard, by_number, by_template
from ileen.sandbox.stripe.doubts import variant
from ileen.sandbox.stripe.errors import ApiError, Json, invalid, no_such, refused
from ileen.sandbox.stripe.form import ADDRESS, choice, group, inner, mapping, page_of, text, whole
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import listed, shown

_EMPTY_DETAILS: Final[Json] = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
_DETAILS: Final = group(address=ADDRESS, email=text, name=text, phone=text, tax_id=text)


def made(
    tx: Tx, card: TestCard, *, exp_month: int = 12, exp_year: int = 2034, details: Json | None = None
) -> Json:  # fmt: skip
    """Create a payment method of a test card, attached to nobody."""
    given = {**_EMPTY_DETAILS, **(details or {})}
    given["address"] = address(given["address"] or {})
    body: Json = {
        "id": tx.mint("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": given,
        "card": _card_shown(card, exp_month, exp_year),
        "created": tx.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
        "_number": card.number,
        "_set_up": False,
    }
    return tx.save(body)


def attached(tx: Tx, id_: str, customer: str) -> Json:
    """Attach a payment method, or a new one of a `pm_card_*` template. Raises: ApiError 402 for a refusing bank."""
    body = resolved(tx, id_)
    tx.get("customer", customer, param="customer", status=400)
    if body["customer"] == customer:
        return body
    if body["customer"]:
        raise refused("The payment method you provided has already been attached to a customer.")
    if body.get("_detached"):
        raise refused(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a "
            "Customer, and may not be used again."
        )
    card = card_of(body)
    if card.refuses_attach and card.decline:
        raise declined(card.decline, payment_method=shown(tx, body))
    body["customer"] = customer
    tx.save(body)
    events.emit(tx, "payment_method.attached", body)
    _maybe_default(tx, body)
    return body


def detached(tx: Tx, id_: str) -> Json:
    """Detach a payment method for good; whether it stops being the customer's default is a doubt."""
    body = tx.get("payment_method", id_)
    customer = body["customer"]
    if customer is None:
        raise refused("The payment method you provided is not attached to a customer so detachment is impossible.")
    body["customer"] = None
    body["_detached"] = True
    events.update(tx, body, "payment_method.detached")
    owner = tx.get("customer", customer)
    is_default = owner["invoice_settings"]["default_payment_method"] == id_
    if is_default and variant(tx, "detach_default") == "cleared":
        owner["invoice_settings"]["default_payment_method"] = None
        events.update(tx, owner, "customer.updated")
    return body


def owned(tx: Tx, id_: str, customer: str, *, param: str = "payment_method") -> Json:
    """Return a customer's payment method. Raises: ApiError for one that is not theirs, or detached."""
    body = tx.find("payment_method", id_)
    if body is None:
        raise no_such("PaymentMethod", id_, param=param, status=400)
    if body.get("_detached"):
        raise refused(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared "
            "with a connected account without Customer attachment, or was detached from a Customer. It may not be "
            "used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
            param=param,
        )
    if body["customer"] != customer:
        raise refused(
            f"The customer does not have a payment method with the ID {id_}. The payment method must be attached to "
            "the customer.",
            code="resource_missing",
            param=param,
        )
    return body


def resolved(tx: Tx, id_: str) -> Json:
    """Return a payment method by id, making a new one for a template's name."""
    template = by_template(id_)
    return made(tx, template) if template else tx.get("payment_method", id_, param="payment_method")


def card_of(body: Json) -> TestCard:
    """Return the test card behind a payment method."""
    card = by_number(body["_number"])
    assert card is not None, "payment methods are made of test cards only"
    return card


def declined(decline: Decline, **more: Any) -> ApiError:
    """Return the 402 for a bank's refusal; what was recorded of it is kept."""
    return ApiError(
        402,
        decline.message,
        type_="card_error",
        code=decline.code,
        decline_code=decline.decline_code,
        advice_code=decline.advice,
        began=True,
        keep=True,
        **more,
    )


def _maybe_default(tx: Tx, body: Json) -> None:
    """Make a first card the default, where that doubt is chosen."""
    if variant(tx, "first_card_default") == "no":
        return
    owner = tx.get("customer", body["customer"])
    if owner["invoice_settings"]["default_payment_method"] is None:
        owner["invoice_settings"]["default_payment_method"] = body["id"]
        events.update(tx, owner, "customer.updated")


def _card_shown(card: TestCard, exp_month: int, exp_year: int) -> Json:
    fingerprint = hashlib.sha256(card.number.encode()).hexdigest()[:16]
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": card.country,
        "display_brand": {"amex": "american_express"}.get(card.brand, card.brand),
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": fingerprint,
        "funding": "debit" if card.template == "pm_card_visa_debit" else "credit",
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _create(tx: Tx, call: Call) -> Json:
    given = call.given["card"]
    card = by_number(given.get("number") or "") or by_template({"tok_visa": "pm_card_visa"}.get(given.get("token"), ""))
    if card is None:
        raise ApiError(402, "Your card number is incorrect.", type_="card_error", code="incorrect_number",
                       param="number", began=True)  # fmt: skip
    month, year = given.get("exp_month") or 12, given.get("exp_year") or 2034
    body = made(tx, card, exp_month=month, exp_year=year, details=call.given.get("billing_details"))
    body["metadata"] = merged_metadata({}, call.given.get("metadata"))
    return shown(tx, tx.save(body))


def _update(tx: Tx, call: Call) -> Json:
    body = tx.get("payment_method", call.id)
    if body["customer"] is None:
        raise refused("You must save this PaymentMethod to a customer before you can update it.")
    details = call.given.get("billing_details")
    if details:
        body["billing_details"] = {**body["billing_details"], **details}
        body["billing_details"]["address"] = address(body["billing_details"]["address"] or {})
    expiry = inner(call.given, "card")
    body["card"] = {**body["card"], **{name: value for name, value in expiry.items() if value}}
    if "metadata" in call.given:
        body["metadata"] = merged_metadata(body["metadata"], call.given["metadata"])
    events.update(tx, body, "payment_method.updated")
    return shown(tx, body)


def _attach(tx: Tx, call: Call) -> Json:
    return shown(tx, attached(tx, call.id, call.given["customer"]))


def _list(tx: Tx, call: Call) -> Json:
    customer = call.given.get("customer")
    if not customer:
        raise invalid("You must provide the customer whose payment methods you want.", param="customer")
    tx.get("customer", customer, param="customer", status=400)
    return listed(tx, call.path, _of_type(tx, customer, call.given), call.given)


def _list_of_customer(tx: Tx, call: Call) -> Json:
    tx.get("customer", call.id)
    return listed(tx, call.path, _of_type(tx, call.id, call.given), call.given)


def _of_type(tx: Tx, customer: str, given: Json) -> list[Json]:
    return tx.select("payment_method", customer=customer) if given.get("type") in {None, "card"} else []


def _retrieve_of_customer(tx: Tx, call: Call) -> Json:
    body = tx.get("payment_method", call.ids["pm"])
    if body["customer"] != call.id:
        raise no_such("payment_method", call.ids["pm"])
    return shown(tx, body)


_CARD = group(number=text, token=text, exp_month=whole, exp_year=whole, cvc=text)
_CREATE = group(needs=("type", "card"), type=choice("card"), card=_CARD, billing_details=_DETAILS, metadata=mapping)
_CHANGE = group(billing_details=_DETAILS, metadata=mapping, card=group(exp_month=whole, exp_year=whole))

ROUTES = [
    Route("POST", "/v1/payment_methods", _create, _CREATE),
    Route("GET", "/v1/payment_methods", _list, page_of(customer=text, type=text)),
    Route("GET", "/v1/payment_methods/{id}", lambda tx, call: shown(tx, tx.get("payment_method", call.id))),
    Route("POST", "/v1/payment_methods/{id}", _update, _CHANGE),
    Route("POST", "/v1/payment_methods/{id}/attach", _attach, group(needs=("customer",), customer=text)),
    Route("POST", "/v1/payment_methods/{id}/detach", lambda tx, call: shown(tx, detached(tx, call.id))),
    Route("GET", "/v1/customers/{id}/payment_methods", _list_of_customer, page_of(type=text)),
    Route("GET", "/v1/customers/{id}/payment_methods/{pm}", _retrieve_of_customer),
]
