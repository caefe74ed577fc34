"""Develop: index code, ask it questions, better a prompt, work through a queue of tasks."""

import asyncio
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from ileen.studio.agents.index import cut, nearest
from ileen.studio.model import Agent, CallRefused, Field, InputInvalid, Mode
from ileen.studio.store import Chunk
from ileen.studio.work import Work, user

CHUNKS_MAX: Final = 2_000
"""Chunks of one project: a few hundred files, which a search compares in well under a second."""
_BATCH: Final = 64
_SHOWN: Final = 6
_SIDE_BY_SIDE: Final = 2
TASKS_MAX: Final = 20


async def codebase_indexing(work: Work) -> None:
    """Cut files into chunks, embed them in batches, keep the vectors. A paused run goes on with the next batch."""
    pieces = [piece for file in work.files() for piece in cut(file)]
    if not pieces:
        raise InputInvalid("files", "studio.error.no_text")
    if len(pieces) > CHUNKS_MAX:
        raise InputInvalid("files", "studio.error.too_many_chunks")
    facts = {"files": len({piece.path for piece in pieces}), "total": len(pieces), "done": 0}
    block = work.show("index", facts)
    chunks: list[Chunk] = []
    for start in range(0, len(pieces), _BATCH):
        batch = pieces[start : start + _BATCH]
        vectors = await work.embed([piece.shown for piece in batch])
        chunks += [Chunk(**msgspec.structs.asdict(p), vector=v) for p, v in zip(batch, vectors, strict=True)]
        work.change(block, {**facts, "done": len(chunks)})
    await asyncio.to_thread(work.store.keep_index, work.run.account, work.given["project"], chunks)


async def code_query(work: Work) -> None:
    """Find the chunks nearest to the question, answer from them alone, and name the files they are from."""
    chunks = await asyncio.to_thread(work.store.index, work.run.account, work.given["project"])
    if not chunks:
        raise InputInvalid("project", "studio.error.no_index")
    [question] = await work.embed([work.given["question"]])
    found = await asyncio.to_thread(nearest, chunks, question, count=_SHOWN)
    excerpts = "\n\n".join(f"[{each.path}:{each.first}-{each.last}]\n{each.text}" for each in found)
    system = (
        "Answer the question about a code base from the excerpts alone, and say so if they do not tell. Name the place "
        "of each thing you say as it stands in brackets above its excerpt."
    )
    await work.say(system, user(f"{work.given['question']}\n\n{excerpts}"))
    work.show("references", [{"path": each.path, "first": each.first, "last": each.last} for each in found])


class Critique(Struct, forbid_unknown_fields=True):
    """What keeps a prompt from working."""

    problems: Annotated[list[str], Meta(min_length=2, max_length=6)]


async def prompt_engineer(work: Work) -> None:
    """Better a prompt: first what is wrong with it, then a version without these faults, then that version tried."""
    prompt, goal = work.given["prompt"], work.given["goal"]
    task = f"The goal: {goal}\n\nThe prompt:\n{prompt}"
    found = await work.fill(Critique, "Name what keeps the prompt from reaching its goal.", user(task))
    work.show("list", {"title": "studio.section.problems", "items": found.problems})
    work.show("heading", "studio.section.prompt")
    faults = "\n".join(f"- {each}" for each in found.problems)
    better = await work.say(
        "Rewrite the prompt without these faults. Give the prompt alone.", user(f"{task}\n\n{faults}")
    )
    work.show("heading", "studio.section.trial")
    await work.say("Do what the prompt asks, briefly.", user(better))


async def task_queue_execution(work: Work) -> None:
    """Work through a list of tasks, two side by side. Each is a run of its own to Ileen, with this one as parent."""
    tasks = [line.strip(" -*\t") for line in work.given["tasks"].splitlines() if line.strip(" -*\t")][:TASKS_MAX]
    rows = [{"task": task, "state": "waiting", "answer": ""} for task in tasks]
    block, free = work.show("queue", rows), asyncio.Semaphore(_SIDE_BY_SIDE)
    failures: list[CallRefused] = []

    async def do(number: int, task: str) -> None:
        async with free:
            if failures:
                return
            rows[number - 1]["state"] = "running"
            work.change(block, rows)
            system = "Do the task and give its result alone, in a few sentences."
            try:
                rows[number - 1]["answer"] = await work.split(number).say(system, user(task), shown=False)
            except CallRefused as error:
                failures.append(error)
            rows[number - 1]["state"] = "done" if rows[number - 1]["answer"] else "waiting"
            work.change(block, rows)

    # A queue that is refused pauses as a whole, but what is under way beside it is paid for and finishes first.
    await asyncio.gather(*(do(number, task) for number, task in enumerate(tasks, 1)))
    if failures:
        raise failures[0]


AGENTS: Final = (
    Agent(
        mode=Mode.DEVELOP,
        activity="codebase_indexing",
        fields=(
            Field(name="project", kind="line", length_max=60),
            Field(name="files", kind="files", length_max=500_000),
        ),
        work=codebase_indexing,
        has_model=False,
    ),
    Agent(
        mode=Mode.DEVELOP,
        activity="code_query",
        fields=(Field(name="project", kind="project"), Field(name="question", length_max=2_000)),
        work=code_query,
    ),
    Agent(
        mode=Mode.DEVELOP,
        activity="prompt_engineer",
        fields=(Field(name="goal", kind="line", length_max=300), Field(name="prompt")),
        work=prompt_engineer,
    ),
    Agent(
        mode=Mode.DEVELOP,
        activity="task_queue_execution",
        fields=(Field(name="tasks"),),
        work=task_queue_execution,
    ),
)
