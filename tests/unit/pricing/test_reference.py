"""The bank's table, and rate files that only grow."""

import io
import json
import re
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ileen.base.clock import to_instant
from ileen.pricing import Prices, PricingFileInvalid
from ileen.pricing.reference import PACKAGED, added, read_ecb
from running import command

TABLE = b"Date,USD,JPY,\n2026-11-24,1.125,175.1,\n2026-11-23,1.12,174.9,\n2026-10-30,1.9,1,\n1999-01-03,N/A,1,\n"


def zipped(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


@pytest.mark.parametrize("content", [TABLE, b"\xef\xbb\xbf" + TABLE, zipped(table=TABLE)])
def test_the_banks_table_is_read_plain_or_zipped(content: bytes) -> None:
    assert [(rate.day.isoformat(), rate.usd_per_eur) for rate in read_ecb(content)] == [
        ("2026-10-30", "1.9"),
        ("2026-11-23", "1.12"),
        ("2026-11-24", "1.125"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Not found</html>",
        b"Date,JPY\n2026-11-24,1\n",
        b"Date,USD\nyesterday,1\n",
        b"Date,USD\n2026-11-24,-1\n",
        b"Date,USD\n2026-11-24,1e3\n",
        b"Date,USD\n2026-11-24,N/A\n",
        b"PK broken",
        zipped(a=TABLE, b=TABLE),
        "Date,USD\n2026-11-24,1\n".encode("utf-16"),
    ],
)
def test_anything_else_is_refused_with_one_sentence(content: bytes) -> None:
    with pytest.raises(PricingFileInvalid):
        read_ecb(content)


def test_only_newer_days_are_added_and_nothing_is_changed() -> None:
    """The table says 1.9 for a day the file already has: charges were made with the file's rate."""
    before = PACKAGED.read_text("utf-8")
    text, count = added(before, date(2026, 10, 30), read_ecb(TABLE))

    assert count == 2
    assert text.startswith(before)
    assert 'date = 2026-11-24\nusd_per_eur = "1.125"' in text and '"1.9"' not in text
    assert added(text, date(2026, 11, 24), read_ecb(TABLE)) == (text, 0)


def test_the_packaged_rates_are_the_banks_each_with_its_source() -> None:
    """Every entry is dated on a working day and says where it is from; the newest is at the end."""
    rates = re.findall(r'date = (\S+)\nusd_per_eur = "([0-9.]+)"\nsource = "(.+)"', PACKAGED.read_text("utf-8"))
    days = [date.fromisoformat(day) for day, _, _ in rates]
    assert days == sorted(days) and all(day.weekday() < 5 for day in days)
    assert {source for _, _, source in rates} == {"ECB reference rate"}
    assert Prices.load().newest_rate() == days[-1] >= date(2026, 10, 30)


def test_a_fresh_start_does_not_warn() -> None:
    released = to_instant(datetime(2026, 11, 24, tzinfo=UTC))
    assert Prices.load().warnings(released) == []


def test_refresh_adds_to_the_file_in_the_data_directory_which_is_used_from_then_on(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(TABLE)

    first = json.loads(command(tmp_path, "fx", "refresh", "--file", str(table), "--json"))
    again = json.loads(command(tmp_path, "fx", "refresh", "--file", str(table), "--json"))
    assert (first["added"], first["newest"], again["added"]) == (2, "2026-11-24", 0)
    assert first["file"] == str(tmp_path / "exchange_rates.toml")

    [newest] = json.loads(command(tmp_path, "fx", "list", "--limit", "1", "--json"))
    assert newest == {"date": "2026-11-24", "usd_per_eur": "1.125", "source": "ECB reference rate"}


def test_a_table_that_is_none_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(b"<html>")

    command(tmp_path, "fx", "refresh", "--file", str(table), code=1)
    command(tmp_path, "fx", "refresh", "--file", str(tmp_path / "none.csv"), code=1)
    assert not (tmp_path / "exchange_rates.toml").exists()
