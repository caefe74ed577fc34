"""Pages of refunds: what can go back, the withdrawal function, how a refund stands; and one without sign-in.

Owns: these pages. Refuses to know: what is refundable. The withdrawal function follows article 11a of directive
2011/83/EU: reachable during the whole period, a statement, a second step that confirms, an acknowledgement.
The page without sign-in answers the same whether or not there is such a purchase, and is slowed per network.
"""

from datetime import date
from typing import Any, Final

from starlette.responses import Response

from ileen import catalogue
from ileen.base.errors import (
    AmountInvalid,
    IleenError,
    NotFound,
    RefundChanged,
    RefundImpossible,
    StripeRefused,
    StripeUnavailable,
    TooManyAttempts,
)
from ileen.base.ids import PurchaseId
from ileen.base.money import write
from ileen.payments.amounts import credits_of, write_cents
from ileen.payments.disputes.model import Dispute
from ileen.payments.refunds.model import Origin, Refundable, RefundQuote
from ileen.web.buying import payments_of, purchase_id
from ileen.web.pages.buy import read_euros_typed
from ileen.web.pages.desk import Pages
from ileen.web.pages.forms import errors_of
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit
from ileen.web.payer import billing_of
from ileen.web.refunding import refund_id

pages = Pages()

_SHOWN: Final = 5
_SAID: Final = (AmountInvalid, RefundImpossible, StripeRefused, StripeUnavailable)
"""Refusals that are said on the form."""


@pages.get("/billing/purchases/{id}/refund", needs=Needs.BILLING)
def show(visit: Visit) -> Response:
    """Show the statement, filled in."""
    there = _there(visit)
    typed = {"amount": write_cents(there.refundable)}
    return _form(visit, there, {} if _can(visit, there) else {"amount": visit.text("refund.closed")}, typed)


@pages.post("/billing/purchases/{id}/refund", needs=Needs.BILLING)
def summarize(visit: Visit) -> Response:
    """Show what comes back, and ask to confirm."""
    there = _there(visit)
    try:
        cents = read_euros_typed(visit.field("amount"))
        quote = payments_of(visit.house).refunds.quote(visit.caller.account, there.purchase, cents)
    except _SAID as error:
        return _form(visit, there, {"amount": _sentence(visit, there, error)}, dict(visit.form), status=error.status)
    return _summary(visit, quote)


@pages.post("/billing/purchases/{id}/refund/confirm", needs=Needs.BILLING)
def confirm(visit: Visit) -> Response:
    """Take the refund down; if less is left by now, show the new amount and ask again."""
    there, room = _there(visit), payments_of(visit.house).refunds
    caller, withdrawal = visit.caller, room.policy.withdrawal
    try:
        made = room.request(
            caller.account,
            there.purchase,
            read_euros_typed(visit.field("net")),
            total=read_euros_typed(visit.field("total")),
            key=f"page:{visit.field('key')[:64]}",
            by=caller.actor,
            origin=Origin.WITHDRAWAL if withdrawal else Origin.APP,
        )
    except RefundChanged as changed:
        total = catalogue.money(visit.locale, str(changed.fields["total"]))
        quote = room.quote(caller.account, there.purchase)
        return _summary(visit, quote, said=visit.text("refund.changed", total=total), status=409)
    except _SAID as error:
        return _form(visit, there, {"amount": _sentence(visit, there, error)}, {}, status=error.status)
    return visit.redirect(f"/billing/refunds/{made.id}")


@pages.get("/billing/refunds/{id}", needs=Needs.BILLING)
def show_refund(visit: Visit) -> Response:
    """Show how a refund stands and what has happened to it."""
    room = payments_of(visit.house).refunds
    found = room.refund(visit.caller.account, refund_id(visit.part("id")))
    steps: list[dict[str, str]] = []
    for each in room.steps(found.id):
        if not steps or steps[-1]["word"] != each.state.value:
            state = visit.text(f"refund_state.{each.state.value}")
            steps.append({"word": each.state.value, "state": state, "at": visit.moment(each.at)})
    return visit.render(
        "refund_status.html",
        refund=found,
        title=visit.text("refund.of", total=catalogue.money(visit.locale, found.total)),
        state=visit.text(f"refund_state.{found.state.value}"),
        received=visit.text("refund.received", moment=visit.moment(found.created_at)),
        steps=steps,
    )


@pages.get("/billing/refunds/{id}/pdf", needs=Needs.BILLING)
def show_note(visit: Visit) -> Response:
    """Lead to a refund's credit note."""
    return visit.leave(payments_of(visit.house).refunds.note_url(visit.caller.account, refund_id(visit.part("id"))))


# Without sign-in --------------------------------------------------------------------------------------------------


@pages.get("/withdraw", needs=Needs.ANYONE)
def show_letter(visit: Visit) -> Response:
    """Show the statement of those who do not sign in. Raises: NotFound where this is not offered."""
    _check_offered(visit)
    return visit.render("withdraw.html", step="statement")


@pages.post("/withdraw", needs=Needs.ANYONE)
def read_letter(visit: Visit) -> Response:
    """Show the statement once more, to confirm; then take it down, and answer the same whatever there is."""
    _check_offered(visit)
    name, email, day = visit.field("name").strip(), visit.field("email").strip(), _day(visit.field("day"))
    if day is None or "@" not in email:
        errors = {"email": visit.text("letter.wrong")}
        return visit.render("withdraw.html", step="statement", errors=errors, values=dict(visit.form), status=422)
    if visit.field("confirmed") != "yes":
        shown = catalogue.day(visit.locale, day.isoformat())
        said = visit.text("letter.confirm", name=name or "–", email=email, day=shown)
        kept = {"name": name, "email": email, "day": day.isoformat()}
        return visit.render("withdraw.html", step="confirm", said=said, kept=kept)
    try:
        payments_of(visit.house).refunds.take_letter(email, day, network=visit.visitor.network)
    except TooManyAttempts as error:
        errors = errors_of(visit, error, at="email")
        return visit.render("withdraw.html", step="statement", errors=errors, values=dict(visit.form), status=429)
    said = visit.text("letter.done", moment=visit.moment(visit.house.clock.now()))
    return visit.render("withdraw.html", step="done", said=said)


# Parts of the billing page ----------------------------------------------------------------------------------------


def section(visit: Visit) -> dict[str, Any]:
    """Return what the billing page says of refunds, and of a dispute."""
    payments, account = payments_of(visit.house), visit.caller.account
    there = [each for each in payments.refunds.refundables(account) if each.open or each.refunded][:_SHOWN]
    open_ = payments.disputes.opened(account)
    policy = payments.refunds.policy
    return {
        "rows": [_row(visit, each) for each in there],
        "button": visit.text("refund.withdraw" if policy.withdrawal else "refund.ask"),
        "past": [
            {
                "id": each.id,
                "date": visit.moment(each.created_at),
                "total": catalogue.money(visit.locale, each.total),
                "state": visit.text(f"refund_state.{each.state.value}"),
            }
            for each in payments.refunds.refunds(account, limit=_SHOWN)
        ],
        "locked": _locked(visit, open_[0]) if open_ else None,
    }


def _locked(visit: Visit, dispute: Dispute) -> str:
    bought = payments_of(visit.house).purchase(visit.caller.account, dispute.purchase_id)
    when = catalogue.date(visit.locale, bought.created_at, visit.person.person.time_zone)
    return visit.text("lock.dispute", amount=catalogue.money(visit.locale, bought.total), date=when)


def _row(visit: Visit, of: Refundable) -> dict[str, Any]:
    def credit(nano: int) -> str:
        return catalogue.balance(visit.locale, write(nano))

    return {
        "id": of.purchase,
        "date": visit.moment(of.paid_at),
        "paid": catalogue.money(visit.locale, of.net),
        "used": credit(of.used),
        "held": credit(of.held + of.frozen),
        "refunded": catalogue.money(visit.locale, of.refunded),
        "refundable": catalogue.money(visit.locale, of.refundable),
        "until": _moment(visit, of) if of.open else visit.text("refund.over"),
        "can": _can(visit, of),
    }


def _moment(visit: Visit, of: Refundable) -> str:
    """Write the end of the window in the account's time zone, in which it is counted."""
    return catalogue.moment(visit.locale, of.until, visit.house.accounts.get(visit.caller.account).time_zone)


def _can(visit: Visit, of: Refundable) -> bool:
    return of.open and of.refundable > 0 and payments_of(visit.house).refunds.policy.by_payer


def _there(visit: Visit) -> Refundable:
    id_: PurchaseId = purchase_id(visit.part("id"))
    return payments_of(visit.house).refunds.refundable(visit.caller.account, id_)


def _form(
    visit: Visit, there: Refundable, errors: dict[str, str], typed: dict[str, str], status: int = 200
) -> Response:
    customer = billing_of(visit.house).customer(visit.caller.account)
    most = catalogue.balance(visit.locale, write(credits_of(there.refundable)))
    return visit.render(
        "refund_form.html",
        status=status,
        errors=errors,
        values={"name": customer.name or "", "email": customer.email or "", **typed},
        there=there,
        bought=visit.moment(there.paid_at),
        until=_moment(visit, there),
        label=visit.text("refund.amount", max=most),
        can=_can(visit, there),
        title=_title(visit),
    )


def _summary(visit: Visit, quote: RefundQuote, *, said: str | None = None, status: int = 200) -> Response:
    money, withdrawal = catalogue.money, payments_of(visit.house).refunds.policy.withdrawal
    total = money(visit.locale, quote.total)
    summary = visit.text("refund.summary", total=total, vat=money(visit.locale, quote.vat), card=quote.card_name)
    button = visit.text("refund.confirm.withdraw") if withdrawal else visit.text("refund.confirm", total=total)
    return visit.render(
        "refund_confirm.html",
        status=status,
        said=said,
        summary=summary,
        button=button,
        purchase=quote.purchase,
        net=write_cents(quote.net),
        total=write_cents(quote.total),
        key=visit.house.ids.mint("req"),
        title=_title(visit),
    )


def _title(visit: Visit) -> str:
    return visit.text("refund.withdraw" if payments_of(visit.house).refunds.policy.withdrawal else "refund.ask")


def _sentence(visit: Visit, there: Refundable, error: IleenError) -> str:
    if isinstance(error, RefundImpossible):
        return visit.text("refund.closed")
    if isinstance(error, AmountInvalid):
        return visit.text("refund.amount", max=catalogue.balance(visit.locale, write(credits_of(there.refundable))))
    return visit.text("error.unavailable")


def _check_offered(visit: Visit) -> None:
    if not payments_of(visit.house).refunds.policy.withdrawal:
        raise NotFound(what="path", id="/withdraw")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
