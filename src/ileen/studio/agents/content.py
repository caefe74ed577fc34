"""Content: write and review texts, and tell users what has changed."""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from ileen.studio.model import Agent, Field, InputInvalid, Mode
from ileen.studio.work import Work, user

_PLATFORMS: Final = {"Mastodon": 500, "LinkedIn": 3_000, "X": 280}
"""How many characters a post may have there."""
_KINDS: Final = ("article", "documentation", "release_notes", "email")
_COMMITS_MAX: Final = 500


async def social_post(work: Work) -> None:
    """Write a post that fits its platform; one that came out too long is shortened once."""
    limit = _PLATFORMS[work.given["platform"]]
    topic = f"The post is about:\n{work.given['topic']}"
    system = f"Write a post for {work.given['platform']} of at most {limit} characters. No hashtags unless asked."
    post = await work.say(system, user(topic), shown=False)
    if len(post) > limit:
        post = await work.say(f"Shorten the post to at most {limit} characters.", user(post), shown=False)
    work.write(post)
    work.show("length", {"count": len(post), "limit": limit})


async def general_content(work: Work) -> None:
    """Write a text of a kind for its readers: the shortest agent there can be."""
    kind = work.given["kind"].replace("_", " ")
    readers = work.given.get("readers") or "anybody"
    await work.say(f"Write {kind} for {readers}. Plain words, short sentences.", user(work.given["topic"]))


class Finding(Struct, forbid_unknown_fields=True):
    """One thing a reviewer would change."""

    severity: Literal["must", "should", "could"]
    place: Annotated[str, Meta(description="At most 120 characters.")]
    problem: Annotated[str, Meta(description="At most 200 characters.")]
    suggestion: Annotated[str, Meta(description="At most 300 characters.")]


class Review(Struct, forbid_unknown_fields=True):
    """A review: what to change, and the verdict in a sentence."""

    findings: Annotated[list[Finding], Meta(min_length=2, max_length=12)]
    verdict: Annotated[str, Meta(description="At most 300 characters.")]


async def content_review(work: Work) -> None:
    """Review a text by given criteria, as structured output: findings in the order of their weight."""
    criteria = work.given.get("criteria") or "correct, clear, short, kind"
    system = f"Review the text. It should be: {criteria}. Quote the place of each finding."
    review = await work.fill(Review, system, user(work.given["text"]))
    order = ["must", "should", "could"]
    work.show("findings", sorted(review.findings, key=lambda each: order.index(each.severity)))
    work.write(review.verdict)


async def changelog(work: Work) -> None:
    """Turn a git log into what users want to know. Merges and fixups are left out before a model reads it."""
    commits = commits_in("\n".join(file.text for file in work.files()))
    if not commits:
        raise InputInvalid("log", "studio.error.no_commits")
    work.show("commits", {"count": len(commits)})
    system = (
        "Write the changelog of a release for its users from these commits. Group by what was added, changed, fixed "
        "and removed; leave out what users cannot notice."
    )
    await work.say(system, user("\n".join(f"- {each}" for each in commits[:_COMMITS_MAX])))


def commits_in(log: str) -> list[str]:
    """Return the subjects in the output of `git log`, whole or with `--oneline`, without merges and fixups."""
    if re.search(r"^commit [0-9a-f]{7,40}\b", log, re.MULTILINE):
        entries = re.split(r"^commit [0-9a-f]{7,40}.*$", log, flags=re.MULTILINE)[1:]
        subjects = [next((line.strip() for line in e.splitlines() if line.startswith("    ")), "") for e in entries]
    else:
        subjects = [re.sub(r"^[*|\s]*([0-9a-f]{7,40} )?(\([^)]*\) )?", "", line).strip() for line in log.splitlines()]
    unwanted = ("Merge ", "fixup!", "squash!")
    return [subject for subject in subjects if subject and not subject.startswith(unwanted)]


AGENTS: Final = (
    Agent(
        mode=Mode.CONTENT,
        activity="social_post",
        fields=(Field(name="platform", kind="name", options=tuple(_PLATFORMS)), Field(name="topic")),
        work=social_post,
    ),
    Agent(
        mode=Mode.CONTENT,
        activity="general_content",
        fields=(
            Field(name="kind", kind="choice", options=_KINDS),
            Field(name="topic"),
            Field(name="readers", kind="line", is_required=False, length_max=200),
        ),
        work=general_content,
    ),
    Agent(
        mode=Mode.CONTENT,
        activity="content_review",
        fields=(Field(name="text"), Field(name="criteria", kind="line", is_required=False, length_max=300)),
        work=content_review,
    ),
    Agent(
        mode=Mode.CONTENT,
        activity="changelog",
        fields=(Field(name="log", kind="files", length_max=200_000),),
        work=changelog,
    ),
)
