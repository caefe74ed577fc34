"""Setting a Stripe account up for Ileen, and checking that it still is.

Owns: what must be there, and the sentences about what only a person can do. Refuses to know: the command line.
Setting up again changes nothing; what people changed by hand and does not concern us is left alone.
"""

from msgspec import Struct

from ileen.payments.stripe import API_VERSION, Stripe, setting_up
from ileen.payments.stripe.setting_up import EVENTS, Endpoint
from ileen.payments.tax import TaxPolicy
from ileen.payments.territories import EU

HOOK_PATH = "/hooks/stripe"
"""Where Stripe's events come in, below the public address."""


class Report(Struct, frozen=True, kw_only=True):
    """What was done and what is left. `webhook_secret` is there only if an endpoint was made just now."""

    portal: str | None
    product: str | None
    endpoint: str | None
    webhook_secret: str | None
    done: tuple[str, ...]
    to_do: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self.to_do


def set_up(stripe: Stripe, *, public_url: str, policy: TaxPolicy, secret_known: bool) -> Report:
    """Make or bring up to date what Stripe needs; say what a person must still do.

    `secret_known` tells whether the server has the endpoint's signing secret. Stripe tells it only once, so without it
    the endpoint is made anew, and its secret is in the report.
    Raises: StripeRefused, StripeUnavailable.
    """
    home = public_url.rstrip("/")
    done: list[str] = []
    portal = setting_up.find_portal(stripe)
    if portal is None:
        portal = setting_up.create_portal(stripe, home=home)
        done.append(f"Made the portal configuration {portal}.")
    else:
        setting_up.update_portal(stripe, portal, home=home)
    product = setting_up.find_product(stripe)
    if product is None:
        product = setting_up.create_product(stripe, tax_code=policy.tax_code)
        done.append(f"Made the product {product.id} with the tax code {policy.tax_code}.")
    elif product.tax_code != policy.tax_code:
        setting_up.update_product(stripe, product.id, tax_code=policy.tax_code)
        done.append(f"Gave the product {product.id} the tax code {policy.tax_code}.")
    endpoint = _endpoint(stripe, home + HOOK_PATH, secret_known=secret_known, done=done)
    return Report(
        portal=portal,
        product=product.id,
        endpoint=endpoint.id,
        webhook_secret=endpoint.secret,
        done=tuple(done),
        to_do=(*_tax_to_do(stripe, policy), *_secret_to_do(endpoint)),
    )


def check(stripe: Stripe, *, public_url: str, policy: TaxPolicy, secret_known: bool) -> Report:
    """Look whether everything is there, changing nothing. Raises: StripeRefused, StripeUnavailable."""
    home = public_url.rstrip("/")
    to_do: list[str] = []
    portal = setting_up.find_portal(stripe)
    if portal is None:
        to_do.append("There is no portal configuration of ours. Run 'ileen stripe setup'.")
    product = setting_up.find_product(stripe)
    if product is None or product.tax_code != policy.tax_code:
        to_do.append(f"There is no product of ours with the tax code {policy.tax_code}. Run 'ileen stripe setup'.")
    endpoint = next(iter(setting_up.list_endpoints(stripe, home + HOOK_PATH)), None)
    to_do.extend(_endpoint_to_do(endpoint, home + HOOK_PATH))
    if not secret_known:
        to_do.append("ILEEN_STRIPE_WEBHOOK_SECRET is not set, so that no webhook is accepted.")
    to_do.extend(_tax_to_do(stripe, policy))
    return Report(
        portal=portal,
        product=product.id if product else None,
        endpoint=endpoint.id if endpoint else None,
        webhook_secret=None,
        done=(),
        to_do=tuple(to_do),
    )


def _endpoint(stripe: Stripe, url: str, *, secret_known: bool, done: list[str]) -> Endpoint:
    found = setting_up.list_endpoints(stripe, url)
    kept = [each for each in found if each.api_version == API_VERSION and secret_known][:1]
    if kept:
        endpoint = kept[0]
        if endpoint.events != frozenset(EVENTS) or not endpoint.enabled:
            setting_up.update_endpoint(stripe, endpoint.id)
            done.append(f"Brought the events of the webhook endpoint {endpoint.id} up to date.")
    else:
        endpoint = setting_up.create_endpoint(stripe, url)
        done.append(f"Made the webhook endpoint {endpoint.id} for {url}, pinned to {API_VERSION}.")
    for other in found:
        if other.id != endpoint.id:
            # Two endpoints at one address bring every event twice, one of them with a secret nobody has.
            setting_up.delete_endpoint(stripe, other.id)
            done.append(f"Deleted the old webhook endpoint {other.id}.")
    return endpoint


def _endpoint_to_do(endpoint: Endpoint | None, url: str) -> list[str]:
    if endpoint is None:
        return [f"There is no webhook endpoint for {url}. Run 'ileen stripe setup'."]
    if endpoint.api_version != API_VERSION:
        return [f"The webhook endpoint speaks {endpoint.api_version}, not {API_VERSION}. Run 'ileen stripe setup'."]
    if not endpoint.enabled or frozenset(EVENTS) - endpoint.events:
        return ["The webhook endpoint is disabled or misses events. Run 'ileen stripe setup'."]
    return []


def _secret_to_do(endpoint: Endpoint) -> list[str]:
    if endpoint.secret is None:
        return []
    return ["Set ILEEN_STRIPE_WEBHOOK_SECRET to the signing secret below and start the server again."]


def _tax_to_do(stripe: Stripe, policy: TaxPolicy) -> list[str]:
    """Say what is missing in Stripe Tax, and where it and our policy differ: neither is ours to change."""
    tax = setting_up.read_tax(stripe)
    to_do: list[str] = []
    if not tax.active:
        missing = ", ".join(tax.missing) or "some settings"
        to_do.append(f"Stripe Tax is not active. Complete it in the Dashboard (Tax, Settings): {missing}.")
    if tax.country is not None and tax.country != policy.seller_country:
        to_do.append(
            f"Stripe knows a head office in {tax.country}, but ILEEN_SELLER_COUNTRY is {policy.seller_country}."
        )
    covered = tax.registered | EU if tax.union else tax.registered
    lacking = sorted(policy.registered - covered)
    if lacking:
        to_do.append(
            f"Stripe collects no tax in {', '.join(lacking)}. Add your registrations in the Dashboard (Tax, "
            "Registrations), or take these countries out of ILEEN_TAX_REGISTRATIONS."
        )
    return to_do
