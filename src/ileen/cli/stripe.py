"""Commands about the Stripe account: set it up, check it."""

from os import environ

import typer

from ileen.app import tax_policy
from ileen.base.errors import PaymentsDisabled
from ileen.cli.show import Json, console, print_json
from ileen.payments.setup import Report, check, set_up
from ileen.payments.stripe import Stripe
from ileen.settings import SettingInvalid, Settings

stripe = typer.Typer(help="The Stripe account that is charged with.", no_args_is_help=True)


@stripe.command("setup")
def set_up_stripe(as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Create or update what Ileen needs at Stripe; say what a person must still do."""
    settings, client = _connected()
    known = bool(settings.stripe_webhook_secret)
    report = set_up(client, public_url=settings.public_url, policy=tax_policy(settings), secret_known=known)
    _show(report, as_json=as_json)


@stripe.command("check")
def check_stripe(as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Look whether everything is set up at Stripe; change nothing. Exit code 1 if something is missing."""
    settings, client = _connected()
    known = bool(settings.stripe_webhook_secret)
    report = check(client, public_url=settings.public_url, policy=tax_policy(settings), secret_known=known)
    _show(report, as_json=as_json)
    if not report.is_complete:
        raise typer.Exit(1)


def _connected() -> tuple[Settings, Stripe]:
    settings = Settings.read(environ)
    if settings.stripe_secret_key is None:
        raise PaymentsDisabled("Set ILEEN_STRIPE_SECRET_KEY first.")
    if not settings.public_url:
        raise SettingInvalid("Set ILEEN_PUBLIC_URL first: Stripe must know where to send its webhooks.")
    return settings, Stripe(settings.stripe_secret_key, base_url=settings.stripe_base_url)


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "portal": report.portal,
                "product": report.product,
                "endpoint": report.endpoint,
                "webhook_secret": report.webhook_secret,
                "done": list(report.done),
                "to_do": list(report.to_do),
            }
        )
        return
    for sentence in report.done:
        console.print(f"Done: {sentence}", highlight=False, soft_wrap=True)
    for sentence in report.to_do:
        console.print(f"To do: {sentence}", highlight=False, soft_wrap=True)
    if report.webhook_secret:
        console.print(f"Signing secret, shown this once: {report.webhook_secret}", highlight=False, soft_wrap=True)
    if report.is_complete:
        console.print("Stripe is set up.", highlight=False)
