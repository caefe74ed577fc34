"""What must exist in a Stripe account before anything is sold: portal configuration, product, webhook endpoint, tax.

Owns: how each is found again, made and brought up to date. Refuses to know: who is told about it.
Portal configurations and endpoints cannot be given ids of our own: ours are recognised by a mark in their metadata, an
endpoint also by its address, so that setting up again changes nothing.
"""

from typing import Any, Final

from msgspec import Struct

from ileen.base.errors import StripeRefused
from ileen.payments.stripe.client import API_VERSION, Stripe, answered

EVENTS: Final = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refunded",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
    "customer.deleted",
    "customer.tax_id.created",
    "customer.tax_id.deleted",
    "customer.tax_id.updated",
    "customer.updated",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overpaid",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.voided",
    "invoice_payment.paid",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "radar.early_fraud_warning.created",
    "refund.created",
    "refund.failed",
    "refund.updated",
)
"""Every event that we act on or keep. Named one by one: `*` leaves out types that want to be asked for."""

_MARK: Final = {"ileen": "1"}


class Endpoint(Struct, frozen=True, kw_only=True):
    """A webhook endpoint. `secret` is told only when it is made."""

    id: str
    url: str
    api_version: str | None
    events: frozenset[str]
    enabled: bool
    secret: str | None = None


class Product(Struct, frozen=True, kw_only=True):
    """The product that stands for credits."""

    id: str
    tax_code: str | None


class TaxSettings(Struct, frozen=True, kw_only=True):
    """Stripe Tax as set up: `registered` are the countries with an active registration, `union` an OSS one."""

    active: bool
    missing: tuple[str, ...]
    country: str | None
    registered: frozenset[str]
    union: bool


# Portal ------------------------------------------------------------------------------------------------------


def find_portal(at: Stripe) -> str | None:
    """Return the id of our portal configuration, None if there is none."""
    with answered():
        found = at.client.v1.billing_portal.configurations.list({"active": True, "limit": 100})
        for each in found.auto_paging_iter():
            if each.metadata and "ileen" in each.metadata:
                return each.id
    return None


def create_portal(at: Stripe, *, home: str) -> str:
    """Make our portal configuration. Two at once make one: the key is the address it leads back to."""
    params: Any = {**_portal(home), "metadata": _MARK}
    with answered():
        made = at.client.v1.billing_portal.configurations.create(params, {"idempotency_key": f"portal:{home}"})
    return made.id


def update_portal(at: Stripe, configuration: str, *, home: str) -> None:
    """Bring a portal configuration up to date."""
    params: Any = _portal(home)
    with answered():
        at.client.v1.billing_portal.configurations.update(configuration, params)


def _portal(home: str) -> dict[str, Any]:
    """Describe the portal: cards, invoices and the billing details, but no tax ids.

    Stripe would take VAT off as soon as an id is entered there, before anybody verified it; ids are entered with us.
    """
    return {
        "default_return_url": f"{home}/billing",
        "features": {
            "customer_update": {"enabled": True, "allowed_updates": ["address", "email", "name"]},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
        },
    }


# Product -----------------------------------------------------------------------------------------------------


def find_product(at: Stripe) -> Product | None:
    """Return our product, None if there is none."""
    with answered():
        for each in at.client.v1.products.list({"limit": 100}).auto_paging_iter():
            if each.active and each.metadata and "ileen" in each.metadata:
                code = getattr(each, "tax_code", None)
                return Product(id=each.id, tax_code=code if isinstance(code, str) else None)
    return None


def create_product(at: Stripe, *, tax_code: str) -> Product:
    """Make our product, under which the Dashboard shows what was sold."""
    params: Any = {"name": "Credits", "tax_code": tax_code, "metadata": _MARK}
    with answered():
        made = at.client.v1.products.create(params, {"idempotency_key": f"product:{tax_code}"})
    return Product(id=made.id, tax_code=tax_code)


def update_product(at: Stripe, product: str, *, tax_code: str) -> None:
    """Give our product another tax code."""
    with answered():
        at.client.v1.products.update(product, {"tax_code": tax_code})


# Webhooks ----------------------------------------------------------------------------------------------------


def list_endpoints(at: Stripe, url: str) -> list[Endpoint]:
    """Return the webhook endpoints that lead to an address of ours."""
    with answered():
        found = at.client.v1.webhook_endpoints.list({"limit": 100})
        return [_endpoint(each) for each in found.auto_paging_iter() if each.url == url]


def create_endpoint(at: Stripe, url: str) -> Endpoint:
    """Make a webhook endpoint, pinned to our API version: an endpoint's version can never be changed."""
    params: Any = {"url": url, "enabled_events": list(EVENTS), "api_version": API_VERSION, "metadata": _MARK}
    with answered():
        return _endpoint(at.client.v1.webhook_endpoints.create(params))


def update_endpoint(at: Stripe, endpoint: str) -> None:
    """Have an endpoint be enabled and hear exactly the events we want."""
    params: Any = {"enabled_events": list(EVENTS), "disabled": False}
    with answered():
        at.client.v1.webhook_endpoints.update(endpoint, params)


def delete_endpoint(at: Stripe, endpoint: str) -> None:
    """Delete an endpoint; one that is gone already is fine."""
    try:
        with answered():
            at.client.v1.webhook_endpoints.delete(endpoint)
    except StripeRefused as refusal:
        if refusal.fields.get("stripe_code") != "resource_missing":
            raise


def _endpoint(of: Any) -> Endpoint:
    secret = getattr(of, "secret", None)
    return Endpoint(
        id=of.id,
        url=of.url,
        api_version=getattr(of, "api_version", None),
        events=frozenset(of.enabled_events),
        enabled=of.status == "enabled",
        secret=secret,
    )


# Tax ---------------------------------------------------------------------------------------------------------


def read_tax(at: Stripe) -> TaxSettings:
    """Read whether Stripe Tax can calculate, for which seller, and where it collects."""
    with answered():
        settings = at.client.v1.tax.settings.retrieve()
        registrations = list(at.client.v1.tax.registrations.list({"status": "active", "limit": 100}).auto_paging_iter())
    office = getattr(settings, "head_office", None)
    pending = getattr(settings.status_details, "pending", None)
    missing: list[str] = getattr(pending, "missing_fields", None) or []
    return TaxSettings(
        active=settings.status == "active",
        missing=tuple(missing),
        country=getattr(office.address, "country", None) if office else None,
        registered=frozenset(each.country for each in registrations),
        union=any(_is_union(each) for each in registrations),
    )


def _is_union(registration: Any) -> bool:
    """Tell whether a registration is the One Stop Shop, which covers every member state."""
    options = getattr(registration.country_options, registration.country.lower(), None)
    return getattr(options, "type", None) == "oss_union"
