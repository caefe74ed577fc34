"""Lanes: queues that turn many callers' commands into few durable transactions.

Owns: threads, batches, retries. Refuses to know: the rules, HTTP.
A lane takes everything that queued up while its last commit was under way, loads and locks what is involved, decides
each command in order, writes in bulk, commits once, then answers all callers. No timer: a lone command pays one
commit, a thousand concurrent ones share a few.

L1  nobody is answered before the commit that holds their command.
L2  a batch whose commit failed, or whose outcome is unknown, is run again: keys make that one effect.
L3  a command that cannot be decided fails alone: its batch is then run one by one.
"""

import asyncio
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from time import sleep
from typing import Final, Protocol, cast

import structlog
from msgspec import Struct

from ileen.base import crash
from ileen.base.clock import Clock, Instant
from ileen.base.errors import IleenError, Unavailable
from ileen.ledger import rows, rules
from ileen.ledger.model import Command, Receipt
from ileen.ledger.places import bucket_of
from ileen.store.bulk import Channel
from ileen.store.engine import Database, is_transient

BATCH_MAX: Final = 512
"""Commands per transaction: past this, longer locks cost more than fewer commits save."""
_ATTEMPTS: Final = 7
"""Tries of a batch before its callers are told `unavailable`: with the pauses below, about three seconds."""

Result = Receipt | BaseException
_log = structlog.get_logger()


class Sink(Protocol):
    """Where a lane delivers answers: called once per batch, in the lane's thread, with all that belong to it."""

    def deliver(self, answers: list[tuple[object, Result]]) -> None:
        """Take (tag, result) pairs."""
        ...


class _Item(Struct, frozen=True):
    command: Command
    sink: Sink
    tag: object


class Lane:
    """One thread that decides and commits for the buckets it is given."""

    def __init__(self, channel: Channel, clock: Clock, name: str) -> None:
        self._channel, self._clock = channel, clock
        self._last = Instant(0)
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, then stop. Blocks until done."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, command: Command, sink: Sink, tag: object) -> None:
        """Queue a command; the answer goes to the sink with the tag."""
        self._queue.put(_Item(command, sink, tag))

    def _work(self) -> None:
        stopping = False
        while not stopping:
            batch: list[_Item] = []
            item = self._queue.get()
            try:
                while item is not None:
                    batch.append(item)
                    if len(batch) >= BATCH_MAX:
                        break
                    item = self._queue.get_nowait()
                else:
                    stopping = True
            except Empty:
                pass
            if batch:
                self._answer(batch, self._settle([item.command for item in batch]))
        self._channel.close()

    def _settle(self, commands: Sequence[Command]) -> Sequence[Result]:
        try:
            return self._commit_patiently(commands)
        except IleenError as error:
            return [error] * len(commands)
        except Exception as error:  # noqa: BLE001  # a lane must outlive any one command
            if len(commands) == 1:
                _log.exception("ledger.command.failed", command=type(commands[0]).__name__)
                return [error]
            return [result for command in commands for result in self._settle([command])]

    def _commit_patiently(self, commands: Sequence[Command]) -> Sequence[Result]:
        for attempt in range(_ATTEMPTS):
            try:
                return self._commit(commands)
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning(
                    "ledger.batch.retried", attempt=attempt, commands=len(commands), error=type(error).__name__
                )
                if attempt == _ATTEMPTS - 1:
                    raise Unavailable from error
                # Doubling pauses; the thread's name spreads lanes of several processes that collide.
                sleep(0.02 * 2**attempt * (1 + hash((self._thread.ident, attempt)) % 100 / 100))
        raise Unavailable

    def _commit(self, commands: Sequence[Command]) -> Sequence[Result]:
        """Decide and write one batch in one transaction. Locks: the batch's wallets, in the order of their keys."""
        with self._channel.transaction():
            states = rows.load(self._channel, commands)
            # A clock set back must not date an entry before the one it follows, nor open yesterday's window again.
            at = self._last = max(self._clock.now(), self._last)
            crash.point("ledger.lane.loaded")
            results = [rules.decide(states[command.wallet], command, at) for command in commands]
            rows.write(self._channel, states.values())
            crash.point("ledger.lane.written")
        crash.point("ledger.lane.committed")
        return results

    def _answer(self, batch: Sequence[_Item], results: Sequence[Result]) -> None:
        by_sink: dict[int, tuple[Sink, list[tuple[object, Result]]]] = {}
        for item, result in zip(batch, results, strict=True):
            by_sink.setdefault(id(item.sink), (item.sink, []))[1].append((item.tag, result))
        for sink, answers in by_sink.values():
            sink.deliver(answers)


class Lanes:
    """All lanes of a process: one on SQLite, which has one writer, several on PostgreSQL."""

    def __init__(self, database: Database, clock: Clock, *, count: int | None = None) -> None:
        number = count or (1 if database.dialect == "sqlite" else 2)
        self._lanes = [Lane(database.channel(), clock, f"ileen-lane-{i}") for i in range(number)]

    def start(self) -> None:
        """Start all lanes."""
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """Finish what is queued and stop all lanes."""
        for lane in self._lanes:
            lane.stop()

    def submit(self, command: Command, sink: Sink, tag: object) -> None:
        """Queue a command in the lane of its wallet's bucket, so that one process never contends with itself."""
        self._lanes[bucket_of(command.wallet) % len(self._lanes)].submit(command, sink, tag)


class Waiter:
    """A sink for one blocking caller."""

    def __init__(self) -> None:
        self._ready = threading.Lock()
        self._ready.acquire()
        self._result: Result | None = None

    def deliver(self, answers: list[tuple[object, Result]]) -> None:
        """Take the one answer and wake the caller."""
        self._result = answers[0][1]
        self._ready.release()

    def wait(self) -> Receipt:
        """Block until the answer is there; return it or raise it."""
        self._ready.acquire()
        assert self._result is not None
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


class LoopSink:
    """A sink for the coroutines of one event loop: one wake-up per batch, not per answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def deliver(self, answers: list[tuple[object, Result]]) -> None:
        """Hand a batch's answers to the loop."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: list[tuple[object, Result]]) -> None:
    for tag, result in answers:
        future = cast("asyncio.Future[Receipt]", tag)
        if future.done():  # the caller was cancelled; the command has had its effect all the same
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
