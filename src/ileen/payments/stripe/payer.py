"""The payer at Stripe: customer, tax ids, cards, portal sessions.

Owns: what is sent and how answers and errors become values of ours. Refuses to know: our tables.
Creating calls take an idempotency key; updates and deletions may be repeated as they are.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import stripe
from msgspec import Struct

from ileen.base.errors import StripeRefused, TaxIdInvalid
from ileen.payments.stripe.client import Stripe, answered

_CARDS_MAX: Final = 100


class NotAtStripe(Exception):
    """Stripe knows no such object, or no longer."""


class AlreadyAtStripe(Exception):
    """Stripe has this very object already."""


class Address(Struct, frozen=True, kw_only=True):
    """A postal address; `country` is ISO 3166-1 alpha-2, `region` a state or province."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    postal_code: str | None = None
    region: str | None = None
    country: str | None = None


class CustomerFacts(Struct, frozen=True, kw_only=True):
    """A customer as Stripe has it. `location` is Stripe's word for whether tax can be calculated."""

    id: str
    deleted: bool
    name: str | None = None
    email: str | None = None
    address: Address = Address()
    location: str = "unknown"
    default_card: str | None = None
    account_id: str | None = None


class CardFacts(Struct, frozen=True, kw_only=True):
    """A saved card as Stripe has it. `customer` is None once detached. `created` is in Unix seconds."""

    id: str
    customer: str | None
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    country: str | None
    fingerprint: str | None
    created: int


class TaxIdFacts(Struct, frozen=True, kw_only=True):
    """A tax id as Stripe has it. `status` is pending, verified, unverified or unavailable."""

    id: str
    kind: str
    value: str
    status: str
    verified_name: str | None
    verified_address: str | None


def create_customer(at: Stripe, *, account_id: str, purpose: str, key: str) -> str:
    """Create an empty customer that knows whose it is; return its id. The same key never makes a second one.

    Nothing that may change is sent along: a repeated request must be the same request, or Stripe refuses it.
    """
    with _asking():
        made = at.client.v1.customers.create(
            {"metadata": {"account_id": account_id, "purpose": purpose}}, {"idempotency_key": key}
        )
    return made.id


def find_customer(at: Stripe, *, account_id: str, purpose: str, since: int) -> str | None:
    """Look for a customer made for an account since a moment (Unix seconds), when its answer was lost long ago."""
    with _asking():
        for each in at.client.v1.customers.list({"created": {"gte": since}, "limit": 100}).auto_paging_iter():
            metadata = each.metadata.to_dict() if each.metadata else {}
            if metadata.get("account_id") == account_id and metadata.get("purpose") == purpose:
                return each.id
    return None


def send_details(
    at: Stripe,
    stripe_id: str,
    *,
    name: str,
    email: str | None,
    address: Address,
    language: str | None,
    key: str,
) -> CustomerFacts:
    """Set the billing details and have Stripe place the address for tax at once.

    Raises: LocationInvalid (nothing was changed), NotAtStripe (the customer was deleted).
    """
    with _asking():
        changed = at.client.v1.customers.update(
            stripe_id,
            {
                "name": name,
                "email": email or "",
                "address": {
                    "line1": address.line1 or "",
                    "line2": address.line2 or "",
                    "city": address.city or "",
                    "postal_code": address.postal_code or "",
                    "state": address.region or "",
                    "country": address.country or "",
                },
                "preferred_locales": [language] if language else [],
                "tax": {"validate_location": "immediately"},
                "expand": ["tax"],
            },
            {"idempotency_key": key},
        )
    return _customer(changed)


def read_customer(at: Stripe, stripe_id: str) -> CustomerFacts:
    """Read a customer; a deleted one is told as such. Raises: NotAtStripe."""
    with _asking():
        return _customer(at.client.v1.customers.retrieve(stripe_id, {"expand": ["tax"]}))


def delete_customer(at: Stripe, stripe_id: str) -> None:
    """Delete a customer that was made for a check only; one that is gone already is fine."""
    try:
        with _asking():
            at.client.v1.customers.delete(stripe_id)
    except NotAtStripe:
        return


# Cards -------------------------------------------------------------------------------------------------------


def list_cards(at: Stripe, stripe_id: str) -> list[CardFacts]:
    """Read the saved cards of a customer, newest first. Raises: NotAtStripe."""
    with _asking():
        found = at.client.v1.customers.payment_methods.list(stripe_id, {"type": "card", "limit": _CARDS_MAX})
        return [_card(each) for each in found.data]


def detach_card(at: Stripe, card_id: str, *, key: str) -> None:
    """Detach a card for good; one that is detached already is fine."""
    try:
        with _asking():
            at.client.v1.payment_methods.detach(card_id, {}, {"idempotency_key": key})
    except NotAtStripe:
        return
    except StripeRefused:
        # Stripe words "not attached" differently over time and gives no code: what counts is the card itself.
        if read_card_owner(at, card_id) is not None:
            raise


def read_card_owner(at: Stripe, card_id: str) -> str | None:
    """Return the customer a card is attached to, None if to nobody."""
    try:
        with _asking():
            found = at.client.v1.payment_methods.retrieve(card_id)
    except NotAtStripe:
        return None
    return _id(found.customer)


def clear_default_card(at: Stripe, stripe_id: str) -> None:
    """Have the customer name no default card."""
    with _asking():
        at.client.v1.customers.update(stripe_id, {"invoice_settings": {"default_payment_method": ""}})


# Tax ids -----------------------------------------------------------------------------------------------------


def create_tax_id(at: Stripe, stripe_id: str, *, kind: str, value: str, key: str) -> TaxIdFacts:
    """Give a customer a tax id, which starts its verification. Raises: TaxIdInvalid, AlreadyAtStripe, NotAtStripe."""
    with _asking():
        params: Any = {"type": kind, "value": value}  # the SDK's literal type lists every kind there is
        return _tax_id(at.client.v1.customers.tax_ids.create(stripe_id, params, {"idempotency_key": key}))


def read_tax_id(at: Stripe, stripe_id: str, tax_id: str) -> TaxIdFacts:
    """Read a tax id of a customer. Raises: NotAtStripe."""
    with _asking():
        return _tax_id(at.client.v1.customers.tax_ids.retrieve(stripe_id, tax_id))


def list_tax_ids(at: Stripe, stripe_id: str) -> list[TaxIdFacts]:
    """Read the tax ids of a customer. Raises: NotAtStripe."""
    with _asking():
        return [_tax_id(each) for each in at.client.v1.customers.tax_ids.list(stripe_id, {"limit": 100}).data]


def delete_tax_id(at: Stripe, stripe_id: str, tax_id: str) -> None:
    """Take a tax id off a customer; one that is gone already is fine."""
    try:
        with _asking():
            at.client.v1.customers.tax_ids.delete(stripe_id, tax_id)
    except NotAtStripe:
        return


# Portal ------------------------------------------------------------------------------------------------------


def create_portal_session(
    at: Stripe, stripe_id: str, *, configuration: str, return_url: str, language: str | None, add_card: bool
) -> str:
    """Open a session of the customer portal and return its address, which is short-lived and a credential.

    `add_card` leads straight to the card form and back. Raises: NotAtStripe.
    """
    params: dict[str, Any] = {"customer": stripe_id, "configuration": configuration, "return_url": return_url}
    if language:
        params["locale"] = language
    if add_card:
        after = {"type": "redirect", "redirect": {"return_url": return_url}}
        params["flow_data"] = {"type": "payment_method_update", "after_completion": after}
    with _asking():
        return at.client.v1.billing_portal.sessions.create(params).url  # pyright: ignore[reportArgumentType]  # built above


# Reading -----------------------------------------------------------------------------------------------------


@contextmanager
def _asking() -> Generator[None]:
    """Wrap one call; tell apart the refusals that these calls expect."""
    try:
        with answered():
            yield
    except StripeRefused as refusal:
        match refusal.fields.get("stripe_code"):
            case "resource_missing":
                raise NotAtStripe(refusal.detail) from refusal
            case "resource_already_exists":
                raise AlreadyAtStripe(refusal.detail) from refusal
            case "tax_id_invalid":
                raise TaxIdInvalid(reason="Stripe does not accept its form") from refusal
            case _:
                raise


def _customer(of: stripe.Customer) -> CustomerFacts:
    if _maybe(of, "deleted"):
        return CustomerFacts(id=of.id, deleted=True)
    place, tax, settings = _maybe(of, "address"), _maybe(of, "tax"), _maybe(of, "invoice_settings")
    metadata = _maybe(of, "metadata")
    return CustomerFacts(
        id=of.id,
        deleted=False,
        name=_maybe(of, "name"),
        email=_maybe(of, "email"),
        address=Address(
            line1=_maybe(place, "line1"),
            line2=_maybe(place, "line2"),
            city=_maybe(place, "city"),
            postal_code=_maybe(place, "postal_code"),
            region=_maybe(place, "state"),
            country=_maybe(place, "country"),
        ),
        location=_maybe(tax, "automatic_tax") or "unknown",
        default_card=_id(_maybe(settings, "default_payment_method")),
        account_id=_maybe(metadata, "account_id"),
    )


def _card(of: stripe.PaymentMethod) -> CardFacts:
    assert of.card is not None, "only cards are asked for"
    return CardFacts(
        id=of.id,
        customer=_id(of.customer),
        brand=of.card.brand,
        last4=of.card.last4 or "????",
        exp_month=of.card.exp_month,
        exp_year=of.card.exp_year,
        country=of.card.country,
        fingerprint=_maybe(of.card, "fingerprint"),
        created=of.created,
    )


def _tax_id(of: stripe.TaxId) -> TaxIdFacts:
    verification = _maybe(of, "verification")
    return TaxIdFacts(
        id=of.id,
        kind=of.type,
        value=of.value,
        status=_maybe(verification, "status") or "pending",
        verified_name=_maybe(verification, "verified_name"),
        verified_address=_maybe(verification, "verified_address"),
    )


def _maybe(of: object, name: str) -> Any:
    """Return a field that Stripe leaves out when it is null."""
    return getattr(of, name, None) or None


def _id(of: object) -> str | None:
    """Return the id of a field that is an id or, expanded, the object."""
    if of is None or of == "":
        return None
    return of if isinstance(of, str) else str(getattr(of, "id"))  # noqa: B009  # any expanded object has one
