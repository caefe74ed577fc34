"""Recurring jobs, on both databases."""

from datetime import UTC, datetime

import pytest

from ileen import jobs
from ileen.base.clock import Instant, ManualClock, to_instant, to_text
from ileen.base.ids import Ids
from ileen.store.engine import Database


def run_all(database: Database, clock: ManualClock, ids: Ids) -> list[str]:
    """Run what is due and return the instants it was due for."""
    ran: list[str] = []
    worker = jobs.Worker(database, {"poll": lambda job: ran.append(job.payload["due_at"])}, clock=clock, ids=ids)
    while worker.run_due():
        pass
    return ran


def test_a_recurring_job_is_enqueued_once_per_slot_by_any_number_of_schedules(
    database: Database, clock: ManualClock, ids: Ids
) -> None:
    schedules = [jobs.Schedule(database, [jobs.every(30, "poll")], clock=clock, ids=ids) for _ in range(3)]

    assert [schedule.tick() for schedule in schedules] == [1, 0, 0]
    run_all(database, clock, ids)
    clock.advance(29)
    assert [schedule.tick() for schedule in schedules] == [0, 0, 0]
    clock.advance(1)
    assert [schedule.tick() for schedule in reversed(schedules)] == [1, 0, 0]


def test_a_new_process_does_not_repeat_a_slot_that_is_done(database: Database, clock: ManualClock, ids: Ids) -> None:
    jobs.Schedule(database, [jobs.every(30, "poll")], clock=clock, ids=ids).tick()
    run_all(database, clock, ids)

    assert jobs.Schedule(database, [jobs.every(30, "poll")], clock=clock, ids=ids).tick() == 0


def test_slots_missed_while_nobody_ran_are_made_up_for_once(database: Database, clock: ManualClock, ids: Ids) -> None:
    schedule = jobs.Schedule(database, [jobs.every(30, "poll")], clock=clock, ids=ids)
    schedule.tick()
    run_all(database, clock, ids)
    clock.advance(3600)

    assert schedule.tick() == 1
    assert run_all(database, clock, ids) == [to_text(clock.now())]


def test_a_slot_is_skipped_while_the_last_ones_job_is_still_open(
    database: Database, clock: ManualClock, ids: Ids
) -> None:
    """A slow reconciliation must not pile up behind itself."""
    schedule = jobs.Schedule(database, [jobs.every(30, "poll")], clock=clock, ids=ids)
    schedule.tick()
    clock.advance(30)
    schedule.tick()

    assert len(run_all(database, clock, ids)) == 1


def test_a_daily_job_is_due_at_its_hour(database: Database, ids: Ids) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 3, 59, 59, tzinfo=UTC))
    schedule = jobs.Schedule(database, [jobs.daily(4, "poll")], clock=clock, ids=ids)
    schedule.tick()
    first = run_all(database, clock, ids)
    clock.advance(1)
    schedule.tick()

    assert first == ["2026-02-28T04:00:00.000000Z"]
    assert run_all(database, clock, ids) == ["2026-03-01T04:00:00.000000Z"]


@pytest.mark.parametrize("entry", [jobs.every(1, "poll"), jobs.every(7, "poll"), jobs.daily(23, "poll")])
def test_a_slot_has_begun_and_the_next_has_not(entry: jobs.Recurring) -> None:
    for moment in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 11, 24, 14, 7, 3, 999_999, tzinfo=UTC)):
        now = to_instant(moment)
        assert entry.begins(entry.slot(now)) <= now < entry.begins(entry.slot(now) + 1)
        assert entry.slot(Instant(entry.begins(5))) == 5
