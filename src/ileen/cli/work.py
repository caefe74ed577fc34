"""Commands about work that is owed: durable jobs and mails."""

from typing import Annotated

import typer

from ileen import jobs
from ileen.base.clock import to_text
from ileen.base.errors import RequestInvalid
from ileen.cli.show import Json, console, opened, print_json, show, show_one
from ileen.jobs import Job, JobState
from ileen.notices import Notice, NoticeState

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")]
_OPEN = (JobState.READY, JobState.RUNNING, JobState.DEAD)
jobs_commands = typer.Typer(help="Durable jobs: what waits, runs, was given up.", no_args_is_help=True)
notices_commands = typer.Typer(help="Mails: owed, sent, failed.", no_args_is_help=True)


@jobs_commands.command("list")
def list_jobs(
    state: Annotated[JobState | None, typer.Option(help="Only these; default: all but done.")] = None,
    limit: Limit = 50,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """List jobs."""
    with opened() as app, app.database.read() as connection:
        found = jobs.find(connection, states=[state] if state else _OPEN, limit=limit)
        show([_job(job) for job in found], as_json=as_json, title="Jobs", right=("attempts",))


@jobs_commands.command("counts")
def count_jobs(as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Show how many jobs are in each state, and for how many seconds the oldest due one has waited."""
    with opened() as app, app.database.read() as connection:
        counts = jobs.counts(connection, now=app.clock.now())
        fields = {name: getattr(counts, name) for name in counts.__struct_fields__}
        show_one(fields, as_json=as_json, title="Jobs")


@jobs_commands.command("show")
def show_job(job: str, as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Show a job with what it is about."""
    with opened() as app, app.database.read() as connection:
        found = jobs.get(connection, job)
        fields = _job(found) | {"key": found.key, "payload": found.payload}
        show_one(fields, as_json=as_json, title="Job")


@jobs_commands.command("retry")
def retry_jobs(
    job: Annotated[str | None, typer.Argument(help="The id of a dead job.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead job.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Run dead jobs again."""
    if (job is None) != every:
        raise RequestInvalid("Name a job, or use --all, not both.", field="job")
    with opened() as app, app.database.write() as connection:
        if job is None:
            retried = jobs.retry_all(connection, now=app.clock.now())
        else:
            jobs.retry(connection, job, now=app.clock.now())
            retried = 1
    if as_json:
        print_json({"retried": retried})
    else:
        console.print(f"{retried} dead {'job is' if retried == 1 else 'jobs are'} ready again.", highlight=False)


@notices_commands.command("list")
def list_notices(
    state: Annotated[NoticeState | None, typer.Option(help="Only these; default: all.")] = None,
    account: Annotated[str | None, typer.Option("--account", "-a", help="Only this account's.")] = None,
    limit: Limit = 50,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """List mails."""
    with opened() as app:
        found = app.notices.find(state=state, account_id=account, limit=limit)
        show([_notice(notice) for notice in found], as_json=as_json, title="Mails")


@notices_commands.command("resend")
def resend_notice(notice: str, as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Send a failed mail again, once what was wrong is put right."""
    with opened() as app:
        app.notices.resend(notice)
        show_one(_notice(app.notices.get(notice)), as_json=as_json, title="Owed again")


def _job(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "run_at": to_text(job.run_at),
        "attempts": job.attempts,
        "error": job.error,
    }


def _notice(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.id,
        "kind": notice.kind,
        "to": notice.to,
        "locale": notice.locale,
        "state": notice.state.value,
        "created_at": to_text(notice.created_at),
        "error": notice.error,
    }
