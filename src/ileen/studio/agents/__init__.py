"""The fourteen agents. Each is a function of `Work`, and short: read one to learn how to write your own.

Owns: what each asks of its models, and how it puts the answer together. Refuses to know: credits, runs, pages.
To add an agent: an activity on the rate card, a function with `@agent` in the module of its mode, and its words in the
catalogue (docs/howto/studio.md).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ileen.studio.agents import content, deploy, design, develop
from ileen.studio.model import Agent, Mode

AGENTS: Final[Mapping[str, Agent]] = MappingProxyType(
    {each.activity: each for each in (*design.AGENTS, *develop.AGENTS, *content.AGENTS, *deploy.AGENTS)}
)
"""All agents by their activity, in the order they are shown in."""


def agents_in(mode: Mode) -> list[Agent]:
    """Return the agents of a mode."""
    return [each for each in AGENTS.values() if each.mode is mode]
