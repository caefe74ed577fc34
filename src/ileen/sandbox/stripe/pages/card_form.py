"""The form that takes a card: test cards only, filled in by plain buttons, so that it works without script.

Owns: reading the form and what each test card does, in words. Refuses to know: what the card is taken for.
"""

import re
from typing import Final

from ileen.sandbox.stripe import payment_methods
from ileen.sandbox.stripe.cards import by_number
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.pages.frame import moment
from ileen.sandbox.stripe.store import Tx

TESTS: Final = (
    ("4242424242424242", "works"),
    ("5555555555554444", "works (Mastercard)"),
    ("4000000000000002", "is declined"),
    ("4000000000009995", "has not enough money"),
    ("4000000000000069", "has expired"),
    ("4000000000000341", "is saved, then every charge fails"),
    ("4000002500003155", "asks to confirm once, when it is saved"),
    ("4000002760003184", "asks to confirm every payment"),
    ("4000008260003178", "asks to confirm, then has not enough money"),
    ("4000000000000259", "pays, then the payment is disputed"),
    ("4000000000001976", "pays, then the bank asks about it"),
    ("4000000000005126", "pays; a refund fails later"),
    ("4000000000007726", "pays; a refund takes its time"),
)
"""The cards offered by button. Every other test card of the sandbox can be typed in."""
_EXPIRY: Final = re.compile(r"\s*(\d{1,2})\s*/?\s*(\d{2}|\d{4})\s*", re.ASCII)


def offered() -> list[Json]:
    """Return the buttons: a number and what it does."""
    return [{"number": number, "does": does} for number, does in TESTS]


def filled(form: dict[str, str]) -> dict[str, str] | None:
    """Return the form as the pressed button fills it in, or None if none was pressed."""
    number = form.get("fill")
    if number is None or by_number(number) is None:
        return None
    grouped = " ".join(number[start : start + 4] for start in range(0, len(number), 4))
    return {**form, "number": grouped, "expiry": "12 / 34", "cvc": "123", "name": form.get("name") or "Test Person"}


def read(tx: Tx, form: dict[str, str]) -> tuple[Json | None, dict[str, str]]:
    """Make a payment method of what was typed; or return what is wrong, by field."""
    errors: dict[str, str] = {}
    number = re.sub(r"[\s-]", "", form.get("number", ""))
    card = by_number(number)
    if card is None:
        errors["number"] = "Enter one of the test card numbers." if number else "Enter a card number."
    month, year = _expiry(form.get("expiry", ""))
    if not 1 <= month <= 12:
        errors["expiry"] = "Enter month and year, such as 12 / 34."
    elif (year, month) < (moment(tx.now).year, moment(tx.now).month):
        errors["expiry"] = "This date is in the past."
    if not re.fullmatch(r"\d{3,4}", form.get("cvc", "").strip(), re.ASCII):
        errors["cvc"] = "Enter three digits."
    if card is None or errors:
        return None, errors
    name = form.get("name", "").strip() or None
    return payment_methods.made(tx, card, exp_month=month, exp_year=year, details={"name": name}), errors


def described(body: Json) -> Json:
    """Return a saved card as pages show it."""
    card = body["card"]
    brand = {"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express"}.get(card["brand"], card["brand"])
    return {
        "id": body["id"], "title": f"{brand} •••• {card['last4']}",
        "expires": f"{card['exp_month']:02d}/{card['exp_year']}",
    }  # fmt: skip


def _expiry(text: str) -> tuple[int, int]:
    match = _EXPIRY.fullmatch(text)
    if match is None:
        return 0, 0
    year = int(match[2])
    return int(match[1]), year + 2000 if year < 100 else year
