"""The desk in front of all pages: who may see which page, and how refusals look.

Owns: `Pages` (what a module of pages registers), the one check before every page, error pages.
Refuses to know: the pages. Deny by default: a page that does not say what it needs cannot be registered.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from urllib.parse import quote

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ileen.base.errors import Forbidden, IleenError, MethodNotAllowed, NotFound, SessionInvalid, Unavailable
from ileen.store.engine import is_transient
from ileen.web import problems
from ileen.web.house import House
from ileen.web.pages import frame
from ileen.web.pages.needs import MenuItem, Needs, allows
from ileen.web.pages.visit import Visit

Page = Callable[[Visit], Response]
"""A page: a plain function that may block; it runs in a thread."""

_SENTENCES: Final = {
    "forbidden": "common.forbidden",
    "link_invalid": "sign_in.link.expired",
    "not_found": "common.not_found",
    "request_forged": "common.form_expired",
    "unavailable": "error.unavailable",
}
"""The sentence of the catalogue for an error that can reach an error page; others show their own detail."""

_log = structlog.get_logger()


class Pages:
    """The pages of one module: `pages = Pages()`, then decorate functions with `pages.get` and `pages.post`."""

    def __init__(self) -> None:
        self.routes: list[tuple[str, str, Needs, Page]] = []
        self.menu: list[MenuItem] = []

    def get(self, path: str, *, needs: Needs) -> Callable[[Page], Page]:
        """Show a page. It must not change anything that matters."""
        return self._add("GET", path, needs)

    def post(self, path: str, *, needs: Needs) -> Callable[[Page], Page]:
        """Take a form. It is let in only with the CSRF token of a page of ours, from our own origin."""
        return self._add("POST", path, needs)

    def in_menu(self, path: str, *, key: str, needs: Needs, place: int) -> None:
        """Put a page into the navigation, named by a key of the catalogue; `place` orders the entries."""
        self.menu.append(MenuItem(path=path, key=key, needs=needs, place=place))

    def _add(self, method: str, path: str, needs: Needs) -> Callable[[Page], Page]:
        def adding(page: Page) -> Page:
            self.routes.append((method, path, needs, page))
            return page

        return adding


def build(house: House, rooms: Iterable[Pages]) -> Starlette:
    """Put the pages together as an application of their own, apart from the API."""
    rooms = list(rooms)
    routes = [
        Route(path, _endpoint(house, needs, page), methods=[method])
        for room in rooms
        for method, path, needs, page in room.routes
    ]

    async def refused(request: Request, error: Exception) -> Response:
        return await run_in_threadpool(_refusal, house, request, error)

    app = Starlette(
        routes=[*routes, Route("/assets/{digest}/{name}", _asset)],
        exception_handlers={HTTPException: refused},
    )
    app.router.redirect_slashes = False
    app.state.menu = sorted((item for room in rooms for item in room.menu), key=lambda item: item.place)
    return app


def _endpoint(house: House, needs: Needs, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_serve, house, request, body, needs=needs, page=page)

    return endpoint


def _serve(house: House, request: Request, body: bytes, *, needs: Needs, page: Page) -> Response:
    """Show one page to whom it is for; every refusal becomes a page too."""
    try:
        visit = Visit(house, request, body)
        let_in(visit, needs)
        return page(visit)
    except SessionInvalid:
        if request.method == "POST":
            return Visit(house, request, b"").redirect("/sign-in", flash="sign_in.ended")
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Visit(house, request, b"").redirect(f"/sign-in?next={quote(here, safe='/')}")
    except Exception as error:  # noqa: BLE001  # the last line: whatever it is, the reader gets a page
        return _refusal(house, request, error)


def let_in(visit: Visit, needs: Needs) -> None:
    """Let a visit pass to a page, or refuse it. Raises: SessionInvalid, RequestForged, Forbidden.

    A session that has ended is told before a form's token, which has gone with it: to try such a form again, as a
    forged one says, would lead in a circle.
    """
    allowed = allows(needs, visit.signed)
    if not allowed and visit.signed is None:
        raise SessionInvalid
    visit.check_form()
    if not allowed:
        raise Forbidden("Your role does not allow this.", scope=needs.value)


def _refusal(house: House, request: Request, error: Exception) -> Response:
    """Answer with an error: a page for browsers, a problem document for everybody else."""
    ours = _ours(request, error)
    if "text/html" not in request.headers.get("accept", ""):
        return problems.respond(ours, headers=getattr(error, "headers", None))
    try:
        visit = Visit(house, request, b"")
        return visit.render("error.html", status=ours.status, error=ours, sentence=_sentence(visit, ours))
    except (IleenError, DBAPIError):  # the database is away: nothing can be known about the visitor
        return Response("Ileen is temporarily unavailable.", status_code=503, headers=frame.headers(house.public_url))


def _ours(request: Request, error: Exception) -> IleenError:
    path = request.url.path[:200]
    match error:
        case IleenError():
            return error
        case HTTPException(status_code=404):
            return NotFound(f"There is nothing at '{path}'.", what="path", id=path)
        case HTTPException(status_code=405):
            return MethodNotAllowed(path=path, method=request.method)
        case DBAPIError() if is_transient(error):
            _log.warning("web.database.unavailable", error=type(error).__name__)
            return Unavailable()
        case _:
            _log.error("web.page.failed", path=request.url.path, error=type(error).__name__, exc_info=error)
            return IleenError()


def _sentence(visit: Visit, error: IleenError) -> str:
    if error.code in _SENTENCES:
        return visit.text(_SENTENCES[error.code])
    return visit.text("error.unexpected") if error.status >= 500 else error.detail


async def _asset(request: Request) -> Response:
    found = frame.asset(request.path_params["digest"], request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    found.headers["X-Content-Type-Options"] = "nosniff"
    found.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return found
