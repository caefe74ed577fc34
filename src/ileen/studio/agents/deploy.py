"""Deploy: an agent with tools, and the gate before a release.

The environments are an example, kept in the studio's own file: put your own deployments behind the three tools.
"""

import re
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from ileen.base.clock import to_text
from ileen.studio.clients import Tool
from ileen.studio.model import Agent, Field, Mode
from ileen.studio.store import Release
from ileen.studio.work import Work, user

_ENVIRONMENTS: Final = ("staging", "production")
_ENVIRONMENT: Final = {"type": "string", "enum": list(_ENVIRONMENTS)}
_VERSION: Final = {"type": "string", "maxLength": 20, "description": "Such as 1.4.2"}
_SYSTEM: Final = (
    "You deploy for a team. Whenever you need facts or shall change something, call a tool; never guess what runs "
    "where. What is not on staging does not go to production. Say in the end what you did and what runs now."
)
_TOOLS: Final = (
    Tool(
        name="list_releases",
        about="What was deployed where, newest first.",
        parameters={"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    ),
    Tool(
        name="deploy",
        about="Deploy a version to an environment.",
        parameters={
            "type": "object",
            "properties": {"version": _VERSION, "environment": _ENVIRONMENT},
            "required": ["version", "environment"],
            "additionalProperties": False,
        },
    ),
)


async def deploy_agent(work: Work) -> None:
    """Chat with tools: the model says which to call, `run_tool` does it, and the model goes on with the result."""

    def run_tool(name: str, given: dict[str, Any]) -> str:
        if name == "list_releases":
            releases = work.store.releases(work.run.account)
            lines = [f"{each.environment}: {each.version}, {to_text(each.at)}" for each in releases]
            return "\n".join(lines) or "Nothing was deployed yet."
        if name == "deploy":
            return _deploy(work, str(given.get("version", "")), str(given.get("environment", "")))
        return f"There is no tool '{name}'."

    await work.use(_TOOLS, run_tool, _SYSTEM, *work.turns, user(work.given["message"]))


def _deploy(work: Work, version: str, environment: str) -> str:
    """Deploy, unless a rule of the team forbids it: rules stand in code, where no prompt can talk them away."""
    if environment not in _ENVIRONMENTS or not re.fullmatch(r"v?\d+(\.\d+){0,3}", version):
        return f"Refused: '{version}' to '{environment}' is no deployment. Name a version such as 1.4.2."
    staged = {each.version for each in work.store.releases(work.run.account) if each.environment == "staging"}
    if environment == "production" and version not in staged:
        return f"Refused: {version} was not on staging before."
    work.store.add_release(work.run.account, Release(environment=environment, version=version, at=work.now()))
    return f"Deployed {version} to {environment}."


class Check(Struct, forbid_unknown_fields=True):
    """One question of the gate, answered from what was handed in."""

    verdict: Literal["pass", "warn", "fail"]
    reason: Annotated[str, Meta(description="At most 200 characters.")]


class Checklist(Struct, forbid_unknown_fields=True):
    """The questions of the gate; the names are keys of the catalogue."""

    tests: Check
    migrations: Check
    rollback: Check
    secrets: Check
    monitoring: Check


async def deployment_gate(work: Work) -> None:
    """Answer a checklist from the evidence, then decide in code: one `fail` closes the gate."""
    system = (
        "You stand at the gate before a release. Answer each question from the evidence alone; what it does not tell "
        "is 'warn'. tests: did all tests pass? migrations: can the old version run on the new schema? rollback: is "
        "there a way back? secrets: does the change contain none? monitoring: would somebody notice if it failed?"
    )
    release = f"Release {work.given['version']}. The evidence:\n{work.given['evidence']}"
    checks = await work.fill(Checklist, system, user(release))
    rows = [
        {"check": name, "verdict": check.verdict, "reason": check.reason}
        for name, check in ((name, getattr(checks, name)) for name in Checklist.__struct_fields__)
    ]
    verdicts = {row["verdict"] for row in rows}
    outcome = "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "pass"
    work.show("checklist", {"rows": rows, "outcome": outcome})


AGENTS: Final = (
    Agent(
        mode=Mode.DEPLOY,
        activity="deploy_agent",
        fields=(Field(name="message"),),
        work=deploy_agent,
        is_chat=True,
    ),
    Agent(
        mode=Mode.DEPLOY,
        activity="deployment_gate",
        fields=(Field(name="version", kind="line", length_max=40), Field(name="evidence")),
        work=deployment_gate,
    ),
)
