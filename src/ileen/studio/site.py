"""The studio's pages: home, an agent's page with its form, a run with its answer, and the stream of a run.

Owns: paths below /studio, who is let in, forms. Refuses to know: how agents work, and how a run is carried out.
T1  nobody is let in without a session of the house, membership in an account, and an open billing gate.
T2  a run of somebody else answers exactly as one that does not exist.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ileen.base.errors import IleenError
from ileen.client import IleenApiError
from ileen.studio import visit as frame
from ileen.studio.agents import AGENTS, agents_in
from ileen.studio.ileen import Ileen, Reception
from ileen.studio.model import Agent, Block, Field, File, InputInvalid, Mode, Run
from ileen.studio.runner import Runner, Update
from ileen.studio.store import Store
from ileen.studio.uploads import UPLOAD_BYTES_MAX, read_pasted, read_upload
from ileen.studio.visit import Guest, Visit

Page = Callable[[Visit], Awaitable[Response]]
_RUNS_SHOWN: Final = 10
_log = structlog.get_logger()


class Site:
    """The pages of the studio."""

    def __init__(
        self, store: Store, ileen: Ileen, runner: Runner, *, reception: Reception, models: tuple[str, ...]
    ) -> None:
        self._store, self._ileen, self._runner, self._reception = store, ileen, runner, reception
        self._models = models

    def build(self) -> Starlette:
        """Build the application that serves /studio."""
        pages: list[tuple[str, str, Page]] = [
            ("GET", "/studio", self._home),
            ("GET", "/studio/runs/{id}", self._show_run),
            ("GET", "/studio/runs/{id}/events", self._events),
            ("POST", "/studio/runs/{id}/stop", self._stop),
            ("POST", "/studio/runs/{id}/resume", self._resume),
            ("POST", "/studio/runs/{id}/reply", self._reply),
            ("GET", "/studio/{mode}", self._show_mode),
            ("GET", "/studio/{mode}/{activity}", self._show_agent),
            ("POST", "/studio/{mode}/{activity}", self._start),
        ]
        routes = [Route(path, self._endpoint(page), methods=[method]) for method, path, page in pages]
        app = Starlette(routes=[Route("/studio/assets/{digest}/{name}", _asset), *routes])
        app.router.redirect_slashes = False
        return app

    # Who is let in -------------------------------------------------------------------------------------------

    def _endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            guest: Guest | None = None
            try:
                found = await self._let_in(request)
                if isinstance(found, Response):
                    return found
                guest = found
                return await page(Visit(request, guest, self._reception, await self._form(request)))
            except Exception as error:  # noqa: BLE001  # the last line: whatever it is, the person gets a page
                return self._refusal(request, guest, error)

        return endpoint

    async def _let_in(self, request: Request) -> Guest | Response:
        """Return who is there, or the way to what they must do first (T1). Raises: IleenApiError."""
        signed = await asyncio.to_thread(self._reception.signed, request)
        if signed is None:
            return RedirectResponse(f"/sign-in?next={request.url.path}", status_code=303)
        account, member = signed.session.account, signed.member
        if account is None or member is None:
            return RedirectResponse("/account/profile", status_code=303)
        wallet = await self._ileen.wallet(account, by=member)
        if not await self._ileen.is_open(account, by=member):
            return RedirectResponse("/gate", status_code=303)
        csrf = self._reception.csrf(request)
        return Guest(signed=signed, account=account, member=member, csrf=csrf, wallet=wallet)

    async def _form(self, request: Request) -> Mapping[str, Any]:
        """Return the form of a request, if it comes from a page of ours. Raises: RequestForged, HTTPException."""
        if request.method != "POST":
            return {}
        form = await request.form(max_files=1, max_fields=20, max_part_size=UPLOAD_BYTES_MAX)
        token = form.get("csrf")
        self._reception.check_form(request, token if isinstance(token, str) else None)
        return form

    def _refusal(self, request: Request, guest: Guest | None, error: Exception) -> Response:
        path = request.url.path
        match error:
            case IleenError() | IleenApiError():
                status = error.status or 503
                _log.warning("studio.page.refused", path=path, status=status, code=error.code)
            case HTTPException():
                status = error.status_code
            case _:
                status = 500
                _log.error("studio.page.failed", path=path, error=type(error).__name__, exc_info=error)
        if guest is None:
            return PlainTextResponse("The studio is not available right now.", 503, frame.headers(self._reception))
        known = {404: "common.not_found", 403: "common.form_expired"}
        sentence = known.get(status, "error.unavailable" if status >= 500 else "error.unexpected")
        return Visit(request, guest, self._reception, {}).render("error.html", status=status, sentence=sentence)

    # Pages ---------------------------------------------------------------------------------------------------

    async def _home(self, visit: Visit) -> Response:
        runs = await asyncio.to_thread(self._store.runs, visit.guest.account, visit.guest.member, limit=_RUNS_SHOWN)
        modes = [(mode, agents_in(mode)) for mode in Mode]
        return visit.render("home.html", modes=modes, runs=[self._row(each) for each in runs])

    async def _show_mode(self, visit: Visit) -> Response:
        mode = _mode(visit.part("mode"))
        agents = agents_in(mode)
        estimates = await asyncio.gather(
            *(self._ileen.estimate(visit.guest.account, mode, each.activity, by=visit.guest.member) for each in agents)
        )
        return visit.render("mode.html", mode=mode, agents=list(zip(agents, estimates, strict=True)))

    async def _show_agent(self, visit: Visit) -> Response:
        return await self._agent_page(visit, _agent(visit))

    async def _agent_page(
        self,
        visit: Visit,
        agent: Agent,
        *,
        errors: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        guest = visit.guest
        estimate, projects, runs = await asyncio.gather(
            self._ileen.estimate(guest.account, agent.mode, agent.activity, by=guest.member),
            asyncio.to_thread(self._store.projects, guest.account),
            asyncio.to_thread(
                self._store.runs, guest.account, guest.member, activity=agent.activity, limit=_RUNS_SHOWN
            ),
        )
        return visit.render(
            "agent.html",
            status=status,
            agent=agent,
            mode=agent.mode,
            estimate=estimate,
            is_short=0 < guest.wallet.available < Decimal(estimate.middle),
            projects=projects,
            models=self._models,
            runs=[self._row(each) for each in runs],
            errors=errors or {},
            values=values or {},
        )

    async def _start(self, visit: Visit) -> Response:
        agent = _agent(visit)
        given, files, errors = await self._read(visit, agent)
        model = str(visit.form.get("model") or self._models[0])
        if errors or model not in self._models:
            values = {**given, "model": model}
            return await self._agent_page(visit, agent, errors=errors, values=values, status=422)
        run = await self._runner.begin(
            visit.guest.account,
            visit.guest.member,
            agent.activity,
            model=model,
            locale=visit.locale,
            given=given,
            files=files,
        )
        return visit.redirect(f"/studio/runs/{run.id}")

    async def _show_run(self, visit: Visit) -> Response:
        run = await self._run(visit)
        thread = [run]
        if AGENTS[run.activity].is_chat:
            thread = [self._runner.seen(each) for each in await asyncio.to_thread(self._store.thread, run)]
        latest = thread[-1]
        calls = await self._ileen.calls(latest)
        return visit.render(
            "run.html",
            run=latest,
            thread=thread,
            agent=AGENTS[run.activity],
            mode=AGENTS[run.activity].mode,
            calls=calls,
            is_live=self._runner.is_live(latest),
        )

    async def _reply(self, visit: Visit) -> Response:
        """Take the next turn of a conversation."""
        run = await self._run(visit)
        agent = AGENTS[run.activity]
        given, _, errors = await self._read(visit, agent)
        if errors or not agent.is_chat:
            return visit.redirect(f"/studio/runs/{run.thread}")
        begun = await self._runner.begin(
            run.account, run.member, run.activity, model=run.model, locale=visit.locale, given=given, thread=run
        )
        return visit.redirect(f"/studio/runs/{begun.id}")

    async def _stop(self, visit: Visit) -> Response:
        run = await self._run(visit)
        await self._runner.halt(run)
        return visit.redirect(f"/studio/runs/{run.id}")

    async def _resume(self, visit: Visit) -> Response:
        run = await self._run(visit)
        await self._runner.resume(run)
        return visit.redirect(f"/studio/runs/{run.id}")

    async def _events(self, visit: Visit) -> Response:
        """Stream what becomes of a run as Server-Sent Events: all it has shown first, then what is new."""
        run = await self._run(visit)
        return visit.finish(StreamingResponse(_stream(visit, self._runner.follow(run)), media_type="text/event-stream"))

    # What pages need -------------------------------------------------------------------------------------------

    async def _run(self, visit: Visit) -> Run:
        """Return the run of this path as it is now. Raises: HTTPException, also for somebody else's (T2)."""
        guest = visit.guest
        run = await asyncio.to_thread(self._store.run, guest.account, guest.member, visit.part("id"))
        if run is None:
            raise HTTPException(404)
        return self._runner.seen(run)

    async def _read(self, visit: Visit, agent: Agent) -> tuple[dict[str, str], list[File], dict[str, str]]:
        """Read an agent's form: what was filled in, the files, and a sentence for each field that is wrong."""
        given: dict[str, str] = {}
        files: list[File] = []
        errors: dict[str, str] = {}
        for field in agent.fields:
            text = str(visit.form.get(field.name) or "").strip()
            try:
                if field.kind == "files":
                    files += await _files(field, text, visit.form.get(f"{field.name}_upload"))
                else:
                    given[field.name] = self._checked(visit, field, text)
            except InputInvalid as error:
                errors[field.name] = visit.text(error.key, **error.values)
                given[field.name] = text[: field.length_max]
        return given, files, errors

    def _checked(self, visit: Visit, field: Field, text: str) -> str:
        if not text and field.is_required:
            raise InputInvalid(field.name, "studio.error.missing")
        if len(text) > field.length_max:
            raise InputInvalid(field.name, "studio.error.long", count=field.length_max)
        allowed = self._store.projects(visit.guest.account) if field.kind == "project" else field.options
        if field.kind in {"choice", "name", "project"} and text not in allowed:
            raise InputInvalid(field.name, "studio.error.choice")
        return text

    def _row(self, run: Run) -> Run:
        return self._runner.seen(run)


def _mode(name: str) -> Mode:
    if name not in list(Mode):
        raise HTTPException(404)
    return Mode(name)


def _agent(visit: Visit) -> Agent:
    agent = AGENTS.get(visit.part("activity"))
    if agent is None or agent.mode != visit.part("mode"):
        raise HTTPException(404)
    return agent


async def _files(field: Field, pasted: str, upload: object) -> list[File]:
    """Return the files of a field: uploaded, pasted or both. Raises: InputInvalid."""
    if len(pasted) > field.length_max:
        raise InputInvalid(field.name, "studio.error.long", count=field.length_max)
    found = await asyncio.to_thread(read_pasted, pasted)
    if isinstance(upload, UploadFile) and upload.filename:
        found += await asyncio.to_thread(read_upload, upload.filename, await upload.read())
    if not found:
        raise InputInvalid(field.name, "studio.error.missing")
    return found


async def _stream(visit: Visit, updates: AsyncIterator[Update | None]) -> AsyncIterator[bytes]:
    async for update in updates:
        if update is None:
            yield b": still here\n\n"
        elif update.is_over:
            yield _event("over", {})
        elif update.meter is not None:
            yield _event("meter", {"html": visit.fragment("meter.html", meter=update.meter)})
        elif update.block is not None:
            yield _event("block", {"number": update.number, "html": _shown(visit, update.block)})
        else:
            yield _event("text", {"number": update.number, "text": update.text})


def _shown(visit: Visit, block: Block) -> str:
    return visit.fragment("block.html", block=block)


def _event(name: str, data: Mapping[str, object]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


async def _asset(request: Request) -> Response:
    found = frame.asset(request.path_params["digest"], request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    return found
