"""A browser without script: it reads pages, fills forms in and presses buttons, as a person does."""

import html
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx2

_VOID = {"input", "link", "meta", "br", "hr", "img"}


@dataclass
class Form:
    """A form of a page: where it goes ("" is the page itself), what is in it, and its buttons by what they say."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    buttons: list[tuple[str, str | None, str]] = field(default_factory=list)  # text or label, name, value


class Page(HTMLParser):
    """One page as it came."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__()
        self.answer = answer
        self.url = str(answer.url)
        self.status = answer.status_code
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.labels: set[str] = set()
        self.ids: set[str] = set()
        self._words: list[str] = []
        self._open: list[tuple[str, dict[str, str], int]] = []
        self._select = ""
        self.feed(answer.text)

    @property
    def text(self) -> str:
        """What can be read on the page, in one line."""
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        self.ids.add(given.get("id", ""))
        if tag not in _VOID:
            self._open.append((tag, given, len(self._words)))
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "label" and "for" in given:
            self.labels.add(given["for"])
        elif tag in {"input", "select", "textarea"} and self.forms and "name" in given:
            self._field(tag, given)
        elif tag == "option" and ("selected" in given or self._select not in self.forms[-1].fields):
            self.forms[-1].fields[self._select] = given["value"]

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        opened, given, start = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}> at {self.getpos()}"
        said = given.get("aria-label") or " ".join(" ".join(self._words[start:]).split())
        if tag == "a" and "href" in given:
            self.links[said] = given["href"]
        elif tag == "button":
            self.forms[-1].buttons.append((said, given.get("name"), given.get("value", "")))

    def _field(self, tag: str, given: dict[str, str]) -> None:
        form, kind = self.forms[-1], given.get("type", "")
        form.names.add(given["name"])
        if tag == "select":
            self._select = given["name"]
        elif kind not in {"radio", "checkbox"} or "checked" in given:
            form.fields[given["name"]] = given.get("value", "")

    @property
    def errors(self) -> dict[str, str]:
        """The sentences of the error summary by the id each leads to."""
        sentences = {href[1:]: said for said, href in self.links.items() if href.startswith("#") and href != "#main"}
        dangling = sentences.keys() - self.ids
        assert not dangling, f"the summary leads to {dangling}, which the page does not have"
        return sentences

    def form_with(self, button: str) -> tuple[Form, dict[str, str]]:
        """Find the form that has this button; return it and what the button itself sends."""
        for form in self.forms:
            for said, name, value in form.buttons:
                if button in said:
                    return form, {name: value} if name else {}
        raise AssertionError(f"no button {button!r} on {self.url}: {[form.buttons for form in self.forms]}")

    def unlabelled(self) -> Iterator[str]:
        """Name the fields that have no label of their own."""
        inside_label = [given for tag, given, _ in self._open if tag == "label"]
        assert not inside_label
        for tag, given in self.tags:
            plain = tag in {"input", "select", "textarea"} and given.get("type") not in {"hidden", "radio", "checkbox"}
            if plain and given.get("id") not in self.labels:
                yield given.get("name", "")


class Browser:
    """Follows redirects and keeps nothing: no cookies, no script."""

    def __init__(self) -> None:
        self._client = httpx2.Client(follow_redirects=True, trust_env=False, timeout=30)

    def open(self, url: str) -> Page:
        return Page(self._client.get(url))

    def follow(self, page: Page, link: str) -> Page:
        return self.open(urljoin(page.url, html.unescape(page.links[link])))

    def press(self, page: Page, button: str, **typed: str) -> Page:
        """Fill in the form that has this button, and press it."""
        form, sent = page.form_with(button)
        return Page(self._client.post(urljoin(page.url, form.action), data=filled(form, typed) | sent))

    def close(self) -> None:
        self._client.close()


class InProcessBrowser:
    """A browser on an application of this process: keeps cookies, follows redirects, and says where forms are from."""

    def __init__(self, app: Any, url: str, *, agent: str = "Mozilla/5.0 (X11; Linux) Firefox/140.0") -> None:
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url=url,
            follow_redirects=True,
            headers={"accept": "text/html", "user-agent": agent, "sec-fetch-site": "same-origin"},
        )

    async def open(self, path: str) -> Page:
        return Page(await self.client.get(path))

    async def send(self, path: str, **fields: str) -> Page:
        """Send a form that no page of ours showed, with whatever `csrf` is given."""
        return Page(await self.client.post(path, data=fields))

    async def press(self, page: Page, button: str, *, without: Collection[str] = (), **typed: str) -> Page:
        """Fill in the form that has this button and press it; `without` names boxes that are unticked."""
        form, sent = page.form_with(button)
        fields = {name: value for name, value in filled(form, typed).items() if name not in without}
        return Page(await self.client.post(urljoin(page.url, form.action), data=fields | sent))


def filled(form: Form, typed: dict[str, str]) -> dict[str, str]:
    """What a form sends once somebody has typed into it."""
    unknown = typed.keys() - form.names
    assert not unknown, f"the form has no {unknown}"
    return form.fields | typed
