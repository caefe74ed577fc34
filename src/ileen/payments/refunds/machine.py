"""The machine: carries one refund on, step by step, until it has ended or has to wait.

Owns: the order decide → record → call → record, and who may drive. Refuses to know: which step comes next (`rules`),
and what is refundable (`door`). A crash between any two lines leaves a refund that the sweep finds by `look_at`; the
ledger's commands and Stripe's order carry keys of the refund, so that repeating them does nothing twice. Before an
order is repeated its credit note is looked for, since Stripe may forget a key after a day.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog

from ileen.base import crash
from ileen.base.clock import Clock, Instant
from ileen.base.errors import LotShort, StripeRefused, StripeUnavailable
from ileen.base.ids import Ids, LotId, wallet_of
from ileen.ledger import Ledger
from ileen.ledger.model import Book, Forgive, Freeze, Receipt, Remove, Restore, Seize, Unfreeze
from ileen.payments import records
from ileen.payments.amounts import credits_of
from ileen.payments.records import Overtaken
from ileen.payments.refunds import book, notes
from ileen.payments.refunds.model import Origin, Refund, RefundPolicy, RefundState
from ileen.payments.refunds.rules import Do, decide
from ileen.payments.refunds.tell import Teller
from ileen.payments.stripe import Stripe, returns
from ileen.payments.stripe.returns import Note, Refunded
from ileen.store.engine import Database

_TURNS_MAX: Final = 12
"""More turns than any refund has steps: reaching it is a fault of the rules."""
_MEMO: Final = "Refund of unused credits"

_log = structlog.get_logger()


class Machine:
    """Drives refunds. Any number of machines, in any number of processes, share them."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        *,
        stripe: Stripe,
        policy: RefundPolicy,
        clock: Clock,
        ids: Ids,
        teller: Teller,
    ) -> None:
        self.database, self.ledger, self.stripe = database, ledger, stripe
        self.policy, self.clock, self.ids, self.teller = policy, clock, ids, teller

    def lease_end(self) -> Instant:
        """Return the instant until which a refund taken now is kept."""
        return Instant(self.clock.now() + self.policy.lease_us)

    def drive(self, id_: str) -> Refund | None:
        """Take a refund and carry it on as far as it goes; None if another process has it.

        Raises nothing of Stripe's: what fails is tried again later. Calls: Stripe, the ledger.
        """
        with self.database.write() as connection:
            refund = book.lease(connection, id_, now=self.clock.now(), until=self.lease_end())
        return None if refund is None else self.carry_on(refund)

    def carry_on(self, refund: Refund) -> Refund:
        """Drive a refund this process has taken; give it back at the end, however it ends."""
        return _Drive(self, refund).run()


class _Drive:
    """One run through the steps of one refund; `refund` is the version this process wrote last."""

    def __init__(self, machine: Machine, refund: Refund) -> None:
        self._machine, self._refund = machine, refund
        self._wallet = wallet_of(refund.account_id)
        self._note: Note | None = None
        self._back: Refunded | None = None
        self._calls: dict[Do, Callable[[], None]] = {
            Do.SET_ASIDE: self._set_aside,
            Do.SEND: self._send,
            Do.KNOW: self._know,
            Do.TAKE: self._take,
            Do.CLOSE: self._close,
            Do.GIVE_BACK: self._give_back,
        }

    def run(self) -> Refund:
        look_again: int | None = self._machine.policy.again_us
        try:
            look_again = self._turn_over()
        except Overtaken:
            with self._machine.database.read() as connection:
                return book.get(connection, self._refund.id)
        except StripeUnavailable as error:
            _log.warning("refunds.stripe.unavailable", refund=self._refund.id, error=str(error.__cause__ or error))
        look_at = None if look_again is None else Instant(self._machine.clock.now() + look_again)
        with self._machine.database.write() as connection:
            book.release(connection, self._refund, look_at=look_at)
        return self._refund

    def _turn_over(self) -> int | None:
        """Do step after step; return in how many microseconds to look again, None for never."""
        for _ in range(_TURNS_MAX):
            self._read()
            step = decide(self._refund, self._note, self._back)
            if step is Do.NOTHING:
                return None
            if step is Do.WAIT:
                return self._machine.policy.look_us if self._refund.state is RefundState.SENT else None
            self._calls[step]()
        raise AssertionError(f"refund {self._refund.id} does not come to an end")

    def _read(self) -> None:
        """Read afresh at Stripe what the next decision rests on. Raises: StripeUnavailable, StripeRefused."""
        refund, stripe = self._refund, self._machine.stripe
        self._note = self._back = None
        if refund.state is RefundState.APPROVED and refund.closing is None:
            found = returns.notes_of(stripe, self._invoice_id())
            self._note = next((each for each in found if each.refund == refund.id), None)
        elif refund.state in {RefundState.SENT, RefundState.DONE} and refund.stripe_id is not None:
            self._back = read_back(stripe, refund.stripe_id)

    # Steps -------------------------------------------------------------------------------------------------------

    def _set_aside(self) -> None:
        """Freeze the credits; what was spent of a refund that was made at Stripe is owed from now on."""
        refund, amount = self._refund, credits_of(self._refund.net)
        common: dict[str, Any] = {"wallet": self._wallet, "lot": refund.lot_id, "reason": f"refund {refund.id}"}
        if refund.origin is Origin.DASHBOARD:
            seize = Seize(key=self._key("freeze"), amount=amount, to=Book.REFUNDED, **common)
            receipt = self._run(seize, "freeze")
            now = self._machine.clock.now()
            self._change("noticed", state=RefundState.SENT, sent_at=now, frozen=receipt.amount, owed=receipt.borrowed)
            return
        try:
            self._run(Freeze(key=self._key("freeze"), amount=amount, **common), "freeze")
        except LotShort as short:
            self._change("changed", detail=short.detail, state=RefundState.CHANGED, because="spent")
            return
        enough = len(refund.approvers) >= refund.needs
        self._change("held", state=RefundState.APPROVED if enough else RefundState.HELD, frozen=amount)

    def _send(self) -> None:
        refund, policy, now = self._refund, self._machine.policy, self._machine.clock.now()
        moment: dict[str, Any] = {}
        if refund.attempted_at is None or now - refund.attempted_at >= policy.same_key_us:
            moment = {"attempt": refund.attempt + 1, "attempted_at": now}
        self._change("send", key=self._key(f"note:{refund.attempt + len(moment) // 2}"), **moment)
        refused: StripeRefused | None = None
        try:
            self._order()
        except StripeRefused as error:
            refused = error
        crash.point("refunds.send.called")
        self._read()  # what was refused may have happened
        if refused is not None and self._note is None:
            code = str(refused.fields.get("stripe_code") or "refused")
            self._change("refused", detail=refused.detail, closing=RefundState.FAILED, because=code)

    def _order(self) -> None:
        """Order the credit note with the refund, for the very total that was agreed to. Raises: StripeRefused."""
        refund, stripe = self._refund, self._machine.stripe
        with self._machine.database.read() as connection:
            record = records.get(connection, refund.purchase_id)
        plan = notes.plan(stripe, record, net=refund.net, vat=refund.vat, vat_left=refund.vat)
        if plan.total != refund.total:
            raise StripeRefused(reason=f"it would give back {plan.total} cents, {refund.total} were agreed to")
        key = self._key(f"note:{refund.attempt}")
        returns.order(stripe, plan.part, back=plan.total, refund_id=refund.id, memo=_MEMO, key=key)

    def _know(self) -> None:
        note = self._note
        assert note is not None
        self._change(
            "sent",
            detail=note.number,
            state=RefundState.SENT,
            sent_at=self._machine.clock.now(),
            note_id=note.id,
            note_number=note.number,
            stripe_id=note.refunds[0][0] if note.refunds else note.id,
        )

    def _take(self) -> None:
        refund = self._refund
        if refund.frozen:
            reason = f"refund {refund.id}"
            command = Remove(
                wallet=self._wallet,
                key=self._key("remove"),
                lot=refund.lot_id,
                amount=refund.frozen,
                to=Book.REFUNDED,
                reason=reason,
            )
            self._run(command, "remove")
        self._change("done", state=RefundState.DONE)

    def _close(self) -> None:
        back = self._back
        assert back is not None
        because = f"{back.status}: {back.failure}" if back.failure else back.status
        self._change("close", detail=because, closing=RefundState.FAILED, because=back.failure or back.status)

    def _give_back(self) -> None:
        """Put the credits where they were, and let the wallet owe nothing for those that were spent."""
        refund = self._refund
        assert refund.closing is not None
        common: dict[str, Any] = {"wallet": self._wallet, "reason": f"refund {refund.id} {refund.closing.value}"}
        if refund.frozen:
            if refund.state is RefundState.DONE:
                restore = Restore(
                    key=self._key("restore"), lot=refund.lot_id, amount=refund.frozen, out_of=Book.REFUNDED, **common
                )
                self._run(restore, "restore")
            else:
                unfreeze = Unfreeze(key=self._key("unfreeze"), lot=refund.lot_id, amount=refund.frozen, **common)
                self._run(unfreeze, "unfreeze")
        if refund.owed:
            lot = LotId(self._machine.ids.mint("lot"))
            forgive = Forgive(key=self._key("forgive"), lot=lot, amount=refund.owed, out_of=Book.REFUNDED, **common)
            self._run(forgive, "forgive")
        self._change(refund.closing.value, state=refund.closing, closing=None, detail=refund.because)

    # -------------------------------------------------------------------------------------------------------------

    def _run(self, command: Any, name: str) -> Receipt:
        crash.point(f"refunds.{name}.decided")
        receipt = self._machine.ledger.run(command)
        crash.point(f"refunds.{name}.called")
        return receipt

    def _change(self, step: str, *, key: str | None = None, detail: str | None = None, **values: Any) -> None:
        """Record a step, keep the refund a while longer, and tell whom it concerns, in one transaction."""
        machine, before = self._machine, self._refund.state
        with machine.database.write() as connection:
            self._refund = book.change(
                connection,
                self._refund,
                step=step,
                at=machine.clock.now(),
                by="system",
                key=key,
                detail=detail,
                leased_until=machine.lease_end(),
                look_at=machine.lease_end(),
                **values,
            )
            if self._refund.state is not before:
                machine.teller.tell(connection, self._refund)
        crash.point(f"refunds.{step}.recorded")
        _log.info("refunds.refund.changed", refund=self._refund.id, step=step, state=self._refund.state.value)

    def _invoice_id(self) -> str:
        with self._machine.database.read() as connection:
            record = records.get(connection, self._refund.purchase_id)
        assert record.invoice_id is not None, "a settled purchase has an invoice"
        return record.invoice_id

    def _key(self, step: str) -> str:
        return f"refund:{self._refund.id}:{step}"


def read_back(stripe: Stripe, stripe_id: str) -> Refunded:
    """Read a refund, or a credit note that gives money back without one, as a refund. Raises: StripeUnavailable."""
    if stripe_id.startswith(("re_", "pyr_")):
        return returns.refund(stripe, stripe_id)
    note = returns.note(stripe, stripe_id)
    status = "canceled" if note.void else "succeeded"
    return Refunded(
        id=note.id, amount=note.otherwise, status=status, failure=None, intent_id=None, created_s=note.created_s
    )
