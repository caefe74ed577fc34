"""Commands about credits: wallet, calls, journal, grants, prices, rates, audit, reconciliation."""

from datetime import UTC, datetime
from typing import Annotated, Final, cast

import msgspec
import typer
from rich.progress import Progress

from ileen.app import App
from ileen.base.clock import SECOND, Instant, to_instant, to_text
from ileen.base.errors import NotFound, PaymentsDisabled, RequestInvalid
from ileen.base.ids import HoldId, body, is_id, wallet_of
from ileen.base.money import parse, write
from ileen.cli.show import AccountOption, Json, console, opened, print_json, show, show_one, the_account
from ileen.ledger.audit import audit as audit_books
from ileen.payments.reconcile import books as compare_books
from ileen.pricing import Tariff, TokenUsage

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")]
_DAYS: Final = ["%Y-%m-%d"]
_DAY_US: Final = 86_400 * SECOND
prices = typer.Typer(help="Model prices, and how a charge came about.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (wallet, calls, journal, grant, rates, audit, reconcile):
        app.command()(command)
    app.add_typer(prices, name="prices")


def wallet(account: AccountOption = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Show what is left and where it went."""
    with opened() as app:
        found = app.ledger.wallet(wallet_of(the_account(app, account)))
        names = ("settled", "held", "available", "frozen", "debt", "spent", "purchased", "bonus", "refunded")
        fields: dict[str, object] = {"wallet": found.id, **{name: write(getattr(found, name)) for name in names}}
        show_one(fields, as_json=as_json, title="Wallet (credits)")


def calls(account: AccountOption = None, limit: Limit = 20, as_json: Json = False) -> None:  # noqa: FBT002
    """List LLM calls with their charges."""
    with opened() as app:
        found = app.ledger.calls(wallet_of(the_account(app, account)), limit=limit)
        rows = [
            {
                "call": "call_" + body(call.hold.id),
                "at": to_text(call.hold.created_at),
                "activity": call.hold.attribution.activity,
                "model": call.hold.attribution.model,
                "state": call.hold.state.value,
                "in": call.input_tokens,
                "out": call.output_tokens,
                "held": write(call.hold.amount),
                "charge": None if call.charge is None else write(call.charge),
            }
            for call in found
        ]
        show(rows, as_json=as_json, title="Calls", right=("in", "out", "held", "charge"))


def journal(account: AccountOption = None, limit: Limit = 20, as_json: Json = False) -> None:  # noqa: FBT002
    """List journal entries: every movement of credits, with the balance after it."""
    with opened() as app:
        rows = [
            {
                "seq": entry.seq,
                "at": to_text(entry.at),
                "kind": entry.kind,
                "from": entry.debit.value,
                "to": entry.credit.value,
                "amount": write(entry.amount),
                "settled": write(entry.settled),
                "held": write(entry.held),
                "ref": entry.ref,
            }
            for entry in app.ledger.entries(wallet_of(the_account(app, account)), limit=limit)
        ]
        show(rows, as_json=as_json, title="Journal", right=("seq", "amount", "settled", "held"))


def grant(
    amount: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.")],
    account: AccountOption = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key grants once.")] = None,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Give bonus credits."""
    if not reason.strip():
        raise RequestInvalid("A grant needs a reason.", field="reason")
    with opened() as app:
        receipt = app.accounts.grant(the_account(app, account), amount=parse(amount), reason=reason, key=key)
        fields = {"lot": receipt.ref, "amount": write(receipt.amount), "settled": write(receipt.settled)}
        show_one({**fields, "replayed": receipt.replayed}, as_json=as_json, title="Bonus granted (credits)")


def rates(as_json: Json = False) -> None:  # noqa: FBT002
    """Show the rate card in force."""
    with opened() as app:
        card = app.prices.rates(app.clock.now())
        if as_json:
            print_json(card)
            return
        now = app.clock.now()
        rows: list[dict[str, object]] = []
        for mode, activities in app.prices.activities().items():
            for activity in activities:
                complexity, markup, fee = app.prices.terms(mode, activity, now)
                row = {"mode": mode, "activity": activity, "complexity": complexity, "markup": markup, "fee": fee}
                rows.append(dict(row))
        show(rows, as_json=False, title=f"Rate card {card['version']}", right=("markup", "fee"))


@prices.command("list")
def list_prices(
    search: Annotated[str, typer.Argument(help="Part of a model's name.")] = "",
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """List the models that have a price."""
    with opened() as app:
        found = [model for model in app.prices.models() if search.lower() in model["model"].lower()]
        show(found, as_json=as_json, title=f"{len(found)} priced models")


@prices.command("explain")
def explain(call: str, account: AccountOption = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Show the whole calculation of a call's charge."""
    with opened() as app:
        explanation = _explanation(app, call, account)
        if as_json:
            print_json(explanation)
            return
        lines = explanation.pop("lines")
        show_one(explanation, as_json=False, title=f"Why {call} cost {explanation['charge']} credits")
        show(
            cast("list[dict[str, object]]", lines),
            as_json=False,
            title="Tokens",
            right=("tokens", "usd_per_mtok", "usd"),
        )


def audit(as_json: Json = False) -> None:  # noqa: FBT002
    """Prove the books: check every invariant of the ledger, and purchases against lots; exit 1 if any is broken."""
    with opened() as app, Progress(console=console, transient=True, disable=as_json) as bar:
        task = bar.add_task("Checking entries", total=None)
        report = audit_books(app.database, lambda done, total: bar.update(task, completed=done, total=total))
        breaks = compare_books(app.database)
    breaches = [*report.breaches, *(each.detail for each in breaks)]
    if as_json:
        print_json({"wallets": report.wallets, "entries": report.entries, "breaches": breaches})
    elif breaches:
        for breach in breaches:
            console.print(breach, style="red", highlight=False, soft_wrap=True)
    else:
        console.print(f"The books balance: {report.entries} entries in {report.wallets} wallets.", style="green")
    raise typer.Exit(1 if breaches else 0)


def reconcile(
    since: Annotated[datetime | None, typer.Option(formats=_DAYS, help="First day, UTC; default: yesterday.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_DAYS, help="First day no more; default: now.")] = None,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Compare purchases, invoices, payments and lots with Stripe for a period; exit 1 if they do not match."""
    with opened() as app:
        if app.payments is None:
            raise PaymentsDisabled
        now = app.clock.now()
        start = to_instant(since.replace(tzinfo=UTC)) if since else Instant((now // _DAY_US - 1) * _DAY_US)
        end = to_instant(until.replace(tzinfo=UTC)) if until else now
        breaks = app.payments.reconcile(start, end)
    rows = [msgspec.to_builtins(each) for each in breaks]
    if as_json:
        print_json({"since": to_text(start), "until": to_text(end), "breaks": rows})
    elif breaks:
        show(rows, as_json=False, title=f"{len(breaks)} breaks")
    else:
        console.print(f"Books and Stripe match from {to_text(start)} until {to_text(end)}.", style="green")
    raise typer.Exit(1 if breaks else 0)


class _Kept(msgspec.Struct, frozen=True):
    tokens: TokenUsage


def _explanation(app: App, call: str, account: str | None) -> dict[str, object]:
    if not (is_id(call, "call") or is_id(call, "hold")):
        raise NotFound(what="call", id=call)
    found = app.ledger.call(wallet_of(the_account(app, account)), HoldId("hold_" + body(call)))
    if found.record is None or found.hold.tariff is None:
        raise NotFound(f"The call '{call}' has no priced charge to explain.", what="charge", id=call)
    try:
        usage = msgspec.json.decode(found.record, type=_Kept).tokens
    except msgspec.ValidationError:
        raise NotFound(f"The amount of '{call}' was given by the application.", what="charge", id=call) from None
    return Tariff.read(app.ledger.tariff(found.hold.tariff)).charge(usage).explanation
