"""Signing up, signing in, mailed links and new passwords, as somebody with a plain browser meets them."""

import pytest
from msgspec.structs import replace

from ileen.store import schema
from ileen.web.pages import site
from people_site import ADA, BOB, PASSWORD, Site

sqlite_only = pytest.mark.parametrize("engine", ["sqlite"])
"""For tests that write little: what the databases do differently is tested below the pages."""


# Signing up ------------------------------------------------------------------------------------------------------


async def test_signing_up_leads_through_the_mail_to_ones_own_account(ours: Site) -> None:
    browser = ours.browser()
    sent = await browser.press(
        await browser.open("/sign-up"), "Create account", name="Ada <b>", email=ADA, password=PASSWORD
    )
    assert "We have sent an e-mail to ada@example.com." in sent.text
    assert ours.count(schema.account) == 1  # the one of the fixture

    page = await browser.open(ours.mailed("confirm_email"))
    assert ours.count(schema.account) == 1  # opening a link does nothing
    page = await browser.press(page, "Confirm and continue")

    assert (page.status, "Your e-mail address is confirmed." in page.text) == (200, True)
    assert "Ada <b>" in page.text
    assert ours.count(schema.account) == 2
    again = await browser.open(ours.mailed("confirm_email"))
    assert (again.status, "expired or was used already" in again.text) == (410, True)


@sqlite_only
async def test_a_sign_up_says_everything_that_is_wrong_and_keeps_what_was_typed(ours: Site) -> None:
    browser = ours.browser()

    page = await browser.press(
        await browser.open("/sign-up"), "Create account", name=" ", email="ada@", password="short"
    )

    assert page.status == 422
    assert page.errors == {
        "name": "Please enter a name of at most 120 characters.",
        "email": "This is not an e-mail address.",
        "password": "The password needs at least 10 characters.",
    }
    form, _ = page.form_with("Create account")
    assert (form.fields["email"], form.fields["password"]) == ("ada@", "")
    assert list(page.unlabelled()) == []
    assert ours.count(schema.sign_up) == 0


@sqlite_only
async def test_a_taken_address_is_not_told_and_gets_a_link_instead(ours: Site) -> None:
    await ours.join()
    browser = ours.browser()

    page = await browser.press(
        await browser.open("/sign-up"), "Create account", name="Eve", email=ADA.upper(), password="another password"
    )

    assert "We have sent an e-mail to" in page.text and page.errors == {}
    assert ours.mailed("sign_in_link").startswith("/sign-in/link/")
    assert ours.count(schema.person) == 1


async def test_another_browser_confirms_with_the_password_only(ours: Site) -> None:
    first, second = ours.browser(), ours.browser()
    await first.press(await first.open("/sign-up"), "Create account", name="Ada", email=ADA, password=PASSWORD)
    form = await second.open(ours.mailed("confirm_email"))
    assert "another browser" in form.text

    wrong = await second.press(form, "Confirm", password="not hers at all")
    assert (wrong.status, wrong.errors) == (422, {"password": "This is not your password."})
    assert ours.count(schema.person) == 0

    assert "confirmed" in (await second.press(wrong, "Confirm", password=PASSWORD)).text


@sqlite_only
async def test_too_many_mails_to_one_address_are_refused_beside_the_field(ours: Site) -> None:
    browser = ours.browser()
    for path, button, more in (
        ("/sign-in/link", "E-mail me", {}),
        ("/reset", "Send a link", {}),
        ("/sign-up", "Create account", {"name": "Ada", "password": PASSWORD}),
    ):
        pages = [await browser.press(await browser.open(path), button, email=ADA, **more) for _ in range(4)]
        assert pages[-1].status == 429, path
        assert list(pages[-1].errors) == ["email"]


# Signing in ------------------------------------------------------------------------------------------------------


@sqlite_only
@pytest.mark.parametrize(("inbox", "links"), [(None, {}), ("http://127.0.0.1:9999", {"Open": "http://127.0.0.1:9999"})])
async def test_the_offline_inbox_is_linked_only_where_there_is_one(ours: Site, world, inbox, links) -> None:
    house = replace(world.house, inbox_url=inbox)
    browser = Site(site.build(house), ours.url, ours.people, ours.database).browser()

    page = await browser.press(await browser.open("/reset"), "Send", email=ADA)

    assert page.status == 200
    assert {said.split()[0]: href for said, href in page.links.items() if "inbox" in said} == links


async def test_signing_in_leads_back_to_where_one_wanted_to_go(ours: Site) -> None:
    await ours.join()

    browser, page = await ours.sign_in(at="/account/keys?x=1")

    assert (page.status, page.url) == (200, "http://ileen/account/keys?x=1")
    assert (await browser.open("/sign-in?next=/account/profile")).url == "http://ileen/account/profile"
    out = await browser.press(page, "Sign out")
    assert "You are signed out." in out.text
    assert (await browser.open("/account/keys")).url.startswith("http://ileen/sign-in?next=")


@sqlite_only
async def test_a_wrong_password_and_an_unknown_address_look_the_same(ours: Site) -> None:
    await ours.join()

    _, wrong = await ours.sign_in(password="not hers at all")
    _, unknown = await ours.sign_in(BOB)
    _, empty = await ours.sign_in("", password="")

    for page in (wrong, unknown, empty):
        assert (page.status, page.errors) == (422, {"email": "E-mail address or password is wrong."})


@sqlite_only
async def test_a_guesser_is_slowed_and_the_person_is_not_locked_out(ours: Site) -> None:
    known = await ours.join()
    await known.press(await known.open("/account/profile"), "Sign out")
    tries = [(await ours.sign_in(password=f"not hers at all {n}"))[1] for n in range(7)]

    assert [page.status for page in tries] == [422] * 6 + [429]
    assert "email" in tries[-1].errors
    page = await known.press(await known.open("/sign-in"), "Sign in", email=ADA, password=PASSWORD)
    assert page.status == 200


@sqlite_only
@pytest.mark.parametrize("wish", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_signing_in_never_leads_to_another_site(ours: Site, wish: str) -> None:
    await ours.join()

    _, page = await ours.sign_in(at=f"/sign-in?next={wish}")

    assert page.url.startswith("http://ileen/usage")


async def test_a_mailed_link_signs_in_once_and_only_when_its_button_is_pressed(ours: Site) -> None:
    await ours.join()
    browser = ours.browser()
    for email in (ADA, BOB):
        page = await browser.press(await browser.open("/sign-in/link"), "E-mail me", email=email)
        assert f"If there is an account for {email}" in page.text
    link = ours.mailed("sign_in_link")

    shown = await browser.open(link)
    assert (await browser.open("/account/profile")).url.startswith("http://ileen/sign-in")
    page = await browser.press(shown, "Sign in")

    assert (page.status, page.url.startswith("http://ileen/usage")) == (200, True)
    assert (await ours.browser().open(link)).status == 410
    assert (await ours.browser().open("/reset" + link.removeprefix("/sign-in/link"))).status == 410


async def test_a_new_password_ends_all_other_sessions_and_the_old_password(ours: Site) -> None:
    before = await ours.join()
    browser = ours.browser()
    await browser.press(await browser.open("/reset"), "Send a link", email=ADA)
    form = await browser.open(ours.mailed("reset_password"))

    easy = await browser.press(form, "Save new password", password="aaaaaaaaaaaa")
    assert (easy.status, list(easy.errors)) == (422, ["password"])
    page = await browser.press(easy, "Save new password", password="another good one")

    assert "Your password was changed. All other sessions were signed out." in page.text
    assert (await before.open("/account/profile")).url.startswith("http://ileen/sign-in")
    assert (await ours.sign_in())[1].status == 422
    assert (await ours.sign_in(password="another good one"))[1].status == 200


@sqlite_only
@pytest.mark.parametrize("path", ["/sign-up/{}", "/sign-in/link/{}", "/reset/{}", "/invitation/{}"])
@pytest.mark.parametrize("token", ["forged", "%00", "%ff", "x" * 3000])
async def test_a_forged_link_is_a_page_that_says_so_and_does_nothing(ours: Site, path: str, token: str) -> None:
    browser = ours.browser()
    csrf = (await browser.open("/sign-in")).forms[0].fields["csrf"]

    shown = await browser.open(path.format(token))
    used = await browser.send(path.format(token), csrf=csrf, name="Eve", password=PASSWORD)

    assert {shown.status, used.status} <= {404, 410}
    assert ours.count(schema.person) == 0


@sqlite_only
@pytest.mark.parametrize("path", ["/sign-in/link", "/reset"])
async def test_a_link_cannot_be_asked_for_without_an_address(ours: Site, path: str) -> None:
    browser = ours.browser()

    page = await browser.press(await browser.open(path), "ink", email="nobody")

    assert (page.status, page.errors) == (422, {"email": "This is not an e-mail address."})


# Forms of elsewhere ----------------------------------------------------------------------------------------------


@sqlite_only
@pytest.mark.parametrize("path", ["/sign-up", "/sign-in", "/sign-in/link", "/reset", "/sign-up/x", "/invitation/x"])
async def test_a_form_without_this_browsers_token_is_refused_before_sign_in(ours: Site, path: str) -> None:
    browser, other = ours.browser(), ours.browser()
    await browser.open("/sign-in")
    foreign = (await other.open("/sign-in")).forms[0].fields["csrf"]

    for fields in ({}, {"csrf": ""}, {"csrf": foreign}):
        page = await browser.send(path, name="Ada", email=ADA, password=PASSWORD, **fields)
        assert (page.status, "Nothing was changed." in page.text) == (403, True)
    assert ours.count(schema.sign_up) + ours.count(schema.notice) == 0
