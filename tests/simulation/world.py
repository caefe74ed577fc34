"""One world: a database, server processes that come and go, the clock, and the chance that drives them all.

Everything of ours is the real thing. One thread steps the world; wherever our code reaches a named point
(`base.crash`) chance may abandon the flow there, as a killed process does, let time pass, or let something else happen
first: another tab, another server, a webhook. So two flows cross each other, and still a seed replays exactly.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select

from ileen.accounts import Accounts
from ileen.base import crash
from ileen.base.clock import SECOND, Instant, ManualClock
from ileen.base.errors import IleenError
from ileen.base.ids import AccountId, HoldId, PurchaseId, SeededIds
from ileen.jobs import Job, Worker
from ileen.ledger import Ledger
from ileen.notices import book
from ileen.payments.billing import Billing
from ileen.payments.door import Payments
from ileen.payments.model import ENDED, Policy
from ileen.payments.tax import TaxPolicy
from ileen.sandbox.stripe.delivery import next_due
from ileen.sandbox.stripe.doubts import DOUBTS
from ileen.sandbox.stripe.store import Tx
from ileen.store import schema
from ileen.store.engine import Database
from simulation.model import Model
from simulation.rig import RETRIES, Rig

START_S = 1_793_606_400  # 2026-11-02, a day after the API version's
_CHUNK_S = 200  # less than the age at which a webhook's signature is refused, so that a jump in time forges none
_DRAIN_ROUNDS_MAX = 200


class Crash(BaseException):
    """The process was killed at a named point."""


class Fault(Exception):
    """The world went wrong: what, and everything that happened up to there."""


@dataclass
class Buyer:
    """An account and what its people remember: what they asked for, and how it was answered."""

    name: str
    account: AccountId
    asked: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)  # idempotency key: purchase
    seen: list[PurchaseId] = field(default_factory=list)
    holds: dict[HoldId, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Nature:
    """How violent a world is: chances per named point, in thousandths."""

    crash: int
    meanwhile: int
    stall: int
    deaf: int
    eager: int


@dataclass(frozen=True)
class Habits:
    """What a world's Stripe is like where nobody can know, or where accounts differ, and how patient our SDK is."""

    doubts: dict[str, str]
    numbering: str
    retries: int

    @classmethod
    def drawn(cls, seed: int) -> "Habits":
        """Draw them apart from all else, so that a new doubt leaves the rest of every world as it was."""
        chance = random.Random(f"habits of {seed}")
        return cls(
            doubts={doubt: chance.choice(variants) for doubt, variants in DOUBTS.items()},
            numbering=chance.choice(["customer", "account"]),
            retries=chance.choice([0, RETRIES]),
        )


class House:
    """One server process of Ileen: all it keeps in memory goes when it dies."""

    def __init__(self, world: "World") -> None:
        database, clock, ids = world.database, world.clock, world.ids
        stripe = world.rig.stripes[world.habits.retries]
        self.ledger = Ledger(database, clock=clock, lanes=1)
        self.ledger.start()
        self.accounts = Accounts(database, self.ledger, clock=clock, ids=ids)
        self.billing = Billing(
            database, self.ledger, self.accounts, stripe=stripe, policy=TaxPolicy(), clock=clock, ids=ids,
            public_url="https://credits.example.com",
        )  # fmt: skip
        self.payments = Payments(
            database, self.ledger, self.accounts, stripe=stripe, payers=self.billing, policy=Policy(),
            clock=clock, ids=ids, notify=world.notify, alarm=world.alarm, webhook_secrets=[world.secret],
            hooks=self.billing.hooks(),
        )  # fmt: skip
        handlers = {**self.payments.handlers(), **self.billing.handlers(), "notice.send": world.mail}
        self.worker = Worker(database, handlers, clock=clock, ids=ids, recurring=Payments.recurring())

    def close(self) -> None:
        self.accounts.close()
        self.ledger.stop()


class World:
    """`run` it once. `log` tells, line by line, what happened."""

    def __init__(self, rig: Rig, database: Database, seed: int) -> None:
        self.rig, self.database, self.seed = rig, database, seed
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.clock.advance(START_S - self.clock.now() // SECOND)
        self.ids = SeededIds(self.clock, seed)
        self.secret = rig.begin(seed, start=START_S)
        self.habits = Habits.drawn(seed)
        rig.control("doubts", **self.habits.doubts)
        rig.control("settings", numbering=self.habits.numbering)
        self.log: list[str] = [str(self.habits)]
        self.buyers: list[Buyer] = []
        self.model = Model()
        self.mails: list[str] = []
        self.alarms: dict[str, str] = {}
        self.purchased = 0  # nano-credits of purchases, when the judge looked last
        self.names: dict[str, str] = {}
        self.calm = True
        self.nature = Nature(
            crash=self.chance.choice([0, 0, 10, 40]),
            meanwhile=self.chance.choice([0, 10, 40, 80]),
            stall=self.chance.choice([0, 0, 5, 30]),
            deaf=self.chance.choice([0, 100, 500]),
            eager=self.chance.choice([0, 300, 1000]),
        )
        self._dead: list[House] = []
        self._driver = threading.get_ident()
        self._depth = 0
        self.hearing = 0
        self._broken: BaseException | None = None
        self.houses = [House(self), House(self)]
        rig.hear = self._hear

    # Telling -----------------------------------------------------------------------------------------------------

    def tell(self, line: str) -> None:
        """Add a line to the log, with names for ids, so that it reads, and compares."""
        at = self.clock.now() // SECOND - START_S
        self.log.append(f"{at:>6} {'  ' * self._depth}{self.named(line)}")

    def named(self, line: str) -> str:
        for id_, name in self.names.items():
            line = line.replace(id_, name)
        return line

    def name(self, id_: str, kind: str) -> str:
        if id_ not in self.names:
            self.names[id_] = f"{kind}{1 + sum(each.startswith(kind) for each in self.names.values())}"
        return self.names[id_]

    # Doing -------------------------------------------------------------------------------------------------------

    def attempt(self, what: str, work: Callable[[House], Any]) -> Any:
        """Do something at one of the servers; return its answer, or None if it was refused or the server died."""
        place = self.chance.randrange(len(self.houses))
        house = self.houses[place]
        try:
            answer = work(house)
        except Crash as crashed:
            self.tell(f"{what}: the server died at {crashed}")
            self._replace(place, house)
            return None
        except IleenError as error:
            self.tell(f"{what}: {error.code} {error.detail}")
            return None
        self.tell(f"{what}: {_brief(answer)}")
        return answer

    def control(self, what: str, lever: str, /, *, method: str = "POST", **given: Any) -> dict[str, Any]:
        """Pull a lever of the offline Stripe, as a person in its dashboard or on its pages does."""
        answer = self.rig.control(lever, method=method, **given)
        refused = answer.get("error", {}).get("message")
        self.tell(f"{what}: {refused or 'done'}")
        return answer

    def pass_time(self, seconds: int) -> None:
        """Move our clock and Stripe's, and have what is due there delivered on the way."""
        while seconds > 0:
            part = min(seconds, max(_CHUNK_S, self._quiet_s()))
            self.clock.advance(part)
            if not self.hearing:
                self.rig.control("clock", to=self.clock.now() // SECOND)
            seconds -= part
        self._mind()

    def run(self, steps: int, act: Callable[["World"], None], check: Callable[["World"], None]) -> None:
        """Let `steps` things happen, then come to rest; `check` is asked after each."""
        self._act = act
        crash.listen(self._reached)
        self.calm = False
        try:
            for _ in range(steps):
                act(self)
                self._mind()
                check(self)
            self.drain()
            check(self)
        finally:
            self.calm = True
            crash.listen(None)

    def drain(self) -> None:
        """Heal everything and let time pass until nothing is left to do."""
        self.calm = True
        self.rig.control("faults", method="DELETE")
        self.rig.control("webhooks", mode="normal")
        self.rig.control("webhooks/release")
        self.tell("everything is healed")
        for _ in range(_DRAIN_ROUNDS_MAX):
            self.work()
            for buyer in self.buyers:
                self._end_calls(buyer)
            left = self.left()
            if not left:
                return
            self.pass_time(self._until_due())
        raise Fault(f"does not come to rest: {left}")

    def work(self, *, rounds: int = 100) -> None:
        """Run what is due, as a server's worker does."""
        house = self.houses[0]
        house.worker.tick()
        house.ledger.sweep()
        for _ in range(rounds):
            if not house.worker.run_due(limit=50):
                return

    def left(self) -> list[str]:
        """What is still to be done, here or at Stripe."""
        ended = [state.value for state in ENDED]
        with self.database.read() as connection:
            purchase, job = schema.purchase, schema.job
            open_ = connection.execute(purchase.select().where(purchase.c.state.not_in(ended))).all()
            jobs = connection.execute(job.select().where(job.c.state.in_(["ready", "running"]))).all()
        waiting = self.rig.look(
            lambda tx: tx.connection.execute("SELECT count(*) FROM delivery WHERE state = 'pending'").fetchone()[0]
        )
        found = [f"{each.id} is {each.state}" for each in open_]
        found += [f"job {each.kind} {each.error}" for each in jobs if each.kind != "jobs.purge"]
        return [self.named(each) for each in found] + ([f"{waiting} deliveries"] if waiting else [])

    def _quiet_s(self) -> int:
        """Seconds for which nothing happens at Stripe by itself."""
        instants = self.rig.look(_due_at_stripe)
        return min([max(0, each - self.clock.now() // SECOND) for each in instants if each], default=_CHUNK_S * 1000)

    def _until_due(self) -> int:
        """Seconds to the next thing that waits for the clock, here or at Stripe, and at most 60."""
        job, now = schema.job, self.clock.now()
        later = select(func.min(job.c.run_at)).where(job.c.state == "ready", job.c.run_at > now)
        lease = select(func.min(job.c.leased_until)).where(job.c.state == "running")
        with self.database.read() as connection:
            ours = [connection.execute(each).scalar_one() for each in (later, lease)]
        theirs = self.rig.look(_due_at_stripe)
        instants = [each for each in ours if each] + [each * SECOND for each in theirs if each]
        wait = min((each for each in instants if each > now), default=now) - now
        return min(-(-wait // SECOND), 60) or 60

    def close(self) -> None:
        self.rig.hear = lambda raw, signature: 503
        for house in [*self.houses, *self._dead]:
            house.close()

    # What our code calls -----------------------------------------------------------------------------------------

    def notify(self, connection: Connection, **owed: Any) -> None:
        book.owe(connection, ids=self.ids, now=self.clock.now(), **owed)

    def alarm(self, connection: Connection, *, summary: str, detail: str, key: str) -> None:
        self.alarms[key] = f"{summary}: {detail}"

    def mail(self, job: Job) -> None:
        self.mails.append(job.payload["notice"])

    def _reached(self, name: str) -> None:
        """At a named point chance decides whether the flow is abandoned, stalls, or something else happens first."""
        if self.calm or threading.get_ident() != self._driver or self._depth >= 3:
            return
        roll = self.chance.randrange(1000)
        nature = self.nature
        if roll < nature.crash:
            raise Crash(name)
        roll -= nature.crash
        if roll < nature.stall:
            # Stripe's clock stands still while it delivers: more, and every later signature would be too old.
            seconds = self.chance.choice([1, 10, 61, 130] if self.hearing else [1, 10, 61, 130, 1000])
            self.tell(f"{name}: {seconds} s pass")
            self._deeper(partial(self.pass_time, seconds))
            return
        roll -= nature.stall
        if roll < nature.meanwhile and self._depth < 2:
            self.tell(f"{name}: meanwhile")
            self._deeper(partial(self._act, self))

    def _deeper(self, work: Callable[[], None]) -> None:
        self._depth += 1
        try:
            work()
        finally:
            self._depth -= 1

    def _hear(self, raw: bytes, signature: str) -> int:
        """Take a webhook, in the midst of whatever made Stripe deliver it."""
        self.hearing += 1
        try:
            if not self.calm and self.chance.randrange(1000) < self.nature.deaf:
                return 503
            return self._received(raw, signature)
        except BaseException as error:
            self._broken = error
            return 500
        finally:
            self.hearing -= 1

    def _received(self, raw: bytes, signature: str) -> int:
        place = self.chance.randrange(len(self.houses))
        house = self.houses[place]
        try:
            house.payments.receive(raw, signature)
            if self.chance.randrange(1000) < self.nature.eager:
                house.worker.run_due()
        except Crash as crashed:
            self.tell(f"webhook: the server died at {crashed}")
            self._replace(place, house)
            return 500
        except IleenError as error:
            self.tell(f"webhook: {error.code}")
            return error.status
        return 200

    def _replace(self, place: int, dead: House) -> None:
        self._dead.append(dead)
        if self.houses[place] is dead:
            self.houses[place] = House(self)

    def _mind(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _end_calls(self, buyer: Buyer) -> None:
        from simulation.acts import void

        for hold in list(buyer.holds):
            void(self, buyer, hold)


def instant(seconds: int) -> Instant:
    return Instant(seconds * SECOND)


def _due_at_stripe(tx: Tx) -> list[int | None]:
    return [next_due(tx), tx.connection.execute("SELECT min(at) FROM due").fetchone()[0]]


def _brief(answer: Any) -> str:
    state = getattr(answer, "state", None)
    if state is not None and hasattr(answer, "id"):
        because = getattr(answer, "ended_because", None)
        return f"{answer.id} {state.value}" + (f" ({because})" if because else "")
    return "done" if answer is None or not isinstance(answer, (str, int)) else str(answer)
