"""Refunds by pages without scripts and by the API: two steps, an acknowledgement, and nothing for strangers."""

import html
import re

from ileen.accounts.who import Role
from ileen.base.clock import to_datetime
from ileen.base.ids import wallet_of
from ileen.jobs import Worker


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page))


def work(shop) -> None:
    worker = Worker(shop.paying.database, shop.payments.handlers(), clock=shop.paying.clock, ids=shop.paying.ids)
    while worker.run_due():
        pass


def settled(shop) -> int:
    return shop.paying.ledger.wallet(wallet_of(shop.paying.account.id)).settled


async def test_a_withdrawal_takes_two_steps_and_is_acknowledged_on_the_page(shop) -> None:
    await shop.ready()
    bought = (await shop.buy("25.00")).json()["id"]
    billing = words((await shop.browser.get("/billing")).text)
    assert "Withdraw from contract here" in billing and "€25.00" in billing

    form = await shop.browser.get(f"/billing/purchases/{bought}/refund")
    summary = await shop.post(f"/billing/purchases/{bought}/refund", amount="10,00")
    assert form.status_code == 200
    assert "You get back €11.90 (of that VAT €1.90)" in words(summary.text)
    assert "These credits stop working now. Confirm withdrawal" in words(summary.text)
    kept = hidden(summary.text)
    sent = await shop.post(
        f"/billing/purchases/{bought}/refund/confirm", **{k: kept[k] for k in ("net", "total", "key")}
    )
    again = await shop.post(
        f"/billing/purchases/{bought}/refund/confirm", **{k: kept[k] for k in ("net", "total", "key")}
    )

    status = await shop.browser.get(sent.headers["location"])
    assert again.headers["location"] == sent.headers["location"]
    assert "Refund of €11.90" in words(status.text) and "Received on" in words(status.text)
    assert settled(shop) == 15 * 10**9
    assert shop.charges()[0].amount_refunded == 1190
    note = await shop.browser.get(sent.headers["location"] + "/pdf")
    assert note.status_code == 200 and "/pdf" in note.headers["refresh"]


async def test_on_day_fifteen_the_withdrawal_is_closed(shop) -> None:
    await shop.ready()
    bought = (await shop.buy("25.00")).json()["id"]
    shop.paying.clock.advance(15 * 86_400)
    shop.token = shop.sign_in(Role.BILLING)  # the session before has ended
    shop.browser.headers["cookie"] = f"ileen_session={shop.token}"

    form = await shop.browser.get(f"/billing/purchases/{bought}/refund")
    forced = await shop.post(f"/billing/purchases/{bought}/refund", amount="10")

    for page in (form, forced):
        assert "This purchase can no longer be refunded automatically" in words(page.text)
    assert settled(shop) == 25 * 10**9


async def test_a_withdrawal_without_sign_in_answers_the_same_whoever_asks(shop) -> None:
    await shop.ready()
    await shop.buy("25.00")
    record = next(iter(shop.payments.purchases(shop.paying.account.id, limit=1)))
    with shop.paying.database.read() as connection:
        from ileen.payments import records  # only here

        email = records.get(connection, record.id).email
    day = to_datetime(record.paid_at).date().isoformat()

    async def write(address: str, on: str) -> str:
        await shop.post("/withdraw", name="Ada", email=address, day=on)
        done = await shop.post("/withdraw", name="Ada", email=address, day=on, confirmed="yes")
        return re.sub(r"\d\d:\d\d", "", words(done.text))

    stranger, other_day, right = (
        await write("nobody@example.com", day),
        await write(email, "2020-01-01"),
        await write(email.upper(), day),
    )
    work(shop)

    assert stranger == other_day == right and "was received on" in right
    (refund,) = (await shop.http.get("/v1/refunds")).json()["data"]
    assert (refund["origin"], refund["state"], refund["total"]) == ("letter", "held", "29.75")

    shop.payments.refunds.approve(refund["id"], by="eve")
    work(shop)

    assert settled(shop) == 0
    assert (await shop.http.get(f"/v1/refunds/{refund['id']}")).json()["state"] == "done"


async def test_the_page_without_sign_in_is_linked_where_people_come_in(shop) -> None:
    assert 'href="/withdraw"' in (await shop.http.get("/sign-in", headers={"Authorization": ""})).text


async def test_withdrawals_without_sign_in_are_slowed(shop) -> None:
    await shop.ready()

    answers = [
        await shop.post("/withdraw", email="ada@example.com", day="2026-11-01", confirmed="yes") for _ in range(6)
    ]

    assert [each.status_code for each in answers] == [200] * 5 + [429]


async def test_the_api_quotes_refunds_and_renews_what_has_changed(shop) -> None:
    await shop.ready()
    bought = (await shop.buy("25.00")).json()["id"]
    (there,) = (await shop.http.get("/v1/refundable")).json()["data"]
    quote = (await shop.http.post(f"/v1/purchases/{bought}/refund-quote", json={})).json()
    assert (there["refundable"], there["open"]) == ("25.00", True)
    assert (quote["net"], quote["vat"], quote["total"]) == ("25.00", "4.75", "29.75")
    ask = {"purchase": bought, "amount": "10.00", "total": "11.90"}

    first = await shop.http.post("/v1/refunds", json=ask, headers={"Idempotency-Key": "r1"})
    replay = await shop.http.post("/v1/refunds", json=ask, headers={"Idempotency-Key": "r1"})
    stale = await shop.http.post(
        "/v1/refunds",
        json={"purchase": bought, "amount": "25.00", "total": "29.75"},
        headers={"Idempotency-Key": "r2"},
    )

    assert (first.status_code, first.json()["state"]) == (201, "done")
    assert replay.json()["id"] == first.json()["id"]
    assert (stale.status_code, stale.json()["code"]) == (409, "refund_changed")
    assert stale.json()["quote"]["total"] == "17.85"
    pdf = await shop.http.get(f"/v1/refunds/{first.json()['id']}/credit-note")
    assert pdf.status_code == 307
