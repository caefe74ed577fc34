"""The vocabulary of the studio: agents and their forms, runs and what is in them.

Owns: the frozen types. Refuses to know: how runs are kept, carried out or shown.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NewType

from msgspec import Struct

from ileen.base.clock import Instant
from ileen.base.ids import AccountId

if TYPE_CHECKING:
    from ileen.studio.work import Work

RunId = NewType("RunId", str)
"""`run_…`, one agent's piece of work; it is also the run that calls are attributed to."""


class Mode(StrEnum):
    """What people do in the studio; the values are the modes of the rate card."""

    DESIGN = "design"
    DEVELOP = "develop"
    CONTENT = "content"
    DEPLOY = "deploy"


class Field(Struct, frozen=True, kw_only=True):
    """One thing an agent asks for. Its words are in the catalogue, under its name.

    A `choice` is of options with words in the catalogue, a `name` of options that are names already.
    """

    name: str
    kind: Literal["line", "text", "choice", "name", "project", "files"] = "text"
    options: tuple[str, ...] = ()
    is_required: bool = True
    length_max: int = 20_000


class Agent(Struct, frozen=True, kw_only=True):
    """An agent: where it belongs, what it asks for, and the function that is its work.

    One that does not answer (`has_model` is false) only embeds, so there is no model to choose.
    """

    mode: Mode
    activity: str
    fields: tuple[Field, ...]
    work: Callable[["Work"], Awaitable[None]]
    is_chat: bool = False
    has_model: bool = True


class RunState(StrEnum):
    """`running` until it is `done`, `stopped` by its person, `paused` for want of credits, or `failed`."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"


class Block(Struct, kw_only=True):
    """A part of an answer: words (`text`), or a value that a template of that name shows."""

    kind: str
    value: Any = ""


class Meter(Struct, frozen=True, kw_only=True):
    """What a run came to so far. `charge` and `held` are decimal strings of credits; held is for calls under way."""

    calls: int = 0
    tokens: int = 0
    charge: str = "0.00"
    held: str = "0.00"


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a call was not made or not answered: a stable code, a sentence, and the amounts that came with it."""

    code: str
    detail: str = ""
    needed: str | None = None
    available: str | None = None


class Run(Struct, kw_only=True):
    """One run. `given` is what the person filled in; `thread` is the first run of its conversation."""

    id: RunId
    account: AccountId
    member: str
    activity: str
    model: str
    locale: str
    thread: RunId
    given: Mapping[str, str]
    state: RunState
    created_at: Instant
    updated_at: Instant
    blocks: list[Block] = []
    meter: Meter = Meter()
    parts: int = 0
    refusal: Refusal | None = None

    @property
    def names(self) -> list[str]:
        """The names its calls are attributed to: its own, and one for each part it was split into."""
        return [self.id, *(f"{self.id}.{number}" for number in range(1, self.parts + 1))]


class Turn(Struct, frozen=True):
    """Something said in a conversation, by the `user` or by the `assistant`."""

    role: Literal["user", "assistant"]
    content: str


class File(Struct, frozen=True):
    """A text file that was uploaded or pasted."""

    path: str
    text: str


class CallRefused(Exception):  # it says what happened
    """A call of a model that was refused or failed; nothing was charged for it."""

    def __init__(self, refusal: Refusal, *, status: int) -> None:
        self.refusal = refusal
        self.is_unpaid = status == 402
        super().__init__(refusal.detail)


class InputInvalid(Exception):  # it says what happened
    """What a person filled in cannot be used; `key` is a sentence of the catalogue, for the field `name`."""

    def __init__(self, name: str, key: str, **values: object) -> None:
        self.name, self.key, self.values = name, key, values
        super().__init__(key)
