"""The command line: `ileen up`, `serve`, and everything an operator reads or does by hand.

Owns: commands, their options and how answers are shown. Refuses to know: rules; each command is one call of a room.
Every reading command takes `--json`. Errors of ours are one sentence and exit code 1; wrong options exit with 2.
"""

import sys

import typer
from rich.console import Console

from ileen.base import log
from ileen.base.errors import IleenError
from ileen.cli import books, exchange, parties, people, purchases, refunds, server, stripe, work
from ileen.pricing import PricingFileInvalid
from ileen.settings import SettingInvalid
from ileen.store.engine import DatabaseUrlInvalid

app = typer.Typer(
    name="ileen",
    help="Prepaid credits for AI agents: hold, meter, price and capture every LLM call.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(parties.accounts, name="account")
app.add_typer(parties.keys, name="key")
app.add_typer(purchases.purchases, name="purchases")
app.add_typer(refunds.refunds, name="refunds")
app.add_typer(refunds.disputes, name="disputes")
app.add_typer(stripe.stripe, name="stripe")
app.add_typer(work.jobs_commands, name="jobs")
app.add_typer(exchange.commands, name="fx")
app.add_typer(work.notices_commands, name="notices")
app.add_typer(people.host_keys, name="host-key")
app.add_typer(people.staff, name="staff")
server.add_to(app)
books.add_to(app)


def main() -> None:
    """Run a command; tell an error of ours in one sentence."""
    if not __debug__:
        sys.exit("Ileen does not run under 'python -O': its assertions guard the books.")
    log.set_up("warning")
    try:
        app()
    except IleenError as error:
        _fail(error.detail)
    except (SettingInvalid, PricingFileInvalid, DatabaseUrlInvalid) as error:
        _fail(str(error))


def _fail(sentence: str) -> None:
    Console(stderr=True).print(f"[red]{sentence}[/red]", highlight=False, soft_wrap=True)
    sys.exit(1)
