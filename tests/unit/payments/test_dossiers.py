"""Dossiers: what the operator can show of a purchase, on both databases and on the command line."""

import json

import pytest
from typer.testing import CliRunner

from ileen.base.errors import NotFound
from ileen.base.ids import PurchaseId
from ileen.cli import app
from ileen.payments import Evidence, PurchaseState, dossiers
from shop import Shop


def ask(shop: Shop, *arguments: str) -> str:
    url = shop.database.engine.url.render_as_string(hide_password=False)
    done = CliRunner().invoke(app, ["purchases", *arguments], env={"ILEEN_DATABASE_URL": url})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_dossier_tells_money_evidence_and_steps(shop: Shop) -> None:
    evidence = Evidence(ip_address="203.0.113.7", ip_country="FR")
    bought = shop.buy(shop.account(), evidence=evidence)

    told = json.loads(ask(shop, "show", bought.id, "--json"))

    money = {name: told[name] for name in ("net", "vat", "total", "rate", "reason", "country", "number")}
    assert money == {
        "net": "50.00",
        "vat": "9.50",
        "total": "59.50",
        "rate": "19",
        "reason": "standard_rated",
        "country": "DE",
        "number": bought.number,
    }
    assert told["evidence"] == {
        "billing_country": "DE",
        "ip_country": "FR",
        "card_country": "DE",
        "ip_address": "203.0.113.7",
        "supports": ["billing_country", "card_country"],
        "contradicts": ["ip_country"],
    }
    assert (told["state"], told["steps"][0]["step"], told["steps"][-1]["state"]) == ("settled", "quote", "settled")
    moments = [step["at"] for step in told["steps"]]
    assert moments == sorted(moments)


def test_tables_name_the_piece_that_contradicts(shop: Shop) -> None:
    bought = shop.buy(shop.account(), evidence=Evidence(ip_country="FR"))

    listed, shown = ask(shop, "list"), ask(shop, "show", bought.id)

    assert "59.50" in listed and "against" in listed
    assert "2 for DE, ip_country FR" in " ".join(shown.split()) and "contradicts" in shown


def test_a_list_is_of_one_account_or_state_if_asked_newest_first(shop: Shop) -> None:
    mine, other = shop.account(), shop.account(card="pm_card_chargeCustomerFail")
    first, second = shop.buy(mine, key="1"), shop.buy(mine, key="2")
    failed = shop.buy(other)

    with shop.database.read() as connection:
        every = dossiers.find(connection, limit=10)
        of_mine = dossiers.find(connection, account=mine, limit=10)
        unpaid = dossiers.find(connection, state=PurchaseState.FAILED, limit=10)
        newest = dossiers.find(connection, limit=1)

    assert [each.record.id for each in every] == [failed.id, second.id, first.id]
    assert [each.record.id for each in of_mine] == [second.id, first.id]
    assert [each.record.id for each in unpaid] == [each.record.id for each in newest] == [failed.id]


def test_what_is_not_known_neither_supports_nor_contradicts(shop: Shop) -> None:
    bought = shop.buy(shop.account(), evidence=Evidence())

    with shop.database.read() as connection:
        found = dossiers.get(connection, bought.id)

    assert (found.supports, found.contradicts) == (("billing_country", "card_country"), ())


@pytest.mark.parametrize("id_", ["pur_01KB2Z8M6T0000000000000000", "nonsense"])
def test_a_dossier_of_nothing_is_not_found(shop: Shop, id_: str) -> None:
    with shop.database.read() as connection, pytest.raises(NotFound):
        dossiers.get(connection, PurchaseId(id_))
