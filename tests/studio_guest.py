"""People in the studio of a running product: signed up, through the gate, with a browser that has no script."""

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import httpx2

from plain_browser import Browser, Page, filled

_NUMBERS = itertools.count(1)
PASSWORD = "correct horse battery staple"


@dataclass
class StudioGuest:
    """One person with an account of their own, and what they do."""

    facts: dict[str, Any]
    browser: Browser = field(default_factory=Browser)
    email: str = ""

    @classmethod
    @contextmanager
    def at(cls, facts: dict[str, Any]) -> Iterator["StudioGuest"]:
        """A guest of a running product, whose browser is closed in the end."""
        guest = cls(facts)
        yield guest
        guest.browser.close()

    @property
    def url(self) -> str:
        return self.facts["url"]

    def open(self, path: str) -> Page:
        return self.browser.open(self.url + path)

    def sign_up(self) -> Page:
        """Sign up by the link in the mail; what is shown then is the gate."""
        self.email = f"guest-{next(_NUMBERS)}-{time.time_ns()}@example.com"
        typed = {"name": "Ada", "email": self.email, "password": PASSWORD}
        self.browser.press(self.open("/sign-up"), "Create account", **typed)
        link = re.search(r"http\S+/sign-up/\S+", self._mail())
        assert link is not None
        return self.browser.press(self.browser.open(link[0]), "Confirm")

    def pass_gate(self, amount: str = "5") -> Page:
        """Go through the gate's steps: details, a card, first credits."""
        page = self.sign_up()
        details = {"name": "Ada", "country": "DE", "postal_code": "10119", "city": "Berlin"}
        page = self.browser.press(page, "Continue", **details)
        page = self._leave(self.browser.press(page, "Add card at Stripe"))
        self.browser.press(page, "Save card", number="4242424242424242", expiry="12/34", cvc="123", name="Ada")
        return self.buy(amount)

    def buy(self, amount: str) -> Page:
        """Buy credits with the card that is saved; the total's form is a GET, which the plain browser does not send."""
        page = self.open(f"/billing/buy?amount={amount}")
        (button,) = [text for form in page.forms for text, _, _ in form.buttons if text.startswith("Purchase")]
        return self.browser.press(page, button)

    def run(self, agent: str, *, upload: tuple[str, bytes] | None = None, **typed: str) -> Page:
        """Start an agent (`mode/activity`) and return the run's page as it is right after."""
        page = self.open(f"/studio/{agent}")
        assert page.status == 200, page.text
        form, _ = page.form_with("Send" if agent.endswith(("_chat", "_agent")) else "Run")
        fields = filled(form, typed)
        files = {name: ("", b"") for name in fields if name.endswith("_upload")}
        fields = {name: value for name, value in fields.items() if name not in files}
        if upload is not None:
            files = dict.fromkeys(files, upload)
        answer = self.browser._client.post(urljoin(page.url, form.action), data=fields, files=files or None)
        return Page(answer)

    def ended(self, page: Page, *, state: str = "Done") -> Page:
        """Wait until a run is in this state and its calls are charged."""
        for _ in range(600):
            seen = self.browser.open(page.url)
            if f"What it costs {state}" in seen.text and "Reserved" not in seen.text:
                return seen
            if "What it costs Running" not in seen.text and "Reserved" not in seen.text:
                raise AssertionError(seen.text)
            time.sleep(0.1)
        raise AssertionError(seen.text)

    def working(self, page: Page) -> None:
        """Wait until calls of a run hold credits; the first run of a process takes seconds to get there."""
        for _ in range(600):
            if "Reserved" in self.browser.open(page.url).text:
                return
            time.sleep(0.1)
        raise AssertionError("no call is under way")

    def ended_after_pause(self, page: Page) -> Page:
        """Wait until a paused run has noticed that there are credits, and has ended."""
        for _ in range(600):
            if "What it costs Paused" not in self.browser.open(page.url).text:
                return self.ended(page)
            time.sleep(0.1)
        raise AssertionError("the run is still paused")

    def _leave(self, page: Page) -> Page:
        """Follow a page that leads on to somebody else's."""
        found = page.answer.headers.get("Refresh", "").partition("url=")[2]
        return self.browser.open(found) if found else page

    def _mail(self) -> str:
        query = {"to": self.email, "wait_s": "10"}
        answer = httpx2.get(f"{self.facts['sandbox_inbox_url']}/api/messages", params=query, timeout=30).json()
        return answer["messages"][0]["text"]
