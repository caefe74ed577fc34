"""A worker in a process of its own, for test_jobs_crash: notes in a file when it begins and ends each job."""

import os
import sys
import time
from pathlib import Path

from ileen.base.clock import SECOND, SystemClock
from ileen.base.ids import RandomIds
from ileen.jobs import Job, Worker
from ileen.store.engine import Database


def main(url: str, file: Path) -> None:
    notes = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(what: str, job: Job) -> None:
        os.write(notes, f"{time.monotonic_ns()} {os.getpid()} {what} {job.payload['n']}\n".encode())

    def handle(job: Job) -> None:
        note("began", job)
        time.sleep(0.02)
        note("ended", job)

    clock = SystemClock()
    worker = Worker(Database.open(url), {"note": handle}, clock=clock, ids=RandomIds(clock), lease_us=2 * SECOND)
    worker.start(threads=2)
    print("ready", flush=True)
    sys.stdin.read()
    worker.stop()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
