"""Runs worlds, seed by seed: `run_seed` for one; `main` for thousands, on all cores, by the command line.

`make simulate ARGS="--seeds 5000"` runs seeds 1 to 5000; `--from 29 --seeds 1 --story` tells what happened in one.
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


class Broken(AssertionError):
    """A world in which a rule did not hold: its seed, what happened in it, and which rule."""


@dataclass(frozen=True)
class Ran:
    """What became of a world."""

    log: list[str]
    purchases: int


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
    """Empty migrated SQLite databases, each a copy of one that was migrated once."""

    def __init__(self) -> None:
        # In memory where the system has such a place: a world commits thousands of times, each with an fsync.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="ileen-worlds-", dir=memory))
        self._empty = self._folder / "empty.sqlite3"
        first = Database.open(f"sqlite:///{self._empty}")
        first.migrate()
        first.close()

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        path = self._folder / "world.sqlite3"
        shutil.copy(self._empty, path)
        opened = Database.open(f"sqlite:///{path}")
        try:
            yield opened
        finally:
            opened.close()
            for each in self._folder.glob("world.sqlite3*"):
                each.unlink()

    def close(self) -> None:
        shutil.rmtree(self._folder)


class Hall:
    """Empty migrated PostgreSQL databases, each a copy of one that was migrated once."""

    def __init__(self, server: str) -> None:
        self._server = sqlalchemy.make_url(server).set(drivername="postgresql+psycopg")
        self._engine = sqlalchemy.create_engine(self._server, isolation_level="AUTOCOMMIT")
        self._empty = f"ileen_{uuid4().hex}"
        self._do(f"CREATE DATABASE {self._empty}")
        first = self._open(self._empty)
        first.migrate()
        first.close()

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        name = f"ileen_{uuid4().hex}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {self._empty}")
        opened = self._open(name)
        try:
            yield opened
        finally:
            opened.close()
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._do(f"DROP DATABASE {self._empty} WITH (FORCE)")
        self._engine.dispose()

    def _open(self, name: str) -> Database:
        return Database.open(self._server.set(database=name).render_as_string(hide_password=False))

    def _do(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)


def main() -> None:
    """Run seeds on SQLite; print what fails, with its story, and end with how many did."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first")
    parser.add_argument("--steps", type=int, default=STEPS, help="how many things happen in each world")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--story", action="store_true", help="print what happened in worlds that hold, too")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    parts = [(list(seeds[start : start + 20]), given.steps, given.story) for start in range(0, len(seeds), 20)]
    broken: list[int] = []
    done = 0
    with ProcessPoolExecutor(given.processes) as pool:
        for part, told in zip(parts, pool.map(_run_part, parts), strict=True):
            done += len(part[0])
            for seed, (holds, story) in told.items():
                if not holds:
                    broken.append(seed)
                if story:
                    print(story, flush=True)
            print(f"{done} of {len(seeds)} seeds, broken: {broken or 'none'}", file=sys.stderr, flush=True)
    sys.exit(1 if broken else 0)


def _run_part(part: tuple[list[int], int, bool]) -> dict[int, tuple[bool, str]]:
    """Run some seeds in this process, one after the other."""
    seeds, steps, story = part
    told: dict[int, tuple[bool, str]] = {}
    rig, shelf = Rig(), Shelf()
    try:
        for seed in seeds:
            with shelf.database() as database:
                try:
                    ran = run_seed(rig, database, seed, steps=steps)
                    told[seed] = True, "\n".join(ran.log) if story else ""
                except Broken as error:
                    told[seed] = False, str(error)
    finally:
        rig.stop()
        shelf.close()
    return told
