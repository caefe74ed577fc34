"""The auto-refill section, as a browser without scripts uses it."""

import html
import re

import pytest

from ileen.base.ids import LotId, wallet_of
from ileen.base.money import parse
from ileen.jobs import Worker
from ileen.ledger.model import Fund, Source
from ileen.payments.refills.model import CONSENT_VERSION

FORM = {
    "enabled": "on", "consent": CONSENT_VERSION, "refill_threshold": "20", "refill_amount": "50,00", "refill_cap": "",
}  # fmt: skip


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page))


def give(shop, amount: str) -> None:
    lot = LotId(shop.paying.ids.mint("lot"))
    wallet = wallet_of(shop.paying.account.id)
    shop.paying.ledger.run(Fund(wallet=wallet, key=lot, lot=lot, amount=parse(amount), source=Source.PURCHASE))


def work(shop) -> None:
    worker = Worker(shop.paying.database, shop.payments.handlers(), clock=shop.paying.clock, ids=shop.paying.ids)
    while worker.run_due():
        pass


async def test_a_rule_is_saved_and_said_in_a_sentence(shop) -> None:
    await shop.ready()
    give(shop, "100")
    page = await shop.browser.get("/billing")
    assert "Auto-refill is off." in words(page.text)
    assert "By saving you allow Ileen to charge your default card" in words(page.text)

    saved = await shop.post("/billing/refill", **FORM)

    assert saved.headers["location"] == "/billing"
    page = await shop.browser.get("/billing")
    assert "When your balance falls to €20.00 or below, we charge €50.00 plus VAT" in words(page.text)
    assert shop.charges() == []


async def test_saving_while_the_balance_is_low_asks_with_the_total_and_then_charges_it(shop) -> None:
    await shop.ready()
    give(shop, "8.20")

    asked = await shop.post("/billing/refill", **FORM)
    assert "Your balance of €8.20 is already at or below €20.00. Saving charges €59.50 now" in words(asked.text)
    assert "Save and pay €59.50" in words(asked.text)
    work(shop)
    assert shop.charges() == []
    await shop.post("/billing/refill", **hidden(asked.text))
    work(shop)

    assert [charge.amount for charge in shop.charges()] == [5950]
    page = await shop.browser.get("/billing")
    assert "€58.20 Total used" in words(page.text)
    assert "You €50.00 Added" in words(page.text)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"consent": ""}, "Tick the box to allow automatic charges."),
        ({"refill_threshold": "9.99"}, "Enter an amount from €10.00 to €5,000.00."),
        ({"refill_amount": "500.01"}, "Enter an amount from €5.00 to €500.00."),
        ({"refill_cap": "49"}, "Enter an amount from €50.00 to €50,000.00."),
        ({"refill_threshold": "much"}, "Enter an amount from €10.00 to €5,000.00."),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(shop, changes, sentence) -> None:
    await shop.ready()
    give(shop, "100")

    answer = await shop.post("/billing/refill", **(FORM | changes))

    assert answer.status_code == 422
    assert sentence in words(answer.text)
    assert 'value="50,00"' in answer.text or "refill_amount" in changes
    assert "Auto-refill is off." in words(answer.text)


async def test_without_a_card_the_rule_says_what_is_missing(shop) -> None:
    await shop.put_billing()
    give(shop, "100")

    answer = await shop.post("/billing/refill", **FORM)

    assert "Add a card to use auto-refill." in words(answer.text)


async def test_a_paused_rule_says_why_and_resumes_at_a_click(shop) -> None:
    await shop.ready(number="4000000000000341")
    give(shop, "8.20")
    await shop.post("/billing/refill", **FORM, charge_now="yes")
    work(shop)
    page = await shop.browser.get("/billing")
    assert "Auto-refill is paused. The card was declined." in words(page.text)
    assert "Not charged" in words(page.text)

    await shop.post("/billing/refill/resume")

    page = await shop.browser.get("/billing")
    assert "Auto-refill is paused." not in words(page.text)


async def test_a_new_card_ends_the_pause_without_a_click(shop) -> None:
    await shop.ready(number="4000000000000341")
    give(shop, "8.20")
    await shop.post("/billing/refill", **FORM, charge_now="yes")
    work(shop)

    shop.paying.add_card("4242424242424242")
    await shop.browser.get("/billing")  # where people come back to from the portal
    work(shop)

    page = await shop.browser.get("/billing")
    assert "A new card €50.00 Added" in words(page.text)
    assert "€58.20 Total used" in words(page.text)


async def test_charges_in_a_row_are_warned_of_before_the_rule_is_saved_and_after(shop) -> None:
    await shop.ready()
    give(shop, "100")
    chained = FORM | {"refill_threshold": "30", "refill_amount": "10"}

    asked = await shop.post("/billing/refill", **chained)
    assert asked.status_code == 409
    assert "from an empty balance it takes 4 charges in a row, €40.00 plus VAT" in words(asked.text)
    assert "With €35.00 per refill, one charge is enough." in words(asked.text)
    assert "Auto-refill is off." in words((await shop.browser.get("/billing")).text)
    await shop.post("/billing/refill", **hidden(asked.text))

    page = words((await shop.browser.get("/billing")).text)
    assert "we charge €10.00 plus VAT to your default card" in page
    assert "it takes 4 charges in a row" in page


async def test_low_credits_are_said_above_the_balance_and_the_threshold_is_saved(shop) -> None:
    await shop.ready()
    give(shop, "4.109")

    page = words((await shop.browser.get("/billing")).text)
    assert "Your credits are running low: €4.10 left." in page
    assert "You get a mail when your balance falls to €5.00 or below" in page
    wrong = await shop.post("/billing/alerts", alerts_threshold="0.50")
    assert (wrong.status_code, "Enter an amount from €1.00 to €5,000.00." in words(wrong.text)) == (422, True)
    await shop.post("/billing/alerts", alerts_threshold="3,50")

    page = words((await shop.browser.get("/billing")).text)
    assert "running low" not in page
    answer = (await shop.http.put("/v1/alerts", json={"threshold": None})).json()
    assert answer == {"state": "ok", "balance": "4.109", "threshold": None, "hours_left": None}
    assert "You get no mail" in words((await shop.browser.get("/billing")).text)
