"""The alerts section of the billing page: how the credits stand, and the balance at which a mail is sent.

Owns: the path /billing/alerts. Refuses to know: when an alert is told (`accounts.alerts`).
"""

from typing import Any

from starlette.responses import Response

from ileen import catalogue
from ileen.accounts.alerts import THRESHOLD_MAX, THRESHOLD_MIN, runway
from ileen.base.errors import AmountInvalid
from ileen.base.money import write
from ileen.payments.amounts import credits_of
from ileen.web.pages.buy import read_euros_typed
from ileen.web.pages.desk import Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit

pages = Pages()


@pages.get("/billing/alerts", needs=Needs.BILLING)
def show(visit: Visit) -> Response:
    """Show the alerts on a page of their own."""
    return _page(visit)


@pages.post("/billing/alerts", needs=Needs.BILLING)
def save(visit: Visit) -> Response:
    """Save the threshold; an empty field turns alerts off."""
    typed, caller = visit.field("alerts_threshold"), visit.caller
    try:
        threshold = credits_of(read_euros_typed(typed)) if typed else None
        visit.house.alerts.set_threshold(caller.account, threshold, by=caller.actor)
    except AmountInvalid:
        bounds = {"min": _shown(visit, THRESHOLD_MIN), "max": _shown(visit, THRESHOLD_MAX)}
        return _page(visit, error=visit.text("refill.bounds", **bounds), status=422)
    return visit.redirect("/billing", flash="alerts.saved")


def section(visit: Visit) -> dict[str, Any]:
    """Return what the section and the warning above the balance show."""
    of = visit.house.alerts.standing(visit.caller.account)
    warning = []
    if of.state != "ok":
        warning = [visit.text(f"alerts.{of.state}", balance=catalogue.balance(visit.locale, write(of.balance)))]
    if of.state == "low" and of.hours_left is not None:
        warning.append(visit.text(f"runway.{runway(of.hours_left)}"))
    said = "alerts.off" if of.threshold is None else "alerts.on"
    shown = "" if of.threshold is None else _shown(visit, of.threshold)
    bounds = {"min": _shown(visit, THRESHOLD_MIN), "max": _shown(visit, THRESHOLD_MAX)}
    return {
        "warning": " ".join(warning),
        "said": visit.text(said, threshold=shown),
        "label": visit.text("alerts.threshold", **bounds),
        "value": "" if of.threshold is None else write(of.threshold),
    }


def _page(visit: Visit, *, error: str | None = None, status: int = 200) -> Response:
    shown = section(visit)
    typed = shown["value"] if error is None else visit.field("alerts_threshold")
    errors = {} if error is None else {"alerts_threshold": error}
    values = {"alerts_threshold": typed}
    return visit.render("alerts.html", status=status, errors=errors, values=values, alerts=shown)


def _shown(visit: Visit, nano: int) -> str:
    return catalogue.balance(visit.locale, write(nano))
