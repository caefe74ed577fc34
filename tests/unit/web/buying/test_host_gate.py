"""The gate in front of a host's own application, as the how-to page shows it, against a server on a real port."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import uvicorn

from ileen.client import GateClosed, IleenApiError

PAGE = Path(__file__).parents[4] / "docs" / "howto" / "gate-in-your-app.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


async def inside(scope: Any, receive: Any, send: Any) -> None:
    """The host's own application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"inside"})


@pytest.fixture
def served(shop) -> Iterator[str]:
    """The URL of a server with the shop."""
    config = uvicorn.Config(shop.app, port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def host(url: str, key: str | None) -> tuple[dict[str, Any], httpx2.AsyncClient]:
    names: dict[str, Any] = {"ILEEN_URL": url, "app": inside, "api_key_of_the_signed_in_user": lambda scope: key}
    exec(EXAMPLES[0], names)
    return names, httpx2.AsyncClient(transport=httpx2.ASGITransport(app=names["app"]), base_url="http://host")


async def test_the_middleware_lets_in_behind_the_gate_only(shop, served) -> None:
    names, browser = host(served, shop.secret)
    page = {"accept": "text/html,*/*"}

    closed = await browser.get("/design", headers=page)
    assert (closed.status_code, closed.headers["location"]) == (303, "http://ileen/gate")
    api = await browser.post("/design", headers=page)
    assert (api.status_code, api.json()["code"], api.json()["step"]) == (402, "gate_closed", "payment_method")
    assert api.json()["next"] == {"kind": "redirect", "url": "http://ileen/gate", "id": None}
    assert api.json()["buy_url"] == "http://ileen/gate"
    assert api.headers["content-type"] == "application/problem+json"
    for path in ("/sign-in", "/assets/app.css"):
        assert (await browser.get(path)).text == "inside"
    assert (await browser.get("/sign-in-elsewhere")).status_code == 402

    shop.paying.fund("25.00")
    again, fresh = host(served, shop.secret)
    assert (await fresh.get("/design")).text == "inside"
    for made in (names, again):
        for client in made["clients"].values():
            await client.close()
    await browser.aclose()
    await fresh.aclose()


async def test_requests_that_do_not_concern_the_gate_pass(shop, served) -> None:
    _, browser = host(served, None)

    assert (await browser.get("/design")).text == "inside"
    await browser.aclose()


async def test_who_is_not_known_to_have_passed_stays_out_while_ileen_is_away(shop) -> None:
    names, browser = host("http://127.0.0.1:9", shop.secret)

    assert (await browser.get("/design")).status_code == 503
    for client in names["clients"].values():
        await client.close()
    await browser.aclose()


def test_the_decorated_function_runs_behind_the_gate_only(shop, served) -> None:
    names: dict[str, Any] = {"ILEEN_URL": served}
    exec(EXAMPLES[1], names)
    user = SimpleNamespace(name="Ada", ileen_key=shop.secret)

    with pytest.raises(GateClosed) as refusal:
        names["start_agent"](user)
    assert (refusal.value.step, refusal.value.url) == ("payment_method", "http://ileen/gate")
    with pytest.raises(IleenApiError):
        names["start_agent"](SimpleNamespace(name="Eve", ileen_key="ileen_sk_wrong"))

    shop.paying.fund("25.00")
    fresh: dict[str, Any] = {"ILEEN_URL": served}
    exec(EXAMPLES[1], fresh)
    assert fresh["start_agent"](user) == "agent of Ada started"
    for made in (names, fresh):
        for client in made["clients"].values():
            client.close()
