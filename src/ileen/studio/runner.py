"""Runs under way: started, followed, stopped, paused for want of credits and resumed when there are some.

Owns: one task per run of this process, and the watch over paused ones. Refuses to know: what agents do, and pages.
R1  a run ends in exactly one state, and what it shows at its end is kept.
R2  a run that was cut off by the end of the process is told apart from one under way by its age, and can be resumed.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct

from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.ids import AccountId, Ids
from ileen.client import IleenApiError
from ileen.studio.agents import AGENTS
from ileen.studio.clients import Clients, Model
from ileen.studio.ileen import Ileen
from ileen.studio.model import Block, CallRefused, File, InputInvalid, Meter, Refusal, Run, RunId, RunState, Turn
from ileen.studio.store import Store
from ileen.studio.work import Work

KEPT_EVERY_S: Final = 1
"""How often a run under way is written down, and its meter read."""
_CUT_OFF_US: Final = 15 * SECOND
"""A run that was not written down for so long has no process any more."""
_WATCH_EVERY_S: Final = 2
"""How soon a paused run notices that its account has credits again."""
_SETTLED_WITHIN_S: Final = 10
"""How long the end of a run waits for its last call to be charged, which for a stopped one takes until its answer."""
_QUIET_S: Final = 10
_log = structlog.get_logger()


class Update(Struct, frozen=True, kw_only=True):
    """Something new about a run: a block to show anew, words to add to one, its meter, or that its state changed."""

    number: int = -1
    block: Block | None = None
    text: str = ""
    meter: Meter | None = None
    is_over: bool = False


class _Live:
    """A run under way in this process."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.task: asyncio.Task[None] | None = None
        self.is_stopped = False
        self.change = asyncio.Event()
        self.ended = asyncio.Event()


class Runner:
    """The runs of this process. For one event loop; `start` and `stop` it there."""

    def __init__(self, store: Store, ileen: Ileen, clients: Clients, *, embedder: str, clock: Clock, ids: Ids) -> None:
        self._store, self._ileen, self._clients, self._embedder = store, ileen, clients, embedder
        self._clock, self._ids = clock, ids
        self._live: dict[RunId, _Live] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch over paused runs."""
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Cut off what is under way; it can be resumed."""
        tasks = [live.task for live in self._live.values() if live.task] + ([self._watcher] if self._watcher else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What people do ------------------------------------------------------------------------------------------

    async def begin(
        self,
        account: AccountId,
        member: str,
        activity: str,
        *,
        model: str,
        locale: str,
        given: Mapping[str, str],
        files: Sequence[File] = (),
        thread: Run | None = None,
    ) -> Run:
        """Start a run, as the next turn of a conversation if `thread` is one."""
        now, run_id = self._clock.now(), RunId(self._ids.mint("run"))
        run = Run(
            id=run_id,
            account=account,
            member=member,
            activity=activity,
            model=model,
            locale=locale,
            thread=thread.thread if thread else run_id,
            given=dict(given),
            state=RunState.RUNNING,
            created_at=now,
            updated_at=now,
        )
        await asyncio.to_thread(self._store.add, run)
        if files:
            await asyncio.to_thread(self._store.keep_step, run.id, "files", list(files))
        self._launch(run)
        return run

    async def resume(self, run: Run) -> bool:
        """Have a run that stands go on; tell whether it does. What it has shown is shown again from its steps."""
        if run.state in {RunState.RUNNING, RunState.DONE} or run.id in self._live:
            return False
        if not await asyncio.to_thread(self._store.claim, run, at=self._clock.now()):
            return False
        run.blocks = []
        self._launch(run)
        return True

    async def halt(self, run: Run) -> None:
        """Stop a run. The call under way is still answered and charged, as the gateway's policy says."""
        live = self._live.get(run.id)
        if live is not None and live.task is not None:
            live.is_stopped = True
            if live.run.state is RunState.RUNNING:
                live.task.cancel()
            await live.ended.wait()
        elif run.state is RunState.PAUSED:
            run.state, run.updated_at = RunState.STOPPED, self._clock.now()
            await asyncio.to_thread(self._store.keep, run)

    def seen(self, run: Run) -> Run:
        """Return a run as it is now: its latest words if it is under way here, cut off if it is so nowhere."""
        live = self._live.get(run.id)
        if live is not None:
            return live.run
        if run.state is RunState.RUNNING and self._clock.now() - run.updated_at > _CUT_OFF_US:
            run.state, run.refusal = RunState.STOPPED, Refusal(code="cut_off")
        return run

    def is_live(self, run: Run) -> bool:
        """Tell whether a run is under way in this process, or its last call not charged yet."""
        return run.id in self._live

    async def follow(self, run: Run) -> AsyncIterator[Update | None]:
        """Yield what becomes of a run, all it has shown first; None now and then, to keep the line open."""
        live = self._live.get(run.id)
        if live is None:
            async for update in self._await_change(run):
                yield update
            return
        sent: list[Block] = []
        meter: Meter | None = None
        while True:
            live.change.clear()
            for update in _news(sent, live.run.blocks):
                yield update
            if meter is None or live.run.meter != meter:
                meter = live.run.meter
                yield Update(meter=meter)
            if run.id not in self._live:
                yield Update(is_over=True)
                return
            try:
                await asyncio.wait_for(live.change.wait(), _QUIET_S)
            except TimeoutError:
                yield None

    async def _await_change(self, run: Run) -> AsyncIterator[Update | None]:
        """Wait until a run that stands, or is under way in another process, has changed."""
        before = (run.state, run.updated_at)
        for second in range(3600):
            if second % _QUIET_S == 0:
                yield None
            await asyncio.sleep(1)
            now = await asyncio.to_thread(self._store.run, run.account, run.member, run.id)
            if now is None or (now.state, now.updated_at) != before or run.id in self._live:
                yield Update(is_over=True)
                return

    # What agents use (`work.Desk`) -----------------------------------------------------------------------------

    async def model(self, run: Run, *, part: int) -> Model:
        """Return the model of a run, to be called with the account's key and this run's attribution."""
        secret = await self._ileen.secret(run.account, by=run.member)
        return await self._clients.model(run.model, secret=secret, headers=_attribution(run, part))

    async def embed(self, run: Run, texts: Sequence[str]) -> list[list[float]]:
        """Return embeddings of texts. Raises: CallRefused."""
        secret = await self._ileen.secret(run.account, by=run.member)
        return await self._clients.embed(self._embedder, texts, secret=secret, headers=_attribution(run, 0))

    def now(self) -> Instant:
        """Return the present instant."""
        return self._clock.now()

    def changed(self, run: Run) -> None:
        """Wake who follows a run."""
        if (live := self._live.get(run.id)) is not None:
            live.change.set()

    # How a run goes --------------------------------------------------------------------------------------------

    def _launch(self, run: Run) -> None:
        live = self._live[run.id] = _Live(run)
        live.task = asyncio.create_task(self._carry_out(live))

    async def _carry_out(self, live: _Live) -> None:
        run = live.run
        keeping = asyncio.create_task(self._keep_often(live))
        try:
            thread = await asyncio.to_thread(self._store.thread, run)
            work = Work(run, desk=self, store=self._store, turns=_turns(thread, before=run))
            await AGENTS[run.activity].work(work)
            state = RunState.DONE
        except CallRefused as error:
            run.refusal = error.refusal
            state = RunState.PAUSED if error.is_unpaid else RunState.FAILED
        except InputInvalid as error:
            run.refusal, state = Refusal(code=error.key), RunState.FAILED
        except asyncio.CancelledError:
            if not live.is_stopped:
                raise
            state = RunState.STOPPED
        except Exception:  # noqa: BLE001  # whatever an agent stumbles over, its run ends and says so (R1)
            _log.exception("studio.run.failed", run=run.id, activity=run.activity)
            run.refusal, state = Refusal(code="internal"), RunState.FAILED
        finally:
            live.ended.set()
            await keeping
        await self._finish(run, state)
        live.change.set()

    async def _finish(self, run: Run, state: RunState) -> None:
        """End a run and keep it (R1), then follow its meter until what it did is charged."""
        run.state, run.updated_at = state, self._clock.now()
        await asyncio.to_thread(self._store.keep, run)
        self.changed(run)
        for _ in range(_SETTLED_WITHIN_S * 4):
            await self._read_meter(run)
            self.changed(run)
            if run.meter.held == "0":
                break
            await asyncio.sleep(0.25)
        await asyncio.to_thread(self._store.keep, run)
        self._live.pop(run.id, None)

    async def _keep_often(self, live: _Live) -> None:
        while True:
            try:
                await asyncio.wait_for(live.ended.wait(), KEPT_EVERY_S)
            except TimeoutError:
                await self._read_meter(live.run)
                live.run.updated_at = self._clock.now()
                await asyncio.to_thread(self._store.keep, live.run)
                live.change.set()
            else:
                return

    async def _read_meter(self, run: Run) -> None:
        try:
            run.meter = await self._ileen.meter(run)
        except IleenApiError as error:
            _log.warning("studio.meter.unread", run=run.id, code=error.code)

    async def _watch(self) -> None:
        """Resume what waits for credits, once its account has them."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            try:
                waiting = await asyncio.to_thread(self._store.paused, now=self._clock.now())
                for run in waiting:
                    if await self._is_affordable(run):
                        await self.resume(run)
            except Exception:  # noqa: BLE001  # one run that cannot be read must not end the watch over all others
                _log.exception("studio.watch.failed")

    async def _is_affordable(self, run: Run) -> bool:
        """Tell whether the call that was refused for want of credits would pass now. A cap is nobody's wait."""
        refusal = run.refusal
        if refusal is None or refusal.code not in {"insufficient_credits", "gate_closed"}:
            return False
        try:
            if refusal.code == "gate_closed":
                return await self._ileen.is_open(run.account, by=run.member)
            wallet = await self._ileen.wallet(run.account, by=run.member)
        except IleenApiError:
            return False
        return wallet.available >= Decimal(refusal.needed or "0.01")


def _attribution(run: Run, part: int) -> dict[str, str]:
    """Return the headers that say what a call is for (S1)."""
    named = {"Ileen-Mode": AGENTS[run.activity].mode.value, "Ileen-Activity": run.activity}
    if part:
        return {**named, "Ileen-Run": f"{run.id}.{part}", "Ileen-Parent-Run": run.id}
    return {**named, "Ileen-Run": run.id}


def _turns(thread: Sequence[Run], *, before: Run) -> list[Turn]:
    """Return what was said in a conversation before this run; turns without an answer count as not said."""
    said: list[Turn] = []
    for run in thread:
        answer = words_of(run)
        if run.id < before.id and answer and "message" in run.given:
            said += [Turn("user", run.given["message"]), Turn("assistant", answer)]
    return said


def words_of(run: Run) -> str:
    """Return the words of a run's answer."""
    return "\n\n".join(block.value for block in run.blocks if block.kind == "text")


def _news(sent: list[Block], blocks: Sequence[Block]) -> list[Update]:
    """Return what has changed since `sent`, and have `sent` catch up."""
    found: list[Update] = []
    for number, block in enumerate(blocks):
        known = sent[number] if number < len(sent) else None
        if known is None:
            sent.append(Block(kind=block.kind, value=block.value))
            found.append(Update(number=number, block=block))
        elif block.kind == "text" and len(block.value) > len(known.value):
            found.append(Update(number=number, text=block.value[len(known.value) :]))
            known.value = block.value
        elif block.value != known.value:
            known.value = block.value
            found.append(Update(number=number, block=block))
    return found
