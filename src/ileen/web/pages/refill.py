"""Pages of auto-refill: its section of the billing page, saving the rule, the step before a charge, resuming.

Owns: the paths /billing/refill, how the form is read and what is said of it. Refuses to know: when a refill is due.
Saving while the balance is low charges at once, so it takes a second click on a button that names the total.
"""

from typing import Any, Final

from starlette.responses import Response

from ileen import catalogue
from ileen.base.errors import (
    AmountInvalid,
    BillingIncomplete,
    IleenError,
    RefillChains,
    RefillChargesNow,
    RefillNotSet,
)
from ileen.base.money import write
from ileen.payments.amounts import CENTS_MAX, CENTS_MIN, write_cents
from ileen.payments.refills.model import (
    CAP_MAX,
    CONSENT_VERSION,
    THRESHOLD_MAX,
    THRESHOLD_MIN,
    Consent,
    Refill,
    Terms,
    chain_of,
)
from ileen.web import wording
from ileen.web.buying import payments_of
from ileen.web.pages.buy import read_euros_typed
from ileen.web.pages.desk import Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit
from ileen.web.refilling import consent_text, trigger_name

pages = Pages()

_SHOWN: Final = 5
_AMOUNT_DEFAULT: Final = 2_500
_TRIGGERS: Final = frozenset({"again", "card", "lowered"})
_FIELDS: Final = {
    "threshold": ("refill_threshold", THRESHOLD_MIN, THRESHOLD_MAX),
    "amount": ("refill_amount", CENTS_MIN, CENTS_MAX),
    "cap": ("refill_cap", CENTS_MIN, CAP_MAX),
}
"""The form's fields by the rule's names, with their bounds in cents."""


@pages.get("/billing/refill", needs=Needs.BILLING)
def show(visit: Visit) -> Response:
    """Show the rule and its form on a page of its own."""
    return _page(visit)


@pages.post("/billing/refill", needs=Needs.BILLING)
def save(visit: Visit) -> Response:
    """Save the rule; if that charges at once, ask first."""
    try:
        terms = _read(visit)
    except AmountInvalid as error:
        return _page(visit, errors=_about(visit, error), status=422)
    if terms.enabled and visit.field("consent") != CONSENT_VERSION:
        return _page(visit, errors={"consent": visit.text("refill.consent.missing")}, status=422)
    caller = visit.caller
    try:
        payments_of(visit.house).refills.save(
            caller.account,
            terms,
            consent=Consent(version=CONSENT_VERSION, text=consent_text(visit.house, visit.locale)),
            by=caller.actor,
            locale=visit.locale,
            charge_now=visit.field("charge_now") == "yes",
            accept_chain=visit.field("accept_chain") == "yes",
        )
    except RefillChains:
        return _warn(visit, terms)
    except RefillChargesNow:
        return _ask(visit, terms)
    except BillingIncomplete:
        return _page(visit, errors={"enabled": visit.text("refill.no_card")}, status=422)
    return visit.redirect("/billing", flash="refill.saved")


@pages.post("/billing/refill/resume", needs=Needs.BILLING)
def resume(visit: Visit) -> Response:
    """End a pause."""
    caller = visit.caller
    try:
        payments_of(visit.house).refills.resume(caller.account, by=caller.actor)
    except RefillNotSet:
        return visit.redirect("/billing/refill")
    return visit.redirect("/billing", flash="refill.resumed")


def section(visit: Visit) -> dict[str, Any]:
    """Return what the section shows: the rule in a sentence, what keeps it, its form, its last refills."""
    refills, account, locale = payments_of(visit.house).refills, visit.caller.account, visit.locale
    of, money = refills.setting(account), catalogue.money
    is_on = of is not None and of.enabled
    shown: dict[str, Any] = {
        "on": visit.text("refill.on", threshold=money(locale, of.threshold), amount=money(locale, of.amount))
        if of is not None and is_on
        else None,
        "paused": None,
        "waits": None,
        "confirm": _parked(visit),
        "chain": _chain(visit, of.threshold, of.amount) if of is not None and is_on else [],
        "labels": {name: _label(visit, name) for name in ("threshold", "amount")},
        "consent": consent_text(visit.house, locale),
        "version": CONSENT_VERSION,
        "past": [_row(visit, each) for each in refills.refills(account, limit=_SHOWN)],
    }
    if of is not None and is_on and of.paused is not None:
        shown["paused"] = visit.text(f"refill_pause.{of.paused.value}")
        shown["hint"] = visit.text("refill.resume.hint", amount=money(locale, of.amount))
    elif of is not None and is_on and of.look_at is not None and of.look_at > visit.house.clock.now():
        month = refills.month_total(account)
        if of.cap is not None and month + of.amount > of.cap:
            date = catalogue.date(locale, of.look_at, visit.person.person.time_zone)
            shown["waits"] = visit.text(
                "refill.capped", month=money(locale, month), cap=money(locale, of.cap), date=date
            )
        else:
            shown["waits"] = visit.text("refill.waiting", moment=visit.moment(of.look_at))
    return shown


def values(visit: Visit) -> dict[str, str]:
    """Return what the form's fields hold before anybody types."""
    of = payments_of(visit.house).refills.setting(visit.caller.account)
    threshold, amount, cap = (THRESHOLD_MIN, _AMOUNT_DEFAULT, None) if of is None else (of.threshold, of.amount, of.cap)
    return {
        "enabled": "on" if of is not None and of.enabled else "",
        "refill_threshold": write_cents(threshold),
        "refill_amount": write_cents(amount),
        "refill_cap": "" if cap is None else write_cents(cap),
    }


def _page(visit: Visit, *, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    typed = values(visit) if errors is None else dict(visit.form)
    return visit.render("refill.html", status=status, errors=errors or {}, values=typed, refill=section(visit))


def _ask(visit: Visit, terms: Terms) -> Response:
    """Ask before a charge, with the total that Stripe calculates now."""
    account, locale = visit.caller.account, visit.locale
    try:
        quote = payments_of(visit.house).quote(account, terms.amount)
    except IleenError as error:
        return _page(visit, errors={"enabled": wording.refusal(locale, error)}, status=error.status)
    wallet = visit.house.ledger.wallet(visit.caller.wallet)
    total = catalogue.money(locale, quote.total)
    said = visit.text(
        "refill.now",
        balance=catalogue.balance(locale, write(wallet.settled)),
        threshold=catalogue.money(locale, terms.threshold),
        total=total,
    )
    pay = visit.text("refill.now.pay", total=total)
    return _again(visit, [said], button=pay, says="charge_now", note=visit.text("buy.refund"))


def _warn(visit: Visit, terms: Terms) -> Response:
    """Ask before a rule that may charge many times in a row is saved."""
    button = visit.text("refill.chain.accept")
    return _again(visit, _chain(visit, terms.threshold, terms.amount), button=button, says="accept_chain")


def _again(visit: Visit, said: list[str], *, button: str, says: str, note: str | None = None) -> Response:
    """Answer with what to know before saving, and a button that sends the form again and `says` yes to it."""
    fields = ("enabled", "consent", "refill_threshold", "refill_amount", "refill_cap", "charge_now", "accept_chain")
    kept = {name: visit.field(name) for name in fields if name in visit.form} | {says: "yes"}
    return visit.render("refill_now.html", status=409, said=said, kept=kept, button=button, note=note)


def _chain(visit: Visit, threshold: int, amount: int) -> list[str]:
    """Return the warning of refills in a row, in sentences; none if one refill is enough."""
    chain, locale, money = chain_of(threshold, amount), visit.locale, catalogue.money
    if chain is None:
        return []
    amounts = {
        "amount": money(locale, amount),
        "threshold": money(locale, threshold),
        "total": money(locale, chain.total),
    }
    said = [visit.text("refill.chain", count=chain.refills, **amounts)]
    return said + ([visit.text("refill.chain.enough", amount=money(locale, chain.enough))] if chain.enough else [])


def _read(visit: Visit) -> Terms:
    """Read the form. Raises: AmountInvalid, naming the rule's own field."""

    def cents(name: str) -> int:
        try:
            return read_euros_typed(visit.field(_FIELDS[name][0]))
        except AmountInvalid as error:
            raise AmountInvalid(field=name, reason=str(error.fields["reason"])) from error

    threshold, amount = cents("threshold"), cents("amount")
    cap = cents("cap") if visit.field("refill_cap").strip() else None
    return Terms(enabled=visit.field("enabled") == "on", threshold=threshold, amount=amount, cap=cap).check()


def _about(visit: Visit, error: AmountInvalid) -> dict[str, str]:
    field, low, high = _FIELDS[str(error.fields["field"])]
    if field == "refill_cap":
        low = read_euros_typed(visit.field("refill_amount"))  # which was read before the cap
    money = catalogue.money
    return {field: visit.text("refill.bounds", min=money(visit.locale, low), max=money(visit.locale, high))}


def _label(visit: Visit, name: str) -> str:
    _, low, high = _FIELDS[name]
    money = catalogue.money
    return visit.text(f"refill.{name}", min=money(visit.locale, low), max=money(visit.locale, high))


def _parked(visit: Visit) -> dict[str, str] | None:
    """Return what is said of a refill that the payer's bank wants confirmed."""
    newest = payments_of(visit.house).purchases(visit.caller.account, limit=1)
    if not newest or not newest[0].gives_way:
        return None
    said = visit.text("refill.confirm", amount=catalogue.money(visit.locale, newest[0].net))
    return {"said": said, "purchase": newest[0].id}


def _row(visit: Visit, of: Refill) -> dict[str, str]:
    if of.trigger.startswith("hold_"):
        by = visit.text("refill.by.call", call=trigger_name(of)[-8:])
    else:
        by = visit.text(f"refill.by.{of.trigger if of.trigger in _TRIGGERS else 'you'}")
    return {
        "date": visit.moment(of.created_at),
        "amount": catalogue.money(visit.locale, of.amount),
        "by": by,
        "state": visit.text(f"refill.state.{of.state.value}"),
        "purchase": of.purchase_id,
    }
