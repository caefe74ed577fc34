"""The offline Stripe's reference page names every card, fault, delivery mode, doubt and lever, and no other."""

import re
from pathlib import Path

from ileen.sandbox.stripe.cards import CARDS
from ileen.sandbox.stripe.doubts import DOUBTS
from ileen.sandbox.stripe.events import MODES
from ileen.sandbox.stripe.faults import KINDS
from ileen.sandbox.stripe.routes import CONTROLS

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "stripe-sandbox.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    match = re.search(rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None
    lines = [line for line in match[1].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(heading: str) -> list[str]:
    return [row[0].strip("`") for row in rows(heading)]


def test_every_card_is_named_with_its_template() -> None:
    assert [(row[0].strip("`"), row[1].strip("`")) for row in rows("Cards")] == [
        (card.number, card.template or "") for card in CARDS
    ]


def test_every_fault_and_delivery_mode_is_named() -> None:
    assert names("Faults") == list(KINDS)
    assert names("Delivery modes") == list(MODES)


def test_every_doubt_is_named_with_its_variants() -> None:
    found = {row[0].strip("`"): tuple(re.findall(r"`([^`]+)`", row[1])) for row in rows("Doubts")}

    assert found == DOUBTS


def test_every_action_of_the_dashboard_is_named() -> None:
    known = {f"{one.method} {one.path.removeprefix('/_control/')}" for one in CONTROLS if "/dashboard/" in one.path}

    assert set(names("Dashboard")) == known
