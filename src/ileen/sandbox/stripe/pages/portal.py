"""The customer portal: cards, billing details, tax ids and invoices, for one customer and one visit.

Owns: pages under /portal. Refuses to know: how visits are made (`portal` of the API).
V1  the link of a visit opens once; what it opens lasts an hour and has an address of its own.
V2  a page offers, and a form does, only what the visit's configuration allows.
V3  a visit leads back only to the URL it was made with.
"""

import hmac
from collections.abc import Callable
from typing import Any, Final

from ileen.sandbox.stripe import customers, payment_methods, setups, tax_ids
from ileen.sandbox.stripe.api import Page, PageAnswer, PageCall
from ileen.sandbox.stripe.business import address_lines, brand, countries
from ileen.sandbox.stripe.errors import ApiError, Json
from ileen.sandbox.stripe.form import inner
from ileen.sandbox.stripe.pages import card_form
from ileen.sandbox.stripe.pages.frame import attempt, day, expired, fields, goto, page, said
from ileen.sandbox.stripe.pdf import money
from ileen.sandbox.stripe.portal import OPEN_S, UNOPENED_S
from ileen.sandbox.stripe.store import Tx
from ileen.sandbox.stripe.views import shown

TONES: Final = {"paid": "good", "open": "", "void": "", "uncollectible": "bad"}
"""How an invoice's status is coloured."""
_TAX_ID_TYPES: Final = (
    ("eu_vat", "European VAT number"), ("gb_vat", "British VAT number"), ("ch_vat", "Swiss VAT number"),
    ("no_vat", "Norwegian VAT number"),
)  # fmt: skip
_ADDRESS: Final = ("line1", "line2", "postal_code", "city", "country")
_NOTICES: Final = {
    "card": "The card is saved.", "default": "The default card is changed.", "removed": "The card is removed.",
    "details": "Your billing details are saved.", "tax_id": "The tax id is added. Its check may take a while.",
    "tax_id_removed": "The tax id is removed.",
}  # fmt: skip
_NOT_CONFIRMED: Final = "Your bank did not confirm the card, so it was not saved. Try again, or use another card."
_VISIT: Final = "/portal/{session}/{key}"

Within = Callable[[Tx, PageCall, "Open"], PageAnswer]


class Open:
    """A visit under way: its session, its customer, what it may do, and where its pages are."""

    def __init__(self, tx: Tx, session: Json) -> None:
        features = tx.get("billing_portal.configuration", session["configuration"])["features"]
        update = features["customer_update"]
        self.session = session
        self.customer = tx.get("customer", session["customer"])
        self.here = f"{tx.base_url}/portal/{session['id']}/{session['_visit']}"
        self.updates: list[str] = update["allowed_updates"] if update["enabled"] else []
        self.may_cards: bool = features["payment_method_update"]["enabled"]
        self.may_invoices: bool = features["invoice_history"]["enabled"]
        self.brand = brand(tx)
        self.back: str | None = session["return_url"]

    @property
    def flow(self) -> str | None:
        """The one thing this visit is for, until it is done."""
        flow = self.session["flow"]
        return flow["type"] if flow and not self.session.get("_done") else None

    @property
    def ways_out(self) -> list[str]:
        """Where this visit may lead away to."""
        then = inner(inner(inner(self.session, "flow"), "after_completion"), "redirect").get("return_url")
        return [url for url in (self.back, then) if url]

    def page(self, template: str, **values: Any) -> PageAnswer:
        """Fill a template in for this visit."""
        return page(template, brand=self.brand, back=self.back, leads_to=self.ways_out, **values)


def _opened(serve: Within) -> Callable[[Tx, PageCall], PageAnswer]:
    """Let a page be served for a visit that is open; everyone else sees that the link has expired."""

    def checked(tx: Tx, call: PageCall) -> PageAnswer:
        session = tx.find("billing_portal.session", call.ids["session"])
        if session is None:
            return expired(brand=brand(tx))
        key, back, opened = call.ids["key"], session["return_url"], session["_opened"]
        if opened is None and hmac.compare_digest(key, session["_token"]):
            if tx.now >= session["created"] + UNOPENED_S:
                return expired(brand=brand(tx), back=back)
            session.update(_opened=tx.now, _visit=tx.mint("visit"))
            tx.save(session)
            return goto(f"{tx.base_url}/portal/{session['id']}/{session['_visit']}")
        if opened is None or not hmac.compare_digest(key, session["_visit"]) or tx.now >= opened + OPEN_S:
            return expired(brand=brand(tx), back=back)
        return serve(tx, call, Open(tx, session))

    return checked


def _home(tx: Tx, call: PageCall, to: Open) -> PageAnswer:
    if to.flow == "payment_method_update":
        return _card_page(to, {}, {})
    if to.flow == "customer_update":
        return _details_page(to, {})
    return _home_page(tx, to, notice=_NOTICES.get(str(call.query.get("done"))))


def _home_page(tx: Tx, to: Open, **more: Any) -> PageAnswer:
    default = to.customer["invoice_settings"]["default_payment_method"]
    cards = [
        {**card_form.described(one), "is_default": one["id"] == default}
        for one in tx.select("payment_method", customer=to.customer["id"])
    ]
    invoices = [one for one in tx.select("invoice", customer=to.customer["id"]) if one["status"] != "draft"]
    return to.page(
        "portal.html",
        here=to.here,
        headline=tx.get("billing_portal.configuration", to.session["configuration"])["business_profile"]["headline"],
        customer=to.customer,
        cards=cards,
        address=address_lines(to.customer["address"]),
        tax_ids=[
            {"id": one["id"], "value": one["value"], "status": one["verification"]["status"]}
            for one in tx.select("tax_id", customer=to.customer["id"])[::-1]
        ],
        tax_id_types=_TAX_ID_TYPES,
        invoices=[_invoice_row(tx, one) for one in invoices],
        may={
            "cards": to.may_cards, "invoices": to.may_invoices, "tax_id": "tax_id" in to.updates,
            "details": bool({"name", "email", "phone", "address"} & set(to.updates)),
        },
        **more,
    )  # fmt: skip


def _invoice_row(tx: Tx, body: Json) -> Json:
    public = shown(tx, body)
    return {
        "date": day(body["status_transitions"]["finalized_at"]), "number": body["number"],
        "amount": money(body["total"], body["currency"]), "status": body["status"],
        "tone": TONES.get(body["status"], ""), "url": public["hosted_invoice_url"], "pdf": public["invoice_pdf"],
    }  # fmt: skip


def _card_form(_tx: Tx, _call: PageCall, to: Open) -> PageAnswer:
    return _card_page(to, {}, {}) if to.may_cards else goto(to.here)


def _card_page(to: Open, form: dict[str, str], errors: dict[str, str], alert: str | None = None) -> PageAnswer:
    for_flow = to.flow == "payment_method_update"
    return to.page(
        "card.html",
        heading="Update your card" if for_flow else "Add a card",
        here=to.here + "/card",
        form=form,
        errors=errors,
        alert=alert or ("Check the marked fields." if errors else None),
        cards=card_form.offered(),
        offer_default=not for_flow,
        cancel=to.back if for_flow else to.here,
    )


def _card_given(tx: Tx, call: PageCall, to: Open) -> PageAnswer:
    if not (to.may_cards or to.flow == "payment_method_update"):
        return goto(to.here)
    form = fields(call.form)
    filled = card_form.filled(form)
    if filled is not None:
        return _card_page(to, filled, {})
    method, errors = card_form.read(tx, call.form)
    if method is None:
        return _card_page(to, call.form, errors)
    make_default = to.flow is not None or call.form.get("default") == "yes"
    intents: list[Json] = []
    refusal = attempt(
        tx, lambda: intents.append(setups.saved(tx, to.customer["id"], method, make_default=make_default))
    )
    if refusal:
        return _card_page(to, call.form, {}, said(refusal))
    intent = intents[0]
    if intent["status"] == "requires_action":
        intent.update(_return=f"{to.here}/card/done/{intent['id']}", _ways_out=to.ways_out)
        tx.save(intent)
        return goto(intent["next_action"]["redirect_to_url"]["url"])
    return _finished(tx, to, "card")


def _card_done(tx: Tx, call: PageCall, to: Open) -> PageAnswer:
    """Come back from the bank. What came of it is read from the setup, never from the address."""
    intent = tx.find("setup_intent", call.ids["intent"])
    if intent is None or intent["customer"] != to.customer["id"]:
        return goto(to.here)
    if intent["status"] != "succeeded":
        return _card_page(to, {}, {}, _NOT_CONFIRMED)
    return _finished(tx, to, "card")


def _finished(tx: Tx, to: Open, what: str) -> PageAnswer:
    """Go on after a change: as the flow says, once, else to the portal's home."""
    if to.flow is None:
        return goto(f"{to.here}?done={what}")
    after = to.session["flow"]["after_completion"]
    to.session["_done"] = True
    tx.save(to.session)
    if after["type"] == "redirect":
        return goto(after["redirect"]["return_url"])
    if after["type"] == "hosted_confirmation":
        message = inner(after, "hosted_confirmation").get("custom_message") or _NOTICES[what]
        return page("over.html", brand=to.brand, back=to.back, heading="Done", sentence=message)
    return goto(f"{to.here}?done={what}")


def _card_default(tx: Tx, call: PageCall, to: Open) -> PageAnswer:
    if to.may_cards:
        chosen = {"invoice_settings": {"default_payment_method": call.ids["card"]}}
        refusal = attempt(tx, lambda: customers.changed(tx, to.customer["id"], chosen))
        if refusal:
            return _home_page(tx, to, alert=said(refusal))
    return goto(to.here + "?done=default")


def _card_removed(tx: Tx, call: PageCall, to: Open) -> PageAnswer:
    def remove() -> None:
        payment_methods.owned(tx, call.ids["card"], to.customer["id"])
        payment_methods.detached(tx, call.ids["card"])

    refusal = attempt(tx, remove) if to.may_cards else None
    if refusal:
        return _home_page(tx, to, alert=said(refusal))
    return goto(to.here + "?done=removed")


def _details_form(_tx: Tx, _call: PageCall, to: Open) -> PageAnswer:
    return _details_page(to, {})


def _details_page(to: Open, errors: dict[str, str], form: dict[str, str] | None = None) -> PageAnswer:
    customer = to.customer
    plain = {name: customer[name] or "" for name in ("name", "email", "phone")}
    address = {name: inner(customer, "address").get(name) or "" for name in _ADDRESS}
    return to.page(
        "details.html",
        here=to.here + "/details",
        allowed=to.updates,
        form=form or {**plain, **address},
        errors=errors,
        countries=countries(),
        cancel=to.back if to.flow else to.here,
        alert="Check the marked fields." if errors else None,
    )


def _details_given(tx: Tx, call: PageCall, to: Open) -> PageAnswer:
    form = {name: value.strip() for name, value in fields(call.form).items()}
    errors: dict[str, str] = {}
    given: Json = {name: form.get(name) or None for name in ("name", "email", "phone") if name in to.updates}
    if "email" in to.updates and "@" not in (given["email"] or "@"):
        errors["email"] = "Enter an e-mail address, such as name@example.com."
    if "address" in to.updates:
        if not form.get("country"):
            errors["country"] = "Choose a country."
        given["address"] = {name: form.get(name) or None for name in _ADDRESS}
    if errors:
        return _details_page(to, errors, form)
    refusal = attempt(tx, lambda: customers.changed(tx, to.customer["id"], given))
    return _home_page(tx, to, alert=said(refusal)) if refusal else _finished(tx, to, "details")


def _tax_id_added(tx: Tx, call: PageCall, to: Open) -> PageAnswer:
    if "tax_id" not in to.updates:
        return goto(to.here)
    form = fields(call.form)
    value = "".join(form.get("value", "").upper().split())
    kind = form.get("type", "")
    refusal = attempt(tx, lambda: tax_ids.added(tx, to.customer["id"], kind, value))
    if refusal is None:
        return goto(to.here + "?done=tax_id")
    return _home_page(tx, to, form=call.form, errors={"value": _tax_id_said(refusal)}, alert="Check the marked fields.")


def _tax_id_said(refusal: ApiError) -> str:
    if refusal.body["error"].get("code") == "tax_id_invalid":
        return "This number does not have the form of its kind."
    return said(refusal)


def _tax_id_removed(tx: Tx, call: PageCall, to: Open) -> PageAnswer:
    if "tax_id" in to.updates:
        refusal = attempt(tx, lambda: tax_ids.removed(tx, to.customer["id"], call.ids["tax_id"]))
        if refusal:
            return _home_page(tx, to, alert=said(refusal))
    return goto(to.here + "?done=tax_id_removed")


PAGES = [
    Page("GET", _VISIT, _opened(_home)),
    Page("GET", _VISIT + "/card", _opened(_card_form)),
    Page("POST", _VISIT + "/card", _opened(_card_given)),
    Page("GET", _VISIT + "/card/done/{intent}", _opened(_card_done)),
    Page("POST", _VISIT + "/cards/{card}/default", _opened(_card_default)),
    Page("POST", _VISIT + "/cards/{card}/remove", _opened(_card_removed)),
    Page("GET", _VISIT + "/details", _opened(_details_form)),
    Page("POST", _VISIT + "/details", _opened(_details_given)),
    Page("POST", _VISIT + "/tax-ids", _opened(_tax_id_added)),
    Page("POST", _VISIT + "/tax-ids/{tax_id}/remove", _opened(_tax_id_removed)),
]
