"""What buyers of prepaid credits complain of elsewhere, each ruled out here: what scripts and people are told.

The same from the payment to the balance: `tests/unit/payments/test_field_complaints.py`.
"""

from decimal import Decimal

from ileen.base.ids import WalletId
from ileen.ledger.model import Source

OWNED = {"available", "held", "frozen"}
"""The books whose sum, less debt, is the settled balance."""


async def test_a_script_reads_the_balance_with_a_key_that_can_do_nothing_else(shop) -> None:
    """Right after the purchase, from a build server whose key can neither spend nor buy."""
    await shop.ready()
    _, secret = shop.paying.accounts.create_key(shop.paying.account.id, name="ci", scopes=["read"])
    ci = {"Authorization": f"Bearer {secret}"}
    before = (await shop.http.get("/v1/wallet", headers=ci)).json()

    bought = (await shop.buy("25.00")).json()

    after = (await shop.http.get("/v1/wallet", headers=ci)).json()
    assert bought["state"] == "settled"
    assert (before["settled"], after["settled"], after["available"]) == ("0.00", "25.00", "25.00")
    refused = [
        await shop.http.post("/v1/holds", json={"amount": "1.00"}, headers=ci),
        await shop.http.post("/v1/quotes", json={"amount": "25.00"}, headers=ci),
    ]
    assert [each.status_code for each in refused] == [403] * 2


async def test_the_journal_explains_every_credit_of_a_balance(shop) -> None:
    """500 bought, 37 left: each movement names its purchase or its call, and their sum is the balance."""
    await shop.ready()
    bought = (await shop.buy("500.00")).json()
    spent = [await _spend(shop, amount) for amount in ("400.00", "62.75", "0.25")]

    wallet = (await shop.http.get("/v1/wallet")).json()
    entries = (await shop.http.get("/v1/entries", params={"limit": 200})).json()["data"]
    calls = (await shop.http.get("/v1/calls")).json()["data"]

    assert wallet["settled"] == "37.00"
    running = Decimal(0)
    for each in reversed(entries):
        running += Decimal(each["amount"]) * ((each["credit"] in OWNED) - (each["debit"] in OWNED))
        assert Decimal(each["settled"]) == running, each
        if each["kind"] == "fund":
            assert each["key"] == f"fund:{bought['id']}"
        else:
            call = await shop.http.get(f"/v1/calls/{each['ref'].replace('hold_', 'call_')}")
            assert call.json()["id"] in spent
    assert running == Decimal("37.00")
    assert sum(Decimal(each["charge"]) for each in calls) == Decimal(bought["credits"]) - running
    (lot,) = shop.paying.ledger.lots(WalletId(wallet["id"]))
    assert (lot.reference, lot.amount, lot.left) == (bought["id"], 500 * 10**9, 37 * 10**9)


async def test_the_last_credit_spent_leads_to_the_page_that_sells_more(shop) -> None:
    await shop.ready()
    await shop.buy("5.00")
    await _spend(shop, "5.00")

    short = await shop.http.post("/v1/holds", json={"amount": "1.00"})

    assert (short.status_code, short.json()["code"]) == (402, "insufficient_credits")
    led = short.json()["next"]
    assert (led["kind"], led["url"]) == ("redirect", "http://ileen/billing")
    page = await shop.browser.get(led["url"])
    assert page.status_code == 200
    assert '<form class="stack" method="get" action="/billing/buy">' in page.text


async def test_who_was_given_credits_and_never_bought_is_led_to_the_gate(shop) -> None:
    shop.paying.fund("1.00", Source.BONUS)

    short = (await shop.http.post("/v1/holds", json={"amount": "2.00"})).json()

    assert short["code"] == "gate_closed"
    assert short["next"] == {"kind": "redirect", "url": short["gate_url"], "id": None}


async def test_a_vat_id_that_nobody_knows_says_so_and_the_quote_says_why_vat_stays(shop) -> None:
    await shop.ready("FR")
    await shop.http.post("/v1/tax-ids", json={"value": "FR111111111"})
    shop.paying.pass_time(120)
    shop.paying.work()

    told = (await shop.http.get("/v1/billing")).json()["tax_id"]
    quote = (await shop.http.post("/v1/quotes", json={"amount": "10.00"})).json()

    assert (told["state"], told["reverse_charge"]) == ("not_found", False)
    assert told["message"] and quote["message"]
    assert quote["vat"] == "2.00"


async def test_a_purchase_in_another_currency_is_refused_and_charges_nothing(shop) -> None:
    """A field we do not know is not passed over: 25 dollars must not become 25 euros."""
    await shop.ready()

    answer = await shop.http.post(
        "/v1/purchases",
        json={"amount": "25.00", "total": "29.75", "currency": "usd"},
        headers={"Idempotency-Key": "dollars"},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert shop.charges() == []


async def _spend(shop, amount: str) -> str:
    """Hold, use and pay for a call; return its id."""
    hold = (await shop.http.post("/v1/holds", json={"amount": amount})).json()
    done = await shop.http.post(f"/v1/holds/{hold['id']}/capture", json={"amount": amount})
    assert done.status_code == 200, done.text
    return done.json()["call"]
