"""The API of auto-refill: who may, what is refused, and that a low wallet is charged once it was said."""

import pytest

from ileen.base.ids import wallet_of
from ileen.base.money import parse
from ileen.jobs import Worker
from ileen.payments.refills.model import CONSENT_VERSION

RULE = {"enabled": True, "threshold": "20.00", "amount": "50.00", "consent": CONSENT_VERSION}


def work(shop) -> None:
    worker = Worker(shop.paying.database, shop.payments.handlers(), clock=shop.paying.clock, ids=shop.paying.ids)
    while worker.run_due():
        pass


async def test_a_rule_is_off_until_saved_and_shows_the_wording_to_consent_to(shop) -> None:
    await shop.ready()

    found = (await shop.http.get("/v1/auto-refill")).json()

    assert (found["enabled"], found["threshold"], found["month"]) == (False, None, "0.00")
    assert found["consent"]["version"] == CONSENT_VERSION
    assert "Ileen" in found["consent"]["text"]


async def test_a_low_wallet_is_charged_at_once_only_if_that_was_said(shop) -> None:
    await shop.ready()

    refused = await shop.http.put("/v1/auto-refill", json=RULE)
    assert (refused.status_code, refused.json()["code"]) == (409, "refill_charges_now")
    saved = await shop.http.put("/v1/auto-refill", json=RULE | {"charge_now": True, "cap": "100"})
    work(shop)

    assert (saved.status_code, saved.json()["cap"]) == (200, "100.00")
    assert len(shop.charges()) == 1
    assert shop.paying.ledger.wallet(wallet_of(shop.paying.account.id)).settled == parse("50")
    (refill,) = (await shop.http.get("/v1/refills")).json()["data"]
    assert (refill["state"], refill["trigger"], refill["amount"]) == ("settled", "saved", "50.00")
    assert (await shop.http.get("/v1/auto-refill")).json()["month"] == "50.00"
    assert (await shop.http.get(f"/v1/purchases/{refill['purchase']}")).json()["state"] == "settled"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"consent": None}, "consent_outdated"),
        ({"consent": "2020-01"}, "consent_outdated"),
        ({"threshold": "9.99"}, "amount_invalid"),
        ({"threshold": "5000.01"}, "amount_invalid"),
        ({"amount": "4.99"}, "amount_invalid"),
        ({"amount": "500.01"}, "amount_invalid"),
        ({"cap": "49.99"}, "amount_invalid"),
        ({"cap": "a lot"}, "amount_invalid"),
    ],
)
async def test_what_was_not_agreed_to_or_is_out_of_bounds_is_not_saved(shop, changes, code) -> None:
    await shop.ready()

    refused = await shop.http.put("/v1/auto-refill", json=RULE | changes)

    assert refused.json()["code"] == code
    assert (await shop.http.get("/v1/auto-refill")).json()["threshold"] is None


async def test_without_a_card_a_rule_cannot_be_switched_on_but_off(shop) -> None:
    await shop.put_billing()

    refused = await shop.http.put("/v1/auto-refill", json=RULE)
    off = await shop.http.put("/v1/auto-refill", json=RULE | {"enabled": False, "consent": None})

    assert refused.json()["code"] == "billing_incomplete"
    assert off.json()["enabled"] is False
    resumed = await shop.http.post("/v1/auto-refill/resume")
    assert resumed.json()["code"] == "refill_not_set"


async def test_a_key_without_the_scope_cannot_change_the_rule(shop) -> None:
    _, secret = shop.paying.accounts.create_key(shop.paying.account.id, name="reader", scopes=["read"])
    key = {"Authorization": f"Bearer {secret}"}

    for answer in (
        await shop.http.put("/v1/auto-refill", json=RULE, headers=key),
        await shop.http.post("/v1/auto-refill/resume", headers=key),
    ):
        assert answer.json()["code"] == "forbidden"


async def test_a_hold_refused_while_a_refill_is_under_way_says_when_to_try_again(shop) -> None:
    await shop.ready()
    shop.paying.fund("30.00")
    await shop.http.put("/v1/auto-refill", json=RULE)
    await shop.http.post("/v1/charges", json={"amount": "20.00"})

    refused = await shop.http.post("/v1/holds", json={"amount": "25.00"})

    assert (refused.status_code, refused.headers["retry-after"]) == (402, "5")
    problem = refused.json()
    assert (problem["code"], problem["refill"]) == (
        "insufficient_credits",
        {"amount": "50.00", "state": "under_way"},
    )
    assert "try again in 5 seconds" in problem["detail"]


async def test_a_rule_that_may_charge_many_times_in_a_row_is_saved_only_if_that_was_said_or_capped(shop) -> None:
    await shop.ready()
    shop.paying.fund("900.00")
    rule = RULE | {"threshold": "500.00", "amount": "5.00"}

    refused = await shop.http.put("/v1/auto-refill", json=rule)
    capped = await shop.http.put("/v1/auto-refill", json=rule | {"cap": "50.00"})
    accepted = await shop.http.put("/v1/auto-refill", json=rule | {"accept_chain": True})

    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["refills"]) == (409, "refill_chains", 101)
    assert (capped.status_code, accepted.status_code) == (200, 200)
    assert accepted.json()["chain"] == {"refills": 101, "total": "505.00", "enough": None}
    enough = await shop.http.put("/v1/auto-refill", json=RULE)
    assert enough.json()["chain"] is None


async def test_an_owners_servers_are_listed_without_their_secret_and_told_of_what_they_asked_for(shop) -> None:
    _, secret = shop.paying.accounts.create_key(shop.paying.account.id, name="hooks", scopes=["webhooks"])
    owner = {"Authorization": f"Bearer {secret}"}
    url, events = "https://example.com/ileen", ["refill.paused", "refill.failed"]

    made = await shop.http.post("/v1/webhooks", json={"url": url, "events": events}, headers=owner)
    listed = (await shop.http.get("/v1/webhooks", headers=owner)).json()["data"]
    refused = await shop.http.post("/v1/webhooks", json={"url": "http://10.0.0.1/"}, headers=owner)
    stranger = await shop.http.get("/v1/webhooks")

    assert (made.status_code, made.json()["secret"].startswith("whsec_")) == (201, True)
    assert [(each["url"], each["events"], "secret" in each) for each in listed] == [(url, events, False)]
    assert (refused.status_code, refused.json()["code"], stranger.status_code) == (422, "request_invalid", 403)
    path = f"/v1/webhooks/{made.json()['id']}"
    assert (await shop.http.get(f"{path}/deliveries", headers=owner)).json() == {"data": []}
    assert (await shop.http.delete(path, headers=owner)).status_code == 204
    assert (await shop.http.delete(path, headers=owner)).status_code == 404
