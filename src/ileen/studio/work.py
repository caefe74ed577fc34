"""What an agent works with: its input, its models, and the page its answer appears on.

Owns: `Work`, the whole of what an agent sees. Refuses to know: HTTP, runs that are not its own, credits.
S3 lives here: each call of a model is a step with a name. The result of a step is kept before the agent sees it, and
an agent that starts again after a pause gets the results of its steps back without a call, then goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from ileen.base.clock import Instant
from ileen.studio.clients import Answer, Model, Tool
from ileen.studio.model import Block, File, Run, Turn
from ileen.studio.store import Store

T = TypeVar("T")

ROUNDS_MAX: Final = 6
"""How often in a row a model may ask for tools before its answer is taken as it is."""
_LANGUAGES: Final = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian"}


class Desk(Protocol):
    """What a run is carried out at; see `runner`."""

    async def model(self, run: Run, *, part: int) -> Model:
        """Return the model of a run; a part of it is attributed to the run as a run of its own."""
        ...

    async def embed(self, run: Run, texts: Sequence[str]) -> list[list[float]]:
        """Return embeddings of texts. Raises: CallRefused."""
        ...

    def now(self) -> Instant:
        """Return the present instant."""
        ...

    def changed(self, run: Run) -> None:
        """Have whoever looks at the run see what has become of it."""
        ...


class Work:
    """One run, as its agent sees it. Answers are written into the run's blocks as they come."""

    def __init__(self, run: Run, *, desk: Desk, store: Store, turns: Sequence[Turn] = (), part: int = 0) -> None:
        self.run, self.given, self.turns = run, run.given, turns
        self.store = store
        self._desk, self._part = desk, part
        self._number = 0

    @property
    def language(self) -> str:
        """The sentence that has a model answer in the person's language."""
        return f"Answer in {_LANGUAGES[self.run.locale]}."

    def files(self) -> list[File]:
        """Return the files the person gave."""
        return self.store.step(self.run.id, "files", list[File]) or []

    def now(self) -> Instant:
        """Return the present instant."""
        return self._desk.now()

    # What it shows -------------------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Add words to the answer."""
        blocks = self.run.blocks
        if not blocks or blocks[-1].kind != "text":
            blocks.append(Block(kind="text", value=""))
        blocks[-1].value += text
        self._desk.changed(self.run)

    def show(self, kind: str, value: object) -> Block:
        """Add something a template of that name shows; it may be changed later with `change`."""
        block = Block(kind=kind, value=msgspec.to_builtins(value))
        self.run.blocks.append(block)
        self._desk.changed(self.run)
        return block

    def change(self, block: Block, value: object) -> None:
        """Show a block anew."""
        block.value = msgspec.to_builtins(value)
        self._desk.changed(self.run)

    # What it asks of models ----------------------------------------------------------------------------------

    async def say(self, system: str, *turns: Turn, shown: bool = True) -> str:
        """Have a model answer in words, and show them as they come. Raises: CallRefused."""
        name = self._next("say")
        known = await asyncio.to_thread(self.store.step, self.run.id, name, str)
        if known is not None:
            if shown:
                self.write(known)
            return known
        model, pieces = await self._model(), list[str]()
        async for piece in model.stream(f"{system} {self.language}", turns):
            pieces.append(piece)
            if shown:
                self.write(piece)
        said = "".join(pieces)
        await asyncio.to_thread(self.store.keep_step, self.run.id, name, said)
        return said

    async def fill(self, form: type[T], system: str, *turns: Turn) -> T:
        """Have a model fill in a form (structured output). Raises: CallRefused, msgspec.ValidationError."""

        async def ask() -> str:
            return await (await self._model()).fill(f"{system} {self.language}", turns, schema=_schema(form))

        return msgspec.json.decode(await self._once("fill", str, ask), type=form)

    async def use(
        self, tools: Sequence[Tool], run_tool: Callable[[str, dict[str, Any]], str], system: str, *turns: Turn
    ) -> str:
        """Have a model answer with the help of tools; each call of one is shown. Raises: CallRefused."""
        messages: list[Any] = list(turns)
        model = await self._model()

        async def ask() -> Answer:
            return await model.answer(f"{system} {self.language}", messages, tools=tools)

        answer = await self._once("use", Answer, ask)
        for _ in range(ROUNDS_MAX):
            if not answer.calls:
                break
            results = await self._run_tools(answer, run_tool)
            for call, result in zip(answer.calls, results, strict=True):
                self.show("tool", {"name": call.name, "arguments": call.arguments, "result": result})
            messages += model.results(answer, results)
            answer = await self._once("use", Answer, ask)
        self.write(answer.text)
        return answer.text

    async def _run_tools(self, answer: Answer, run_tool: Callable[[str, dict[str, Any]], str]) -> list[str]:
        """Run what the model asks for, once: a run that is resumed does not deploy again."""

        async def run() -> list[str]:
            return [await asyncio.to_thread(run_tool, call.name, call.arguments) for call in answer.calls]

        return await self._once("tools", list[str], run)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return the embeddings of some texts, in their order. Raises: CallRefused."""

        async def ask() -> list[list[float]]:
            return await self._desk.embed(self.run, texts)

        return await self._once("embed", list[list[float]], ask)

    def split(self, number: int) -> "Work":
        """Return the work on part `number` (from 1) of this run: a child run to Ileen, with steps of its own."""
        self.run.parts = max(self.run.parts, number)
        return Work(self.run, desk=self._desk, store=self.store, part=number)

    # Steps ---------------------------------------------------------------------------------------------------

    async def _once(self, kind: str, type_: type[T], ask: Callable[[], Awaitable[T]]) -> T:
        """Return a step's result: what is kept of it, else what it comes to now, which is kept first."""
        name = self._next(kind)
        known = await asyncio.to_thread(self.store.step, self.run.id, name, type_)
        if known is None:
            known = await ask()
            await asyncio.to_thread(self.store.keep_step, self.run.id, name, known)
        return known

    def _next(self, kind: str) -> str:
        self._number += 1
        return f"{self._part}.{self._number} {kind}"

    async def _model(self) -> Model:
        return await self._desk.model(self.run, part=self._part)


def user(content: str) -> Turn:
    """Return what the person says."""
    return Turn("user", content)


def _schema(form: type[Any]) -> dict[str, Any]:
    """Return a form's JSON schema with its own object at the top, as providers ask for it."""
    schema = msgspec.json.schema(form)
    parts: dict[str, Any] = dict(schema.get("$defs", {}))
    own = parts.pop(form.__name__)
    return {**own, "$defs": parts} if parts else own
