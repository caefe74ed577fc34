"""Durable jobs, on both databases."""

import threading

import pytest

from ileen import jobs
from ileen.base.clock import SECOND, Clock, Instant, ManualClock, SystemClock
from ileen.base.errors import NotFound
from ileen.base.ids import Ids
from ileen.jobs import queue
from ileen.store.engine import Database


def add(database: Database, clock: Clock, ids: Ids, **options: object) -> str:
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


def test_a_committed_job_is_run_at_once_in_the_same_process(database: Database, clock: ManualClock, ids: Ids) -> None:
    """The worker would look again in a minute only; the bell wakes it."""
    done = threading.Event()
    worker = jobs.Worker(database, {"note": lambda _: done.set()}, clock=clock, ids=ids)
    worker.start(every_s=60)
    threading.Event().wait(0.3)
    add(database, clock, ids)

    assert done.wait(10)
    worker.stop()


def test_a_slow_job_does_not_keep_others_waiting(database: Database, clock: ManualClock, ids: Ids) -> None:
    release, noted = threading.Event(), threading.Event()

    def run(job: jobs.Job) -> None:
        if job.key == "slow":
            assert release.wait(20)
        else:
            noted.set()

    worker = jobs.Worker(database, {"note": run}, clock=clock, ids=ids)
    worker.start(threads=2)
    add(database, clock, ids, key="slow")
    add(database, clock, ids, key="quick")

    assert noted.wait(10)
    release.set()
    worker.stop()


def test_the_lease_of_a_long_handler_is_renewed(database: Database, ids: Ids) -> None:
    """A job that takes longer than a lease is not run a second time."""
    clock, ran, release = SystemClock(), [], threading.Event()

    def run(job: jobs.Job) -> None:
        ran.append(job.id)
        release.wait(20)

    add(database, clock, ids)
    workers = [jobs.Worker(database, {"note": run}, clock=clock, ids=ids, lease_us=SECOND) for _ in range(2)]
    for worker in workers:
        worker.start()
    release.wait(3)

    assert len(ran) == 1
    release.set()
    for worker in workers:
        worker.stop()


def test_a_handler_that_hangs_loses_its_lease_in_the_end(database: Database, clock: ManualClock, ids: Ids) -> None:
    begun, release = threading.Event(), threading.Event()

    def hang(_: jobs.Job) -> None:
        begun.set()
        release.wait(20)

    worker = jobs.Worker(database, {"note": hang}, clock=clock, ids=ids, lease_us=SECOND)
    add(database, clock, ids)
    worker.start(threads=1)
    assert begun.wait(10)
    clock.advance(jobs.HANDLER_S_MAX + 1)
    release.wait(1)  # the keeper has had its chance to renew

    with database.write() as connection:
        assert len(jobs.claim(connection, ids=ids, now=clock.now(), limit=1)) == 1
    release.set()
    worker.stop()


def test_counts_tell_how_the_queue_stands(database: Database, clock: ManualClock, ids: Ids) -> None:
    for key in "abc":
        add(database, clock, ids, key=key)
    add(database, clock, ids, run_at=Instant(clock.now() + 60 * SECOND))
    with database.write() as connection:
        jobs.finish(connection, jobs.claim(connection, ids=ids, now=clock.now(), limit=1)[0], now=clock.now())
        jobs.claim(connection, ids=ids, now=clock.now(), limit=1)
    clock.advance(7)

    with database.read() as connection:
        counts = jobs.counts(connection, now=clock.now())
        assert counts == jobs.Counts(ready=2, running=1, done=1, dead=0, lag_s=7)
        assert [job.state for job in jobs.find(connection, states=[jobs.JobState.DONE], limit=9)] == ["done"]


def test_an_empty_queue_has_no_lag(database: Database, clock: ManualClock) -> None:
    with database.read() as connection:
        assert jobs.counts(connection, now=clock.now()) == jobs.Counts(ready=0, running=0, done=0, dead=0, lag_s=0)


def test_retrying_all_dead_jobs_leaves_out_work_that_is_open_again(
    database: Database, clock: ManualClock, ids: Ids
) -> None:
    """The same key may have been enqueued again since; doing it twice would break J3."""
    with database.write() as connection:
        for key in ("a", "b"):
            jobs.enqueue(connection, ids=ids, kind="note", payload={}, now=clock.now(), key=key)
        for job in jobs.claim(connection, ids=ids, now=clock.now(), limit=2):
            queue.fail(connection, job, error="no", retry_at=None, now=clock.now())
        jobs.enqueue(connection, ids=ids, kind="note", payload={}, now=clock.now(), key="a")
        assert jobs.retry_all(connection, now=clock.now()) == 2

    with database.read() as connection:
        counts = jobs.counts(connection, now=clock.now())
    assert (counts.ready, counts.dead) == (2, 0)


def test_old_done_jobs_are_purged_and_dead_ones_kept(database: Database, clock: ManualClock, ids: Ids) -> None:
    worker = jobs.Worker(database, {"note": lambda _: None}, clock=clock, ids=ids)
    add(database, clock, ids, key="done")
    worker.run_due()
    with database.write() as connection:
        gone = jobs.enqueue(connection, ids=ids, kind="note", payload={}, now=clock.now(), key="dead")
        queue.fail(
            connection, jobs.claim(connection, ids=ids, now=clock.now(), limit=1)[0],
            error="no", retry_at=None, now=clock.now(),
        )  # fmt: skip
    clock.advance(15 * 86_400)
    assert worker.tick() == 1
    worker.run_due()

    with database.read() as connection:
        left = jobs.find(connection, states=list(jobs.JobState), limit=9)
    assert [(job.kind, job.state) for job in left] == [("jobs.purge", "done"), ("note", "dead")]
    assert left[1].id == gone
