"""Every agent has its words, and every word an agent shows is in the catalogue."""

import pytest

from ileen.catalogue import sentences
from ileen.pricing import Prices
from ileen.studio.agents import AGENTS, agents_in
from ileen.studio.agents.deploy import Checklist
from ileen.studio.model import Mode, RunState
from ileen.studio.visit import rounded

KNOWN = sentences("en")


def test_the_agents_are_the_fourteen_activities_of_the_rate_card() -> None:
    card = {mode: list(names) for mode, names in Prices.load(fx_rate="0.90").activities().items()}

    assert {mode.value: [each.activity for each in agents_in(mode)] for mode in Mode} == card
    assert len(AGENTS) == 14


def test_every_agent_and_all_it_asks_for_has_words() -> None:
    wanted = {f"studio.{each.activity}{end}" for each in AGENTS.values() for end in ("", ".about")}
    fields = [field for each in AGENTS.values() for field in each.fields]
    wanted |= {f"studio.field.{field.name}" for field in fields}
    wanted |= {f"studio.field.{field.name}.hint" for field in fields if field.kind == "files"}
    wanted |= {f"studio.option.{option}" for field in fields if field.kind == "choice" for option in field.options}
    wanted |= {f"studio.check.{name}" for name in Checklist.__struct_fields__}
    wanted |= {f"studio.state.{state}" for state in RunState}
    wanted |= {f"studio.mode.{mode}" for mode in Mode}

    assert wanted - KNOWN.keys() == set()


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("12.345", "12.34"),
        ("0.5", "0.50"),
        ("0.0999", "0.09"),
        ("0.000048349", "0.000048"),
        ("3", "3.00"),
        ("0", "0.00"),
    ],
)
def test_a_guess_keeps_two_digits(amount: str, expected: str) -> None:
    assert rounded(amount) == expected
