"""Where a customer is for tax, what the seller is registered for, and what that makes of a sale (decided by `vat`).

Owns: /v1/tax/settings, /v1/tax/registrations, /v1/tax_rates, and `customer.tax`. Refuses to know: invoices, rates.
L1  the first location a customer has decides, even where it cannot be understood; there is no falling through.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from ileen.sandbox.stripe.api import Call, Route
from ileen.sandbox.stripe.doubts import variant
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.form import inner, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.vat import MEMBERS, Buyer, Decision, Reason, Registration, Scheme, Seller, decide
from ileen.sandbox.stripe.views import listed, shown

_DEFAULTS: Final[Json] = {
    "head_office": "DE",
    "registrations": [{"country": "DE", "type": "standard"}, {"country": "DE", "type": "oss_union"}],
    "tax_behavior": "inferred_by_currency",
    "tax_code": "txcd_10000000",
    "status": "active",
}
_INCLUSIVE_CURRENCIES_NOT: Final = {"usd", "cad"}  # "inferred_by_currency" makes every other currency inclusive


@dataclass(frozen=True, slots=True)
class Place:
    """Where a customer is, and which of their data says so."""

    country: str
    state: str | None
    postal_code: str | None
    source: str


def seller(tx: Tx) -> Json:
    """Return the seller's tax settings."""
    return {**_DEFAULTS, **json.loads(tx.setting("tax") or "{}")}


def set_seller(tx: Tx, changes: Json) -> None:
    """Change the seller's tax settings."""
    tx.set("tax", json.dumps({**json.loads(tx.setting("tax") or "{}"), **changes}))


def place_of(tx: Tx, customer: Json) -> Place | None:
    """Return where a customer is: the first location present decides, even if it cannot be understood."""
    shipping = inner(customer, "shipping").get("address")
    default = tx.find("payment_method", customer["invoice_settings"]["default_payment_method"])
    candidates = (
        (shipping, "shipping_destination"),
        (customer.get("address"), "billing_address"),
        (_card_place(default), "payment_method"),
        ({"country": "DE"} if customer.get("_ip_address") else None, "ip_address"),
    )
    for found, source in candidates:
        if found and any(found.values()):
            return _understood(found, source)
    return None


def customer_tax(tx: Tx, customer: Json) -> Json:
    """Return `customer.tax` as shown when expanded."""
    place = place_of(tx, customer)
    status = "unrecognized_location"
    if place:
        status = "supported" if _registered(seller(tx), place.country) else "not_collecting"
    location = place and {"country": place.country, "source": place.source, "state": place.state}
    return {
        "automatic_tax": status,
        "ip_address": customer.get("_ip_address"),
        "location": location,
        "provider": "stripe",
    }


def decided(tx: Tx, customer: Json, place: Place, *, on: date) -> Decision:
    """Decide how a sale to a customer at a place is taxed on a day."""
    settings = seller(tx)
    registered = [Registration(one["country"], Scheme(one["type"])) for one in settings["registrations"]]
    buyer = Buyer(
        country=place.country,
        postal_code=place.postal_code,
        exempt=customer["tax_exempt"],
        tax_ids=[(one["type"], one["value"]) for one in tax_ids_of(tx, customer)],
    )
    return decide(Seller(country=settings["head_office"], registrations=registered), buyer, on)


def reason_shown(tx: Tx, decision: Decision) -> str:
    """Return the `taxability_reason` of a decision; what Stripe calls a place without registration is a doubt."""
    return variant(tx, "unregistered_reason") if decision.reason is Reason.NOT_COLLECTING else str(decision.reason)


def tax_ids_of(tx: Tx, customer: Json) -> list[Json]:
    """Return a customer's tax ids, oldest first; a previewed customer brings its own."""
    given: list[Json] | None = customer.get("_tax_ids")
    return tx.select("tax_id", customer=customer["id"])[::-1] if given is None else given


def behaviour(tx: Tx, given: str | None, currency: str) -> str:
    """Return a line's tax behaviour; what is not said is the account's default."""
    wanted = given if given not in {None, "unspecified"} else seller(tx)["tax_behavior"]
    if wanted in {"inclusive", "exclusive"}:
        return str(wanted)
    return "exclusive" if currency in _INCLUSIVE_CURRENCIES_NOT else "inclusive"


def rate_object(tx: Tx, decision: Decision) -> str:
    """Return the id of the tax rate object of a decision, which is made when first used."""
    wanted = f"{decision.country} {decision.rate}"
    for found in tx.select("tax_rate"):
        if found["_is"] == wanted:
            return found["id"]
    percent = f"{decision.rate:f}"
    body: Json = {
        "id": tx.mint("txr"), "object": "tax_rate", "active": False, "country": decision.country, "created": tx.now,
        "description": None, "display_name": "VAT", "effective_percentage": None, "flat_amount": None,
        "inclusive": False, "jurisdiction": decision.country, "jurisdiction_level": "country", "livemode": False,
        "metadata": {}, "percentage": json.loads(percent), "rate_type": "percentage", "state": None,
        "tax_type": "vat", "_is": wanted,
    }  # fmt: skip
    return tx.save(body)["id"]


def day(now: int) -> date:
    """Return the calendar day of a Unix second, in UTC."""
    return datetime.fromtimestamp(now, UTC).date()


def _card_place(card: Json | None) -> Json | None:
    if card is None:
        return None
    billing = card["billing_details"]["address"]
    return billing if billing and billing["country"] else {"country": card["card"]["country"]}


def _understood(found: Json, source: str) -> Place | None:
    country = str(found.get("country") or "").upper()
    if len(country) != 2 or not country.isalpha() or country in {"XX", "ZZ"}:
        return None
    if country in {"US", "CA"} and not found.get("postal_code"):
        return None
    return Place(country, found.get("state"), found.get("postal_code"), source)


def _registered(settings: Json, country: str) -> bool:
    for one in settings["registrations"]:
        if one["country"] == country or (one["type"] != "standard" and country in MEMBERS):
            return True
    return False


def _settings(tx: Tx, _: Call) -> Json:
    settings = seller(tx)
    active = settings["status"] == "active"
    office = dict.fromkeys(("city", "line1", "line2", "postal_code", "state"))
    return {
        "object": "tax.settings",
        "defaults": {
            "provider": "stripe", "tax_behavior": settings["tax_behavior"], "tax_code": settings["tax_code"],
        },
        "head_office": {"address": {**office, "country": settings["head_office"]}} if active else None,
        "livemode": False,
        "status": settings["status"],
        "status_details": {"active": {}} if active else {"pending": {"missing_fields": ["head_office"]}},
    }  # fmt: skip


def _registrations(tx: Tx, call: Call) -> Json:
    found: list[Json] = []
    for position, one in enumerate(seller(tx)["registrations"]):
        kind = one["type"]
        scheme: Json = {"standard": {"place_of_supply_scheme": kind}} if kind in {"standard", "small_seller"} else {}
        options: Json = {"type": "standard" if scheme else kind, **scheme}
        found.append(
            {
                "id": f"taxreg_{position:024d}", "object": "tax.registration", "active_from": 1_735_689_600,
                "country": one["country"], "country_options": {one["country"].lower(): options},
                "created": 1_735_689_600, "expires_at": None, "livemode": False, "status": "active",
            }
        )  # fmt: skip
    wanted = call.given.get("status")
    return listed(tx, call.path, [one for one in found if wanted in {None, "all", one["status"]}], call.given)


ROUTES = [
    Route("GET", "/v1/tax/settings", _settings),
    Route("GET", "/v1/tax/registrations", _registrations, page_of(status=text)),
    Route("GET", "/v1/tax_rates/{id}", lambda tx, call: shown(tx, tx.get("tax_rate", call.id))),
]
