"""The API of billing: who may ask, what is answered, and that money moves once."""

import asyncio

import pytest

from ileen.base.ids import wallet_of
from ileen.store import schema


async def test_the_whole_way_from_nothing_to_credits(shop) -> None:
    gate = (await shop.http.get("/v1/gate")).json()
    assert (gate["open"], gate["missing"], gate["next"]) == (
        False,
        "payment_method",
        {"kind": "redirect", "url": "http://ileen/gate", "id": None},
    )

    billing = (await shop.put_billing(language="de")).json()
    assert (billing["state"], billing["message"], billing["address"]["country"]) == ("ready", None, "DE")
    portal = (await shop.http.post("/v1/portal-sessions", json={"flow": "add_card", "return_path": "/gate"})).json()
    assert portal["next"]["url"].startswith(shop.paying.sandbox.url)
    shop.paying.add_card()
    assert (await shop.http.get("/v1/gate")).json()["missing"] == "credits"

    quote = (await shop.http.post("/v1/quotes", json={"amount": "25.00"})).json()
    assert [quote[name] for name in ("credits", "net", "vat", "total", "rate", "reason", "message")] == [
        "25.00",
        "25.00",
        "4.75",
        "29.75",
        "19",
        "standard_rated",
        None,
    ]
    assert quote["card"]["name"] == "Visa •••• 4242"
    bought = await shop.buy()
    assert bought.status_code == 201
    assert (bought.json()["state"], bought.json()["next"]["kind"]) == ("settled", "none")

    assert (await shop.http.get("/v1/gate")).json()["next"]["kind"] == "none"
    assert (await shop.http.get("/v1/wallet")).json()["settled"] == "25.00"
    (charge,) = shop.charges()
    assert charge.amount == 2975
    (invoice,) = (await shop.http.get("/v1/invoices")).json()["data"]
    assert (invoice["status"], invoice["total"], invoice["purchase"]) == ("paid", "29.75", bought.json()["id"])
    assert invoice["pdf_url"].startswith("http")
    pdf = await shop.http.get(f"/v1/invoices/{bought.json()['id']}/pdf")
    assert pdf.status_code == 307
    address, _, _ = invoice["pdf_url"].partition("?")  # what follows is the moment it was asked for
    assert pdf.headers["location"].startswith(address)


async def test_the_same_key_charges_once_and_answers_the_same(shop) -> None:
    await shop.ready()

    answers = await asyncio.gather(*(shop.buy(key="one") for _ in range(4)))

    assert len({each.json()["id"] for each in answers}) == 1
    assert len(shop.charges()) == 1


async def test_a_key_is_asked_for(shop) -> None:
    await shop.ready()

    answer = await shop.http.post("/v1/purchases", json={"amount": "25.00", "total": "29.75"})

    assert answer.status_code == 422
    assert shop.charges() == []


@pytest.mark.parametrize(
    "amount",
    [
        "4.99",
        "500.01",
        "1e3",
        "25,50",
        "-25",
        "NaN",
        "25.005",
        "",
        " 25",
        "25 EUR",
        "$25",
        "０５",
        "1" * 30,
        "0x19",
        "+25",
    ],
)
async def test_no_other_amount_than_5_to_500_euros_is_quoted_or_bought(shop, amount) -> None:
    await shop.ready()

    quoted = await shop.http.post("/v1/quotes", json={"amount": amount})
    bought = await shop.http.post(
        "/v1/purchases", json={"amount": amount, "total": "29.75"}, headers={"Idempotency-Key": "k"}
    )

    assert (quoted.status_code, bought.status_code) == (422, 422)
    assert (await shop.http.get("/v1/purchases")).json()["data"] == []


@pytest.mark.parametrize("body", [{"amount": 25}, {"amount": 25.5}, {"amount": "25", "currency": "usd"}, {}, []])
async def test_other_bodies_are_refused(shop, body) -> None:
    assert (await shop.http.post("/v1/quotes", json=body)).status_code == 422


async def test_another_total_than_the_quoted_one_is_asked_about_again(shop) -> None:
    await shop.ready()

    answer = await shop.http.post(
        "/v1/purchases", json={"amount": "25.00", "total": "25.00"}, headers={"Idempotency-Key": "k"}
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "quote_changed")
    assert answer.json()["quote"]["total"] == "29.75"
    assert answer.json()["next"]["url"] == answer.json()["buy_url"]
    assert shop.charges() == []


async def test_without_a_country_nothing_is_quoted(shop) -> None:
    answer = await shop.http.post("/v1/quotes", json={"amount": "25"})

    assert (answer.status_code, answer.json()["code"]) == (409, "billing_incomplete")
    assert answer.json()["next"] == {"kind": "redirect", "url": answer.json()["buy_url"], "id": None}


@pytest.mark.parametrize(
    ("country", "status", "code"),
    [
        ("XX", 422, "request_invalid"),
        ("Germany", 422, "request_invalid"),
        ("CH", 422, "country_not_sold"),
    ],
)
async def test_unknown_countries_and_those_not_sold_to_are_refused(shop, country, status, code) -> None:
    answer = await shop.put_billing(country)

    assert answer.status_code == status
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("country", "vat", "rate"), [("FI", "2.55", "25.5"), ("FR", "2.00", "20"), ("LU", "1.70", "17")]
)
async def test_vat_is_that_of_the_payers_country(shop, country, vat, rate) -> None:
    await shop.ready(country)

    quote = (await shop.http.post("/v1/quotes", json={"amount": "10.00"})).json()

    assert (quote["net"], quote["vat"], quote["rate"]) == ("10.00", vat, rate)


async def test_a_vat_id_takes_vat_off_once_it_is_verified(shop) -> None:
    await shop.ready("FR")
    given = (await shop.http.post("/v1/tax-ids", json={"value": "FR40303265045"})).json()
    assert (given["state"], given["message"], given["reverse_charge"]) == ("checking", "Being checked", False)
    quote = (await shop.http.post("/v1/quotes", json={"amount": "10"})).json()
    assert (quote["vat"], quote["message"]) == ("2.00", "Your VAT ID is not verified, so VAT is charged.")

    shop.paying.pass_time(120)
    shop.paying.work()

    quote = (await shop.http.post("/v1/quotes", json={"amount": "10"})).json()
    assert (quote["vat"], quote["total"], quote["reason"]) == ("0.00", "10.00", "reverse_charge")
    bought = (await shop.buy("10.00")).json()
    assert (bought["state"], bought["vat"], bought["credits"]) == ("settled", "0.00", "10.00")
    assert (await shop.http.delete(f"/v1/tax-ids/{given['id']}")).status_code == 204
    assert (await shop.http.get("/v1/billing")).json()["tax_id"] is None


@pytest.mark.parametrize("value", ["DE123456788", "CHE123456788", "x", "1" * 40, "FR11"])
async def test_a_vat_id_that_cannot_be_is_refused(shop, value) -> None:
    await shop.ready("FR")

    answer = await shop.http.post("/v1/tax-ids", json={"value": value})

    assert (answer.status_code, answer.json()["code"]) == (422, "tax_id_invalid")


async def test_a_decline_is_an_answer_with_a_sentence_by_class(shop) -> None:
    await shop.ready(number="4000000000000341")

    answer = await shop.buy()

    assert (answer.status_code, answer.json()["state"], answer.json()["next"]["kind"]) == (201, "failed", "none")
    assert answer.json()["decline"]["kind"] == "bank"
    assert "gave no reason" in answer.json()["decline"]["message"]
    assert (await shop.http.get("/v1/wallet")).json()["settled"] == "0.00"


async def test_a_card_that_asks_the_bank_leads_there_and_to_credits(shop) -> None:
    await shop.ready(number="4000002760003184")

    asked = (await shop.buy()).json()

    assert (asked["state"], asked["next"]["kind"]) == ("action_required", "redirect")
    again = (await shop.buy("50.00", key="another")).json()
    assert again["id"] == asked["id"], "a second attempt answers with the first"
    invoice = shop.paying.sandbox.client.v1.invoices.list().data[0].id
    shop.paying.sandbox.control(f"dashboard/invoices/{invoice}/authenticate", outcome="pass")
    done = (await shop.http.get(f"/v1/purchases/{asked['id']}")).json()
    assert (done["state"], done["next"]["kind"]) == ("settled", "none")
    assert (await shop.http.get("/v1/wallet")).json()["settled"] == "25.00"


async def test_a_purchase_that_waits_for_the_bank_can_be_called_off(shop) -> None:
    await shop.ready(number="4000002760003184")
    asked = (await shop.buy()).json()

    cancelled = (await shop.http.post(f"/v1/purchases/{asked['id']}/cancel")).json()

    assert cancelled["state"] == "void"
    assert shop.charges() == []
    assert (await shop.buy(key="after")).json()["id"] != asked["id"]


async def test_cards_are_listed_and_removed(shop) -> None:
    await shop.ready()
    other = shop.paying.add_card("4000002500003155", default=False)

    cards = (await shop.http.get("/v1/cards")).json()["data"]
    assert [(card["is_default"], card["is_removable"]) for card in cards] == [(True, False), (False, True)]
    refused = await shop.http.delete(f"/v1/cards/{cards[0]['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "card_is_default")
    assert (await shop.http.delete(f"/v1/cards/{other}")).status_code == 204
    assert len((await shop.http.get("/v1/cards")).json()["data"]) == 1


@pytest.mark.parametrize("path", ["https://evil.example.com", "//evil.example.com", "/\\evil", "/v1/holds", ""])
async def test_the_portal_leads_back_to_our_own_pages_only(shop, path) -> None:
    await shop.put_billing()

    answer = await shop.http.post("/v1/portal-sessions", json={"return_path": path})

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_another_accounts_things_are_not_there(shop) -> None:
    await shop.ready()
    bought = (await shop.buy()).json()
    card = (await shop.http.get("/v1/cards")).json()["data"][0]["id"]
    stranger = shop.paying.accounts.create("Eve")
    _, secret = shop.paying.accounts.create_key(stranger.id, name="k", scopes=["read", "purchase", "cards"])
    theirs = {"Authorization": f"Bearer {secret}"}

    asked = [
        await shop.http.get(f"/v1/purchases/{bought['id']}", headers=theirs),
        await shop.http.post(f"/v1/purchases/{bought['id']}/cancel", headers=theirs),
        await shop.http.get(f"/v1/invoices/{bought['id']}/pdf", headers=theirs),
        await shop.http.delete(f"/v1/cards/{card}", headers=theirs),
        await shop.http.delete("/v1/tax-ids/taxid_01KB2Z8M6T0000000000000000", headers=theirs),
        await shop.http.get("/v1/purchases/nonsense"),
    ]

    assert [each.status_code for each in asked] == [404] * 6
    assert (await shop.http.get("/v1/purchases", headers=theirs)).json()["data"] == []
    assert (await shop.http.get("/v1/cards", headers=theirs)).json()["data"] == []


async def test_a_key_without_the_scope_neither_buys_nor_touches_cards(shop) -> None:
    _, secret = shop.paying.accounts.create_key(shop.paying.account.id, name="agent")
    agent = {"Authorization": f"Bearer {secret}"}

    asked = [
        await shop.http.post("/v1/quotes", json={"amount": "25"}, headers=agent),
        await shop.http.put("/v1/billing", json={"name": "x", "address": {"country": "DE"}}, headers=agent),
        await shop.http.post("/v1/tax-ids", json={"value": "x"}, headers=agent),
        await shop.http.delete("/v1/cards/pm_1", headers=agent),
        await shop.http.post("/v1/portal-sessions", json={}, headers=agent),
    ]

    assert [each.status_code for each in asked] == [403] * 5
    assert (await shop.http.get("/v1/gate", headers=agent)).status_code == 200


async def test_evidence_of_the_place_is_kept_and_contradictions_with_it(shop) -> None:
    await shop.ready()
    quote = (await shop.http.post("/v1/quotes", json={"amount": "25.00"})).json()
    headers = {"Idempotency-Key": "k", "X-Forwarded-For": "203.0.113.9", "CF-IPCountry": "fr"}

    await shop.http.post("/v1/purchases", json={"amount": "25.00", "total": quote["total"]}, headers=headers)

    with shop.paying.database.read() as connection:
        evidence = connection.execute(schema.purchase.select()).one().evidence
    assert '"billing_country":"DE"' in evidence
    assert '"ip_address":"203.0.113.9"' in evidence
    assert '"ip_country":"FR"' in evidence
    assert '"card_country":"US"' in evidence


async def test_a_wallet_is_credited_net_of_vat(shop) -> None:
    await shop.ready("FI")
    await shop.buy("33.33")

    assert shop.paying.ledger.wallet(wallet_of(shop.paying.account.id)).settled == 33_330_000_000
