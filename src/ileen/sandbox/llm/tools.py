"""Which tool a provider calls: what the request's `tool_choice` says, else what the prompt asks for.

By itself a tool is called when the prompt says "call a tool" or names one of them, once: a request whose last message
is a tool's result gets an answer in words.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Requests are JSON of any form here: a provider reads what it understands of them.

from typing import Any, Self

from msgspec import Struct

Json = dict[str, Any]


class Choice(Struct, frozen=True, kw_only=True):
    """What the caller allows: no tool, any by itself (`auto`), at least one (`required`), or the one named."""

    kind: str = "auto"
    name: str | None = None
    answered: bool = False

    @classmethod
    def read(cls, given: Any, *, answered: bool) -> Self:
        """Read the forms of both protocols: a word, or an object that names a kind, a tool or both."""
        if isinstance(given, str):
            return cls(kind=given, answered=answered)
        if not isinstance(given, dict):
            return cls(answered=answered)
        function = given.get("function")
        name = function.get("name") if isinstance(function, dict) else given.get("name")
        kind = "required" if given.get("type") == "any" else str(given.get("type", "auto"))
        return cls(kind="named" if name else kind, name=str(name) if name else None, answered=answered)


def choose(offered: list[Json], choice: Choice, prompt: str, *, said: str | None = None) -> Json | None:
    """Return the tool to call, or None for an answer in words.

    A tool counts as named if `said`, the latest of what the user said, names it: instructions name all of them.
    """
    if choice.kind == "named":
        return next((tool for tool in offered if tool["name"] == choice.name), None)
    if choice.kind == "none" or not offered:
        return None
    asked = (prompt if said is None else said).lower()
    named = [tool for tool in offered if str(tool["name"]).lower() in asked]
    wanted = "call a tool" in prompt.lower() or bool(named)
    if choice.kind == "required" or (wanted and not choice.answered):
        return (named or offered)[0]
    return None
