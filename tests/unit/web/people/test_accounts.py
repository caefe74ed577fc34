"""The pages of an account: keys, members, invitations, profile, sessions, and switching between accounts."""

import re

import pytest

from ileen.store import schema
from people_site import ADA, BOB, EVE, PASSWORD, Site
from plain_browser import InProcessBrowser, Page

sqlite_only = pytest.mark.parametrize("engine", ["sqlite"])


async def csrf_of(browser: InProcessBrowser) -> str:
    """The token that this browser's own pages carry now."""
    return (await browser.open("/account/profile")).forms[0].fields["csrf"]


def actions(page: Page, ending: str) -> list[str]:
    """Where the page's forms and links lead, of those that end so."""
    ways = [form.action for form in page.forms] + list(page.links.values())
    return [way for way in ways if way.endswith(ending)]


def place(page: Page, link: str) -> str:
    """The path of the member whom a link of the members' page is about."""
    return page.links[link].removesuffix("/remove")


# Keys ------------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_works_and_is_revoked_after_asking(ours: Site, world) -> None:
    ada = await ours.join()
    form = await ada.open("/account/keys/new")
    made = await ada.press(form, "Create key", name="laptop", cap_month="2.50")
    secret = re.findall(r'<code class="secret"[^>]*>([^<]+)</code>', made.answer.text)[0]
    headers = {"authorization": f"Bearer {secret}"}

    listed = await ada.open("/account/keys")
    assert "laptop" in listed.text and secret not in listed.answer.text
    assert (await world.http.get("/v1/wallet", headers=headers)).status_code == 200
    (way,) = actions(listed, "/revoke")
    asked = await ada.open(way)
    assert (await world.http.get("/v1/wallet", headers=headers)).status_code == 200
    page = await ada.press(asked, "Revoke")

    assert "The key was revoked." in page.text and actions(page, "/revoke") == []
    assert (await world.http.get("/v1/wallet", headers=headers)).status_code == 401


@sqlite_only
@pytest.mark.parametrize(
    ("typed", "without", "wrong"),
    [
        ({"name": ""}, (), "name"),
        ({"name": "x" * 121}, (), "name"),
        ({"name": "a", "cap_month": "2,5,0"}, (), "cap_month"),
        ({"name": "a", "cap_month": "-1"}, (), "cap_month"),
        ({"name": "a", "cap_month": "1e3"}, (), "cap_month"),
        ({"name": "a", "cap_month": "NaN"}, (), "cap_month"),
        ({"name": "a", "cap_month": "9" * 20}, (), "cap_month"),
        ({"name": "a"}, ("scope_read", "scope_spend"), "scopes"),
    ],
)
async def test_a_key_that_cannot_be_is_said_beside_the_field(ours: Site, typed, without, wrong) -> None:
    ada = await ours.join()
    before = ours.count(schema.api_key)

    page = await ada.press(await ada.open("/account/keys/new"), "Create key", without=without, **typed)

    assert (page.status, list(page.errors)) == (422, [wrong])
    assert page.form_with("Create key")[0].fields["name"] == typed["name"]
    assert ours.count(schema.api_key) == before


async def test_another_accounts_keys_are_not_found(ours: Site, world) -> None:
    ada = await ours.join()

    for id_ in (world.key.id, "key_unknown"):
        assert (await ada.open(f"/account/keys/{id_}/revoke")).status == 404
        assert (await ada.send(f"/account/keys/{id_}/revoke", csrf=await csrf_of(ada))).status == 404
    assert (await world.http.get("/v1/wallet")).status_code == 200


# Members ---------------------------------------------------------------------------------------------------------


async def test_somebody_new_joins_by_invitation_with_the_role_they_were_given(ours: Site) -> None:
    ada = await ours.join()
    way = await ours.invite(ada, BOB, role="billing")
    browser = ours.browser()
    form = await browser.open(way)
    assert "Join Ada" in form.text and "Your role: Billing." in form.text

    wrong = await browser.press(form, "Accept", name="", password="short")
    assert (wrong.status, list(wrong.errors)) == (422, ["name", "password"])
    page = await browser.press(wrong, "Accept", name="Bob", password=PASSWORD)

    assert "Welcome. You are a member now." in page.text
    assert "Bob you bob@example.com Billing" in (await browser.open("/account/members")).text
    assert (await ours.browser().open(way)).status == 410


async def test_somebody_of_ours_signs_in_first_joins_and_switches_accounts(ours: Site) -> None:
    ada, bob = await ours.join(), await ours.join(BOB, name="Bob")
    way = await ours.invite(ada, BOB)
    stranger = ours.browser()

    asked = await stranger.open(way)
    assert "Sign in as bob@example.com to accept." in asked.text
    shown = await stranger.press(await stranger.open(asked.links["Sign in"]), "Sign in", email=BOB, password=PASSWORD)
    assert shown.url == f"http://ileen{way}"
    joined = await stranger.press(shown, "Accept invitation")

    assert "Welcome. You are a member now." in joined.text
    assert "ada@example.com" in (await stranger.open("/account/members")).text
    assert (await stranger.open("/account/keys")).status == 403
    await stranger.press(await stranger.open("/account/profile"), "Switch")
    assert (await stranger.open("/account/keys")).status == 200
    assert "ada@example.com" not in (await stranger.open("/account/members")).text
    assert "you are here" in (await bob.open("/account/profile")).text


@sqlite_only
async def test_an_invitation_is_for_one_address_and_for_members_to_be(ours: Site) -> None:
    ada, eve = await ours.join(), await ours.join(EVE, name="Eve")
    way = await ours.invite(ada, BOB)

    shown = await eve.open(way)
    assert "This invitation is for bob@example.com." in shown.text
    assert (await eve.send(way, csrf=await csrf_of(eve))).status == 403
    again = await ada.press(await ada.open("/account/members"), "Send invitation", email=ADA)
    assert (again.status, again.errors) == (409, {"email": "This person is already a member."})
    typo = await ada.press(await ada.open("/account/members"), "Send invitation", email="bob@")
    assert (typo.status, typo.errors) == (422, {"email": "This is not an e-mail address."})
    assert ours.count(schema.member) == 2


@sqlite_only
async def test_joining_is_slowed_per_invitation_and_not_locked(ours: Site, world) -> None:
    """Whoever has the link could otherwise have a server hash passwords as fast as it can."""
    ada = await ours.join()
    browser = ours.browser()
    form = await browser.open(await ours.invite(ada, BOB))

    tries = [await browser.press(form, "Accept", name="Bob", password="short") for _ in range(11)]
    world.clock.advance(30)
    joined = await browser.press(form, "Accept", name="Bob", password=PASSWORD)

    assert [page.status for page in tries] == [422] * 10 + [429]
    assert tries[-1].errors == {"password": "Too many attempts. Wait 1 minute, or use a sign-in link."}
    assert (joined.status, ours.count(schema.member)) == (200, 2)


@sqlite_only
async def test_an_invitation_taken_back_or_replaced_no_longer_opens(ours: Site, world) -> None:
    ada = await ours.join()
    first = await ours.invite(ada, BOB)
    world.clock.advance(1)
    second = await ours.invite(ada, BOB, role="owner")
    assert (await ours.browser().open(first)).status == 410

    page = await ada.press(await ada.open("/account/members"), "Take back")

    assert "The invitation was taken back." in page.text and BOB not in page.text
    assert (await ours.browser().open(second)).status == 410


async def test_roles_change_at_once_and_the_last_owner_keeps_theirs(ours: Site) -> None:
    ada = await ours.join()
    bob = await ours.member(ada)
    assert (await bob.open("/account/keys")).status == 403
    members = await ada.open("/account/members")
    mine, theirs = (place(members, link) + "/role" for link in ("Leave this account", "Remove Bob?"))
    csrf = await csrf_of(ada)

    kept = await ada.send(mine, csrf=csrf, role="member")
    assert kept.status == 409
    assert list(kept.errors.values()) == ["An account needs at least one owner. Make somebody else an owner first."]
    assert "The role was changed." in (await ada.send(theirs, csrf=csrf, role="owner")).text
    assert (await bob.open("/account/keys")).status == 200
    assert (await ada.send(mine, csrf=csrf, role="member")).status == 200
    assert (await ada.open("/account/keys")).status == 403
    assert (await bob.send(theirs, csrf=await csrf_of(bob), role="emperor")).status == 400


async def test_who_is_removed_is_out_at_once_and_the_last_owner_cannot_leave(ours: Site) -> None:
    ada = await ours.join()
    bob = await ours.member(ada)
    members = await ada.open("/account/members")

    stays = await ada.press(await ada.open(members.links["Leave this account"]), "Leave")
    assert (stays.status, list(stays.errors)) == (409, ["remove"])
    page = await ada.press(await ada.open(members.links["Remove Bob?"]), "Remove")

    assert "The member was removed." in page.text and BOB not in page.text
    assert (await bob.open("/account/members")).url.startswith("http://ileen/sign-in")
    back, page = await ours.sign_in(BOB)
    assert (page.status, (await back.open("/account/members")).status) == (200, 403)
    assert "You do not belong to an account any more." in (await back.open("/account/profile")).text


@sqlite_only
async def test_anybody_may_leave_by_themselves(ours: Site) -> None:
    ada = await ours.join()
    bob = await ours.member(ada)
    (way,) = actions(await bob.open("/account/members"), "/remove")

    page = await bob.press(await bob.open(way), "Leave")

    assert "You are signed out." in page.text
    assert BOB not in (await ada.open("/account/members")).text


@sqlite_only
@pytest.mark.parametrize("role", ["member", "billing"])
async def test_only_an_owner_may_do_an_owners_things(ours: Site, role: str) -> None:
    ada = await ours.join()
    bob = await ours.member(ada, role=role)
    await ours.invite(ada, EVE)
    page = await ada.open("/account/members")
    csrf, before = await csrf_of(bob), (await ada.open("/account/members")).text
    owners = [*actions(page, "/role"), *actions(page, "/revoke"), "/account/members/invite", "/account/keys/new"]

    shown = await bob.open("/account/members")
    assert (actions(shown, "/role"), EVE in shown.text) == ([], False)
    for way in owners:
        assert (await bob.send(way, csrf=csrf, role="owner", email=BOB, name="x")).status == 403, way
    assert (await bob.open("/account/keys")).status == (await bob.open("/account/keys/new")).status == 403
    hers = page.links["Leave this account"]
    assert (await bob.open(hers)).status == (await bob.send(hers, csrf=csrf)).status == 404
    assert (await ada.open("/account/members")).text == before


@sqlite_only
async def test_another_accounts_members_and_invitations_are_not_found(ours: Site) -> None:
    ada, eve = await ours.join(), await ours.join(EVE, name="Eve")
    await ours.invite(ada, BOB)
    page = await ada.open("/account/members")
    csrf, before = await csrf_of(eve), page.text

    for way in [*actions(page, "/role"), *actions(page, "/remove"), *actions(page, "/revoke")]:
        assert (await eve.send(way, csrf=csrf, role="member")).status == 404, way
    assert (await ada.open("/account/members")).text == before


# Oneself ---------------------------------------------------------------------------------------------------------


async def test_name_language_and_time_zone_are_changed_and_shown(ours: Site) -> None:
    ada = await ours.join()

    page = await ada.press(
        await ada.open("/account/profile"), "Save", name="Ada L.", locale="de", time_zone="Europe/Berlin"
    )

    assert (page.status, "Ada L." in page.text) == (200, True)
    assert ("html", {"lang": "de"}) in page.tags
    form = next(form for form in page.forms if form.action == "/account/profile")
    assert (form.fields["time_zone"], form.fields["locale"]) == ("Europe/Berlin", "de")


@sqlite_only
async def test_a_profile_that_cannot_be_is_said_beside_the_field(ours: Site) -> None:
    ada = await ours.join()
    csrf = await csrf_of(ada)

    nameless = await ada.send("/account/profile", csrf=csrf, name="", locale="en", time_zone="UTC")
    nowhere = await ada.send("/account/profile", csrf=csrf, name="Ada", locale="en", time_zone="../etc/passwd")

    assert (nameless.status, list(nameless.errors)) == (422, ["name"])
    assert (nowhere.status, list(nowhere.errors)) == (422, ["time_zone"])


async def test_a_password_is_changed_with_the_old_one_and_ends_the_other_sessions(ours: Site) -> None:
    ada = await ours.join()
    other, _ = await ours.sign_in()
    form = await ada.open("/account/profile")

    wrong = await ada.press(form, "Save new password", current="not hers at all", password="another good one")
    assert (wrong.status, wrong.errors) == (422, {"current": "This is not your password."})
    short = await ada.press(wrong, "Save new password", current=PASSWORD, password="short")
    assert (short.status, list(short.errors)) == (422, ["password"])
    page = await ada.press(short, "Save new password", current=PASSWORD, password="another good one")

    assert "Your password was changed." in page.text
    assert (await ada.open("/account/profile")).url == "http://ileen/account/profile"
    assert (await other.open("/account/profile")).url.startswith("http://ileen/sign-in")
    assert (await ours.sign_in(password="another good one"))[1].status == 200


@sqlite_only
async def test_a_guesser_at_an_open_browser_is_slowed(ours: Site) -> None:
    ada = await ours.join()
    form = await ada.open("/account/profile")
    asked = {"current": "not hers at all", "password": "another good one"}

    tries = [await ada.press(form, "Save new password", **asked) for _ in range(11)]

    assert [page.status for page in tries] == [422] * 10 + [429]
    assert tries[-1].errors == {"current": "Too many attempts. Wait 1 minute, or use a sign-in link."}
    assert (await ours.sign_in())[1].status == 200


async def test_a_session_is_ended_from_another_browser(ours: Site) -> None:
    ada = await ours.join()
    other, _ = await ours.sign_in()
    third, _ = await ours.sign_in()
    page = await ada.open("/account/sessions")
    assert page.text.count("Firefox, Linux") == 3 and "This browser" in page.text

    page = await ada.press(page, "End the session of Firefox, Linux")
    assert "Signed out there." in page.text
    ended = [(await each.open("/account/profile")).url.startswith("http://ileen/sign-in") for each in (other, third)]
    assert sorted(ended) == [False, True]
    page = await ada.press(page, "End all others")

    assert "End all others" not in page.text
    for each in (other, third):
        assert (await each.open("/account/profile")).url.startswith("http://ileen/sign-in")
    assert (await ada.open("/account/profile")).url == "http://ileen/account/profile"


@sqlite_only
async def test_other_peoples_sessions_and_accounts_are_not_found(ours: Site, world) -> None:
    await ours.join()
    await ours.sign_in()
    ada, _ = await ours.sign_in()
    eve = await ours.join(EVE, name="Eve")
    csrf = await csrf_of(eve)

    for way in actions(await ada.open("/account/sessions"), "/end"):
        assert (await eve.send(way, csrf=csrf)).status == 404
    for account in (world.account.id, "", "acct_unknown", "x" * 2000):
        assert (await eve.send("/account/enter", csrf=csrf, account=account)).status == 404
    assert (await ada.open("/account/sessions")).status == 200
    assert "eve@example.com" in (await eve.open("/account/members")).text


# Frame -----------------------------------------------------------------------------------------------------------

_READ = ("activity", "keys", "keys/new", "keys/x/revoke", "members", "members/x/remove", "profile", "sessions")
_WRITE = (
    "keys/new",
    "keys/x/revoke",
    "members/invite",
    "members/x/role",
    "members/x/remove",
    "members/invitations/x/revoke",
    "profile",
    "password",
    "enter",
    "sessions/x/end",
    "sessions/end-others",
)


@sqlite_only
async def test_every_page_of_an_account_leads_strangers_to_the_sign_in_and_back(ours: Site) -> None:
    browser = ours.browser()

    for path in _READ:
        page = await browser.open(f"/account/{path}")
        assert page.url == f"http://ileen/sign-in?next=/account/{path}"


@sqlite_only
async def test_every_form_of_an_account_needs_the_token_of_its_session(ours: Site) -> None:
    ada, eve = await ours.join(), await ours.join(EVE, name="Eve")
    foreign = await csrf_of(eve)

    for path in (*(f"/account/{each}" for each in _WRITE), "/sign-out"):
        for fields in ({}, {"csrf": foreign}):
            page = await ada.send(path, name="Forged", email=EVE, **fields)
            assert (page.status, "Nothing was changed." in page.text) == (403, True), path
    assert "Forged" not in (await ada.open("/account/profile")).answer.text


@sqlite_only
async def test_a_form_sent_after_signing_out_elsewhere_leads_to_the_sign_in(ours: Site) -> None:
    """Its token went with the session: "this form has expired, try again" would lead in a circle."""
    ada = await ours.join()
    other, _ = await ours.sign_in()
    form = await other.open("/account/profile")
    await ada.press(await ada.open("/account/sessions"), "End all others")

    page = await other.press(form, "Save", name="Changed")

    assert page.url == "http://ileen/sign-in"
    assert "You have been signed out. Please sign in again." in page.text
    assert "Changed" not in (await ada.open("/account/profile")).answer.text


@sqlite_only
async def test_every_field_of_an_account_has_a_label(ours: Site) -> None:
    ada = await ours.join()

    for path in ("keys/new", "members", "profile", "sessions"):
        page = await ada.open(f"/account/{path}")
        assert [name for name in page.unlabelled() if name not in {"email", "role"}] == [], path
