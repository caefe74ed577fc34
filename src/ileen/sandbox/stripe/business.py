"""Who sells, as hosted pages and documents show it. The sandbox's own data until the seller's are set."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Babel has no types; what is read of it is a table of names by code.

import json
from collections.abc import Sequence
from typing import Final

from babel import Locale

from ileen.sandbox.stripe.errors import Json, invalid
from ileen.sandbox.stripe.pdf import Party
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.tax import seller

_DEFAULT: Final[Json] = {
    "name": "Sandbox Seller GmbH",
    "address": ["Beispielstraße 1", "10115 Berlin"],
    "email": "billing@seller.example",
    "tax_id": "DE136695976",
    "url": None,
    "inbox_url": None,
}
_NO_COUNTRIES: Final = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}  # groups and placeholders in the CLDR's list


def business(tx: Tx) -> Json:
    """Return the seller's name, address lines, e-mail, VAT id, its product's URL and where its mails can be read."""
    given = json.loads(tx.setting("business") or "{}")
    name = tx.setting("account_name") or _DEFAULT["name"]
    return {**_DEFAULT, "name": name, **given}


def set_business(tx: Tx, changes: Json) -> None:
    """Change the seller's data; names not in `changes` stay. Raises: ApiError for a name that does not exist."""
    if not changes.keys() <= _DEFAULT.keys():
        raise invalid(f"The seller has: {', '.join(_DEFAULT)}.")
    tx.set("business", json.dumps({**json.loads(tx.setting("business") or "{}"), **changes}))
    if changes.get("name"):
        tx.set("account_name", changes["name"])


def brand(tx: Tx) -> str:
    """Return the seller's name."""
    return str(business(tx)["name"])


def seller_party(tx: Tx) -> Party:
    """Return the seller as documents print it."""
    own = business(tx)
    tax_ids = [own["tax_id"]] if own["tax_id"] else []
    country = country_name(seller(tx)["head_office"])
    return Party(name=own["name"], address=[*own["address"], country], email=own["email"], tax_ids=tax_ids)


def address_lines(address: Json | None) -> Sequence[str]:
    """Write a postal address as lines, empty ones left out."""
    given = address or {}
    town = " ".join(part for part in (given.get("postal_code"), given.get("city")) if part)
    country = country_name(given["country"]) if given.get("country") else None
    return [line for line in (given.get("line1"), given.get("line2"), town, given.get("state"), country) if line]


def country_name(code: str) -> str:
    """Return a country's English name, or its code where there is none."""
    return Locale("en").territories.get(code.upper(), code.upper())


def countries() -> list[tuple[str, str]]:
    """Return all countries as (code, name), by name."""
    named = [(code, name) for code, name in Locale("en").territories.items() if len(code) == 2 and code.isalpha()]
    return sorted((one for one in named if one[0] not in _NO_COUNTRIES), key=lambda one: one[1])
