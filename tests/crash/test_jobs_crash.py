"""Two server processes share the queue, and one is killed in the middle: nothing lost, nothing run by two at once."""

import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from sqlalchemy import func, select

from ileen import jobs
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds
from ileen.store.engine import Database
from ileen.store.schema import job

JOBS = 120
PROCESS = Path(__file__).with_name("job_process.py")


def start(url: str, file: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, str(PROCESS), url, str(file)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


def enqueue_all(database: Database) -> None:
    clock = SystemClock()
    with database.write() as connection:
        for n in range(JOBS):
            jobs.enqueue(connection, ids=RandomIds(clock), kind="note", payload={"n": str(n)}, now=clock.now())


def wait_until(database: Database, done: int) -> None:
    """Wait for so many of the test's own jobs: the workers' recurring one is done now and then, too."""
    ended = select(func.count()).where(job.c.kind == "note", job.c.state == "done")
    for _ in range(600):
        with database.read() as connection:
            if connection.scalar(ended) >= done:
                return
        time.sleep(0.1)
    raise AssertionError("the jobs were not done in time")


def test_a_killed_process_loses_no_job_and_shares_none(database: Database, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "notes"
    children = [start(database_url, file) for _ in range(2)]
    try:
        enqueue_all(database)
        wait_until(database, JOBS // 4)
        children[0].kill()
        killed_at = time.monotonic_ns()
        wait_until(database, JOBS)
    finally:
        for child in children:
            child.communicate(timeout=30)

    by_job: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for line in file.read_text().splitlines():
        at, pid, what, n = line.split()
        by_job[n].append((int(at), int(pid), what))
    assert len(by_job) == JOBS
    assert {pid for notes in by_job.values() for _, pid, _ in notes} == {child.pid for child in children}
    for notes in by_job.values():
        notes.sort()
        assert [what for _, _, what in notes[-2:]] == ["began", "ended"]
        for (_, pid, what), (at, next_pid, _) in pairwise(notes):
            if what == "began":
                # Either the same run goes on, or its process was killed before another took the job over.
                assert next_pid == pid or (pid == children[0].pid and at > killed_at)
