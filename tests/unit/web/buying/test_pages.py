"""The pages of the gate and of billing, as a browser without scripts uses them."""

import asyncio
import html
import re

import pytest

from ileen.accounts.who import Role
from ileen.base.errors import AmountInvalid
from ileen.web.pages.buy import read_typed
from ileen.web.pages.payer import country_options


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page))


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_the_gate_leads_from_nothing_to_the_app(shop) -> None:
    page = await shop.browser.get("/gate")
    assert page.status_code == 200
    assert "Who is billed?" in page.text
    assert (await shop.browser.get("/billing")).headers["location"] == "/gate"

    details = {"name": "Ada GmbH", "country": "DE", "postal_code": "10119", "city": "Berlin"}
    assert (await shop.post("/gate/details", **details)).headers["location"] == "/gate"
    page = await shop.browser.get("/gate")
    assert "Step 1 of 2" in page.text
    leaving = await shop.post("/billing/cards/add", next="/gate")
    assert leaving.headers["refresh"].startswith(f"0; url={shop.paying.sandbox.url}")

    back = await shop.browser.get("/gate/back")
    assert back.headers["location"] == "/gate"
    assert "gate.card.came_back" in back.headers["set-cookie"]
    shop.paying.add_card()
    await shop.browser.get("/gate/back")
    page = await shop.browser.get("/gate")
    assert "Step 2 of 2" in page.text
    offered = re.findall(r'name="amount" value="([0-9.]+)"', page.text)
    assert offered == ["5.00", "10.00", "25.00", "50.00", "100.00"]

    page = await shop.browser.get("/billing/buy?amount=25.00")
    assert "Net €25.00 VAT 19% €4.75 Total €29.75 Card Visa •••• 4242" in words(page.text)
    assert "Purchase · pay €29.75" in words(page.text)
    assert shop.charges() == []
    paid = await shop.post("/billing/buy", **hidden(page.text))
    page = await shop.browser.get(paid.headers["location"])
    assert "€25.00 in credits were added" in words(page.text)
    assert "refresh" not in page.headers
    assert [charge.amount for charge in shop.charges()] == [2975]

    assert (await shop.browser.get("/gate")).headers["location"] == "/billing"
    page = await shop.browser.get("/billing")
    assert page.status_code == 200
    assert "€25.00 Total used €0.00" in words(page.text)
    assert "Visa •••• 4242" in page.text


async def test_a_member_without_the_role_waits_for_an_owner(shop) -> None:
    token = shop.sign_in(Role.MEMBER)
    theirs = {"cookie": f"ileen_session={token}", "sec-fetch-site": "same-origin", "accept": "text/html"}

    page = await shop.browser.get("/gate", headers=theirs)

    assert "An owner or billing member of Ada has to do it" in words(page.text)
    for path in ("/billing", "/billing/buy", "/billing/details"):
        assert (await shop.browser.get(path, headers=theirs)).status_code == 403


async def test_two_clicks_are_one_charge(shop) -> None:
    await shop.ready()
    form = hidden((await shop.browser.get("/billing/buy?amount=50.00")).text)

    answers = await asyncio.gather(*(shop.post("/billing/buy", **form) for _ in range(5)))

    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(shop.charges()) == 1


async def test_each_form_has_a_key_of_its_own_and_none_is_refused(shop) -> None:
    await shop.ready()
    first, second = [hidden((await shop.browser.get("/billing/buy?amount=5")).text) for _ in range(2)]

    assert first["key"] != second["key"]
    assert (await shop.post("/billing/buy", **{**first, "key": ""})).status_code == 422
    assert (await shop.post("/billing/buy", **{**first, "key": "x" * 40})).status_code == 422
    assert shop.charges() == []


async def test_a_form_of_elsewhere_buys_nothing(shop) -> None:
    await shop.ready()
    form = hidden((await shop.browser.get("/billing/buy?amount=5")).text)

    forged = await shop.browser.post("/billing/buy", data={**form, "csrf": "0" * 64})
    crossed = await shop.browser.post("/billing/buy", data=form, headers={"sec-fetch-site": "cross-site"})

    assert (forged.status_code, crossed.status_code) == (403, 403)
    assert shop.charges() == []


@pytest.mark.parametrize("total", ["25.00", "29.74", "0.00", "29,75"])
async def test_a_total_that_no_longer_holds_is_shown_anew(shop, total) -> None:
    await shop.ready()
    form = hidden((await shop.browser.get("/billing/buy?amount=25")).text)

    answer = await shop.post("/billing/buy", **{**form, "total": total})

    assert answer.status_code == (422 if "," in total else 409)
    assert shop.charges() == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("4.99", "Enter at least €5.00."),
        ("500.01", "The most per purchase is €500.00."),
        ("1.000", "can be read in two ways"),
        ("1e3", "Enter an amount in euros"),
        ("-25", "Enter an amount in euros"),
        ("NaN", "Enter an amount in euros"),
        ("<b>25</b>", "Enter an amount in euros"),
    ],
)
async def test_an_amount_that_cannot_be_is_said_beside_the_field(shop, typed, said) -> None:
    await shop.ready()

    page = await shop.browser.get("/billing/buy", params={"other": typed})

    assert page.status_code == 422
    assert said in words(page.text)
    assert "<b>25" not in page.text


@pytest.mark.parametrize(
    ("typed", "cents"),
    [("25", 2500), ("25,50", 2550), ("25.5", 2550), (" 25,50 € ", 2550), ("5", 500), ("500.00", 50000)],
)
def test_amounts_are_read_as_people_type_them(typed: str, cents: int) -> None:
    assert read_typed(typed) == cents


@pytest.mark.parametrize("typed", ["", "25.", ",50", "1.234,56", "25,505", "1 000 000", "٢٥", "25,5,0", "0"])
def test_other_amounts_are_not_guessed_at(typed: str) -> None:
    with pytest.raises(AmountInvalid):
        read_typed(typed)


async def test_the_bank_is_waited_for_whatever_the_address_says(shop) -> None:
    await shop.ready(number="4000002760003184")
    form = hidden((await shop.browser.get("/billing/buy?amount=25")).text)
    place = (await shop.post("/billing/buy", **form)).headers["location"]

    page = await shop.browser.get(f"{place}?success=1&redirect_status=succeeded")
    assert "Your bank needs you to confirm this payment" in page.text
    assert page.headers["refresh"] == "3"
    assert 'target="_blank" rel="noopener noreferrer"' in page.text
    other = await shop.browser.get("/billing/buy?amount=50")
    assert other.headers["location"] == place, "the purchase under way is shown instead of a second one"

    invoice = shop.paying.sandbox.client.v1.invoices.list().data[0].id
    shop.paying.sandbox.control(f"dashboard/invoices/{invoice}/authenticate", outcome="pass")
    page = await shop.browser.get(place)
    assert "€25.00 in credits were added" in words(page.text)


@pytest.mark.parametrize("outcome", ["fail", "leave"])
async def test_a_challenge_failed_or_left_charges_nothing_and_blocks_nothing(shop, outcome) -> None:
    await shop.ready(number="4000002760003184")
    form = hidden((await shop.browser.get("/billing/buy?amount=25")).text)
    place = (await shop.post("/billing/buy", **form)).headers["location"]
    if outcome == "fail":
        invoice = shop.paying.sandbox.client.v1.invoices.list().data[0].id
        shop.paying.sandbox.control(f"dashboard/invoices/{invoice}/authenticate", outcome="fail")

    await shop.post(f"{place}/cancel")

    assert shop.charges() == []
    assert (await shop.browser.get("/billing/buy?amount=25")).status_code == 200


async def test_a_decline_is_a_plain_sentence_with_a_way_on(shop) -> None:
    await shop.ready(number="4000000000000341")
    form = hidden((await shop.browser.get("/billing/buy?amount=25")).text)

    page = await shop.browser.get((await shop.post("/billing/buy", **form)).headers["location"])

    said = words(page.text)
    assert "Your bank declined the payment and gave no reason." in said
    assert "Try again" in said
    assert not re.search("lost|stolen|fraud", said, re.IGNORECASE)


async def test_cards_have_a_way_out_but_not_the_default(shop) -> None:
    await shop.ready()
    shop.paying.fund("25.00")
    other = shop.paying.add_card("4000002500003155", default=False)
    default = next(card.id for card in shop.billing.cards(shop.paying.account.id) if card.is_default)

    page = (await shop.browser.get("/billing")).text
    assert f"/billing/cards/{other}/remove" in page
    assert f"/billing/cards/{default}/remove" not in page
    assert "Remove this card?" in (await shop.browser.get(f"/billing/cards/{other}/remove")).text
    assert (await shop.browser.get(f"/billing/cards/{default}/remove")).headers["location"] == "/billing"
    await shop.post(f"/billing/cards/{other}/remove")
    await shop.post(f"/billing/cards/{default}/remove")

    assert [card.id for card in shop.billing.refreshed_cards(shop.paying.account.id)] == [default]


async def test_after_the_last_card_is_gone_the_gate_stays_open_and_the_page_says_so(shop) -> None:
    await shop.ready()
    shop.paying.fund("25.00")
    (card,) = shop.billing.cards(shop.paying.account.id)
    shop.paying.sandbox.control(f"dashboard/payment_methods/{card.id}/detach")
    await shop.browser.get("/billing/back")

    page = await shop.browser.get("/billing")

    assert page.status_code == 200
    assert "There is no card on your account any more." in page.text
    assert "Add a card to buy credits." in words((await shop.browser.get("/billing/buy?amount=25")).text)


async def test_details_with_a_vat_id_say_how_its_check_goes(shop) -> None:
    await shop.ready()
    shop.paying.fund("25.00")
    french = {"name": "Ada SARL", "country": "FR", "postal_code": "75001", "city": "Paris"}
    wrong = await shop.post("/billing/details", **french, vat_id="FR00000000001")
    assert wrong.status_code == 422
    assert "This is not a valid VAT ID." in words(wrong.text)

    await shop.post("/billing/details", **french, vat_id="FR111111111")
    assert "Being checked" in (await shop.browser.get("/billing")).text
    shop.paying.pass_time(120)
    shop.paying.work()

    page = words((await shop.browser.get("/billing")).text)
    assert "FR111111111 Not found. VAT stays on the invoice." in page
    assert "Ada SARL, France" in page
    assert "VAT 20% €5.00" in words((await shop.browser.get("/billing/buy?amount=25")).text)


@pytest.mark.parametrize("country", ["", "XX", "CH"])
async def test_a_country_that_cannot_be_is_said_beside_the_field(shop, country) -> None:
    answer = await shop.post("/gate/details", name="Ada", country=country)

    assert answer.status_code == 422
    assert 'id="country-error"' in answer.text
    assert 'value="Ada"' in answer.text, "what was typed is kept"


async def test_an_invoice_is_led_to_at_stripe_afresh(shop) -> None:
    await shop.ready()
    bought = (await shop.buy()).json()

    answer = await shop.browser.get(f"/billing/invoices/{bought['id']}")

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(shop.paying.sandbox.url)
    assert f"/billing/invoices/{bought['id']}" in (await shop.browser.get("/billing")).text


async def test_another_accounts_purchase_is_no_page(shop) -> None:
    for path in ("purchases", "invoices"):
        page = await shop.browser.get(f"/billing/{path}/pur_01KB2Z8M6T0000000000000000")
        assert page.status_code == 404


async def test_while_stripe_is_away_the_billing_page_still_opens(shop) -> None:
    await shop.ready()
    shop.paying.fund("25.00")
    shop.billing.cards(shop.paying.account.id)
    shop.paying.clock.advance(120)
    shop.paying.fault("bad_gateway", "*", count=50)

    page = await shop.browser.get("/billing")

    shop.paying.calm()
    assert page.status_code == 200
    assert "Visa •••• 4242" in page.text


@pytest.mark.parametrize("locale", ["en", "de", "fr", "es", "it"])
async def test_every_page_exists_in_every_language(shop, locale) -> None:
    await shop.ready()
    lang = {"lang": locale}
    first = [await shop.browser.get(path, params=lang) for path in ("/gate", "/billing/details")]
    bought = (await shop.buy()).json()

    paths = ("/billing", "/billing/buy", "/billing/buy?amount=25", f"/billing/purchases/{bought['id']}")
    pages = [*first, *[await shop.browser.get(path) for path in paths]]

    assert [page.status_code for page in pages] == [200] * 6
    assert len(country_options(locale)) == 251
