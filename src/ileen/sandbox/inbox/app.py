"""The pages and the API: plain HTML without scripts, each mail's own HTML behind glass.

A mail is a stranger's document: it is shown in a sandboxed frame under a policy that lets it load and run nothing.
`GET /api/messages?to=…&after=ID&wait_s=N` · `GET /api/messages/ID` · `DELETE /api/messages`
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs, quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from ileen.base.clock import Instant, to_text
from ileen.sandbox.inbox.store import Mail, Store

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Answer = tuple[int, str, bytes, dict[str, str]]

_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-top-navigation-by-user-activation"
)
_WAIT_S_MAX: Final = 30
_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
_pages: Final = Environment(
    loader=PackageLoader("ileen.sandbox.inbox"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


class Inbox:
    """The ASGI application."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: object, send: Send) -> None:
        """Answer one request."""
        del receive  # nothing here reads a body
        assert scope["type"] == "http"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        if headers.get("host", "").rpartition(":")[0] not in _HOSTS:
            # A page elsewhere whose name was made to mean 127.0.0.1 must not read sign-in links.
            answer = _text(421, "This inbox answers to 127.0.0.1 only.")
        elif scope["method"] == "GET":
            answer = await self._get(scope["path"], given)
        elif headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            answer = _text(403, "Refused: another site asked.")
        else:
            answer = self._write(scope["method"], scope["path"])
        await _send(send, answer)

    async def _get(self, path: str, given: dict[str, str]) -> _Answer:
        steps = path.strip("/").split("/")
        if steps == [""]:
            return self._list(given.get("to"))
        if steps == ["api", "messages"]:
            found = await self._wait(given)
            return _json({"messages": [_described(mail) for mail in found]})
        if steps[:2] == ["api", "messages"] or steps[0] == "messages":
            number = steps[2] if steps[0] == "api" and len(steps) == 3 else steps[1] if len(steps) > 1 else ""
            mail = self._store.get(int(number)) if number.isascii() and number.isdigit() else None
            if mail is not None:
                return _json(_described(mail)) if steps[0] == "api" else _shown(mail, steps[2:])
        return _text(404, "There is nothing here.")

    def _write(self, method: str, path: str) -> _Answer:
        if (method, path) == ("DELETE", "/api/messages"):
            self._store.clear()
            return 204, "text/plain", b"", {}
        if (method, path) == ("POST", "/clear"):
            self._store.clear()
            return 303, "text/plain", b"", {"location": "/"}
        return _text(405, "That cannot be done here.")

    def _list(self, to: str | None) -> _Answer:
        page = _pages.get_template("list.html.j2")
        found = self._store.find(to=to)
        html = page.render(mails=found, recipients=self._store.recipients(), to=to, quote=quote, time_of=_time_of)
        return _html(html, _PAGE_POLICY)

    async def _wait(self, given: dict[str, str]) -> list[Mail]:
        """Look until there is mail, for at most `wait_s` seconds."""
        looks = min(int(given.get("wait_s", "0") or 0), _WAIT_S_MAX) * 20
        while True:
            found = self._store.find(to=given.get("to"), after=int(given.get("after", "0") or 0))
            if found or looks <= 0:
                return found
            looks -= 1
            await asyncio.sleep(0.05)


def _shown(mail: Mail, rest: list[str]) -> _Answer:
    match rest:
        case []:
            return _html(_pages.get_template("mail.html.j2").render(mail=mail, time_of=_time_of), _PAGE_POLICY)
        case ["html"] if mail.html is not None:
            return _html(_leading_out(mail.html), _MAIL_POLICY)
        case ["source"]:
            return _text(200, mail.raw.decode(errors="replace"))
        case _:
            return _text(404, "There is nothing here.")


def _time_of(mail: Mail) -> str:
    return to_text(Instant(mail.at))[:19].replace("T", " ") + " UTC"


def _leading_out(html: str) -> str:
    """Have links lead out of the frame; without this they would open inside it."""
    base = '<base target="_top">'
    return html.replace("<head>", f"<head>{base}", 1) if "<head>" in html else base + html


def _described(mail: Mail) -> dict[str, object]:
    return {
        "id": mail.id,
        "at": to_text(Instant(mail.at)),
        "from": mail.sender,
        "to": mail.recipient,
        "subject": mail.subject,
        "headers": {name: str(value) for name, value in mail.message.items()},
        "text": mail.text,
        "html": mail.html,
        "links": mail.links,
    }


def _html(html: str, policy: str) -> _Answer:
    return 200, "text/html; charset=utf-8", html.encode(), {"content-security-policy": policy}


def _text(status: int, text: str) -> _Answer:
    return status, "text/plain; charset=utf-8", text.encode(), {"content-security-policy": _PAGE_POLICY}


def _json(value: object) -> _Answer:
    return 200, "application/json", json.dumps(value, ensure_ascii=False).encode(), {}


async def _send(send: Send, answer: _Answer) -> None:
    status, kind, body, more = answer
    headers = {
        "content-type": kind,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex",
        **more,
    }
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
