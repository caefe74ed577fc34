"""Commands about money that goes back: refunds, their approval, and disputes."""

from typing import Annotated

import typer

from ileen.app import App
from ileen.base.clock import to_text
from ileen.base.errors import PaymentsDisabled
from ileen.base.ids import PurchaseId, RefundId
from ileen.cli.show import Json, opened, print_json, show, show_one
from ileen.payments import Payments, records
from ileen.payments.amounts import read_euros, write_cents
from ileen.payments.disputes.model import Dispute, DisputeState
from ileen.payments.refunds.model import Origin, Refund, RefundState

refunds = typer.Typer(help="Refunds: what was asked for, approving, denying, making one.", no_args_is_help=True)
disputes = typer.Typer(help="Disputes with payers' banks.", no_args_is_help=True)
By = Annotated[str, typer.Option(help="Who you are; two people approve where two are needed.")]
_SHOWN = ("refund", "at", "state", "purchase", "net", "vat", "total", "origin")


@refunds.command("list")
def list_refunds(
    state: Annotated[RefundState | None, typer.Option(help="Only these; `held` wait for approval.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """List refunds, newest first."""
    with opened() as app:
        found = [_fields(each) for each in _payments(app).refunds.newest(state=state, limit=limit)]
    rows = found if as_json else [{name: each[name] for name in _SHOWN} for each in found]
    show(rows, as_json=as_json, title="Refunds (EUR)", right=("net", "vat", "total"))


@refunds.command("show")
def show_refund(refund: str, as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Show a refund and everything that was decided about it."""
    with opened() as app:
        room = _payments(app).refunds
        fields = _fields(room.get(RefundId(refund)))
        steps: list[dict[str, object]] = [
            {"at": to_text(each.at), "step": each.step, "state": each.state.value, "by": each.by, "detail": each.detail}
            for each in room.steps(RefundId(refund))
        ]
    if as_json:
        print_json(fields | {"steps": steps})
        return
    show_one(fields, as_json=False, title="Refund (EUR)")
    show(steps, as_json=False, title="Steps")


@refunds.command("approve")
def approve_refund(refund: str, by: By = "operator", as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Approve a refund that waits for it; with the last approval that is needed it is sent."""
    with opened() as app:
        approved = _payments(app).refunds.approve(RefundId(refund), by=by)
        show_one(_fields(approved), as_json=as_json, title="Refund (EUR)")


@refunds.command("deny")
def deny_refund(
    refund: str,
    reason: Annotated[str, typer.Option(help="Why; the payer is told.")],
    by: By = "operator",
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Deny a refund that waits for approval: its credits work again, and the payer is told why."""
    with opened() as app:
        denied = _payments(app).refunds.deny(RefundId(refund), by=by, reason=reason)
        show_one(_fields(denied), as_json=as_json, title="Refund (EUR)")


@refunds.command("make")
def make_refund(
    purchase: str,
    reason: Annotated[str, typer.Option(help="Why; kept with the refund.")],
    amount: Annotated[str | None, typer.Option(help="Euros before VAT; default: all that is left.")] = None,
    by: By = "operator",
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Refund unused credits of a purchase, also after its 14 days, at the total Stripe calculates now."""
    with opened() as app:
        with app.database.read() as connection:
            record = records.get(connection, PurchaseId(purchase))
        room, account = _payments(app).refunds, record.account_id
        cents = None if amount is None else read_euros(amount, field="amount")
        quote = room.quote(account, record.id, cents, late=True)
        made = room.request(
            account,
            record.id,
            quote.net,
            total=quote.total,
            key=f"operator:{app.ids.mint('req')}",
            by=by,
            origin=Origin.OPERATOR,
            reason=reason,
        )
        show_one(_fields(made), as_json=as_json, title="Refund (EUR)")


@disputes.command("list")
def list_disputes(
    state: Annotated[DisputeState | None, typer.Option(help="Only these; default: all.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """List disputes, newest first, with the day by which the bank wants an answer."""
    with opened() as app:
        found = [_dispute(each) for each in _payments(app).disputes.newest(state=state, limit=limit)]
        show(found, as_json=as_json, title="Disputes (EUR)", right=("amount", "net"))


def _payments(app: App) -> Payments:
    if app.payments is None:
        raise PaymentsDisabled
    return app.payments


def _fields(of: Refund) -> dict[str, object]:
    return {
        "refund": of.id,
        "account": of.account_id,
        "purchase": of.purchase_id,
        "at": to_text(of.created_at),
        "state": of.state.value,
        "net": write_cents(of.net),
        "vat": write_cents(of.vat),
        "total": write_cents(of.total),
        "origin": of.origin.value,
        "by": of.by,
        "reason": of.reason,
        "needs": of.needs,
        "approved_by": list(of.approvers),
        "because": of.because,
        "credit_note": of.note_number,
        "stripe": of.stripe_id,
        "ended_at": None if of.ended_at is None else to_text(of.ended_at),
    }


def _dispute(of: Dispute) -> dict[str, object]:
    return {
        "dispute": of.id,
        "account": of.account_id,
        "purchase": of.purchase_id,
        "state": of.state.value,
        "at_stripe": of.status,
        "reason": of.reason,
        "amount": write_cents(of.amount),
        "net": write_cents(of.net),
        "answer_by": None if of.due_at is None else to_text(of.due_at),
    }
