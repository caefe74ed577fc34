"""A Hypothesis state machine drives every ledger command against an independent model of what must come of it.

The model knows credits only as piles: lots by burn order, holds, debt. It was written from the documented rules, not
from `rules.py`. After every step the balances agree; a refused command leaves every table as it was; the audit is
clean at the end. Hypothesis prints the failing example with a blob to reproduce it.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ileen.base.clock import SECOND, ManualClock
from ileen.base.errors import Refused
from ileen.base.ids import HoldId, KeyId, LotId, SeededIds, WalletId
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import (
    Adjust,
    Attribution,
    Authorize,
    Book,
    Capture,
    Charge,
    Freeze,
    Fund,
    OpenWallet,
    Receipt,
    Remove,
    SetCaps,
    Source,
    Unfreeze,
    Usage,
    Void,
)
from ileen.store import schema
from ileen.store.engine import Database

WALLET = WalletId("wal_00000000000000000000000001")
KEY = KeyId("key_00000000000000000000000001")
DEBT_MAX = 50
amounts = st.integers(0, 120)


@dataclass
class Pile:
    """A lot as the model sees it."""

    id: str
    bonus: bool
    left: int
    frozen: int = 0


@dataclass
class Model:
    """An account's credits, kept simply."""

    piles: list[Pile] = field(default_factory=list)
    holds: dict[str, tuple[int, str]] = field(default_factory=dict)
    debt: int = 0
    spent: int = 0
    key_spent: int = 0
    cap: int | None = None

    @property
    def held(self) -> int:
        return sum(amount for amount, state in self.holds.values() if state == "open")

    @property
    def free(self) -> int:
        return sum(pile.left - pile.frozen for pile in self.piles) - self.held

    def burn(self, amount: int) -> None:
        for pile in sorted(self.piles, key=lambda pile: not pile.bonus):  # stable: oldest first within each
            part = min(amount, pile.left - pile.frozen)
            pile.left -= part
            amount -= part
        assert amount == 0

    def settle_debt(self) -> None:
        part = min(self.debt, self.free)
        self.debt -= part
        self.burn(part)


class LedgerMachine(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.database = Database.open(f"sqlite:///{self.folder}/ileen.sqlite3")
        self.database.migrate()
        self.clock = ManualClock()
        self.ids = SeededIds(self.clock, 1)
        self.ledger = Ledger(self.database, clock=self.clock)
        self.ledger.start()
        self.ledger.run(OpenWallet(wallet=WALLET, debt_max=DEBT_MAX))
        self.model = Model()
        self.done: list[tuple[Any, Receipt]] = []

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.stop()
            assert audit(self.database, clock=self.clock).breaches == []
            self.database.close()
            shutil.rmtree(self.folder)

    def tables(self) -> dict[str, list[Any]]:
        with self.database.read() as connection:
            return {
                table.name: sorted(map(repr, connection.execute(table.select())))
                for table in schema.metadata.sorted_tables
            }

    def do(self, command: Any, *, allowed: bool) -> Receipt | None:
        """Run a command that the model allows or refuses; a refusal changes nothing."""
        before = None if allowed else self.tables()
        try:
            receipt = self.ledger.run(command)
        except Refused:
            assert not allowed, f"refused although the model allows it: {command}"
            assert self.tables() == before
            return None
        assert allowed, f"accepted although the model refuses it: {command}"
        self.done.append((command, receipt))
        return receipt

    @rule(amount=amounts, source=st.sampled_from([Source.BONUS, Source.PURCHASE, Source.REFILL]))
    def fund(self, amount: int, source: Source) -> None:
        lot = LotId(self.ids.mint("lot"))
        self.clock.advance(1)
        if self.do(Fund(wallet=WALLET, key=f"fund:{lot}", lot=lot, amount=amount, source=source), allowed=amount > 0):
            self.model.piles.append(Pile(lot, source is Source.BONUS, amount))
            self.model.settle_debt()

    @rule(amount=amounts, least=st.integers(0, 120), with_key=st.booleans())
    def authorize(self, amount: int, least: int, with_key: bool) -> None:
        least = min(least, amount)
        room = self.model.free - self.model.debt
        if with_key and self.model.cap is not None:
            key_held = sum(a for h, (a, s) in self.model.holds.items() if s == "open" and h in self.key_holds)
            room = min(room, self.model.cap - self.model.key_spent - key_held)
        hold = HoldId(self.ids.mint("hold"))
        command = Authorize(
            wallet=WALLET,
            key=f"authorize:{hold}",
            hold=hold,
            amount=amount,
            at_least=least,
            lifetime_us=100 * SECOND,
            attribution=Attribution(api_key=KEY if with_key else None),
        )
        receipt = self.do(command, allowed=room >= least)
        if receipt:
            assert receipt.amount == min(amount, room)
            self.model.holds[hold] = (receipt.amount, "open")
            if with_key:
                self.key_holds.add(hold)

    @property
    def key_holds(self) -> set[str]:
        return self.__dict__.setdefault("_key_holds", set())

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), amount=amounts)
    def capture(self, data: st.DataObject, amount: int) -> None:
        hold = data.draw(st.sampled_from(sorted(self.model.holds)))
        held, state = self.model.holds[hold]
        command = Capture(
            wallet=WALLET,
            key=f"capture:{hold}:{self.ids.mint('k')}",
            hold=HoldId(hold),
            amount=amount,
            usage=Usage(input_tokens=amount),
        )
        receipt = self.do(command, allowed=state in {"open", "expired"})
        if receipt is None:
            return
        model = self.model
        model.holds[hold] = (held, "captured")
        from_hold = min(amount, held if state == "open" else 0)
        model.burn(from_hold)
        model.settle_debt()
        over = amount - from_hold
        from_free = min(over, model.free)
        model.burn(from_free)
        borrowed = min(over - from_free, DEBT_MAX - model.debt)
        model.debt += borrowed
        model.spent += amount
        if hold in self.key_holds:
            model.key_spent += amount
        assert (receipt.overrun, receipt.borrowed) == (over, borrowed)
        assert receipt.absorbed == over - from_free - borrowed

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from(sorted(self.model.holds)))
        amount, state = self.model.holds[hold]
        command = Void(wallet=WALLET, key=f"void:{hold}:{self.ids.mint('k')}", hold=HoldId(hold), reason="failed")
        if self.do(command, allowed=state == "open"):
            self.model.holds[hold] = (amount, "voided")
            self.model.settle_debt()

    @rule()
    def let_all_expire(self) -> None:
        self.clock.advance(101)
        open_ = [hold for hold, (_, state) in self.model.holds.items() if state == "open"]
        assert self.ledger.sweep() == len(open_)
        for hold in open_:
            self.model.holds[hold] = (self.model.holds[hold][0], "expired")
            self.model.settle_debt()

    @rule(amount=amounts)
    def charge(self, amount: int) -> None:
        hold = HoldId(self.ids.mint("hold"))
        borrowed = max(amount - max(self.model.free, 0), 0)
        allowed = borrowed == 0 or self.model.debt + borrowed <= DEBT_MAX
        if self.do(Charge(wallet=WALLET, key=f"charge:{hold}", hold=hold, amount=amount), allowed=allowed):
            self.model.burn(amount - borrowed)
            self.model.debt += borrowed
            self.model.spent += amount
            self.model.holds[hold] = (0, "captured")

    @rule(amount=st.integers(-120, 120))
    def adjust(self, amount: int) -> None:
        lot = LotId(self.ids.mint("lot"))
        self.clock.advance(1)
        allowed = amount > 0 or (amount < 0 and -amount <= self.model.free)
        if self.do(
            Adjust(wallet=WALLET, key=f"adjust:{lot}", lot=lot, amount=amount, reason="by hand"), allowed=allowed
        ):
            if amount > 0:
                self.model.piles.append(Pile(lot, True, amount))
                self.model.settle_debt()
            else:
                self.model.burn(-amount)

    @precondition(lambda self: self.model.piles)
    @rule(data=st.data(), amount=amounts, what=st.sampled_from(["freeze", "unfreeze", "remove"]))
    def set_aside(self, data: st.DataObject, amount: int, what: str) -> None:
        pile = data.draw(st.sampled_from(self.model.piles))
        common: dict[str, Any] = {
            "wallet": WALLET,
            "key": self.ids.mint("k"),
            "lot": LotId(pile.id),
            "amount": amount,
            "reason": "refund",
        }
        if what == "freeze":
            room = min(pile.left - pile.frozen, self.model.free)
            if self.do(Freeze(**common), allowed=amount <= room):
                pile.frozen += amount
        elif what == "unfreeze":
            if self.do(Unfreeze(**common), allowed=amount <= pile.frozen):
                pile.frozen -= amount
                self.model.settle_debt()
        elif self.do(Remove(**common, to=Book.REFUNDED), allowed=amount <= pile.frozen):
            pile.frozen -= amount
            pile.left -= amount

    @rule(cap=st.none() | amounts)
    def set_cap(self, cap: int | None) -> None:
        self.ledger.run(SetCaps(wallet=WALLET, api_key=KEY, total=cap))
        self.model.cap = cap

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same command again replays its first answer, however long ago, and changes nothing."""
        command, first = data.draw(st.sampled_from(self.done))
        before = self.tables()

        again = self.ledger.run(command)

        assert again.replayed
        assert {**_fields(again), "replayed": False} == _fields(first)
        assert self.tables() == before

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def repeat_with_other_content(self, data: st.DataObject) -> None:
        command, _ = data.draw(st.sampled_from(self.done))
        if hasattr(command, "amount"):
            import msgspec

            other = msgspec.structs.replace(command, amount=command.amount + 1)
            self.do(other, allowed=False)

    @invariant()
    def balances_agree(self) -> None:
        if not hasattr(self, "ledger"):
            return
        wallet = self.ledger.wallet(WALLET)
        model = self.model
        assert (wallet.held, wallet.debt, wallet.spent) == (model.held, model.debt, model.spent)
        assert wallet.settled == model.free + model.held - model.debt
        assert wallet.frozen == sum(pile.frozen for pile in model.piles)
        left = {lot.id: (lot.left, lot.frozen) for lot in self.ledger.lots(WALLET)}
        assert left == {pile.id: (pile.left, pile.frozen) for pile in model.piles}


def _fields(receipt: Receipt) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(receipt)


LedgerMachine.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestLedgerMachine = LedgerMachine.TestCase
