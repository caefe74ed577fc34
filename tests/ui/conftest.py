"""The real product in a real browser: `ileen up` as a process, Chromium before it, and a watch on what goes wrong.

The browser is ILEEN_CHROMIUM, else the system's Chromium, else the one Playwright installs; none is a failure.
"""

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from running import up

_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
PHONE = {"width": 390, "height": 844}
LAPTOP = {"width": 1280, "height": 900}
_VISITORS = itertools.count(1)


@dataclass
class Visitor:
    """One person with a browser of their own. `complaints` are console errors and breaches of the page's policy."""

    page: Page
    facts: dict[str, Any]
    email: str
    shots: Path
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.facts["url"] + path)

    def press(self, name: str, *, leaves: bool = True) -> None:
        """Press the button or follow the link of that name, waiting for it to be there.

        Without `leaves`, what comes after the press is not waited for: on a page that looks again by itself, the press
        may end a look that had begun, which Playwright would go on waiting for.
        """
        button = self.page.get_by_role("button", name=name, exact=False)
        link = self.page.get_by_role("link", name=name, exact=False)
        button.or_(link).first.click(no_wait_after=not leaves)

    def mail(self, subject: str) -> dict[str, Any]:
        """Wait for a mail whose subject contains a text."""
        query = {"to": self.email, "wait_s": "10"}
        for _ in range(20):
            found = httpx2.get(f"{self.facts['sandbox_inbox_url']}/api/messages", params=query, timeout=30).json()
            for message in found["messages"]:
                if subject in message["subject"]:
                    return message
            query["after"] = str(max((message["id"] for message in found["messages"]), default=0))
        raise AssertionError(f"no mail about {subject!r}")

    def see(self, name: str) -> None:
        """Keep a picture of the page, and let axe look at it: no violation is accepted."""
        self.page.screenshot(path=str(self.shots / f"{name}.png"), full_page=True)
        found = Axe().run(self.page, options={"resultTypes": ["violations"]}).response["violations"]
        assert found == [], [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
        wide = self.page.evaluate(
            "[document.documentElement, ...document.querySelectorAll('.card')]"
            ".filter(each => each.scrollWidth > each.clientWidth).map(each => each.className || each.tagName)"
        )
        assert wide == [], f"on {name} something sticks out"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed with the module: while Playwright runs, its event loop holds the thread, and no other starts."""
    path = os.environ.get("ILEEN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with up(tmp_path_factory.mktemp("ui")) as (facts, _):
        yield facts


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where pictures are kept, to be looked at."""
    folder = Path(os.environ.get("ILEEN_TEST_SHOTS", ".cache/screens"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(params=[LAPTOP, PHONE], ids=["laptop", "phone"])
def visitor(
    request: pytest.FixtureRequest, browser: Browser, product: dict[str, Any], shots: Path
) -> Iterator[Visitor]:
    context = browser.new_context(viewport=request.param, locale="en-GB", java_script_enabled=True)
    page = context.new_page()
    made = Visitor(page, product, f"visitor-{next(_VISITORS)}@example.com", shots)
    page.on("console", lambda said: said.type == "error" and made.complaints.append(said.text))
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    context.close()
    assert made.complaints == []
