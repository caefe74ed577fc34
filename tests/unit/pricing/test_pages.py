"""The pages on pricing say what the code does: their examples load, and their tables are the code's."""

import re
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from ileen.base.clock import ManualClock
from ileen.pricing import Prices, Tariff, TokenUsage
from ileen.pricing.prices import _PARENTS  # pyright: ignore[reportPrivateUsage]  # the page documents it

DOCS = Path(__file__).parents[3] / "docs"


def load_examples(folder: Path) -> Prices:
    text = (DOCS / "reference" / "rate-card.md").read_text("utf-8")
    files: dict[str, Path] = {}
    for name, body in re.findall(r"```toml\n# (\w+)\n(.*?)```", text, re.DOTALL):
        files[name] = folder / f"{name}.toml"
        files[name].write_text(body, encoding="utf-8")
    assert set(files) == {"rate_card", "price_file", "fx_file"}
    return Prices.load(rate_card=files["rate_card"], price_file=files["price_file"], fx_file=files["fx_file"])


def test_the_examples_of_all_three_files_load_and_price_a_call(tmp_path: Path) -> None:
    prices = load_examples(tmp_path)
    now = ManualClock(datetime(2026, 1, 15, tzinfo=UTC)).now()
    tariff = prices.tariff(model="house-small", provider="cellar", mode="develop", activity="code_query", at=now)
    terms = tariff.terms
    assert (terms.card, terms.complexity, terms.markup, terms.fee) == ("2026-01", "standard", "1.30", "0.0005")
    assert terms.exchange.usd_per_eur == "1.1721"
    below, above = terms.tiers
    assert (below.usd_per_mtok["cache_write"], below.usd_per_mtok["reasoning"]) == ("0.50", "1.50")
    assert (above.above, above.usd_per_mtok["input"], above.usd_per_mtok["cache_read"]) == (200_000, "1.00", "0.05")
    assert prices.output_ceiling("house-small", "cellar") == 4096
    opus = prices.tariff(model="claude-opus-4-1", provider="anthropic", mode=None, activity=None, at=now)
    assert (opus.terms.markup, opus.terms.fee) == ("1.15", "0.0005")


def test_the_table_of_classes_is_the_code_s() -> None:
    text = (DOCS / "explanation" / "pricing.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    assert {name: tuple(re.findall(r"`(\w+)`", keys)) for name, keys in rows} == dict(_PARENTS)


def test_the_worked_example_is_right() -> None:
    now = ManualClock().now()
    found = Prices.load(fx_rate="0.85").tariff(
        model="claude-sonnet-4-5", provider="anthropic", mode=None, activity=None, at=now
    )
    tariff = Tariff(replace(found.terms, markup="1.3", fee="0.001"))
    assert tariff.charge(TokenUsage(input=1000, cache_read=2000, output=500)).nano == 13_265_500
