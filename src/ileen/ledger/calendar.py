"""Days and months as an account counts them: in its own time zone. Pure."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from ileen.base.clock import SECOND, Instant, to_datetime


def windows(at: Instant, time_zone: str) -> tuple[int, int]:
    """Return the day (ordinal) and month (year × 12 + month - 1) an instant falls in, in a time zone.

    Looked up per quarter of an hour: no zone in use has changed its offset off a quarter since 1972.
    """
    return _windows_of_quarter(at // (900 * SECOND), time_zone)


def day_start(ordinal: int, time_zone: str) -> Instant:
    """Return the instant a day begins in a time zone."""
    local = datetime.fromordinal(ordinal).replace(tzinfo=ZoneInfo(time_zone))
    return Instant(int(local.timestamp()) * SECOND)


@lru_cache(maxsize=4096)
def _windows_of_quarter(quarter: int, time_zone: str) -> tuple[int, int]:
    local: datetime = to_datetime(Instant(quarter * 900 * SECOND)).astimezone(ZoneInfo(time_zone))
    return local.toordinal(), local.year * 12 + local.month - 1
