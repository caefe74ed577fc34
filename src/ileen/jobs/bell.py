"""A bell per database and process: a committed job wakes the workers at once instead of at their next look."""

from threading import Condition, Lock
from weakref import WeakKeyDictionary

from sqlalchemy import Engine


class Bell:
    """Counts its rings, so that one between a worker's look and its sleep is not missed."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._rings = 0

    def ring(self) -> None:
        """Wake everybody who waits."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def rings(self) -> int:
        """Return how often it has rung."""
        with self._condition:
            return self._rings

    def wait(self, heard: int, timeout_s: int) -> None:
        """Sleep until it has rung more often than `heard`, or the time is up."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings > heard, timeout_s)


_bells: WeakKeyDictionary[Engine, Bell] = WeakKeyDictionary()
_lock = Lock()


def bell_of(engine: Engine) -> Bell:
    """Return the one bell of an engine in this process."""
    with _lock:
        return _bells.setdefault(engine, Bell())
