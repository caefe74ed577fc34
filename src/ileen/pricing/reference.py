"""The reference rates of the European Central Bank: reading what it publishes, and adding to a rate file.

Refuses to know: the network. A rate once in a file is never changed, because charges were made with it: only newer
days are added. The file's form is that of `ILEEN_FX_FILE`.
Source: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

import csv
import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import Struct

from ileen.pricing.card import PricingFileInvalid, check_decimal

ECB_URL: Final = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip"
"""Every working day's rates since 1999, as a table in a ZIP file of about half a megabyte."""
PACKAGED: Final = Path(__file__).parent / "reference_rates.toml"
_TABLE_BYTES_MAX: Final = 50 * 1024 * 1024


class Published(Struct, frozen=True, kw_only=True):
    """One day's rate: US dollars for one euro."""

    day: date
    usd_per_eur: str


def read_ecb(content: bytes) -> list[Published]:
    """Read the bank's table, as it is or in its ZIP file; oldest day first. Raises: PricingFileInvalid."""
    try:
        rows = csv.DictReader(io.StringIO(_table(content).decode("utf-8-sig")))
        known = [row for row in rows if row["USD"] != "N/A"]
        rates = [Published(day=date.fromisoformat(row["Date"]), usd_per_eur=row["USD"]) for row in known]
    except (KeyError, TypeError, ValueError, csv.Error, zipfile.BadZipFile) as error:
        raise PricingFileInvalid("This is not the European Central Bank's table of reference rates.") from error
    for rate in rates:
        check_decimal(rate.usd_per_eur, f"The reference rate of {rate.day}", low="0.000001")
    if not rates:
        raise PricingFileInvalid("The table of reference rates has no rate for the US dollar.")
    return sorted(rates, key=lambda rate: rate.day)


def added(text: str, newest: date, rates: list[Published]) -> tuple[str, int]:
    """Return a rate file's text with the rates after `newest` added, and how many those are."""
    fresh = [rate for rate in rates if rate.day > newest]
    entries = [
        f'[[rates]]\ndate = {rate.day.isoformat()}\nusd_per_eur = "{rate.usd_per_eur}"\nsource = "ECB reference rate"\n'
        for rate in fresh
    ]
    return "\n".join([text.rstrip("\n") + "\n", *entries]), len(fresh)


def _table(content: bytes) -> bytes:
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [name] = archive.namelist()
        if archive.getinfo(name).file_size > _TABLE_BYTES_MAX:
            raise ValueError(name)
        return archive.read(name)
