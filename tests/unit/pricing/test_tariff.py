"""A tariff: exact charges, one rounding up, bounds that hold for every usage, and replays that never differ."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ileen.base.clock import ManualClock
from ileen.base.errors import Corrupt
from ileen.base.money import NANO
from ileen.pricing import Prices, Tariff, TokenUsage
from ileen.pricing.tariff import Exchange, Terms, Tier
from ileen.pricing.usage import INPUT_CLASSES, OUTPUT_CLASSES

CLASSES = (*INPUT_CLASSES, *OUTPUT_CLASSES)


def prices(read: str, written: str, **others: str) -> dict[str, str]:
    flat = {**dict.fromkeys(INPUT_CLASSES, read), **dict.fromkeys(OUTPUT_CLASSES, written)}
    return {**flat, **others}


TERMS = Terms(
    formula=1,
    model="known",
    provider="known",
    mode="design",
    activity="architect_chat",
    card="2026-01",
    complexity="standard",
    markup="1.3",
    fee="0.001",
    tiers=[Tier(above=-1, usd_per_mtok=prices("3", "15", cache_read="0.3", cache_write="3.75"))],
    usd_per_request="0.01",
    price_source="a price list",
    price_date="2026-01-01",
    exchange=Exchange(date="2026-01-01", source="a bank", eur_per_usd="0.85"),
)
UNIT = replace(TERMS, markup="1", fee="0", usd_per_request="0", exchange=Exchange(date="", source="", eur_per_usd="1"))

money = st.decimals(0, 200, places=4, allow_nan=False).map(lambda number: format(number, "f"))
positive = st.decimals("0.0001", 20, places=4, allow_nan=False).map(lambda number: format(number, "f"))
price_tables = st.fixed_dictionaries(dict.fromkeys(CLASSES, money))
counts = st.integers(0, 5_000)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    starts = [-1, *sorted(draw(st.sets(st.integers(0, 6_000), max_size=3)))]
    quote = draw(positive)
    exchange = draw(st.sampled_from([{"usd_per_eur": quote}, {"eur_per_usd": quote}]))
    return Tariff(
        replace(
            TERMS,
            markup=draw(money),
            fee=draw(money),
            usd_per_request=draw(money),
            tiers=[Tier(above=start, usd_per_mtok=draw(price_tables)) for start in starts],
            exchange=Exchange(date="2026-01-01", source="drawn", **exchange),
        )
    )


usages = st.fixed_dictionaries(dict.fromkeys(CLASSES, counts)).map(lambda drawn: TokenUsage(**drawn))


def test_a_charge_is_what_the_formula_gives_by_hand() -> None:
    # (1000 x 3 + 2000 x 0.3 + 400 x 3.75 + 500 x 15) / 1e6 = 0.0126 USD; + 0.01 per request = 0.0226 USD
    # x 0.85 EUR per USD x 1.3 = 0.024973; + 0.001 = 0.025973 credits
    usage = TokenUsage(input=1000, cache_read=2000, cache_write=400, output=300, reasoning=200)
    assert Tariff(TERMS).charge(usage).nano == 25_973_000


def test_a_rate_quoted_in_dollars_for_a_euro_divides() -> None:
    exchange = Exchange(date="2026-01-01", source="a bank", usd_per_eur="1.25")
    # 1 million x 3 USD / 1.25 = 2.40 EUR
    assert Tariff(replace(UNIT, exchange=exchange)).charge(TokenUsage(input=1_000_000)).nano == 2_400_000_000


@pytest.mark.parametrize(
    ("price", "tokens", "nano"), [("0.0001", 1, 1), ("0.001", 1, 1), ("0.0011", 1, 2), ("3", 0, 0)]
)
def test_a_charge_is_rounded_up_to_the_next_nano_and_only_then(price: str, tokens: int, nano: int) -> None:
    tariff = Tariff(replace(UNIT, tiers=[Tier(above=-1, usd_per_mtok=prices(price, "0"))]))
    assert tariff.charge(TokenUsage(input=tokens)).nano == nano


def test_parts_below_a_nano_are_added_before_they_are_rounded() -> None:
    tariff = Tariff(replace(UNIT, tiers=[Tier(above=-1, usd_per_mtok=prices("0.0001", "0.0001"))]))
    assert tariff.charge(TokenUsage(input=5, output=5)).nano == 1


def test_a_context_tier_is_a_cliff_the_whole_call_falls_over() -> None:
    found = Prices.load(fx_rate="1").tariff(
        model="claude-sonnet-4-5", provider="anthropic", mode=None, activity=None, at=ManualClock().now()
    )
    tariff = Tariff(replace(found.terms, markup="1", fee="0"))
    assert tariff.charge(TokenUsage(input=200_000, output=1000)).nano == (200_000 * 3 + 1000 * 15) * 1000
    over = TokenUsage(input=1, cache_read=200_000, output=1000)
    assert over.input_total == 200_001
    assert tariff.charge(TokenUsage(input=200_001, output=1000)).nano == 200_001 * 6000 + 1000 * 22_500
    assert tariff.charge(over).nano == 6000 + 200_000 * 600 + 1000 * 22_500
    assert tariff.charge(over).explanation["context_tier_above"] == 200_000


@given(tariffs(), usages)
def test_a_charge_is_the_exact_value_rounded_up(tariff: Tariff, usage: TokenUsage) -> None:
    terms = tariff.terms
    tier = [tier for tier in terms.tiers if usage.input_total > tier.above][-1]
    usd = sum((Fraction(tier.usd_per_mtok[name]) * n for name, n in usage.classes().items()), Fraction(0)) / 1_000_000
    usd += Fraction(terms.usd_per_request)
    exact = (usd * terms.exchange.rate() * Fraction(terms.markup) + Fraction(terms.fee)) * NANO
    assert 0 <= tariff.charge(usage).nano - exact < 1


@given(tariffs(), usages, counts, counts)
def test_the_bound_covers_every_usage_within_it(tariff: Tariff, usage: TokenUsage, more: int, longer: int) -> None:
    bound = tariff.bound(input_tokens=usage.input_total + more, output_tokens=usage.output_total + longer)
    assert bound >= tariff.charge(usage).nano


@given(tariffs(), counts, counts, counts, counts)
def test_the_bound_never_falls_when_more_is_allowed(tariff: Tariff, a: int, b: int, more: int, longer: int) -> None:
    assert tariff.bound(input_tokens=a + more, output_tokens=b + longer) >= tariff.bound(
        input_tokens=a, output_tokens=b
    )


@given(tariffs(), usages, st.sampled_from(OUTPUT_CLASSES), counts)
def test_writing_more_never_costs_less(tariff: Tariff, usage: TokenUsage, name: str, more: int) -> None:
    longer = replace(usage, **{name: getattr(usage, name) + more})
    assert tariff.charge(longer).nano >= tariff.charge(usage).nano


@given(tariffs(), st.integers(0, 10**14), counts)
def test_output_tokens_within_an_amount_are_within_it_and_no_more_would_be(tariff: Tariff, nano: int, a: int) -> None:
    tokens = tariff.output_tokens_within(nano, input_tokens=a)
    if tariff.bound(input_tokens=a, output_tokens=0) > nano:
        assert tokens == 0
        return
    assert tariff.bound(input_tokens=a, output_tokens=tokens) <= nano
    if tariff.bound(input_tokens=a, output_tokens=1) > tariff.bound(input_tokens=a, output_tokens=0):
        assert tariff.bound(input_tokens=a, output_tokens=tokens + 1) > nano


def test_output_that_is_free_is_not_limited_by_money() -> None:
    tariff = Tariff(replace(UNIT, tiers=[Tier(above=-1, usd_per_mtok=prices("1", "0"))]))
    assert tariff.output_tokens_within(1_000_000, input_tokens=1) == 2**31


@given(tariffs(), usages)
def test_a_replayed_tariff_gives_the_identical_id_and_charge(tariff: Tariff, usage: TokenUsage) -> None:
    again = Tariff.read(tariff.body)
    assert (again.id, again.body) == (tariff.id, tariff.body)
    assert again.charge(usage).nano == tariff.charge(usage).nano
    assert again.charge(usage).explanation == tariff.charge(usage).explanation


def test_a_tariff_of_an_unknown_formula_is_refused_not_calculated() -> None:
    later = Tariff(replace(TERMS, formula=2)).body
    with pytest.raises(Corrupt, match="formula 2"):
        Tariff.read(later)


def test_different_terms_have_different_ids() -> None:
    others = [replace(TERMS, markup="1.31"), replace(TERMS, fee="0.0011"), replace(TERMS, card="2026-02")]
    assert len({Tariff(terms).id for terms in (TERMS, *others)}) == 4


def test_an_explanation_names_everything_the_charge_depends_on() -> None:
    charged = Tariff(TERMS).charge(TokenUsage(input=1000, cache_read=2000, cache_write=400, output=300, reasoning=200))
    told = charged.explanation
    assert told["lines"] == [
        {"class": "input", "tokens": 1000, "usd_per_mtok": "3", "usd": "0.003"},
        {"class": "cache_read", "tokens": 2000, "usd_per_mtok": "0.3", "usd": "0.0006"},
        {"class": "cache_write", "tokens": 400, "usd_per_mtok": "3.75", "usd": "0.0015"},
        {"class": "output", "tokens": 300, "usd_per_mtok": "15", "usd": "0.0045"},
        {"class": "reasoning", "tokens": 200, "usd_per_mtok": "15", "usd": "0.003"},
    ]
    assert told["usd"] == "0.0226"
    assert told["exchange"] == {"date": "2026-01-01", "source": "a bank", "eur_per_usd": "0.85"}
    assert (told["markup"], told["fee"], told["charge"]) == ("1.3", "0.001", "0.025973")
