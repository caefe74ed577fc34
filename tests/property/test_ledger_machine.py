"""A Hypothesis state machine drives every ledger command against an independent model of what must come of it.

The model knows credits only as piles: lots by burn order, holds, debt; and spending as a list of who spent what when.
It was written from the documented rules, not from `rules.py`. After every step the balances agree; a refused command
leaves every row of the wallet as it was; the audit is clean after each example. On both databases: one database for
all examples, a wallet for each. Hypothesis prints the failing example with a blob to reproduce it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ileen.base.clock import SECOND, ManualClock
from ileen.base.errors import CapReached, IleenError, InsufficientCredits, KeyInvalid, Refused
from ileen.base.ids import AccountId, HoldId, KeyId, LotId, SeededIds, wallet_of
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import (
    Adjust,
    Attribution,
    Authorize,
    Book,
    Capture,
    Charge,
    CloseKey,
    Forgive,
    Freeze,
    Fund,
    OpenWallet,
    Receipt,
    Remove,
    Restore,
    Seize,
    SetCaps,
    Source,
    Unfreeze,
    Usage,
    Void,
)
from ileen.store import schema
from ileen.store.engine import Database

KEYS = (KeyId("key_00000000000000000000000001"), KeyId("key_00000000000000000000000002"))
ZONE = "America/Los_Angeles"
DEBT_MAX = 50
LEDGER_TABLES = ("spender", "lot", "hold", "entry", "lot_draw", "usage_record", "usage_day")
amounts = st.integers(0, 120)
spenders = st.sampled_from([None, *KEYS])


@dataclass
class Pile:
    """A lot as the model sees it."""

    id: str
    bonus: bool
    left: int
    frozen: int = 0
    removed: int = 0


@dataclass
class Held:
    """A hold as the model sees it."""

    amount: int
    by: str | None
    state: str = "open"


@dataclass
class Spent:
    """One capture or charge."""

    amount: int
    by: str | None
    on: datetime


@dataclass
class Model:
    """An account's credits, kept simply."""

    piles: list[Pile] = field(default_factory=list)
    holds: dict[str, Held] = field(default_factory=dict)
    spending: list[Spent] = field(default_factory=list)
    caps: dict[str | None, dict[str, int | None]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    debt: int = 0
    seized: int = 0
    """What the wallet was made to owe, and was not forgiven."""

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.state == "open")

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

    def rooms(self, spender: str | None, today: datetime) -> list[int]:
        """What each cap of the account (None) or a key leaves today: day, month, total."""
        mine = [it for it in self.spending if spender is None or it.by == spender]
        held = sum(h.amount for h in self.holds.values() if h.state == "open" and spender in {None, h.by})
        spent = {
            "day": sum(it.amount for it in mine if it.on.date() == today.date()),
            "month": sum(it.amount for it in mine if (it.on.year, it.on.month) == (today.year, today.month)),
            "total": sum(it.amount for it in mine),
        }
        caps = self.caps.get(spender, {})
        return [cap - spent[name] - held for name in spent if (cap := caps.get(name)) is not None]


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self, database: Database, ledger: Ledger, clock: ManualClock, ids: SeededIds) -> None:
        super().__init__()
        self.database, self.ledger, self.clock, self.ids = database, ledger, clock, ids

    @initialize()
    def open(self) -> None:
        # An example run again must go the same way: the same calendar ahead (leap years too), holds in the same order.
        new_year = datetime(self.today().year // 4 * 4 + 5, 1, 2, tzinfo=UTC)
        self.clock.advance((new_year - self.today()) // timedelta(seconds=1))
        self.wallet = wallet_of(AccountId(self.ids.mint("acct")))
        self.ledger.run(OpenWallet(wallet=self.wallet, debt_max=DEBT_MAX, time_zone=ZONE))
        self.model = Model()
        self.done: list[tuple[Any, Receipt]] = []

    def teardown(self) -> None:
        assert audit(self.database, clock=self.clock).breaches == []
        self.clock.advance(101)
        self.ledger.sweep()  # what this example left open is no other's to free

    def today(self) -> datetime:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.clock.now())).astimezone(ZoneInfo(ZONE))

    def rows(self) -> dict[str, list[str]]:
        """Every row of the wallet in every table of the ledger."""
        with self.database.read() as connection:
            wallet = schema.wallet
            found = {"wallet": connection.execute(wallet.select().where(wallet.c.id == self.wallet)).all()}
            for name in LEDGER_TABLES:
                table = schema.metadata.tables[name]
                found[name] = connection.execute(table.select().where(table.c.wallet_id == self.wallet)).all()
        return {name: sorted(map(repr, rows)) for name, rows in found.items()}

    def do(self, command: Any, *, refusal: type[IleenError] | None) -> Receipt | None:
        """Run a command that the model allows or refuses; a refusal changes nothing."""
        before = self.rows() if refusal else None
        if refusal:
            with pytest.raises(refusal):
                self.ledger.run(command)
            assert self.rows() == before
            return None
        receipt = self.ledger.run(command)
        self.done.append((command, receipt))
        return receipt

    def spend(self, amount: int, by: str | None) -> None:
        self.model.spending.append(Spent(amount, by, self.today()))

    @rule(amount=amounts, source=st.sampled_from([Source.BONUS, Source.PURCHASE, Source.REFILL]))
    def fund(self, amount: int, source: Source) -> None:
        lot = LotId(self.ids.mint("lot"))
        self.clock.advance(1)
        if self.do(
            Fund(wallet=self.wallet, key=f"fund:{lot}", lot=lot, amount=amount, source=source),
            refusal=None if amount > 0 else Refused,
        ):
            self.model.piles.append(Pile(lot, source is Source.BONUS, amount))
            self.model.settle_debt()

    @rule(amount=amounts, least=amounts, by=spenders)
    def authorize(self, amount: int, least: int, by: KeyId | None) -> None:
        least = min(least, amount)
        model, today = self.model, self.today()
        capped = [*model.rooms(None, today), *(model.rooms(by, today) if by else [])]
        refusal: type[IleenError] | None = None
        if by in model.closed:
            refusal = KeyInvalid
        elif any(room < least for room in capped):
            refusal = CapReached
        elif model.free - model.debt < least:
            refusal = InsufficientCredits
        hold = HoldId(self.ids.mint("hold"))
        command = Authorize(
            wallet=self.wallet,
            key=f"authorize:{hold}",
            hold=hold,
            amount=amount,
            at_least=least,
            lifetime_us=100 * SECOND,
            attribution=Attribution(api_key=by),
        )
        receipt = self.do(command, refusal=refusal)
        if receipt:
            assert receipt.amount == min([amount, model.free, *capped])
            model.holds[hold] = Held(receipt.amount, by)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), amount=amounts)
    def capture(self, data: st.DataObject, amount: int) -> None:
        hold = data.draw(st.sampled_from(list(self.model.holds)))
        held = self.model.holds[hold]
        command = Capture(
            wallet=self.wallet,
            key=f"capture:{hold}:{self.ids.mint('k')}",
            hold=HoldId(hold),
            amount=amount,
            usage=Usage(input_tokens=amount),
        )
        receipt = self.do(command, refusal=None if held.state in {"open", "expired"} else Refused)
        if receipt is None:
            return
        model = self.model
        from_hold = min(amount, held.amount if held.state == "open" else 0)
        held.state = "captured"
        model.burn(from_hold)
        model.settle_debt()
        over = amount - from_hold
        from_free = min(over, model.free)
        model.burn(from_free)
        borrowed = min(over - from_free, max(DEBT_MAX - model.debt, 0))
        model.debt += borrowed
        self.spend(amount, held.by)
        assert (receipt.overrun, receipt.borrowed) == (over, borrowed)
        assert receipt.absorbed == over - from_free - borrowed

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from(list(self.model.holds)))
        held = self.model.holds[hold]
        command = Void(wallet=self.wallet, key=f"void:{hold}:{self.ids.mint('k')}", hold=HoldId(hold), reason="failed")
        if self.do(command, refusal=None if held.state == "open" else Refused):
            held.state = "voided"
            self.model.settle_debt()

    @rule()
    def let_all_expire(self) -> None:
        self.clock.advance(101)
        open_ = [hold for hold in self.model.holds.values() if hold.state == "open"]
        assert self.ledger.sweep() == len(open_)
        for hold in open_:
            hold.state = "expired"
            self.model.settle_debt()

    @rule(hours=st.integers(1, 800))
    def let_time_pass(self, hours: int) -> None:
        """Days and months go by, over midnights and the change to summer time; holds end as they do in a server."""
        self.let_all_expire()
        self.clock.advance(hours * 3600)

    @rule(amount=amounts, by=spenders)
    def charge(self, amount: int, by: KeyId | None) -> None:
        """Usage after the fact has happened: no cap can refuse it, a closed key can."""
        hold = HoldId(self.ids.mint("hold"))
        model = self.model
        borrowed = max(amount - max(model.free, 0), 0)
        refusal: type[IleenError] | None = None
        if by in model.closed:
            refusal = KeyInvalid
        elif borrowed and model.debt + borrowed > DEBT_MAX:
            refusal = Refused
        command = Charge(
            wallet=self.wallet, key=f"charge:{hold}", hold=hold, amount=amount, attribution=Attribution(api_key=by)
        )
        if self.do(command, refusal=refusal):
            model.burn(amount - borrowed)
            model.debt += borrowed
            self.spend(amount, by)
            model.holds[hold] = Held(0, by, "captured")

    @rule(amount=st.integers(-120, 120))
    def adjust(self, amount: int) -> None:
        lot = LotId(self.ids.mint("lot"))
        self.clock.advance(1)
        allowed = amount > 0 or (amount < 0 and -amount <= self.model.free)
        if self.do(
            Adjust(wallet=self.wallet, key=f"adjust:{lot}", lot=lot, amount=amount, reason="by hand"),
            refusal=None if allowed else Refused,
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
            "wallet": self.wallet,
            "key": self.ids.mint("k"),
            "lot": LotId(pile.id),
            "amount": amount,
            "reason": "refund",
        }
        if what == "freeze":
            room = min(pile.left - pile.frozen, self.model.free)
            if self.do(Freeze(**common), refusal=None if amount <= room else Refused):
                pile.frozen += amount
        elif what == "unfreeze":
            if self.do(Unfreeze(**common), refusal=None if amount <= pile.frozen else Refused):
                pile.frozen -= amount
                self.model.settle_debt()
        elif self.do(Remove(**common, to=Book.REFUNDED), refusal=None if amount <= pile.frozen else Refused):
            pile.frozen -= amount
            pile.left -= amount
            pile.removed += amount

    @precondition(lambda self: self.model.piles)
    @rule(data=st.data(), amount=amounts)
    def seize(self, data: st.DataObject, amount: int) -> None:
        """Money went back at Stripe: what is left is frozen, the rest is owed, beyond the bound."""
        pile, model = data.draw(st.sampled_from(self.model.piles)), self.model
        frozen = min(pile.left - pile.frozen, model.free, amount)
        key, lot = self.ids.mint("k"), LotId(pile.id)
        command = Seize(wallet=self.wallet, key=key, lot=lot, amount=amount, to=Book.DISPUTED, reason="dispute")
        receipt = self.do(command, refusal=None)
        assert receipt is not None and (receipt.amount, receipt.borrowed) == (frozen, amount - frozen)
        pile.frozen += frozen
        model.debt += amount - frozen
        model.seized += amount - frozen
        model.settle_debt()

    @precondition(lambda self: any(pile.removed for pile in self.model.piles))
    @rule(data=st.data(), amount=amounts)
    def restore(self, data: st.DataObject, amount: int) -> None:
        pile = data.draw(st.sampled_from([pile for pile in self.model.piles if pile.removed]))
        amount = min(amount, pile.removed)
        key, lot = self.ids.mint("k"), LotId(pile.id)
        self.do(
            Restore(wallet=self.wallet, key=key, lot=lot, amount=amount, out_of=Book.REFUNDED, reason="failed"),
            refusal=None,
        )
        pile.left += amount
        pile.removed -= amount
        self.model.settle_debt()

    @rule(amount=amounts)
    def forgive(self, amount: int) -> None:
        """A dispute was won: debt goes, and what was paid of it comes back as a lot that burns first."""
        self.clock.advance(1)
        lot, model = LotId(self.ids.mint("lot")), self.model
        command = Forgive(
            wallet=self.wallet, key=f"forgive:{lot}", lot=lot, amount=amount, out_of=Book.DISPUTED, reason="won"
        )
        if self.do(command, refusal=None if amount <= model.seized else Refused):
            owed = min(amount, model.debt)
            model.seized -= amount
            model.debt -= owed
            if amount - owed:
                model.piles.append(Pile(lot, True, amount - owed))

    @rule(spender=spenders, day=st.none() | amounts, month=st.none() | amounts, total=st.none() | amounts)
    def set_caps(self, spender: KeyId | None, day: int | None, month: int | None, total: int | None) -> None:
        self.ledger.run(SetCaps(wallet=self.wallet, api_key=spender, day=day, month=month, total=total))
        self.model.caps[spender] = {"day": day, "month": month, "total": total}

    @rule(spender=spenders)
    def lift_caps(self, spender: KeyId | None) -> None:
        self.set_caps(spender, None, None, None)

    @rule(spender=spenders, which=st.sampled_from(["day", "month", "total"]))
    def set_a_cap_below_zero(self, spender: KeyId | None, which: str) -> None:
        self.do(SetCaps(wallet=self.wallet, api_key=spender, **{which: -1}), refusal=Refused)

    @rule(key=st.sampled_from(KEYS))
    def close_key(self, key: KeyId) -> None:
        self.ledger.run(CloseKey(wallet=self.wallet, api_key=key))
        self.model.closed.add(key)

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same command again replays its first answer, however long ago, and changes nothing."""
        command, first = data.draw(st.sampled_from(self.done))
        before = self.rows()

        again = self.ledger.run(command)

        assert again.replayed
        assert msgspec.structs.replace(again, replayed=False) == first
        assert self.rows() == before

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def repeat_with_other_content(self, data: st.DataObject) -> None:
        command, _ = data.draw(st.sampled_from(self.done))
        if hasattr(command, "amount"):
            other = msgspec.structs.replace(command, amount=command.amount + 1)
            self.do(other, refusal=Refused)

    @invariant()
    def balances_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        wallet = self.ledger.wallet(self.wallet)
        model = self.model
        assert (wallet.held, wallet.debt) == (model.held, model.debt)
        assert wallet.spent == sum(it.amount for it in model.spending)
        assert wallet.settled == model.free + model.held - model.debt
        assert wallet.frozen == sum(pile.frozen for pile in model.piles)
        left = {lot.id: (lot.left, lot.frozen) for lot in self.ledger.lots(self.wallet)}
        assert left == {pile.id: (pile.left, pile.frozen) for pile in model.piles}


def test_the_ledger_does_what_the_model_says(database: Database, ledger: Ledger, clock: ManualClock) -> None:
    ids = SeededIds(clock, 1)
    run_state_machine_as_test(
        lambda: LedgerMachine(database, ledger, clock, ids),
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
