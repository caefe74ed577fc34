"""The billing gate: billing details, a card, a first purchase, and then the app.

Owns: the path /gate, the order of its steps as people see them, and `behind_gate` for pages that stand behind it.
Refuses to know: when the gate is open (that is `payments.gate`). The country comes first because VAT depends on it.
"""

from functools import wraps

from starlette.responses import Response

from ileen.accounts.who import Role
from ileen.base.errors import StripeUnavailable
from ileen.payments.gate import Step
from ileen.web.pages import buy
from ileen.web.pages import payer as payer_pages
from ileen.web.pages.desk import Page, Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit
from ileen.web.payer import billing_of

pages = Pages()


@pages.get("/gate", needs=Needs.MEMBER)
def show_gate(visit: Visit) -> Response:
    """Show the step that is next; an open gate leads on."""
    billing, account = billing_of(visit.house), visit.caller.account
    gate = billing.gate(account)
    if gate.open:
        return visit.redirect(visit.inside)
    if visit.person.role not in {Role.OWNER, Role.BILLING}:
        return visit.render("gate_wait.html", account=visit.house.accounts.get(account).name)
    if billing.customer(account).country is None:
        return payer_pages.details_form(visit, template="gate_details.html")
    if gate.missing is Step.PAYMENT_METHOD:
        return visit.render("gate_card.html")
    return buy.amounts(visit, template="gate_credits.html")


@pages.post("/gate/details", needs=Needs.BILLING)
def save_details(visit: Visit) -> Response:
    """Keep the billing details and go on."""
    errors = payer_pages.keep_details(visit)
    if errors:
        template = "gate_details.html"
        return payer_pages.details_form(visit, errors=errors, values=visit.form, status=422, template=template)
    return visit.redirect("/gate")


@pages.get("/gate/back", needs=Needs.BILLING)
def come_back(visit: Visit) -> Response:
    """Take somebody back from Stripe's card form: what counts is which cards are there now."""
    try:
        found = billing_of(visit.house).refreshed_cards(visit.caller.account)
    except StripeUnavailable:
        return visit.redirect("/gate", flash="error.stripe_away")
    return visit.redirect("/gate", flash=None if found else "gate.card.came_back")


def behind_gate(page: Page) -> Page:
    """Have a page open only behind the gate: who has not passed it is led there."""

    @wraps(page)
    def guarded(visit: Visit) -> Response:
        billing = visit.house.billing
        if billing is not None and not billing.gate(visit.caller.account).open:
            return visit.redirect("/gate")
        return page(visit)

    return guarded
