"""Disputes as the rest of the room sees them: looking at a purchase's, and how it and its account stand.

Owns: what each state does to credits, refills and the account, in the order decide → record → call → record.
Refuses to know: events; every dispute is read afresh at Stripe.
D1  what the bank took is taken once per dispute, by its id, and of a purchase never more than it still stands for:
    what was refunded before is not taken twice.
D2  the credits that are left are frozen, those that were spent are owed, by the operator's policy. Won: exactly these
    come back. Lost: the frozen ones are removed, the debt stays.
D3  an inquiry moves nothing; the operator is told.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from ileen.accounts import audit
from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.ids import AccountId, Ids, LotId, PurchaseId, wallet_of
from ileen.ledger import Ledger
from ileen.ledger.model import Book, Forgive, Receipt, Remove, Restore, Seize, Unfreeze
from ileen.payments.amounts import credits_of, write_cents
from ileen.payments.disputes import book
from ileen.payments.disputes.model import Dispute, DisputeState, Standing, target
from ileen.payments.model import Alarm
from ileen.payments.refunds import book as refunds
from ileen.payments.refunds.model import RefundPolicy
from ileen.payments.refunds.rules import counts
from ileen.payments.rules import Record
from ileen.payments.stripe.returns import Disputed
from ileen.store.engine import Database

_HAS_MONEY: Final = frozenset({DisputeState.OPEN, DisputeState.LOST})
_SENTENCES: Final = {
    DisputeState.WATCHED: "The bank asks about purchase {purchase} (EUR {amount}, {reason}). Nothing has moved yet.",
    DisputeState.OPEN: "The bank has taken EUR {amount} of purchase {purchase} back ({reason}).",
    DisputeState.WON: "The dispute about purchase {purchase} is won: EUR {amount} are back.",
    DisputeState.LOST: "The dispute about purchase {purchase} (EUR {amount}) is lost.",
    DisputeState.CLOSED: "The bank's inquiry about purchase {purchase} (EUR {amount}) is closed.",
}

_log = structlog.get_logger()

Pause = Callable[[Connection, AccountId], None]
"""What to do with an account's auto-refill, in the caller's transaction."""


class Disputes:
    """The disputes of all purchases. Thread-safe."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        *,
        policy: RefundPolicy,
        clock: Clock,
        ids: Ids,
        alarm: Alarm,
        pause: Pause,
        resume: Pause,
    ) -> None:
        """`pause` and `resume` are told when an account's first dispute opens and its last one ends."""
        self._database, self._ledger, self._policy = database, ledger, policy
        self._clock, self._ids, self._alarm, self._pause, self._resume = clock, ids, alarm, pause, resume

    def attend(self, record: Record, found: Sequence[Disputed]) -> None:
        """Do what each of a settled purchase's disputes asks for, freshly read. Raises: Overtaken, Unavailable."""
        for each in found:
            self._attend(record, each)

    def standing(self, id_: PurchaseId) -> Standing:
        """Return how a purchase stands."""
        with self._database.read() as connection:
            known = book.of_purchase(connection, id_)
        return Standing(
            open=any(each.state is DisputeState.OPEN for each in known),
            lost=sum(each.frozen for each in known if each.state is DisputeState.LOST),
            net=sum(each.net for each in known if each.state in _HAS_MONEY),
        )

    def opened(self, account: AccountId) -> list[Dispute]:
        """Return the account's open disputes: while there is one, nothing is bought or spent."""
        with self._database.read() as connection:
            return book.open_of(connection, account)

    def newest(self, *, state: DisputeState | None, limit: int) -> list[Dispute]:
        """Return the newest disputes of all accounts, for the operator."""
        with self._database.read() as connection:
            return book.newest(connection, state=state, limit=limit)

    # One dispute -------------------------------------------------------------------------------------------------

    def _attend(self, record: Record, found: Disputed) -> None:
        dispute = self._known(record, found)
        if dispute.state is DisputeState.WATCHED and dispute.round:  # decided on, and interrupted
            dispute = self._open(record, dispute, found)
        wanted = target(found, dispute.state)
        if dispute.state is wanted or (dispute.state is DisputeState.LOST and wanted is DisputeState.OPEN):
            return  # an appeal against a loss moves nothing until it is decided
        if wanted is DisputeState.LOST and dispute.state is not DisputeState.OPEN:
            dispute = self._open(record, dispute, found)
        match wanted:
            case DisputeState.OPEN:
                self._open(record, dispute, found)
            case DisputeState.LOST:
                self._remove(dispute)
                self._reach(dispute, wanted, found)
            case DisputeState.WON:
                self._give_back(dispute)
                self._reach(dispute, wanted, found)
            case _:
                self._reach(dispute, wanted, found)

    def _known(self, record: Record, found: Disputed) -> Dispute:
        assert record.lot_id is not None, "a settled purchase has its lot"
        now = self._clock.now()
        fresh = Dispute(
            id=found.id,
            account_id=record.account_id,
            purchase_id=record.id,
            lot_id=record.lot_id,
            state=DisputeState.WATCHED,
            status=found.status,
            reason=found.reason,
            amount=found.amount,
            due_at=None if found.due_s is None else Instant(found.due_s * SECOND),
            created_at=now,
        )
        with self._database.write() as connection:
            known = book.lookup(connection, found.id)
            if known is None and book.add(connection, fresh):
                self._tell(connection, fresh)
            return known or fresh

    def _open(self, record: Record, dispute: Dispute, found: Disputed) -> Dispute:
        """Take the credits of what the bank took: decided and recorded with its amount, then carried out."""
        if dispute.state is not DisputeState.WATCHED or not dispute.round:
            with self._database.write() as connection:
                dispute = self._decide(connection, record, dispute, found)
            crash.point("disputes.seize.recorded")
        receipt: Receipt | None = None
        if dispute.seized:
            seize = Seize(
                wallet=wallet_of(dispute.account_id),
                key=self._key(dispute, "seize"),
                lot=dispute.lot_id,
                amount=dispute.seized,
                to=Book.DISPUTED,
                reason=f"dispute {dispute.id}",
            )
            receipt = self._ledger.run(seize)
        crash.point("disputes.seize.called")
        frozen, owed = (receipt.amount, receipt.borrowed) if receipt else (0, 0)
        return self._reach(dispute, DisputeState.OPEN, found, frozen=frozen, owed=owed)

    def _decide(self, connection: Connection, record: Record, dispute: Dispute, found: Disputed) -> Dispute:
        """Record what this dispute takes: its share of the purchase, of what refunds and other disputes left (D1)."""
        refunds.lock_purchase(connection, record.id)
        gone = sum(each.net for each in refunds.of_purchase(connection, record.id) if counts(each))
        others = (each for each in book.of_purchase(connection, record.id) if each.id != dispute.id)
        gone += sum(each.net for each in others if each.state in _HAS_MONEY or (each.round and not each.ended_at))
        share = (2 * record.net * found.amount + record.total) // (2 * record.total)
        net = max(min(share, record.net - gone), 0)
        seized = credits_of(net)
        if not self._policy.debt:
            seized = min(seized, self._left(dispute))
        return book.change(
            connection,
            dispute,
            state=DisputeState.WATCHED,
            round=dispute.round + 1,
            net=net,
            seized=seized,
            amount=found.amount,
            frozen=0,
            owed=0,
            ended_at=None,
        )

    def _left(self, dispute: Dispute) -> int:
        wallet = self._ledger.wallet(wallet_of(dispute.account_id))
        lot = next(each for each in self._ledger.lots(wallet.id) if each.id == dispute.lot_id)
        return max(min(lot.left - lot.frozen, wallet.settled - wallet.held + wallet.debt), 0)

    def _remove(self, dispute: Dispute) -> None:
        if dispute.frozen:
            self._run(dispute, "remove", Remove, lot=dispute.lot_id, amount=dispute.frozen, to=Book.DISPUTED)

    def _give_back(self, dispute: Dispute) -> None:
        if dispute.frozen and dispute.state is DisputeState.LOST:
            restored = {"lot": dispute.lot_id, "amount": dispute.frozen, "out_of": Book.DISPUTED}
            self._run(dispute, "restore", Restore, **restored)
        elif dispute.frozen:
            self._run(dispute, "unfreeze", Unfreeze, lot=dispute.lot_id, amount=dispute.frozen)
        if dispute.owed:
            lot = LotId(self._ids.mint("lot"))
            self._run(dispute, "forgive", Forgive, lot=lot, amount=dispute.owed, out_of=Book.DISPUTED)

    def _run(self, dispute: Dispute, name: str, command: Callable[..., Any], **given: Any) -> None:
        reason = f"dispute {dispute.id}"
        wallet = wallet_of(dispute.account_id)
        crash.point(f"disputes.{name}.decided")
        self._ledger.run(command(wallet=wallet, key=self._key(dispute, name), reason=reason, **given))
        crash.point(f"disputes.{name}.called")

    def _reach(self, dispute: Dispute, state: DisputeState, found: Disputed, **values: int) -> Dispute:
        now = self._clock.now()
        ended = None if state in {DisputeState.OPEN, DisputeState.WATCHED} else now
        with self._database.write() as connection:
            changed = book.change(connection, dispute, state=state, status=found.status, ended_at=ended, **values)
            self._tell(connection, changed)
            if state is DisputeState.OPEN:
                self._pause(connection, changed.account_id)
            elif not book.open_of(connection, changed.account_id):
                self._resume(connection, changed.account_id)
        crash.point(f"disputes.{state.value}.recorded")
        _log.info("disputes.dispute.changed", dispute=changed.id, purchase=changed.purchase_id, state=state.value)
        return changed

    def _tell(self, connection: Connection, dispute: Dispute) -> None:
        """Keep an audit event and tell the operator."""
        amount = write_cents(dispute.amount)
        summary = _SENTENCES[dispute.state].format(purchase=dispute.purchase_id, amount=amount, reason=dispute.reason)
        key = f"dispute:{dispute.id}:{dispute.state.value}:{dispute.round}"
        self._alarm(connection, summary=summary, detail=f"{summary} Dispute {dispute.id} at Stripe.", key=key)
        audit.note(
            connection,
            ids=self._ids,
            now=self._clock.now(),
            actor=audit.SYSTEM,
            action=f"dispute.{dispute.state.value}",
            subject=dispute.id,
            account_id=dispute.account_id,
            detail={"purchase": dispute.purchase_id, "amount": amount, "reason": dispute.reason},
        )

    @staticmethod
    def _key(dispute: Dispute, step: str) -> str:
        return f"dispute:{dispute.id}:{dispute.round}:{step}"
