"""The customer portal's API: what customers may do there, and single visits.

Owns: /v1/billing_portal. The pages behind a visit's URL are in `pages.portal`.
P1  a visit can be created, and opened at its URL for a short while; it can be neither read nor listed.
"""

from typing import Final

from ileen.sandbox.stripe.api import Call, Route, put
from ileen.sandbox.stripe.doubts import variant
from ileen.sandbox.stripe.errors import Json, missing_parameter, refused
from ileen.sandbox.stripe.form import Node, array, choice, flag, group, inner, mapping, page_of, text
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import DRESS, listed, shown

UNOPENED_S: Final = 300
"""How long a visit's URL may wait to be opened. Stripe says only "short-lived"."""
OPEN_S: Final = 3600
"""How long a visit lasts once it is opened."""


def made(tx: Tx, given: Json) -> Json:
    """Create a configuration; the first one is the default."""
    body: Json = {
        "id": tx.mint("bpc"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        "created": tx.now,
        "default_return_url": None,
        "features": {
            "customer_update": {"allowed_updates": [], "enabled": False},
            "invoice_history": {"enabled": False},
            "payment_method_update": {"enabled": False, "payment_method_configuration": None},
            **_NO_SUBSCRIPTIONS,
        },
        "is_default": not tx.select("billing_portal.configuration"),
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": tx.now,
    }
    return _applied(tx, body, given)


def session_url(tx: Tx, body: Json) -> str:
    """Return a visit's URL."""
    return f"{tx.base_url}/portal/{body['id']}/{body['_token']}"


_NO_SUBSCRIPTIONS: Final[Json] = {
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "products": None,
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
    "subscription_pause": {"duration": {"interval_options": [], "type": "indefinite"}, "enabled": False},
}


def _applied(tx: Tx, body: Json, given: Json) -> Json:
    put(body, given, "active", "default_return_url", "name")
    for name, value in inner(given, "features").items():
        body["features"][name] = {**body["features"][name], **(value or {})}
    allowed = body["features"]["customer_update"]
    allowed["allowed_updates"] = allowed["allowed_updates"] or []
    body["business_profile"] = {**body["business_profile"], **inner(given, "business_profile")}
    body["login_page"]["enabled"] = inner(given, "login_page").get("enabled", body["login_page"]["enabled"])
    body["updated"] = tx.now
    return tx.save(body)


def _create(tx: Tx, call: Call) -> Json:
    return shown(tx, made(tx, call.given))


def _change(tx: Tx, call: Call) -> Json:
    return shown(tx, _applied(tx, tx.get("billing_portal.configuration", call.id), call.given))


def _list(tx: Tx, call: Call) -> Json:
    given = call.given
    found = tx.select("billing_portal.configuration")
    for name in ("active", "is_default"):
        if given.get(name) is not None:
            found = [body for body in found if body[name] == given[name]]
    return listed(tx, call.path, found, given)


def visit(tx: Tx, given: Json) -> Json:
    """Make a visit of a customer's. Raises: ApiError without such a customer or any configuration."""
    customer = tx.get("customer", given["customer"], param="customer", status=400)
    configuration = _configuration(tx, given.get("configuration"))
    body: Json = {
        "id": tx.mint("bps"),
        "object": "billing_portal.session",
        "after_expiration": None,
        "configuration": configuration["id"],
        "created": tx.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": _flow(given.get("flow_data")),
        "livemode": False,
        "locale": given.get("locale"),
        "on_behalf_of": None,
        "return_url": given.get("return_url") or configuration["default_return_url"],
        "_token": tx.mint("test"),
        "_opened": None,
    }
    return tx.save(body)


def _configuration(tx: Tx, id_: str | None) -> Json:
    if id_:
        return tx.get("billing_portal.configuration", id_, param="configuration", status=400)
    default = next((one for one in tx.select("billing_portal.configuration") if one["is_default"]), None)
    if default:
        return default
    if variant(tx, "portal_without_configuration") == "default_made":
        usual = {"customer_update": {"enabled": True, "allowed_updates": ["email", "address", "tax_id"]},
                 "payment_method_update": {"enabled": True}, "invoice_history": {"enabled": True}}  # fmt: skip
        return made(tx, {"features": usual})
    raise refused(
        "No configuration provided and your test mode default configuration has not been created. Provide a "
        "configuration or create your default by saving your customer portal settings in test mode."
    )


def _flow(given: Json | None) -> Json | None:
    if given is None:
        return None
    after: Json = given.get("after_completion") or {"type": "portal_homepage"}
    if after["type"] == "redirect" and not inner(after, "redirect").get("return_url"):
        raise missing_parameter("flow_data[after_completion][redirect][return_url]")
    confirmation = after.get("hosted_confirmation")
    return {
        "after_completion": {
            "hosted_confirmation": {"custom_message": confirmation.get("custom_message")} if confirmation else None,
            "redirect": after.get("redirect"),
            "type": after["type"],
        },
        "customer_update": {} if given["type"] == "customer_update" else None,
        "subscription_cancel": None,
        "subscription_pause": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": given["type"],
    }


def _dress(tx: Tx, body: Json, public: Json) -> None:
    public["url"] = session_url(tx, body)


DRESS["billing_portal.session"] = _dress

_OFF: Node = group(enabled=flag)
_UPDATES = choice("address", "email", "name", "phone", "shipping", "tax_id")
_FIELDS: dict[str, Node] = {
    "business_profile": group(headline=text, privacy_policy_url=text, terms_of_service_url=text),
    "default_return_url": text,
    "features": group(
        customer_update=group(enabled=flag, allowed_updates=array(_UPDATES)),
        invoice_history=group(needs=("enabled",), enabled=flag),
        payment_method_update=group(needs=("enabled",), enabled=flag, payment_method_configuration=text),
        subscription_cancel=_OFF,
        subscription_update=_OFF,
        subscription_pause=_OFF,
    ),
    "login_page": group(needs=("enabled",), enabled=flag),
    "metadata": mapping,
    "name": text,
}
_AFTER = group(
    needs=("type",),
    type=choice("hosted_confirmation", "portal_homepage", "redirect"),
    hosted_confirmation=group(custom_message=text),
    redirect=group(needs=("return_url",), return_url=text),
)
_FLOW = group(needs=("type",), type=choice("payment_method_update", "customer_update"), after_completion=_AFTER)
_SESSION = group(
    needs=("customer",), customer=text, configuration=text, return_url=text, locale=text, flow_data=_FLOW
)  # fmt: skip

ROUTES = [
    Route("POST", "/v1/billing_portal/configurations", _create, group(_FIELDS, needs=("features",))),
    Route("GET", "/v1/billing_portal/configurations", _list, page_of(active=flag, is_default=flag)),
    Route("GET", "/v1/billing_portal/configurations/{id}",
          lambda tx, call: shown(tx, tx.get("billing_portal.configuration", call.id))),
    Route("POST", "/v1/billing_portal/configurations/{id}", _change, group(_FIELDS, active=flag)),
    Route("POST", "/v1/billing_portal/sessions", lambda tx, call: shown(tx, visit(tx, call.given)), _SESSION),
]  # fmt: skip
