"""How answers are shown: a table for people, JSON for programs."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from os import environ
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ileen.app import App
from ileen.base.errors import NotFound
from ileen.base.ids import AccountId, is_id
from ileen.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AccountOption = Annotated[
    str | None, typer.Option("--account", "-a", help="The account's id; needed when there are several.")
]
console = Console()


@contextmanager
def opened() -> Generator[App]:
    """Open the application on the configured database."""
    with App.open(Settings.read(environ)) as app:
        yield app


def the_account(app: App, given: str | None) -> AccountId:
    """Return the account meant: the one given, or the only one. Raises: NotFound."""
    if given is not None:
        if not is_id(given, "acct"):
            raise NotFound(f"There is no account '{given}'.", what="account", id=given)
        return app.accounts.get(AccountId(given)).id
    accounts = app.accounts.list()
    if len(accounts) != 1:
        known = ", ".join(account.id for account in accounts[:5]) or "none yet; see 'ileen account create'"
        raise NotFound(f"Name the account with --account. Accounts: {known}.", what="account", id="")
    return accounts[0].id


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool, title: str, right: Sequence[str] = ()) -> None:
    """Show a list of things."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        console.print(f"{title}: nothing yet.")
        return
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(table)


def show_one(fields: Mapping[str, object], *, as_json: bool, title: str) -> None:
    """Show one thing, field by field."""
    if as_json:
        print_json(fields)
        return
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in fields.items():
        table.add_row(name, "" if value is None else str(value))
    console.print(table)


def print_json(value: object) -> None:
    """Print JSON on one line of standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))
