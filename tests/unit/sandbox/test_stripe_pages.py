"""What hosted pages offer is what the sandbox has, and what the how-to page says."""

import re
from pathlib import Path

from ileen.sandbox.stripe.business import address_lines, countries
from ileen.sandbox.stripe.cards import by_number
from ileen.sandbox.stripe.pages.card_form import TESTS, filled, offered

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "try-payments.md"


def test_every_card_offered_is_one_the_sandbox_knows_and_the_page_describes() -> None:
    rows = re.findall(r"^\| ([0-9 ]{19}) \| (.+) \|$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE)

    assert [(number.replace(" ", ""), does) for number, does in rows] == [*TESTS]
    assert all(by_number(one["number"]) for one in offered())


def test_a_button_fills_the_form_in_and_keeps_the_name() -> None:
    form = filled({"fill": "4242424242424242", "name": "Ada", "cvc": ""})

    assert form is not None
    assert (form["number"], form["name"], form["cvc"]) == ("4242 4242 4242 4242", "Ada", "123")
    assert filled({"number": "1"}) is None and filled({"fill": "4111111111111111"}) is None


def test_an_address_is_written_without_empty_lines() -> None:
    assert address_lines({"line1": "Weg 1", "line2": None, "city": "Wien", "country": "AT"}) == [
        "Weg 1", "Wien", "Austria",
    ]  # fmt: skip
    assert address_lines(None) == []


def test_countries_are_listed_by_name_once() -> None:
    names = [name for _, name in countries()]

    assert ("GR", "Greece") in countries() and "European Union" not in names
    assert names == sorted(set(names))
