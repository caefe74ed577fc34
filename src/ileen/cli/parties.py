"""Commands about accounts and their API keys."""

from typing import Annotated

import typer

from ileen.accounts import ALL, Account, ApiKey
from ileen.base.clock import to_text
from ileen.base.ids import KeyId, wallet_of
from ileen.base.money import parse, write
from ileen.cli.show import AccountOption, Json, opened, show, show_one, the_account

accounts = typer.Typer(help="Accounts: the billed parties.", no_args_is_help=True)
keys = typer.Typer(help="API keys of an account.", no_args_is_help=True)


@accounts.command("create")
def create_account(
    name: str,
    email: Annotated[str | None, typer.Option(help="Where notices go.")] = None,
    time_zone: Annotated[str, typer.Option(help="IANA name, for daily and monthly caps.")] = "UTC",
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Create an account with an empty wallet."""
    with opened() as app:
        account = app.accounts.create(name, email=email, time_zone=time_zone)
        show_one(_account(account), as_json=as_json, title="Account created")


@accounts.command("list")
def list_accounts(as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """List all accounts."""
    with opened() as app:
        show([_account(account) for account in app.accounts.list()], as_json=as_json, title="Accounts")


@accounts.command("show")
def show_account(account: str | None = typer.Argument(None), as_json: Json = False) -> None:  # noqa: FBT002
    """Show an account with its balance."""
    with opened() as app:
        found = app.accounts.get(the_account(app, account))
        wallet = app.ledger.wallet(wallet_of(found.id))
        balance = {"settled": write(wallet.settled), "available": write(wallet.available)}
        show_one(_account(found) | balance, as_json=as_json, title="Account")


@keys.command("create")
def create_key(  # options of the command line
    name: Annotated[str, typer.Option(help="What the key is for.")],
    account: AccountOption = None,
    mode: Annotated[str | None, typer.Option(help="Mode of calls that name none.")] = None,
    activity: Annotated[str | None, typer.Option(help="Activity of calls that name none.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="What the key may do; default: everything.")] = None,
    cap_day: Annotated[str | None, typer.Option(help="Credits per day, such as 2.50.")] = None,
    cap_month: Annotated[str | None, typer.Option(help="Credits per month.")] = None,
    cap_total: Annotated[str | None, typer.Option(help="Credits in total.")] = None,
    calls_max: Annotated[int | None, typer.Option(help="Calls under way at once.")] = None,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Create an API key. Its secret is shown this once."""
    with opened() as app:
        key, secret = app.accounts.create_key(
            the_account(app, account),
            name=name,
            mode=mode,
            activity=activity,
            scopes=scope or ALL,
            cap_day=None if cap_day is None else parse(cap_day, field="cap_day"),
            cap_month=None if cap_month is None else parse(cap_month, field="cap_month"),
            cap_total=None if cap_total is None else parse(cap_total, field="cap_total"),
            calls_max=calls_max,
        )
        shown = {**_key(key), "secret": secret}
        show_one(shown, as_json=as_json, title="API key created; the secret is not shown again")


@keys.command("list")
def list_keys(account: AccountOption = None, as_json: Json = False) -> None:  # noqa: FBT002
    """List an account's API keys."""
    with opened() as app:
        show([_key(key) for key in app.accounts.keys(the_account(app, account))], as_json=as_json, title="API keys")


@keys.command("revoke")
def revoke_key(key: str, account: AccountOption = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Revoke an API key, at once and for good."""
    with opened() as app:
        revoked = app.accounts.revoke_key(the_account(app, account), KeyId(key))
        show_one(_key(revoked), as_json=as_json, title="API key revoked")


def _account(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "email": account.email,
        "time_zone": account.time_zone,
        "created_at": to_text(account.created_at),
    }


def _key(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint + "…",
        "mode": key.mode,
        "activity": key.activity,
        "scopes": " ".join(sorted(key.scopes)),
        "created_at": to_text(key.created_at),
        "last_used_at": None if key.last_used_at is None else to_text(key.last_used_at),
        "revoked_at": None if key.revoked_at is None else to_text(key.revoked_at),
    }
