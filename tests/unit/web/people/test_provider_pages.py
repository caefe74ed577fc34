"""Signing in with an identity provider, from the button to the page behind it, with a real provider."""

from typing import Any

import pytest
from msgspec.structs import replace

from identity_provider import Server, server
from ileen.accounts.people import People
from ileen.accounts.provider import Provider
from ileen.store import schema
from ileen.web.pages import site
from people_site import ADA, BOB, Site
from plain_browser import InProcessBrowser, Page

__all__ = ["server"]

PERSON = {"sub": "1", "email": ADA, "email_verified": True, "name": "Ada", "locale": "en"}


def site_with(world: Any, provider: Provider) -> Site:
    """The pages as an operator with an identity provider runs them."""
    people = People(world.database, world.accounts, clock=world.clock, ids=world.ids, provider=provider)
    house = replace(world.house, people=people)
    return Site(site.build(house), house.public_url, people, world.database)


@pytest.fixture
def with_provider(world: Any, server: Server) -> Site:
    return site_with(world, server.provider())


async def leave(browser: InProcessBrowser, at: str = "/sign-in", button: str = "Continue with Example") -> str:
    """Press the button; return the provider's address to which the page leads."""
    page = await browser.press(await browser.open(at), button)
    assert page.status == 200, page.text
    return page.answer.headers["refresh"].removeprefix("0; url=")


async def come_back(browser: InProcessBrowser, state: str, code: str, **more: str) -> Page:
    return Page(await browser.client.get("/sign-in/provider/callback", params={"state": state, "code": code, **more}))


async def sign_in(browser: InProcessBrowser, server: Server, at: str = "/sign-in", **person: Any) -> Page:
    return await come_back(browser, *server.authorize(await leave(browser, at), **{**PERSON, **person}))


async def test_the_button_leads_to_the_provider_and_back_to_where_one_wanted_to_go(with_provider, server) -> None:
    browser = with_provider.browser()
    assert (await browser.open("/account/keys")).url.startswith("http://ileen/sign-in")

    page = await sign_in(browser, server, at="/sign-in?next=/account/keys")

    assert (page.status, page.url) == (200, "http://ileen/account/keys")
    assert "Example is connected: you can sign in with it." in (await browser.open("/account/profile")).text
    again = await sign_in(with_provider.browser(), server)
    assert (again.status, with_provider.count(schema.person)) == (200, 1)


async def test_an_address_of_ours_is_connected_in_the_profile_only(with_provider, server) -> None:
    ada = await with_provider.join()

    refused = await sign_in(with_provider.browser(), server)
    assert refused.status == 409
    assert "Sign in another way, then connect Example in your profile." in refused.errors["provider"]
    way = await leave(ada, "/account/profile", "Connect Example")
    page = await come_back(ada, *server.authorize(way, **PERSON))

    assert page.url == "http://ileen/account/profile" and "Example is connected" in page.text
    assert (await sign_in(with_provider.browser(), server)).status == 200
    assert with_provider.count(schema.person) == 1


async def test_an_identity_of_somebody_else_is_not_connected(with_provider, server) -> None:
    await sign_in(with_provider.browser(), server)
    bob = await with_provider.join(BOB, name="Bob")

    way = await leave(bob, "/account/profile", "Connect Example")
    page = await come_back(bob, *server.authorize(way, **PERSON))

    assert (page.status, "Signing in with Example did not work. Nothing was changed." in page.text) == (403, True)
    assert "Connect Example" in str((await bob.open("/account/profile")).forms)


async def test_a_forged_or_foreign_or_used_answer_signs_nobody_in(with_provider, server) -> None:
    browser, other = with_provider.browser(), with_provider.browser()
    await other.open("/sign-in")
    state, code = server.authorize(await leave(browser), **PERSON)

    for who, answer in (
        (browser, ("forged", code)),
        (browser, ("", "")),
        (other, (state, code)),
        (browser, (state, "forged")),
        (browser, (state, code)),  # the try before has used the flow up
    ):
        page = await come_back(who, *answer)
        assert (page.status, list(page.errors)) == (403, ["provider"])
        assert (await who.open("/account/profile")).url.startswith("http://ileen/sign-in")
    assert with_provider.count(schema.person) == 0


async def test_who_says_no_at_the_provider_is_back_at_the_form(with_provider, server) -> None:
    browser = with_provider.browser()
    state, _ = server.authorize(await leave(browser), **PERSON)

    page = await come_back(browser, state, "", error="access_denied", error_description="<b>no")

    assert page.errors == {"provider": "Signing in with Example did not work. Nothing was changed."}
    assert "<b>no" not in page.answer.text
    assert (await sign_in(browser, server)).status == 200


@pytest.mark.parametrize("person", [{"name": " \t "}, {"name": "Ada\x07"}, {"name": "a" * 2000}, {"name": "Ada " * 40}])
async def test_a_name_that_cannot_be_ours_does_not_keep_its_person_out(with_provider, server, person) -> None:
    """Nobody can change what their company's directory calls them; here they can."""
    page = await sign_in(with_provider.browser(), server, **person)

    assert page.status == 200, page.text


@pytest.mark.parametrize("person", [{"email": "not an address"}, {"email": ""}, {"email_verified": False}])
async def test_an_address_that_cannot_be_ours_is_said_on_the_form(with_provider, server, person) -> None:
    page = await sign_in(with_provider.browser(), server, **person)

    assert (page.status, list(page.errors)) == (403, ["provider"])
    assert with_provider.count(schema.person) == 0


async def test_a_provider_that_is_away_is_said_on_the_form(world) -> None:
    away = Provider(issuer="http://127.0.0.1:9", client_id="ileen", client_secret="secret", name="Example")
    browser = site_with(world, away).browser()

    page = await browser.press(await browser.open("/sign-in"), "Continue with Example")

    assert (page.status, list(page.errors)) == (503, ["provider"])
    assert page.errors["provider"].startswith("Example cannot be reached at the moment. Nothing was changed.")


async def test_a_provider_that_goes_away_between_button_and_answer_is_said(with_provider, server) -> None:
    """The code was good; what cannot be reached is the place where it is exchanged."""
    ada, stranger = await with_provider.join(), with_provider.browser()
    connecting = server.authorize(await leave(ada, "/account/profile", "Connect Example"), **PERSON)
    entering = server.authorize(await leave(stranger), **PERSON)
    server.silent = True

    pages = [await come_back(ada, *connecting), await come_back(stranger, *entering)]

    assert [page.status for page in pages] == [503, 503]
    assert all("Example cannot be reached at the moment. Nothing was changed." in page.text for page in pages)


async def test_too_many_tries_of_a_first_password_are_said_at_the_field_that_is_there(with_provider, server) -> None:
    """Who came by a provider has no old password to give, so no such field can carry the sentence."""
    browser = with_provider.browser()
    await sign_in(browser, server)
    form = await browser.open("/account/profile")

    tries = [await browser.press(form, "Save new password", password="short") for _ in range(11)]

    assert [page.status for page in tries] == [422] * 10 + [429]
    assert tries[-1].errors == {"password": "Too many attempts. Wait 1 minute, or use a sign-in link."}


async def test_without_a_provider_there_is_no_button_and_no_way(ours: Site) -> None:
    browser = ours.browser()
    page = await browser.open("/sign-in")
    csrf = page.forms[0].fields["csrf"]

    assert "Continue with" not in page.text
    assert (await browser.send("/sign-in/provider", csrf=csrf)).status == 404
    assert (await browser.open("/sign-in/provider/callback?state=x&code=y")).status == 404


async def test_the_way_to_the_provider_needs_the_token_of_this_browser(with_provider) -> None:
    browser = with_provider.browser()
    await browser.open("/sign-in")

    assert (await browser.send("/sign-in/provider")).status == 403
    assert with_provider.count(schema.oidc_flow) == 0
