"""Models, called through Ileen's gateway with the official clients: only the base URL and the key are Ileen's.

Owns: the two clients of the process, and what the agents need of both protocols as one small interface.
Refuses to know: agents, runs, and what a call costs. A model whose name starts with `claude` is called with the
Anthropic client, every other one with the OpenAI client.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import msgspec
from msgspec import Struct

from ileen.studio.model import CallRefused, Refusal, Turn

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

ANSWER_TOKENS: Final = 4_000
"""The most tokens an answer of an agent takes; credits for them are held while it is written."""
DIMENSIONS: Final = 256
"""Numbers in an embedding: enough to tell chunks of code apart, and four times smaller than by default."""
_PACE: Final = {"Ileen-Sandbox-Fault": "pace-15"}
"""Has the offline provider stream at about the pace of a real one. No other provider ever sees this header."""


class Tool(Struct, frozen=True, kw_only=True):
    """A function a model may call: its name, what it is for, and the JSON schema of its arguments."""

    name: str
    about: str
    parameters: Mapping[str, Any]


class ToolCall(Struct, frozen=True, kw_only=True):
    """A call of a tool that a model asks for."""

    id: str
    name: str
    arguments: dict[str, Any]


class Answer(Struct, frozen=True, kw_only=True):
    """A whole answer: its words, the tools it asks for, and the messages to go on with once they have run."""

    text: str
    calls: list[ToolCall] = []
    messages: list[Any] = []


class Model(Protocol):
    """A model of either protocol. `messages` are turns, or what an `Answer` says to go on with."""

    def stream(self, system: str, messages: Sequence[Any]) -> AsyncIterator[str]:
        """Yield the words of an answer as they come. Raises: CallRefused."""
        ...

    async def fill(self, system: str, messages: Sequence[Any], *, schema: Mapping[str, Any]) -> str:
        """Return an answer that is JSON of this schema. Raises: CallRefused."""
        ...

    async def answer(self, system: str, messages: Sequence[Any], *, tools: Sequence[Tool]) -> Answer:
        """Return an answer, or the tools to be called before there is one. Raises: CallRefused."""
        ...

    def results(self, answer: Answer, results: Sequence[str]) -> list[Any]:
        """Return the messages that tell the model what its tools found."""
        ...


class Clients:
    """The official clients of this process, made when the first run needs them: importing them takes seconds."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._openai: AsyncOpenAI | None = None
        self._anthropic: AsyncAnthropic | None = None
        self._making = asyncio.Lock()

    async def model(self, name: str, *, secret: str, headers: Mapping[str, str]) -> Model:
        """Return a model to be called with a key and the attribution of a run."""
        given = {**_PACE, **headers}
        if name.startswith("claude"):
            async with self._making:
                self._anthropic = self._anthropic or await asyncio.to_thread(_open_anthropic, self._origin)
            return _Claude(self._anthropic.with_options(api_key=secret, default_headers=given), name)
        return _Gpt((await self._ensured_openai()).with_options(api_key=secret, default_headers=given), name)

    async def embed(
        self, model: str, texts: Sequence[str], *, secret: str, headers: Mapping[str, str]
    ) -> list[list[float]]:
        """Return the embeddings of some texts, in their order. Raises: CallRefused."""
        client = (await self._ensured_openai()).with_options(api_key=secret, default_headers=dict(headers))
        with _telling():
            answer = await client.embeddings.create(model=model, input=list(texts), dimensions=DIMENSIONS)
        return [each.embedding for each in answer.data]

    async def _ensured_openai(self) -> "AsyncOpenAI":
        async with self._making:
            self._openai = self._openai or await asyncio.to_thread(_open_openai, self._origin)
        return self._openai

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._openai, self._anthropic):
            if client is not None:
                await client.close()


class _Gpt:
    """A model behind `/openai/v1`."""

    def __init__(self, client: "AsyncOpenAI", name: str) -> None:
        self._client, self._name = client, name

    async def stream(self, system: str, messages: Sequence[Any]) -> AsyncIterator[str]:
        with _telling():
            chunks = await self._client.chat.completions.create(
                model=self._name,
                messages=_with_system(system, messages),
                max_completion_tokens=ANSWER_TOKENS,
                stream=True,
            )
            async with chunks:
                async for chunk in chunks:
                    if chunk.choices and chunk.choices[0].delta.content:
                        yield chunk.choices[0].delta.content

    async def fill(self, system: str, messages: Sequence[Any], *, schema: Mapping[str, Any]) -> str:
        with _telling():
            answer = await self._client.chat.completions.create(
                model=self._name,
                messages=_with_system(system, messages),
                max_completion_tokens=ANSWER_TOKENS,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
                },
            )
        return answer.choices[0].message.content or ""

    async def answer(self, system: str, messages: Sequence[Any], *, tools: Sequence[Tool]) -> Answer:
        offered: Any = [
            {"type": "function", "function": {"name": t.name, "description": t.about, "parameters": t.parameters}}
            for t in tools
        ]
        with _telling():
            answer = await self._client.chat.completions.create(
                model=self._name,
                messages=_with_system(system, messages),
                max_completion_tokens=ANSWER_TOKENS,
                tools=offered,
            )
        message = answer.choices[0].message
        calls = [
            ToolCall(id=call.id, name=call.function.name, arguments=_arguments(call.function.arguments))
            for call in message.tool_calls or []
            if call.type == "function"
        ]
        return Answer(text=message.content or "", calls=calls, messages=[message.model_dump(exclude_none=True)])

    def results(self, answer: Answer, results: Sequence[str]) -> list[Any]:
        return [
            *answer.messages,
            *(
                {"role": "tool", "tool_call_id": call.id, "content": found}
                for call, found in zip(answer.calls, results, strict=True)
            ),
        ]


class _Claude:
    """A model behind `/anthropic`."""

    def __init__(self, client: "AsyncAnthropic", name: str) -> None:
        self._client, self._name = client, name

    async def stream(self, system: str, messages: Sequence[Any]) -> AsyncIterator[str]:
        with _telling():
            async with self._client.messages.stream(
                model=self._name, system=system, messages=_plain(messages), max_tokens=ANSWER_TOKENS
            ) as answer:
                async for text in answer.text_stream:
                    yield text

    async def fill(self, system: str, messages: Sequence[Any], *, schema: Mapping[str, Any]) -> str:
        with _telling():
            answer = await self._client.messages.create(
                model=self._name,
                system=system,
                messages=_plain(messages),
                max_tokens=ANSWER_TOKENS,
                tools=[{"name": "answer", "description": "Give your answer.", "input_schema": dict(schema)}],
                tool_choice={"type": "tool", "name": "answer"},
            )
        return next((msgspec.json.encode(b.input).decode() for b in answer.content if b.type == "tool_use"), "")

    async def answer(self, system: str, messages: Sequence[Any], *, tools: Sequence[Tool]) -> Answer:
        offered: Any = [{"name": t.name, "description": t.about, "input_schema": t.parameters} for t in tools]
        with _telling():
            answer = await self._client.messages.create(
                model=self._name,
                system=system,
                messages=_plain(messages),
                max_tokens=ANSWER_TOKENS,
                tools=offered,
            )
        text = "".join(block.text for block in answer.content if block.type == "text")
        calls = [
            ToolCall(id=block.id, name=block.name, arguments=cast("dict[str, Any]", block.input))
            for block in answer.content
            if block.type == "tool_use"
        ]
        said = [block.model_dump(exclude_none=True) for block in answer.content]
        return Answer(text=text, calls=calls, messages=[{"role": "assistant", "content": said}])

    def results(self, answer: Answer, results: Sequence[str]) -> list[Any]:
        found = [
            {"type": "tool_result", "tool_use_id": call.id, "content": each}
            for call, each in zip(answer.calls, results, strict=True)
        ]
        return [*answer.messages, {"role": "user", "content": found}]


def _open_openai(origin: str) -> "AsyncOpenAI":
    from openai import AsyncOpenAI  # noqa: PLC0415  # see Clients

    return AsyncOpenAI(base_url=f"{origin}/openai/v1", api_key="-")


def _open_anthropic(origin: str) -> "AsyncAnthropic":
    from anthropic import AsyncAnthropic  # noqa: PLC0415  # see Clients

    return AsyncAnthropic(base_url=f"{origin}/anthropic", api_key="-")


def _with_system(system: str, messages: Sequence[Any]) -> Any:
    return [{"role": "system", "content": system}, *_plain(messages)]


def _plain(messages: Sequence[Any]) -> Any:
    return [msgspec.to_builtins(each) if isinstance(each, Turn) else each for each in messages]


def _arguments(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


@contextmanager
def _telling() -> Generator[None]:
    """Have a refusal of either client told in one way. Raises: CallRefused."""
    try:
        yield
    except Exception as error:
        status: object = getattr(error, "status_code", None)
        module = type(error).__module__.partition(".")[0]
        if module not in {"openai", "anthropic"}:
            raise
        raise CallRefused(_refusal(error), status=status if isinstance(status, int) else 0) from error


def _refusal(error: Exception) -> Refusal:
    """Read what the gateway said: its code and amounts are in the error object of either protocol."""
    body: object = getattr(error, "body", None)
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    fields = cast("dict[str, Any]", fields["error"]) if isinstance(fields.get("error"), dict) else fields
    known = {name: str(fields[name]) for name in ("needed", "available") if fields.get(name) is not None}
    code = fields.get("code") or fields.get("type") or "unreachable"
    return Refusal(code=str(code), detail=str(fields.get("message") or error)[:500], **known)
