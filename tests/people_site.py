"""People at our pages: browsers of their own, their mails, and an account with an owner and a member."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import func, select

from ileen.accounts.people import People
from ileen.store import schema
from ileen.store.engine import Database
from plain_browser import InProcessBrowser, Page

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
PASSWORD = "the analytical engine"


@dataclass
class Site:
    """The site of one world, and who is to be found there."""

    app: Any
    url: str
    people: People
    database: Database

    def browser(self, **more: Any) -> InProcessBrowser:
        """A browser that nobody has used yet."""
        return InProcessBrowser(self.app, self.url, **more)

    def mailed(self, kind: str, *, to: str = ADA) -> str:
        """The path in the last mail of a kind."""
        table = schema.notice
        query = select(table.c.secrets).where(table.c.kind == kind, table.c.recipient == to)
        with self.database.read() as connection:
            row = connection.execute(query.order_by(table.c.created_at.desc(), table.c.id.desc())).first()
        assert row is not None, f"no mail of kind {kind} to {to}"
        return msgspec.json.decode(row.secrets)["link"]

    def count(self, table: Any, *where: Any) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()

    async def join(self, email: str = ADA, *, name: str = "Ada", browser: InProcessBrowser | None = None) -> Any:
        """Have somebody sign up and confirm; return the browser that is signed in."""
        browser = browser or self.browser()
        form = await browser.open("/sign-up")
        await browser.press(form, "Create account", name=name, email=email, password=PASSWORD)
        confirmed = await browser.press(await browser.open(self.mailed("confirm_email", to=email)), "Confirm")
        assert confirmed.status == 200, confirmed.text
        return browser

    async def sign_in(self, email: str = ADA, *, password: str = PASSWORD, at: str = "/sign-in") -> tuple[Any, Page]:
        """Sign in with a browser that is new."""
        browser = self.browser()
        page = await browser.press(await browser.open(at), "Sign in", email=email, password=password)
        return browser, page

    async def invite(self, owner: InProcessBrowser, email: str, *, role: str = "member") -> str:
        """Have an owner invite somebody; return the path in the mail."""
        form = await owner.open("/account/members")
        page = await owner.press(form, "Send invitation", email=email, role=role)
        assert "The invitation is on its way." in page.text, page.text
        return self.mailed("invitation", to=email)

    async def member(
        self, owner: InProcessBrowser, email: str = BOB, *, role: str = "member", name: str = "Bob"
    ) -> Any:
        """Have somebody new join an owner's account; return their browser."""
        browser = self.browser()
        form = await browser.open(await self.invite(owner, email, role=role))
        page = await browser.press(form, "Accept invitation", name=name, password=PASSWORD)
        assert page.status == 200, page.text
        return browser
