"""Commands about purchases: what was bought, how it went, and where the buyer was."""

from typing import Annotated

import typer

from ileen.base.clock import Instant, to_text
from ileen.base.ids import AccountId, PurchaseId
from ileen.cli.show import Json, console, opened, print_json, show, show_one
from ileen.payments import PurchaseState, dossiers
from ileen.payments.amounts import write_cents
from ileen.payments.dossiers import PIECES, Dossier

purchases = typer.Typer(help="Purchases: money, VAT, evidence and every step.", no_args_is_help=True)
_SHOWN = ("purchase", "at", "state", "net", "vat", "total", "number")
"""What a list shows to people, who can see the rest of each; programs get everything."""


@purchases.command("list")
def list_purchases(
    account: Annotated[str | None, typer.Option("--account", "-a", help="Only this account's.")] = None,
    state: Annotated[PurchaseState | None, typer.Option(help="Only these; default: all.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """List purchases with their VAT and how the evidence of the buyer's country stands."""
    with opened() as app, app.database.read() as connection:
        of = None if account is None else AccountId(account)
        found = dossiers.find(connection, account=of, state=state, limit=limit)
    if as_json:
        print_json([_fields(each) for each in found])
        return
    rows = [{name: _fields(each)[name] for name in _SHOWN} | {"evidence": _count(each)} for each in found]
    show(rows, as_json=False, title="Purchases (EUR)", right=("net", "vat", "total"))


@purchases.command("show")
def show_purchase(purchase: str, as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Show a purchase: money, VAT and its reason, invoice, evidence of the buyer's country, every step."""
    with opened() as app, app.database.read() as connection:
        found = dossiers.get(connection, PurchaseId(purchase))
    fields = _fields(found)
    steps: list[dict[str, object]] = [
        {"at": to_text(each.at), "step": each.step, "state": each.state.value, "detail": each.detail}
        for each in found.steps
    ]
    if as_json:
        print_json(fields | {"steps": steps})
        return
    del fields["evidence"]
    show_one(fields, as_json=False, title="Purchase (EUR)")
    show(_evidence_rows(found), as_json=False, title=f"Evidence of the buyer's country: {_verdict(found)}")
    show(steps, as_json=False, title="Steps")
    if found.record.alarm:
        console.print(f"Look at this: {found.record.alarm}", style="red", highlight=False, soft_wrap=True)


def _fields(of: Dossier) -> dict[str, object]:
    record = of.record
    return {
        "purchase": record.id,
        "account": record.account_id,
        "at": to_text(record.created_at),
        "state": record.state.value,
        "net": write_cents(record.net),
        "vat": write_cents(record.vat),
        "total": write_cents(record.total),
        "rate": record.rate,
        "reason": record.reason,
        "country": record.country,
        "invoice": record.invoice_id,
        "number": record.invoice_number,
        "card": record.card_name,
        "by": record.by,
        "lot": record.lot_id,
        "decline": record.decline_code,
        "because": record.because,
        "alarm": record.alarm,
        "paid_at": _moment(record.paid_at),
        "ended_at": _moment(record.ended_at),
        "evidence": {
            **{name: getattr(of.evidence, name) for name in PIECES},
            "ip_address": of.evidence.ip_address,
            "supports": list(of.supports),
            "contradicts": list(of.contradicts),
        },
    }


def _evidence_rows(of: Dossier) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name in PIECES:
        stands = "supports" if name in of.supports else "contradicts" if name in of.contradicts else "not known"
        address = of.evidence.ip_address if name == "ip_country" else None
        rows.append({"piece": name, "country": getattr(of.evidence, name), "address": address, "stands": stands})
    return rows


def _verdict(of: Dossier) -> str:
    against = "".join(f", {name} {getattr(of.evidence, name)}" for name in of.contradicts)
    return f"{len(of.supports)} for {of.record.country or 'no country'}{against}"


def _count(of: Dossier) -> str:
    return f"{len(of.supports)} for, {len(of.contradicts)} against"


def _moment(at: Instant | None) -> str | None:
    return None if at is None else to_text(at)
