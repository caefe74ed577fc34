"""Design: from an idea to what is to be built. Architect chat, plan, architecture, milestones with tasks."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from ileen.studio.model import Agent, Field, Mode
from ileen.studio.work import Work, user

_ARCHITECT: Final = (
    "You are a software architect who thinks along with a team. Ask when something decisive is not known, name the "
    "trade-offs of what you propose, and keep to what was asked. Write plain paragraphs."
)
_SECTIONS: Final = (
    ("context", "the context: who uses it, what it talks to, and which qualities matter most"),
    ("components", "the components: what each is responsible for and what it must not know"),
    ("data", "the data: what is kept where, which part is the truth, and how it changes"),
    ("risks", "the three greatest risks, each with the cheapest way to find out early"),
)


async def architect_chat(work: Work) -> None:
    """Talk an architecture through, turn by turn: the model is sent all that was said before."""
    await work.say(_ARCHITECT, *work.turns, user(work.given["message"]))


class Outline(Struct, forbid_unknown_fields=True):
    """The steps of a plan, before they are written out."""

    steps: Annotated[list[Annotated[str, Meta(description="At most 80 characters.")]], Meta(min_length=3, max_length=7)]


async def plan_generation(work: Work) -> None:
    """Make a plan in two steps: its outline as structured output, then each step in words."""
    goal = user(f"The goal:\n{work.given['goal']}\n\nWhat limits us:\n{work.given.get('constraints') or 'Nothing.'}")
    outline = await work.fill(Outline, "Break the goal into the steps that lead there, in their order.", goal)
    for number, step in enumerate(outline.steps, 1):
        work.write(f"{number}. {step}\n")
        request = user(f"{goal.content}\n\nThe plan: {'; '.join(outline.steps)}\n\nDescribe step {number}: {step}")
        await work.say(
            "Describe this one step of a plan: what to do, and how to see that it is done. Be brief.", request
        )
        work.write("\n\n")


async def tech_leader_architecture(work: Work) -> None:
    """Write an architecture, one call for each of its sections; each knows the sections before it."""
    written = f"The requirements:\n{work.given['requirements']}"
    for name, about in _SECTIONS:
        work.show("heading", f"studio.section.{name}")
        written += "\n\n" + await work.say(
            f"You lead a team technically and write its architecture. Write {about}. Be concrete.", user(written)
        )


class Task(Struct, forbid_unknown_fields=True):
    """Something one person can finish in a few days."""

    title: Annotated[str, Meta(description="At most 80 characters.")]
    done_when: Annotated[str, Meta(description="At most 200 characters.")]
    days: Annotated[int, Meta(ge=1, le=10)]


class Milestone(Struct, forbid_unknown_fields=True):
    """A state of the product that somebody outside the team can see."""

    name: Annotated[str, Meta(description="At most 60 characters.")]
    tasks: Annotated[list[Task], Meta(min_length=2)]


class Milestones(Struct, forbid_unknown_fields=True):
    """The milestones in their order."""

    milestones: Annotated[list[Milestone], Meta(min_length=2)]


async def milestone_and_task_generation(work: Work) -> None:
    """Turn a plan into milestones and tasks as structured output: the schema is that of the classes above."""
    system = (
        "Turn the plan into milestones that somebody outside the team can see, and each into tasks of at most ten "
        "days. Say for each task how one sees that it is done."
    )
    filled = await work.fill(Milestones, system, user(work.given["plan"]))
    work.show("milestones", filled.milestones)


AGENTS: Final = (
    Agent(
        mode=Mode.DESIGN,
        activity="architect_chat",
        fields=(Field(name="message"),),
        work=architect_chat,
        is_chat=True,
    ),
    Agent(
        mode=Mode.DESIGN,
        activity="plan_generation",
        fields=(Field(name="goal"), Field(name="constraints", is_required=False)),
        work=plan_generation,
    ),
    Agent(
        mode=Mode.DESIGN,
        activity="tech_leader_architecture",
        fields=(Field(name="requirements"),),
        work=tech_leader_architecture,
    ),
    Agent(
        mode=Mode.DESIGN,
        activity="milestone_and_task_generation",
        fields=(Field(name="plan"),),
        work=milestone_and_task_generation,
    ),
)
