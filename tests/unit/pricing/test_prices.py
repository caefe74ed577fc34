"""Prices: which price, card and exchange rate applies, what has none, and files that say what is wrong with them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from genai_prices import calc_price
from genai_prices.types import Usage

from ileen.base.clock import Instant, to_instant
from ileen.base.errors import ActivityUnknown, ModelNotPriced
from ileen.pricing import Prices, PricingFileInvalid, Tariff, TokenUsage, normalise

FIXTURES = sorted(Path(__file__).with_name("fixtures").glob("*.json"))
MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-audio-preview"),
    ("openai", "gpt-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-1"),
    ("deepseek", "deepseek-chat"),
    ("mistral", "mistral-large-latest"),
    ("x-ai", "grok-4"),
    ("google", "gemini-2.5-pro"),
]
CARD = """
[[cards]]
version = "one"
effective = 2026-01-01
default_tier = "plain"
[cards.tiers.plain]
markup = "1"
[cards.tiers.dear]
markup = "2"
fee = "0.01"
[cards.modes.work]
chat = "plain"
plan = "dear"
"""
OWN = """
[[prices]]
model = "gpt-4o"
effective = 2026-01-01
source = "our contract"
usd_per_mtok = { input = "1", output = "2", cache_read = "0.1" }
[[prices]]
model = "house-*"
provider = "cellar"
effective = 2026-01-01
source = "our own machines"
output_ceiling = 777
usd_per_request = "0.5"
usd_per_mtok = { input = "4", output = "8" }
[prices.above.1000]
input = "6"
"""
RATE = '[[rates]]\ndate = 2026-01-01\nusd_per_eur = "1.25"\nsource = "a bank"\n'


def day(text: str) -> Instant:
    return to_instant(datetime.fromisoformat(text).replace(tzinfo=UTC))


NOW = day("2026-01-15")


def written(folder: Path, text: str, name: str = "file.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def plain(folder: Path, own: str | None = None, card: str = CARD) -> Prices:
    price_file = written(folder, own, "own.toml") if own else None
    return Prices.load(rate_card=written(folder, card, "card.toml"), price_file=price_file, fx_rate="1")


def find(
    prices: Prices, model: str, provider: str | None = None, activity: str | None = None, at: Instant = NOW
) -> Tariff:
    return prices.tariff(model=model, provider=provider, mode=None, activity=activity, at=at)


def counted(usage: TokenUsage) -> Usage:
    counts = {
        "input_tokens": usage.input_total,
        "output_tokens": usage.output_total,
        "cache_read_tokens": usage.cache_read + usage.cache_read_audio,
        "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
        "cache_write_5m_tokens": usage.cache_write,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "input_audio_tokens": usage.input_audio,
        "output_audio_tokens": usage.output_audio,
        "output_reasoning_tokens": usage.reasoning,
    }
    return Usage(**{name: count for name, count in counts.items() if count})


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_a_charge_without_markup_is_what_the_catalogue_calculates(tmp_path: Path, provider: str, model: str) -> None:
    tariff = find(plain(tmp_path), model, provider)
    moment = datetime(2026, 1, 15, tzinfo=UTC)
    for fixture in FIXTURES:
        recorded = json.loads(fixture.read_text())
        usage = normalise(recorded["surface"], recorded["usage"])
        theirs = calc_price(counted(usage), model, provider_id=provider, genai_request_timestamp=moment).total_price
        assert 0 <= tariff.charge(usage).nano - theirs * 10**9 < 1, fixture.stem


@pytest.mark.parametrize("time", ["00:15", "00:29:59", "00:30", "16:15", "16:29:59", "16:31", "23:59:59"])
def test_a_price_that_changes_by_the_hour_is_the_catalogue_s_at_that_time(tmp_path: Path, time: str) -> None:
    moment = datetime.fromisoformat(f"2026-01-15T{time}+00:00")
    tariff = find(plain(tmp_path), "deepseek-chat", "deepseek", at=to_instant(moment))
    theirs = calc_price(
        Usage(input_tokens=1000, output_tokens=1000),
        "deepseek-chat",
        provider_id="deepseek",
        genai_request_timestamp=moment,
    )
    assert tariff.charge(TokenUsage(input=1000, output=1000)).nano == theirs.total_price * 10**9


def test_an_embedding_costs_what_the_catalogue_calculates(tmp_path: Path) -> None:
    charge = find(plain(tmp_path), "text-embedding-3-small", "openai").charge(TokenUsage(input=1_000_000))
    assert (
        charge.nano
        == calc_price(Usage(input_tokens=1_000_000), "text-embedding-3-small", provider_id="openai").total_price * 10**9
    )


@pytest.mark.parametrize(
    ("model", "provider"), [("no-such-model", None), ("no-such-model", "openai"), ("gpt-4o", "me")]
)
def test_a_model_or_provider_nobody_prices_is_refused(tmp_path: Path, model: str, provider: str | None) -> None:
    with pytest.raises(ModelNotPriced, match=model):
        find(plain(tmp_path), model, provider)


def test_an_unknown_activity_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ActivityUnknown, match=r"'dance' is not on the rate card\. Known activities: chat, plan\."):
        find(plain(tmp_path), "gpt-4o", activity="dance")


@pytest.mark.parametrize(("mode", "activity"), [("play", None), ("play", "chat")])
def test_an_unknown_mode_is_refused(tmp_path: Path, mode: str, activity: str | None) -> None:
    with pytest.raises(ActivityUnknown, match="play"):
        plain(tmp_path).tariff(model="gpt-4o", provider=None, mode=mode, activity=activity, at=NOW)


def test_an_activity_decides_mode_complexity_markup_and_fee(tmp_path: Path) -> None:
    terms = find(plain(tmp_path), "gpt-4o", activity="plan").terms
    assert (terms.mode, terms.complexity, terms.markup, terms.fee) == ("work", "dear", "2", "0.01")
    none = find(plain(tmp_path), "gpt-4o").terms
    assert (none.mode, none.complexity, none.markup, none.fee) == (None, "plain", "1", "0")


def test_the_last_override_that_matches_wins(tmp_path: Path) -> None:
    overrides = '[[cards.overrides]]\nmodel = "gpt-*"\nmarkup = "3"\nfee = "1"\n'
    overrides += '[[cards.overrides]]\nactivity = "plan"\nmarkup = "0"\n'
    prices = plain(tmp_path, card=CARD + overrides)
    told = [find(prices, *call).terms for call in [("gpt-4o", None, "chat"), ("gpt-4o", None, "plan")]]
    assert [(terms.markup, terms.fee) for terms in told] == [("3", "1"), ("0", "1")]


def test_an_own_price_goes_before_the_catalogue(tmp_path: Path) -> None:
    tariff = find(plain(tmp_path, OWN), "gpt-4o", "openai")
    assert tariff.terms.price_source == "our contract"
    used = TokenUsage(input=10, cache_read=10, cache_write=10, output=10, reasoning=10)
    assert tariff.charge(used).nano == 10_000 + 1_000 + 10_000 + 20_000 + 20_000
    assert find(plain(tmp_path, OWN), "gpt-5").terms.price_source.startswith("genai-prices ")


def test_an_own_price_adds_a_model_with_context_tiers_and_a_price_per_request(tmp_path: Path) -> None:
    prices = plain(tmp_path, OWN)
    tariff = find(prices, "house-large", "cellar")
    assert tariff.charge(TokenUsage(input=1000, output=1)).nano == 500_000_000 + 4_000_000 + 8_000
    assert tariff.charge(TokenUsage(input=1001, output=1)).nano == 500_000_000 + 6_006_000 + 8_000
    assert prices.output_ceiling("house-large", "cellar") == 777
    assert prices.output_ceiling("gpt-5", "openai") == 8192
    with pytest.raises(ModelNotPriced):
        find(prices, "house-large", "openai")
    assert {"provider": "cellar", "model": "house-*", "source": "our own machines"} in prices.models()


def test_an_own_price_applies_from_its_day_and_the_newest_wins(tmp_path: Path) -> None:
    later = OWN + OWN.replace("2026-01-01", "2026-02-01").replace("our contract", "our second contract")
    prices = plain(tmp_path, later)
    days = ["2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01"]
    sources = [find(prices, "gpt-4o", at=day(text)).terms.price_source for text in days]
    assert sources[0].startswith("genai-prices ")
    assert sources[1:] == ["our contract", "our contract", "our second contract"]


def test_the_card_in_force_is_the_last_whose_day_has_come(tmp_path: Path) -> None:
    second = CARD.replace('"one"', '"two"').replace("2026-01-01", "2026-02-01").replace('"1"', '"1.5"')
    prices = plain(tmp_path, card=second + CARD)
    days = ["2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01"]
    assert [find(prices, "gpt-4o", at=day(text)).terms.card for text in days] == ["one", "one", "one", "two"]
    assert prices.rates(day("2026-02-01"))["version"] == "two"


def test_the_exchange_rate_is_the_newest_of_or_before_the_day(tmp_path: Path) -> None:
    later = RATE.replace("01-01", "02-01").replace("1.25", "1.5")
    prices = Prices.load(fx_file=written(tmp_path, later + RATE))
    days = ["2025-12-31", "2026-01-31", "2026-02-01"]
    assert [find(prices, "gpt-4o", at=day(text)).terms.exchange.usd_per_eur for text in days] == ["1.25", "1.25", "1.5"]


def test_a_stale_exchange_rate_warns_unless_the_operator_set_one(tmp_path: Path) -> None:
    path = written(tmp_path, RATE)
    assert Prices.load(fx_file=path).warnings(day("2026-02-10")) == []
    (warning,) = Prices.load(fx_file=path).warnings(day("2026-02-11"))
    assert "2026-01-01" in warning
    assert "ILEEN_FX_RATE" in warning
    assert Prices.load(fx_file=path, fx_rate="0.9").warnings(day("2026-02-11")) == []


def refusal(**files: object) -> str:
    with pytest.raises(PricingFileInvalid) as refused:
        Prices.load(**files)  # pyright: ignore[reportArgumentType]  # the test names the argument
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('markup = "1"', 'markup = "one"', "the markup of tier 'plain' must be a decimal number"),
        ('markup = "1"', 'markup = "1e3"', "not '1e3'"),
        ('markup = "1"', 'markup = "NaN"', "not 'NaN'"),
        ('markup = "1"', 'markup = "-1"', "at least 0"),
        ('markup = "1"', "markup = 1.0", "Expected `str`, got `float`"),
        ('fee = "0.01"', 'fee = "free"', "the fee of tier 'dear'"),
        ('fee = "0.01"', 'fees = "0.01"', "unknown field `fees`"),
        ('default_tier = "plain"', 'default_tier = "lost"', "default_tier 'lost' is not among its tiers"),
        ('plan = "dear"', 'plan = "lost"', "work.plan names the tier 'lost'"),
        ('version = "one"\n', "", "missing required field `version`"),
        ('default_tier = "plain"', 'default_tier = "plain"\noutput_ceiling = 0', "output_ceiling must be at least 1"),
        ('plan = "dear"', 'plan = "dear"\n[[cards.overrides]]\nmarkup = "x"', "override 1 must be a decimal"),
        (CARD, CARD + CARD, "two cards share a version or an effective day"),
        (CARD, "cards = []", "it has no [[cards]]"),
        (CARD, "cards = [", "is not valid TOML"),
    ],
)
def test_a_card_that_cannot_be_used_says_why(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in CARD
    sentence = refusal(rate_card=written(tmp_path, CARD.replace(old, new), "card.toml"))
    assert sentence.startswith("card.toml")
    assert says in sentence


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('cache_read = "0.1"', 'cached = "0.1"', "'cached' is not a class of tokens (input, cache_read,"),
        ('cache_read = "0.1"', 'cache_read = "?"', "'cache_read' must be a decimal number"),
        ('input = "1", ', "", "usd_per_mtok.input is missing"),
        ('output = "2", ', "", "usd_per_mtok.output is missing"),
        ("above.1000", "above.many", "the tables in 'above' are named by a number of tokens"),
        ('usd_per_request = "0.5"', 'usd_per_request = "-0.5"', "usd_per_request must be a decimal number"),
        ('source = "our contract"\n', "", "missing required field `source`"),
    ],
)
def test_a_price_file_that_cannot_be_used_says_why(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in OWN
    sentence = refusal(price_file=written(tmp_path, OWN.replace(old, new), "own.toml"))
    assert sentence.startswith("own.toml")
    assert says in sentence


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RATE.replace("1.25", "0"), "the rate of 2026-01-01 must be a decimal number of at least 0.000001"),
        (RATE.replace("1.25", "much"), "the rate of 2026-01-01 must be"),
        (RATE.replace("2026-01-01", '"today"'), "$.rates[0].date"),
        ("rates = []", "it has no [[rates]]"),
    ],
)
def test_an_exchange_rate_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, says: str) -> None:
    sentence = refusal(fx_file=written(tmp_path, text, "fx.toml"))
    assert "fx.toml" in sentence
    assert says in sentence


@pytest.mark.parametrize("fx_rate", ["", "0", "-1", "much", "1e0"])
def test_an_exchange_rate_that_cannot_be_used_says_why(fx_rate: str) -> None:
    assert "The exchange rate must be a decimal number of at least 0.000001" in refusal(fx_rate=fx_rate)


@pytest.mark.parametrize("argument", ["rate_card", "price_file", "fx_file"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, argument: str) -> None:
    assert refusal(**{argument: tmp_path / "gone.toml"}) == "gone.toml cannot be read: No such file or directory."
