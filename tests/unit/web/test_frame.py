"""The frame of every page: who is let in, what a form must carry, what every answer carries."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert

from ileen.accounts.who import Role, Visitor
from ileen.store import schema
from ileen.web.guards import csrf_token
from ileen.web.pages import Needs, Pages, desk, frame
from ileen.web.pages.visit import local_path

VISITOR = Visitor(token="browser", network="192.0.2.0/24", agent="Firefox")
HTML = {"accept": "text/html"}


def rooms(changed: list[str]) -> Pages:
    pages = Pages()
    pages.in_menu("/for/member", key="nav.label", needs=Needs.MEMBER, place=1)
    for needs in Needs:

        def show(visit, needs=needs):
            return visit.render("leave.html", url=visit.query("url") or needs.value)

        def change(visit, needs=needs):
            changed.append(needs.value)
            return visit.redirect(visit.return_path(), flash="common.saved")

        pages.get(f"/for/{needs}", needs=needs)(show)
        pages.post(f"/for/{needs}", needs=needs)(change)
    return pages


@pytest.fixture
async def site(world) -> AsyncIterator[Any]:
    changed: list[str] = []
    app = desk.build(world.house, [rooms(changed)])
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://ileen", headers=HTML
    ) as http:
        yield SimpleNamespace(http=http, changed=changed, world=world)


def sign_in(world, role: Role | None) -> str:
    now = world.clock.now()
    person = {
        "id": world.ids.mint("per"),
        "email": "a@example.com",
        "email_folded": world.ids.mint("x"),
        "name": "<b>A",
    }
    with world.database.write() as connection:
        connection.execute(
            insert(schema.person).values(person | {"locale": "en", "time_zone": "UTC", "created_at": now})
        )
        if role is not None:
            place = {"id": world.ids.mint("mem"), "account_id": world.account.id, "person_id": person["id"]}
            connection.execute(insert(schema.member).values(place | {"role": role.value, "created_at": now}))
        return world.people.sessions.start(
            connection, person["id"], account=world.account.id, method="password", visitor=VISITOR, replaces=None
        )


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.OWNER, {"anyone", "person", "member", "billing", "owner"}),
        (Role.BILLING, {"anyone", "person", "member", "billing"}),
        (Role.MEMBER, {"anyone", "person", "member"}),
        (None, {"anyone", "person"}),
    ],
)
async def test_a_page_is_seen_and_used_by_whom_it_is_for_only(site, role, allowed) -> None:
    token = sign_in(site.world, role)
    headers = {"cookie": f"ileen_session={token}", "sec-fetch-site": "same-origin"}

    seen = [n.value for n in Needs if (await site.http.get(f"/for/{n}", headers=headers)).status_code == 200]
    for needs in Needs:
        await site.http.post(f"/for/{needs}", data={"csrf": csrf_token(token)}, headers=headers)

    assert set(seen) == set(site.changed) == allowed


async def test_a_stranger_is_led_to_the_sign_in_and_back(site) -> None:
    answer = await site.http.get("/for/person?a=1")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/for/person%3Fa%3D1")


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        ({}, {"sec-fetch-site": "same-origin"}),
        ({"csrf": csrf_token("other")}, {"sec-fetch-site": "same-origin"}),
        ({"csrf": csrf_token("browser")}, {"sec-fetch-site": "same-origin"}),
        ("right", {"sec-fetch-site": "cross-site"}),
        ("right", {"origin": "https://evil.example"}),
    ],
)
async def test_a_form_that_is_not_from_our_page_changes_nothing(site, data, headers) -> None:
    token = sign_in(site.world, Role.OWNER)
    data = {"csrf": csrf_token(token)} if data == "right" else data

    answer = await site.http.post("/for/owner", data=data, headers=headers | {"cookie": f"ileen_session={token}"})

    assert (answer.status_code, site.changed) == (403, [])


async def test_a_form_before_sign_in_needs_the_token_of_this_browser(site) -> None:
    page = await site.http.get("/for/anyone")
    cookie = page.cookies["ileen_visitor"]
    site.http.cookies.clear()

    async def post(cookies: dict[str, str], token: str) -> int:
        headers = {"cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())} if cookies else {}
        return (await site.http.post("/for/anyone", data={"csrf": token}, headers=headers)).status_code

    assert await post({"ileen_visitor": cookie}, csrf_token(cookie)) == 303
    assert await post({"ileen_visitor": "planted"}, csrf_token(cookie)) == 403
    assert await post({}, csrf_token(cookie)) == 403


async def test_every_answer_carries_the_policy_against_injection_and_framing(site) -> None:
    for path in ("/for/anyone", "/for/owner", "/nothing"):
        headers = (await site.http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
        assert "strict-transport-security" not in headers
    assert frame.headers("https://credits.example.com")["Strict-Transport-Security"]


async def test_values_are_escaped_and_nothing_is_inline(site) -> None:
    token = sign_in(site.world, Role.OWNER)
    answer = await site.http.get(
        "/for/owner", params={"url": 'https://x/"><script>'}, headers={"cookie": f"ileen_session={token}"}
    )

    assert "&lt;b&gt;A" in answer.text and "<script" not in answer.text
    assert "style=" not in answer.text and "onclick" not in answer.text


async def test_a_missing_page_is_html_for_browsers_and_a_problem_for_programs(site) -> None:
    page = await site.http.get("/nothing")
    problem = await site.http.get("/nothing", headers={"accept": "*/*"})

    assert (page.status_code, "<h1>" in page.text) == (404, True)
    assert (problem.status_code, problem.json()["code"]) == (404, "not_found")


async def test_a_flash_shows_once_and_only_sentences_of_ours(site) -> None:
    token = sign_in(site.world, Role.OWNER)
    cookie = {"cookie": f"ileen_session={token}; ileen_flash=common.saved"}
    forged = {"cookie": f"ileen_session={token}; ileen_flash=<b>hello"}

    shown = await site.http.get("/for/owner", headers=cookie)
    assert "Saved." in shown.text and 'ileen_flash=""' in shown.headers["set-cookie"]
    assert "hello" not in (await site.http.get("/for/owner", headers=forged)).text


async def test_the_language_is_the_choice_then_the_browsers(site) -> None:
    german = await site.http.get("/for/anyone", headers={"accept-language": "de-AT, en;q=0.5"})
    chosen = await site.http.get("/for/anyone?lang=fr", headers={"accept-language": "de"})
    kept = await site.http.get("/for/anyone", headers={"accept-language": "de"})

    assert [each.text.split('<html lang="')[1][:2] for each in (german, chosen, kept)] == ["de", "fr", "fr"]


async def test_assets_are_kept_for_good_and_an_old_name_is_gone(site) -> None:
    url = frame.asset_url("ileen.css")

    answer = await site.http.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in answer.headers["cache-control"]
    assert (await site.http.get(url.replace(url.split("/")[2], "0" * 16))).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/a\nb", "/\tx", "/é", "/" + "a" * 600],
)
def test_a_way_back_leads_nowhere_else(path) -> None:
    assert local_path(path, "/home") == "/home"
    assert local_path("/billing?x=1", "/home") == "/billing?x=1"
