"""The usage page: sums that agree, a forecast that says how sure it is, and calls that explain themselves."""

import csv
import io

import pytest

from ileen.base.ids import wallet_of
from ileen.base.money import NANO
from ileen.web.figures import OTHER, Choice, Pace, look, pace
from ileen.web.pages import charts, site
from people_site import Site

DAY_S = 24 * 3600
STEADY = [2 * NANO, 2 * NANO, 2 * NANO, 2 * NANO, 2 * NANO, 0, 0] * 2


def test_a_pace_counts_weekends_for_what_they_are() -> None:
    """Ten credits a week, whatever weekday it is."""
    assert pace(STEADY, 30 * NANO) == Pace(days=21, low=21, high=21)


def test_a_pace_is_a_range_when_weeks_differ() -> None:
    found = pace([NANO] * 7 + [3 * NANO] * 7, 42 * NANO)
    assert found is not None
    assert found.low < found.days < found.high


@pytest.mark.parametrize("days", [[0] * 14, [0] * 12 + [NANO, NANO]])
def test_two_days_of_use_are_no_pace(days: list[int]) -> None:
    assert pace(days, 30 * NANO) is None


@pytest.mark.parametrize(
    ("amount", "expected"), [(0, 2), (1, 2), (3, 4), (41, 50), (100, 100), (101, 200), (99_999, 100_000)]
)
def test_a_scale_ends_at_a_plain_number_of_cents(amount: int, expected: int) -> None:
    cent = NANO // 100
    assert charts.ceiling(amount * cent) == expected * cent


def test_columns_stand_on_each_other_and_fill_what_they_are_worth() -> None:
    drawn = charts.columns([[NANO, 0], [NANO, NANO]])

    assert drawn.top == 2 * NANO
    assert [(box.y, box.height, box.series) for box in drawn.days[0]] == [(150, 150, 0), (0, 150, 1)]
    assert [(box.y, box.height, box.series) for box in drawn.days[1]] == [(150, 150, 1)]


def test_a_line_below_zero_keeps_its_zero() -> None:
    drawn = charts.line([-NANO, NANO], [1])

    assert (drawn.top, drawn.bottom) == (charts.ceiling(NANO), -charts.ceiling(NANO))
    assert drawn.dots[0].index == 0


async def test_every_figure_is_a_sum_of_the_same_days(world) -> None:
    """Eight models on two days: six have a colour, the others are one series; balances follow the journal."""
    for each in range(8):
        await world.http.post(
            "/v1/charges", json={"amount": f"0.{each + 1}", "activity": "code_query", "model": f"m{each}"}
        )
    world.clock.advance(DAY_S)
    await world.http.post("/v1/charges", json={"amount": "0.05", "activity": "changelog", "model": "m0"})

    found = look(world.ledger, wallet_of(world.account.id), Choice(days=7, by="model"), clock=world.clock)
    changelog = look(world.ledger, wallet_of(world.account.id), Choice(days=7, activity="changelog"), clock=world.clock)

    assert found.total == sum(each.charge for each in found.names) == 3_650_000_000
    assert found.total == sum(sum(each.by_day) for each in found.series)
    assert [each.name for each in found.series] == ["m7", "m6", "m5", "m4", "m3", "m2", OTHER]
    assert found.balances[-3:] == [0, 1_400_000_000, 1_350_000_000]
    assert [(each.day - found.first, each.amount) for each in found.acquired] == [(5, 5 * NANO)]
    assert changelog.total == 50_000_000 and changelog.choices["activity"] == ["changelog", "code_query"]


async def test_a_person_sees_where_credits_went_and_why(world) -> None:
    ours = Site(site.build(world.house), world.house.public_url, world.people, world.database)
    browser = await ours.join()
    account = next(each for each in world.accounts.list() if each.id != world.account.id)
    world.fund(account, "5.00")
    _, secret = world.accounts.create_key(account.id, name="agent")
    usage = {"surface": "openai.chat", "prompt_tokens": 100_000, "completion_tokens": 2_000}
    content = {"model": "gpt-4o", "activity": "code_query", "run": "=1+1", "usage": usage}
    made = await world.http.post("/v1/charges", json=content, headers={"Authorization": f"Bearer {secret}"})
    stranger = (await world.http.post("/v1/charges", json={"amount": "1.00"})).json()["call"]

    page = await browser.open("/usage?days=7&by=activity")
    why = await browser.open(f"/usage/calls/{made.json()['call']}")
    days = await browser.open("/usage/days.csv?days=7&by=activity")
    calls = await browser.open("/usage/calls.csv")

    assert "€0.31 in the last 7 days. Code query cost most (100%)." in page.text
    assert "Not enough usage yet for a forecast." in page.text
    assert f"Why this call cost €{made.json()['charge']}" in why.text
    assert "× 1.3" in why.text and "Price list: genai-prices" in why.text and "0.9 euros for one US dollar" in why.text
    assert list(csv.reader(io.StringIO(days.answer.text)))[1][1:] == ["code_query", made.json()["charge"]]
    assert list(csv.reader(io.StringIO(calls.answer.text)))[1][6] == "'=1+1", "a spreadsheet must not calculate it"
    assert (await browser.open(f"/usage/calls/{stranger}")).status == 404
