"""The machine: carries one purchase on, step by step, until it has ended or has to wait.

Owns: the order decide → record → call → record, and who may drive. Refuses to know: which step comes next (`rules`).
After every call the invoice is read afresh, since the answer may be a replay of an old one. A crash between any two
lines leaves a purchase that the poller finds by `look_at` and carries on with from what is recorded and what Stripe
says. Driving takes a lease; writing down that money came in does not, whoever learns of it first.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog

from ileen import jobs
from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import CardDeclined, LocationInvalid, StripeRefused, StripeUnavailable
from ileen.base.ids import Ids, PurchaseId
from ileen.payments import records
from ileen.payments.amounts import write_cents
from ileen.payments.model import ENDED, Policy, PurchaseState
from ileen.payments.records import Overtaken
from ileen.payments.rules import Decision, Record, Step, decide
from ileen.payments.settle import Settler
from ileen.payments.stripe import Invoice, Stripe, invoices
from ileen.payments.stripe.decline import decline_of
from ileen.store.engine import Database

DRIVE: Final = "payments.drive"
"""The kind of job that carries one purchase on."""

_TURNS_MAX: Final = 30
"""More turns than any purchase has steps: reaching it is a fault of the rules."""
_CLOCK_SKEW_S: Final = 300
"""How far our clock and Stripe's may differ when an invoice is looked for by the time it was made."""
_WRITES_ONLY: Final = frozenset({Step.NOTE, Step.CLOSE, Step.TAKE})
"""Steps after which the last read of the invoice is as good as before: they ask nothing of Stripe."""
_REFUSABLE: Final = frozenset({Step.CREATE, Step.ADD_LINE, Step.FINALIZE, Step.PAY, Step.PAY_AGAIN})

_log = structlog.get_logger()


class Machine:
    """Drives purchases. Any number of machines, in any number of processes, share them."""

    def __init__(
        self, database: Database, *, stripe: Stripe, settler: Settler, policy: Policy, clock: Clock, ids: Ids
    ) -> None:
        self.database, self.stripe, self.settler = database, stripe, settler
        self.policy, self.clock, self.ids = policy, clock, ids

    def lease_end(self) -> Instant:
        """Return the instant until which a purchase taken now is kept."""
        return Instant(self.clock.now() + self.policy.lease_us)

    def drive(self, id_: PurchaseId) -> Record | None:
        """Take a purchase and carry it on as far as it goes; None if another process has it.

        Raises nothing of Stripe's: what fails is tried again later. Calls: Stripe, the ledger.
        """
        with self.database.write() as connection:
            record = records.lease(connection, id_, now=self.clock.now(), until=self.lease_end())
        return None if record is None else self.carry_on(record)

    def attend(self, id_: PurchaseId, invoice: Invoice | None) -> None:
        """Take note of a freshly read invoice: write down at once if it is paid, else have the purchase looked at.

        Raises: NotFound, Unavailable. Calls: the ledger.
        """
        if invoice is not None and invoice.status == "paid":
            self.settler.settle(id_, invoice)
            return
        now = self.clock.now()
        with self.database.write() as connection:
            records.nudge(connection, id_, now=now)
            jobs.enqueue(connection, ids=self.ids, kind=DRIVE, payload={"purchase": id_}, now=now, key=id_)

    def carry_on(self, record: Record) -> Record:
        """Drive a purchase this process has taken; give it back at the end, however it ends."""
        return _Drive(self, record).run()

    def read(self, record: Record) -> Invoice | None:
        """Read a purchase's invoice afresh; None if Stripe has none. Raises: StripeUnavailable."""
        if record.invoice_id is not None:
            return invoices.read(self.stripe, record.invoice_id)
        if record.version == 1:  # recorded this moment, nothing was asked of Stripe yet
            return None
        since_s = record.created_at // SECOND - _CLOCK_SKEW_S
        return invoices.find(self.stripe, customer=record.customer, purchase_id=record.id, since_s=since_s)


class _Drive:
    """One run through the steps of one purchase; `record` is the version this process wrote last."""

    def __init__(self, machine: Machine, record: Record) -> None:
        self._machine, self._record = machine, record
        self._calls: dict[Step, Callable[[], None]] = {
            Step.CREATE: self._create,
            Step.ADD_LINE: self._add_line,
            Step.FINALIZE: self._finalize,
            Step.PAY: self._pay,
            Step.PAY_AGAIN: self._pay_again,
            Step.VOID: self._void,
            Step.DELETE: self._delete,
        }

    def run(self) -> Record:
        look_again: int | None = self._machine.policy.again_us
        try:
            look_again = self._turn_over()
        except Overtaken:
            with self._machine.database.read() as connection:
                return records.get(connection, self._record.id)
        except StripeUnavailable as error:
            _log.warning("payments.stripe.unavailable", purchase=self._record.id, error=str(error.__cause__ or error))
        self._release(look_again)
        return self._record

    def _turn_over(self) -> int | None:
        """Do step after step; return in how many microseconds to look again, None for never."""
        refused: tuple[Step, str] | None = None
        invoice, is_fresh = None, False
        for _ in range(_TURNS_MAX):
            if not is_fresh:
                invoice = self._machine.read(self._record)
            decision = decide(self._record, invoice, now=self._now(), policy=self._machine.policy)
            if decision.step is Step.NOTHING:
                return None
            if decision.step is Step.WAIT:
                return self._pause()
            if refused is not None and _same(refused[0], decision.step):
                if decision.step not in _REFUSABLE:
                    return self._stuck(decision.step, refused[1])
                decision = _given_up(refused[1])
            is_fresh = decision.step in _WRITES_ONLY
            try:
                self._do(invoice, decision)
            except (StripeRefused, LocationInvalid) as error:
                refused = decision.step, error.detail  # what was refused may have happened: a fresh read decides
        raise AssertionError(f"purchase {self._record.id} does not come to an end")

    def _stuck(self, step: Step, reason: str) -> int:
        """Come back later for what Stripe refuses to end; after a day it is the operator's, told once.

        A payment that the bank still decides on keeps its invoice from being voided, for minutes or hours.
        """
        _log.error("payments.invoice.stuck", purchase=self._record.id, step=step, reason=reason)
        policy = self._machine.policy
        if self._record.alarm is None and self._now() - self._record.created_at >= policy.stuck_us:
            alarm = f"Stripe refuses to {step.value} invoice {self._record.invoice_id}: {reason}"
            self._change("stuck", detail=reason, alarm=alarm)
        return policy.look_us

    def _do(self, invoice: Invoice | None, decision: Decision) -> None:
        if decision.step in self._calls:
            self._calls[decision.step]()
            return
        match decision.step:
            case Step.TAKE | Step.SETTLE | Step.END:
                self._record = self._machine.settler.do(self._record, invoice, decision)
            case Step.KNOW:
                assert invoice is not None
                self._know(invoice.id)
            case Step.NOTE:
                assert invoice is not None and decision.state is not None
                self._note(invoice, decision.state)
            case _:
                assert decision.step is Step.CLOSE, decision.step
                self._close(decision)

    # Steps that only write down ----------------------------------------------------------------------------------

    def _know(self, invoice_id: str) -> None:
        ended = self._record.state in ENDED
        self._change("created", state=self._record.state if ended else PurchaseState.CREATED, invoice_id=invoice_id)

    def _note(self, invoice: Invoice, state: PurchaseState) -> None:
        values: dict[str, Any] = {"state": state, "invoice_number": invoice.number}
        if state is PurchaseState.ACTION_REQUIRED:
            policy = self._machine.policy
            away = self._record.refill_id is not None
            values["action_until"] = Instant(self._now() + (policy.away_us if away else policy.action_us))
        if invoice.intent is not None:
            values["intent_id"] = invoice.intent.id
        self._change(state.value, **values)

    def _close(self, decision: Decision) -> None:
        values: dict[str, Any] = {"closing": decision.state, "because": decision.because}
        if decision.decline is not None:
            values["decline_code"] = decision.decline.code
        if decision.alarm is not None:
            values["alarm"] = decision.alarm
        self._change("close", detail=decision.alarm or decision.because, **values)

    # Steps that call Stripe: recorded, called, and read again in the next turn ----------------------------------------

    def _create(self) -> None:
        key = self._key("create")
        self._change("create", key=key)
        invoice_id = invoices.create(
            self._machine.stripe,
            customer=self._record.customer,
            purchase_id=self._record.id,
            footer=self._machine.policy.footer,
            key=key,
        )
        crash.point("payments.create.called")
        self._know(invoice_id)

    def _add_line(self) -> None:
        key = self._key("item")
        self._change("item", key=key)
        invoices.add_line(
            self._machine.stripe,
            self._invoice_id(),
            customer=self._record.customer,
            cents=self._record.net,
            description=description(self._record.net),
            tax_code=self._machine.policy.tax_code,
            key=key,
        )
        crash.point("payments.item.called")

    def _finalize(self) -> None:
        key = self._key("finalize")
        self._change("finalize", key=key)
        invoices.finalize(self._machine.stripe, self._invoice_id(), key=key)
        crash.point("payments.finalize.called")

    def _pay(self) -> None:
        attempt = self._record.attempt + 1
        moment: dict[str, Any] = {"attempt": attempt, "attempted_at": self._now()}
        self._change("pay", key=self._key(f"pay:{attempt}"), state=PurchaseState.PAYING, **moment)
        self._order()

    def _pay_again(self) -> None:
        self._change("pay_again", key=self._key(f"pay:{self._record.attempt}"))
        self._order()

    def _order(self) -> None:
        """Order the recorded attempt. A decline is written down; the next turn decides on what Stripe says then."""
        key = self._key(f"pay:{self._record.attempt}")
        try:
            invoices.pay(
                self._machine.stripe,
                self._invoice_id(),
                card=self._record.card,
                off_session=self._record.refill_id is not None,
                key=key,
            )
        except CardDeclined as error:
            crash.point("payments.pay.declined")
            decline = decline_of(str(error.fields["decline_code"]))
            if not decline.wants_action:
                _log.warning("payments.card.declined", purchase=self._record.id, kind=decline.kind.value)
            step = "asked" if decline.wants_action else "declined"
            self._change(step, detail=decline.code, decline_code=decline.code)
            return
        crash.point("payments.pay.called")

    def _void(self) -> None:
        # Voiding twice harms nothing, while a refusal that Stripe remembers under a fixed key would block it for a day.
        key = self._key(f"void:{self._record.version}")
        self._change("void", key=key)
        invoices.void(self._machine.stripe, self._invoice_id(), key=key)
        crash.point("payments.void.called")

    def _delete(self) -> None:
        self._change("delete")
        invoices.delete(self._machine.stripe, self._invoice_id())
        crash.point("payments.delete.called")

    def _change(self, step: str, *, key: str | None = None, detail: str | None = None, **values: Any) -> None:
        """Record a step and keep the purchase a while longer."""
        crash.point(f"payments.{step}.decided")
        kept = {"leased_until": self._machine.lease_end()}
        before = self._record.state
        with self._machine.database.write() as connection:
            self._record = records.change(
                connection, self._record, step=step, at=self._now(), key=key, detail=detail, **kept, **values
            )
            if self._record.state is not before:
                self._machine.settler.outcomes.heard(connection, self._record)
            if "alarm" in values:
                self._machine.settler.alarm(connection, self._record)
        crash.point(f"payments.{step}.recorded")

    def _release(self, look_again: int | None) -> None:
        look_at = None if look_again is None else Instant(self._now() + look_again)
        with self._machine.database.write() as connection:
            records.release(connection, self._record, look_at=look_at)

    def _pause(self) -> int:
        look = self._machine.policy.look_us
        if self._record.action_until is None:
            return look
        return min(max(self._record.action_until - self._now(), SECOND), look)

    def _key(self, step: str) -> str:
        return f"purchase:{self._record.id}:{step}"

    def _invoice_id(self) -> str:
        assert self._record.invoice_id is not None, "its id is recorded before anything is asked of an invoice"
        return self._record.invoice_id

    def _now(self) -> Instant:
        return self._machine.clock.now()


def description(net_cents: int) -> str:
    """Return what the invoice's one line says."""
    return f"{write_cents(net_cents)} credits"


def _given_up(reason: str) -> Decision:
    return Decision(step=Step.CLOSE, state=PurchaseState.FAILED, because=f"refused: {reason}")


def _same(one: Step, other: Step) -> bool:
    pays = {Step.PAY, Step.PAY_AGAIN}
    return one is other or (one in pays and other in pays)
