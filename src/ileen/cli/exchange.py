"""Commands about exchange rates: what is known, and fetching what the European Central Bank has published since."""

from os import environ
from pathlib import Path
from typing import Annotated

import httpx2
import typer

from ileen.base.errors import Upstream
from ileen.cli.show import Json, opened, show, show_one
from ileen.pricing import Prices, PricingFileInvalid
from ileen.pricing.reference import ECB_URL, PACKAGED, added, read_ecb
from ileen.settings import Settings

commands = typer.Typer(help="Exchange rates, US dollars for one euro.", no_args_is_help=True)
_TIMEOUT_S = 60


@commands.command("list")
def list_rates(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 20,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """List the rates in use."""
    with opened() as app:
        rows = [dict(rate) for rate in app.prices.exchange_rates()[:limit]]
        show(rows, as_json=as_json, title="US dollars for one euro", right=("usd_per_eur",))


@commands.command("refresh")
def refresh(
    file: Annotated[Path | None, typer.Option(help="The bank's table, fetched by other means (CSV or ZIP).")] = None,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Add the European Central Bank's newest rates to the rate file; a running server uses them once restarted."""
    settings = Settings.read(environ)
    rates = read_ecb(_fetch() if file is None else _read(file))
    path = settings.rates_file
    source = path if path.is_file() else PACKAGED
    newest = Prices.load(fx_file=source).newest_rate()
    text, count = added(source.read_text("utf-8"), newest, rates)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, "utf-8")
    now_newest = Prices.load(fx_file=fresh).newest_rate()
    fresh.replace(path)
    facts = {"file": str(path), "added": count, "newest": now_newest.isoformat()}
    show_one(facts, as_json=as_json, title="Exchange rates")


def _fetch() -> bytes:
    try:
        answer = httpx2.get(ECB_URL, timeout=_TIMEOUT_S, follow_redirects=True)
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        raise Upstream(f"The European Central Bank's rates could not be fetched ({error}). Try --file.") from error
    return answer.content


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PricingFileInvalid(f"{file.name} cannot be read: {error.strerror}.") from error
