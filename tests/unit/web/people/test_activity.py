"""The audit events of an account, by page and by API: its owners', all of them, and nobody else's."""

import pytest
from sqlalchemy import select

from ileen.accounts.audit import note
from ileen.accounts.model import ALL, AUDIT_READ, KEY_SCOPES
from ileen.base.ids import AccountId
from ileen.base.money import NANO
from ileen.catalogue import LOCALES
from ileen.store import schema
from people_site import BOB, EVE, Site
from plain_browser import Page

sqlite_only = pytest.mark.parametrize("engine", ["sqlite"])


def headings(page: Page) -> list[str]:
    """What the events say, from above to below."""
    return [line.split("<")[0] for line in page.answer.text.split("<strong>")[1:]]


def account_of(ours: Site) -> AccountId:
    """The account of the one person who has joined so far."""
    with ours.database.read() as connection:
        return AccountId(connection.execute(select(schema.member.c.account_id)).scalar_one())


async def test_an_owner_sees_who_did_what(ours: Site, world) -> None:
    ada = await ours.join()
    world.clock.advance(1)
    await ada.press(await ada.open("/account/keys/new"), "Create key", name="laptop")
    world.clock.advance(1)
    world.accounts.grant(account_of(ours), amount=3 * NANO, reason="a lost evening", key=None)

    page = await ada.open("/account/activity")

    assert headings(page)[:2] == ["Bonus credits were given", "An API key was created"]
    assert "The operator" in page.text and "3.00 · a lost evening" in page.text
    assert "· Ada Key laptop" in page.text
    assert {"Signed in", "The account was created"} <= set(headings(page))


@sqlite_only
async def test_pages_of_events_follow_each_other_without_gap_or_repeat(ours: Site, world) -> None:
    ada = await ours.join()
    account = account_of(ours)
    with ours.database.write() as connection:
        for number in range(60):
            world.clock.advance(1)
            given = {"actor": "operator", "action": "key.created", "subject": f"key_{number}"}
            note(connection, ids=world.ids, now=world.clock.now(), account_id=account, **given)

    first = await ada.open("/account/activity")
    second = await ada.open(first.links["Older"])

    seen = [id_ for page in (first, second) for id_ in sorted(page.ids, reverse=True) if id_.startswith("evt_")]
    assert len(seen) == len(set(seen)) == ours.count(schema.audit_event, schema.audit_event.c.account_id == account)
    assert seen == sorted(seen, reverse=True)
    assert "Older" not in second.links
    assert (await ada.open("/account/activity?before=nonsense")).status == 200


@sqlite_only
@pytest.mark.parametrize("role", ["member", "billing"])
async def test_only_an_owner_sees_the_activity(ours: Site, role: str) -> None:
    ada = await ours.join()
    bob = await ours.member(ada, role=role)

    assert (await bob.open("/account/activity")).status == 403
    assert "Activity" not in (await bob.open("/account/profile")).links
    assert (await bob.client.get("/v1/audit-events")).status_code in {403, 404}


@sqlite_only
async def test_another_accounts_activity_is_never_shown(ours: Site, world) -> None:
    ada = await ours.join()
    await ours.invite(ada, BOB)
    eve = await ours.join(EVE, name="Eve")
    with ours.database.read() as connection:
        hers = connection.execute(select(schema.audit_event.c.id).order_by(schema.audit_event.c.id.desc())).scalars()
        newest = next(iter(hers))

    for path in ("/account/activity", f"/account/activity?before={newest}"):
        page = await eve.open(path)
        assert BOB not in page.text and "An invitation was sent" not in page.text


@sqlite_only
async def test_the_page_speaks_every_language(ours: Site, world) -> None:
    ada = await ours.join()
    await ada.press(await ada.open("/account/keys/new"), "Create key", name="laptop")
    said = set()
    for locale in LOCALES:
        form = next(each for each in (await ada.open("/account/profile")).forms if each.action == "/account/profile")
        await ada.send("/account/profile", **form.fields | {"locale": locale})
        said.add(tuple(headings(await ada.open("/account/activity"))))

    assert len(said) == len(LOCALES)


# By API ----------------------------------------------------------------------------------------------------------


async def audit(world, secret: str, **parameters: object):
    headers = {"authorization": f"Bearer {secret}"}
    return await world.http.get("/v1/audit-events", params=parameters, headers=headers)


async def test_a_key_with_the_scope_reads_its_accounts_events_page_by_page(world) -> None:
    _, secret = world.accounts.create_key(world.account.id, name="auditor", scopes={AUDIT_READ})
    for number in range(3):
        world.clock.advance(1)
        world.accounts.create_key(world.account.id, name=f"key {number}")

    first = (await audit(world, secret, limit=2)).json()
    second = (await audit(world, secret, limit=200, cursor=first["next_cursor"])).json()

    names = [event["detail"]["name"] for event in first["data"]]
    assert names == ["key 2", "key 1"]
    assert second["next_cursor"] is None
    ids = [event["id"] for event in first["data"] + second["data"]]
    assert ids == sorted(set(ids), reverse=True)
    newest = first["data"][0]
    assert (newest["actor"], newest["action"], newest["subject"][:4]) == ("operator", "key.created", "key_")


@sqlite_only
async def test_events_of_another_account_are_never_answered(world) -> None:
    other = world.accounts.create("Stranger")
    world.clock.advance(1)
    _, theirs = world.accounts.create_key(other.id, name="theirs", scopes={AUDIT_READ})
    _, ours = world.accounts.create_key(world.account.id, name="ours", scopes={AUDIT_READ})
    ends = [(await audit(world, secret)).json()["data"] for secret in (theirs, ours)]

    crossed = (await audit(world, theirs, cursor=ends[1][0]["id"])).json()["data"]

    mine, others = ({event["id"] for event in end} for end in ends)
    assert mine and others and not mine & others
    assert {event["id"] for event in crossed} <= mine


@sqlite_only
async def test_no_key_has_the_scope_unless_it_is_named(world) -> None:
    _, secret = world.accounts.create_key(world.account.id, name="all else", scopes=KEY_SCOPES - {AUDIT_READ})

    answer = await audit(world, secret)

    assert AUDIT_READ not in ALL
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@sqlite_only
@pytest.mark.parametrize("cursor", ["1", "pur_01KB2Z8M6T0000000000000000", "' OR 1=1"])
async def test_a_cursor_that_is_none_is_refused(world, cursor: str) -> None:
    _, secret = world.accounts.create_key(world.account.id, name="auditor", scopes={AUDIT_READ})

    answer = await audit(world, secret, cursor=cursor)

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
