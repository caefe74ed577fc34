"""`ileen jobs` and `ileen notices`, as an operator uses them."""

import json
from pathlib import Path

import pytest

from ileen import jobs, notices
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds
from ileen.jobs import queue
from ileen.store.engine import Database
from mails import SAMPLES
from running import command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a dead job, a waiting one, and a failed mail."""
    clock = SystemClock()
    ids = RandomIds(clock)
    database = Database.open(f"sqlite:///{tmp_path}/ileen.sqlite3")
    database.migrate()
    with database.write() as connection:
        jobs.enqueue(connection, ids=ids, kind="poll", payload={"n": "1"}, now=clock.now())
        [job] = jobs.claim(connection, ids=ids, now=clock.now(), limit=1)
        queue.fail(connection, job, error="OSError: away", retry_at=None, now=clock.now())
        jobs.enqueue(connection, ids=ids, kind="wait", payload={}, now=clock.now())
        notices.owe(
            connection, ids=ids, now=clock.now(), kind="card_expiring", account_id="acct_1", to="nonsense",
            locale="it", values=SAMPLES["card_expiring"], key="k",
        )  # fmt: skip
    database.close()
    return tmp_path


def test_dead_jobs_are_seen_shown_and_retried(data: Path) -> None:
    [dead] = json.loads(command(data, "jobs", "list", "--state", "dead", "--json"))
    shown = json.loads(command(data, "jobs", "show", dead["id"], "--json"))
    assert (dead["kind"], dead["error"], shown["payload"]) == ("poll", "OSError: away", {"n": "1"})
    assert "poll" in command(data, "jobs", "list") and "wait" in command(data, "jobs", "list")

    assert json.loads(command(data, "jobs", "counts", "--json"))["dead"] == 1
    assert json.loads(command(data, "jobs", "retry", dead["id"], "--json")) == {"retried": 1}
    assert json.loads(command(data, "jobs", "retry", "--all", "--json")) == {"retried": 0}
    counts = json.loads(command(data, "jobs", "counts", "--json"))
    assert (counts["dead"], counts["ready"]) == (0, 2)


def test_retry_needs_one_job_or_all(data: Path) -> None:
    for arguments in ([], ["job_1", "--all"], ["job_1"]):
        command(data, "jobs", "retry", *arguments, code=1)


def test_failed_mails_are_seen(data: Path) -> None:
    [mail] = json.loads(command(data, "notices", "list", "--state", "failed", "--json"))
    assert (mail["kind"], mail["locale"]) == ("card_expiring", "it")
    assert json.loads(command(data, "notices", "list", "--account", "acct_2", "--json")) == []
    command(data, "notices", "resend", mail["id"], code=1)
