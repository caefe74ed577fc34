"""Durable jobs, on both databases."""

import threading

import pytest

from ileen import jobs
from ileen.base.clock import Instant, ManualClock
from ileen.base.errors import NotFound
from ileen.base.ids import Ids
from ileen.jobs import queue
from ileen.store.engine import Database


def add(database: Database, clock: ManualClock, ids: Ids, **options: object) -> str:
    with database.write() as connection:
        return jobs.enqueue(connection, ids=ids, kind="note", payload={"n": "1"}, now=clock.now(), **options)


def test_a_job_runs_once(database: Database, clock: ManualClock, ids: Ids) -> None:
    ran: list[jobs.Job] = []
    worker = jobs.Worker(database, {"note": ran.append}, clock=clock, ids=ids)
    id_ = add(database, clock, ids)

    assert [worker.run_due(), worker.run_due()] == [1, 0]

    assert [(job.id, job.payload) for job in ran] == [(id_, {"n": "1"})]


def test_a_job_of_a_rolled_back_transaction_does_not_exist(database: Database, clock: ManualClock, ids: Ids) -> None:
    def interrupted() -> None:
        with database.write() as connection:
            jobs.enqueue(connection, ids=ids, kind="note", payload={}, now=clock.now())
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted()

    assert jobs.Worker(database, {}, clock=clock, ids=ids).run_due() == 0


def test_a_job_is_not_run_before_its_time(database: Database, clock: ManualClock, ids: Ids) -> None:
    ran: list[jobs.Job] = []
    worker = jobs.Worker(database, {"note": ran.append}, clock=clock, ids=ids)
    add(database, clock, ids, run_at=Instant(clock.now() + 60_000_000))

    assert worker.run_due() == 0
    clock.advance(60)
    assert worker.run_due() == 1


def test_one_open_job_per_key(database: Database, clock: ManualClock, ids: Ids) -> None:
    """Enqueuing again while one is open returns the open one; once it is done, a new one is made."""
    worker = jobs.Worker(database, {"note": lambda _: None}, clock=clock, ids=ids)
    first = add(database, clock, ids, key="wallet")

    assert add(database, clock, ids, key="wallet") == first
    worker.run_due()
    assert add(database, clock, ids, key="wallet") != first


def test_a_failing_job_is_retried_with_pauses_then_dead_then_retried_by_hand(
    database: Database, clock: ManualClock, ids: Ids
) -> None:
    def fail(_: jobs.Job) -> None:
        raise RuntimeError("the bank is closed")

    worker = jobs.Worker(database, {"note": fail}, clock=clock, ids=ids)
    id_ = add(database, clock, ids)
    runs = 0
    for _ in range(jobs.ATTEMPTS_MAX):
        runs += worker.run_due()
        assert worker.run_due() == 0
        clock.advance(1800)

    assert runs == jobs.ATTEMPTS_MAX
    assert worker.run_due() == 0
    with database.write() as connection:
        [given_up] = jobs.dead(connection)
        assert (given_up.id, given_up.error) == (id_, "RuntimeError: the bank is closed")
        jobs.retry(connection, id_, now=clock.now())
    assert worker.run_due() == 1


def test_retrying_an_unknown_job_is_refused(database: Database, clock: ManualClock) -> None:
    with pytest.raises(NotFound), database.write() as connection:
        jobs.retry(connection, "job_unknown", now=clock.now())


def test_a_job_without_handler_is_kept_and_says_so(database: Database, clock: ManualClock, ids: Ids) -> None:
    worker = jobs.Worker(database, {}, clock=clock, ids=ids)
    add(database, clock, ids)
    for _ in range(jobs.ATTEMPTS_MAX):
        worker.run_due()
        clock.advance(1800)

    with database.read() as connection:
        assert "no handler" in str(jobs.dead(connection)[0].error)


def test_a_dead_workers_job_is_run_by_another_and_its_late_finish_is_ignored(
    database: Database, clock: ManualClock, ids: Ids
) -> None:
    add(database, clock, ids)
    with database.write() as connection:
        [lost] = queue.claim(connection, ids=ids, now=clock.now(), limit=1)
    ran: list[jobs.Job] = []
    worker = jobs.Worker(database, {"note": ran.append}, clock=clock, ids=ids)

    assert worker.run_due() == 0
    clock.advance(61)
    assert worker.run_due() == 1

    with database.write() as connection:
        assert not jobs.finish(connection, lost, now=clock.now())
    assert len(ran) == 1


def test_many_workers_run_each_job_once(database: Database, clock: ManualClock, ids: Ids) -> None:
    ran: list[str] = []
    lock = threading.Lock()

    def note(job: jobs.Job) -> None:
        with lock:
            ran.append(job.id)

    expected = {add(database, clock, ids) for _ in range(60)}

    def work() -> None:
        worker = jobs.Worker(database, {"note": note}, clock=clock, ids=ids)
        while worker.run_due():
            pass

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while jobs.Worker(database, {"note": note}, clock=clock, ids=ids).run_due():
        pass

    assert sorted(ran) == sorted(expected)


def test_a_started_worker_runs_jobs_and_stops(database: Database, clock: ManualClock, ids: Ids) -> None:
    done = threading.Event()
    worker = jobs.Worker(database, {"note": lambda _: done.set()}, clock=clock, ids=ids)
    worker.start()
    add(database, clock, ids)

    assert done.wait(20)
    worker.stop()
