"""Refunds as other rooms see them: what can go back, a quote, asking for it, approving it, looking at it.

Owns: who may ask and until when, that what is given back is what was shown, the caller's key, the approvals, the jobs.
Refuses to know: HTTP, and the steps at Stripe (`machine`).
B1  a refund is asked for with the total that was shown; if less is left by then, nothing happens and the answer is the
    new quote: it is renewed, never forced.
B2  a payer asks within the window, for what is left of one purchase; after it only the operator may, with a reason.
B3  the operator's refund needs approvals by different people; whoever asks for it is the first of them.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection

from ileen import jobs
from ileen.accounts import Accounts
from ileen.accounts.audit import SYSTEM
from ileen.accounts.throttle import Pace, take
from ileen.base import crash
from ileen.base.clock import Clock, to_datetime
from ileen.base.errors import (
    AmountInvalid,
    NotFound,
    RefundChanged,
    RefundDecided,
    RefundImpossible,
    Unavailable,
)
from ileen.base.ids import AccountId, Ids, PurchaseId, RefundId, wallet_of
from ileen.jobs import Handler, Job
from ileen.ledger import Ledger
from ileen.ledger.model import Lot
from ileen.payments import records
from ileen.payments.amounts import write_cents
from ileen.payments.disputes.door import Disputes
from ileen.payments.model import PurchaseState
from ileen.payments.records import Overtaken
from ileen.payments.refunds import book, notes
from ileen.payments.refunds.machine import Machine
from ileen.payments.refunds.model import (
    BY_PAYER,
    Origin,
    Refund,
    Refundable,
    RefundPolicy,
    RefundQuote,
    RefundState,
    Step,
)
from ileen.payments.refunds.returns import RETURNED, WARNED, Returns
from ileen.payments.refunds.rules import needed, survey, under_way, vat_left, vat_of
from ileen.payments.rules import Record
from ileen.payments.settle import refund_deadline
from ileen.payments.stripe import Stripe, returns
from ileen.store.engine import Database

DRIVE: Final = "refunds.drive"
"""The kind of job that carries one refund on."""
LETTER: Final = "refunds.letter"
"""The kind of job that carries out a withdrawal that came without sign-in."""
SWEEP: Final = "refunds.sweep"
SWEEP_EVERY_S: Final = 10

_SHOWN_MAX: Final = 100
_LETTERS: Final = Pace(name="withdrawal", burst=10, every_s=60)
_LETTERS_TO: Final = Pace(name="withdrawal_address", burst=5, every_s=600)
_Change = Callable[[Connection, Refund], Refund]
_TRIES_MAX: Final = 10


class Refunds:
    """The refunds of all accounts. Thread-safe; calls block on Stripe and on short transactions."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        accounts: Accounts,
        *,
        stripe: Stripe,
        machine: Machine,
        back: Returns,
        disputes: Disputes,
        policy: RefundPolicy,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._database, self._ledger, self._accounts = database, ledger, accounts
        self._stripe, self._machine, self._back, self._disputes = stripe, machine, back, disputes
        self.policy, self._clock, self._ids = policy, clock, ids

    # What can go back --------------------------------------------------------------------------------------------

    def refundable(self, account: AccountId, id_: PurchaseId) -> Refundable:
        """Return what can be given back of one purchase, as recorded. Raises: NotFound, RefundImpossible."""
        return self._survey(self._settled(account, id_))

    def refundables(self, account: AccountId) -> list[Refundable]:
        """Return what can be given back of the account's newest settled purchases, newest first."""
        with self._database.read() as connection:
            found = records.of_account(connection, account, limit=_SHOWN_MAX)
        return [self._survey(each) for each in found if each.state is PurchaseState.SETTLED]

    def quote(
        self, account: AccountId, id_: PurchaseId, cents: int | None = None, *, late: bool = False
    ) -> RefundQuote:
        """Return what a refund would give back now: `cents` of credits, or all that is left. Changes nothing of ours.

        `late`: the operator asks, for whom there is no window. Calls: Stripe's preview.
        Raises: NotFound, RefundImpossible, AmountInvalid, StripeUnavailable, StripeRefused.
        """
        record = self._settled(account, id_)
        self._back.attend(record)
        return self._quote(record, cents, late=late)

    # Asking ------------------------------------------------------------------------------------------------------

    def request(
        self,
        account: AccountId,
        id_: PurchaseId,
        cents: int,
        *,
        total: int,
        key: str,
        by: str,
        origin: Origin,
        reason: str | None = None,
    ) -> Refund:
        """Ask for `cents` of credits of a purchase back, for the `total` that was shown; return where it is then.

        The credits stop working before anything else happens. A repeated key answers with its refund.
        Raises: RefundChanged (with the new quote; nothing happened), KeyReused, and as `quote`.
        """
        fingerprint = hashlib.sha256(msgspec.json.encode((id_, cents, total))).hexdigest()
        with self._database.read() as connection:
            known = book.of_key(connection, account, key=key, fingerprint=fingerprint)
        if known is None:
            quote = self.quote(account, id_, None, late=origin not in BY_PAYER)
            if cents != quote.net:
                quote = self._part(account, id_, cents, quote, late=origin not in BY_PAYER)
            if (quote.net, quote.total) != (cents, total):
                raise _changed(quote)
            known = self._record(account, quote, key=key, fingerprint=fingerprint, by=by, origin=origin, reason=reason)
            crash.point("refunds.request.recorded")
            known = self._machine.carry_on(known)
        if known.state is RefundState.CHANGED:
            raise _changed(self._quote(self._settled(account, id_), None, late=origin not in BY_PAYER))
        return known

    def take_letter(self, email: str, day: date, *, network: str) -> None:
        """Take a withdrawal by e-mail address and day of purchase; nothing tells whether there is such a purchase.

        What is there is refunded by jobs, as far as it can be; the acknowledgement goes to the invoice's address.
        Raises: TooManyAttempts.
        """
        now, address = self._clock.now(), email.strip().lower()
        with self._database.write() as connection:
            take(connection, _LETTERS, of=network, now=now)
            take(connection, _LETTERS_TO, of=address, now=now)
            for record in records.paid_around(connection, day, email=address):
                zone = self._accounts.get(record.account_id).time_zone
                bought_on = to_datetime(record.paid_at or record.created_at).astimezone(ZoneInfo(zone)).date()
                if bought_on == day:
                    payload = {"purchase": record.id, "at": str(now)}
                    jobs.enqueue(connection, ids=self._ids, kind=LETTER, payload=payload, now=now, key=record.id)

    # The operator ------------------------------------------------------------------------------------------------

    def approve(self, id_: RefundId, *, by: str) -> Refund:
        """Approve a refund that waits for it; with the last approval that is needed it is sent.

        Raises: NotFound, RefundDecided (it does not wait for an approval, or not for this person's).
        """

        def approved(connection: Connection, refund: Refund) -> Refund:
            if by in refund.approvers:
                raise RefundDecided(refund=refund.id, state="approved by this person already")
            who = ",".join((*refund.approvers, by))
            enough = len(refund.approvers) + 1 >= refund.needs
            state = RefundState.APPROVED if enough else RefundState.HELD
            return self._change(connection, refund, "approved", by=by, state=state, approved_by=who)

        return self._decided(id_, approved)

    def deny(self, id_: RefundId, *, by: str, reason: str) -> Refund:
        """Refuse a refund that waits for approval: its credits work again, and the payer is told the reason.

        Raises: NotFound, RefundDecided.
        """

        def denied(connection: Connection, refund: Refund) -> Refund:
            closing = {"closing": RefundState.DENIED, "because": reason}
            return self._change(connection, refund, "deny", by=by, **closing)

        return self._decided(id_, denied)

    # Looking -----------------------------------------------------------------------------------------------------

    def refund(self, account: AccountId, id_: RefundId) -> Refund:
        """Return one refund of an account. Raises: NotFound."""
        with self._database.read() as connection:
            found = book.lookup(connection, id_)
        if found is None or found.account_id != account:
            raise NotFound(what="refund", id=id_[:64])
        return found

    def refunds(self, account: AccountId, *, limit: int, before: RefundId | None = None) -> list[Refund]:
        """Return an account's refunds, newest first."""
        with self._database.read() as connection:
            return book.of_account(connection, account, limit=limit, before=before)

    def steps(self, id_: RefundId) -> list[Step]:
        """Return everything that was decided about a refund, in order."""
        with self._database.read() as connection:
            return book.steps_of(connection, id_)

    def note_url(self, account: AccountId, id_: RefundId) -> str:
        """Return a fresh address of a refund's credit note as PDF. Raises: NotFound, StripeUnavailable."""
        refund = self.refund(account, id_)
        url = None if refund.note_id is None else returns.note(self._stripe, refund.note_id).pdf_url
        if url is None:
            raise NotFound(what="credit note of refund", id=id_[:64])
        return url

    def newest(self, *, state: RefundState | None, limit: int) -> list[Refund]:
        """Return the newest refunds of all accounts, for the operator."""
        with self._database.read() as connection:
            return book.newest(connection, state=state, limit=limit)

    def get(self, id_: RefundId) -> Refund:
        """Return a refund of whatever account, for the operator. Raises: NotFound."""
        with self._database.read() as connection:
            return book.get(connection, id_)

    # Jobs --------------------------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Handler]:
        """Return the jobs of this part."""
        return {
            DRIVE: self._drive,
            SWEEP: self._sweep,
            RETURNED: self._back.handle,
            WARNED: self._warned,
            LETTER: self._wrote,
        }

    def _drive(self, job: Job) -> None:
        self._machine.drive(job.payload["refund"])

    def _sweep(self, _: Job) -> None:
        """Give every refund that is due a job of its own, so that a slow one keeps no other waiting."""
        now = self._clock.now()
        with self._database.write() as connection:
            for id_ in book.due(connection, now=now):
                self._owe(connection, id_)

    def _warned(self, job: Job) -> None:
        """Refund what is left of a purchase that its bank calls fraudulent, before it becomes a dispute."""
        self._request_all(job, Origin.FRAUD_WARNING, by=SYSTEM, reason="early fraud warning")

    def _wrote(self, job: Job) -> None:
        """Carry out a withdrawal that came without sign-in; one that cannot be carried out is the operator's."""
        try:
            self._request_all(job, Origin.LETTER, by="letter", reason=None)
        except RefundImpossible as error:
            id_ = job.payload["purchase"]
            summary = f"A withdrawal from purchase {id_} waits for your answer"
            with self._database.write() as connection:
                self._machine.teller.alarm(connection, summary=summary, detail=error.detail, key=f"letter:{job.id}")

    def _request_all(self, job: Job, origin: Origin, *, by: str, reason: str | None) -> None:
        """Refund all that is left of a job's purchase, if anything is. Raises: RefundImpossible, for a payer's wish."""
        id_ = PurchaseId(job.payload["purchase"])
        with self._database.read() as connection:
            record = records.get(connection, id_)
        try:
            quote = self.quote(record.account_id, id_, late=origin not in BY_PAYER)
        except RefundImpossible:
            if origin in BY_PAYER:
                raise
            return
        self.request(
            record.account_id,
            id_,
            quote.net,
            total=quote.total,
            key=f"{origin.value}:{id_}:{quote.net}:{quote.total}",
            by=by,
            origin=origin,
            reason=reason,
        )

    # -------------------------------------------------------------------------------------------------------------

    def _settled(self, account: AccountId, id_: PurchaseId) -> Record:
        with self._database.read() as connection:
            record = records.lookup(connection, id_)
        if record is None or record.account_id != account:
            raise NotFound(what="purchase", id=id_[:64])
        if record.state is not PurchaseState.SETTLED:
            raise RefundImpossible(reason="it was not paid")
        return record

    def _survey(self, record: Record) -> Refundable:
        with self._database.read() as connection:
            known = book.of_purchase(connection, record.id)
        return self._survey_of(record, known)

    def _survey_of(self, record: Record, known: list[Refund]) -> Refundable:
        assert record.paid_at is not None
        wallet = wallet_of(record.account_id)
        standing = self._disputes.standing(record.id)
        return survey(
            record,
            self._lot(record),
            self._ledger.wallet(wallet),
            known,
            until=refund_deadline(record.paid_at, self._accounts.get(record.account_id).time_zone),
            now=self._clock.now(),
            disputed=standing.open,
            lost=standing.lost,
        )

    def _lot(self, record: Record) -> Lot:
        return next(each for each in self._ledger.lots(wallet_of(record.account_id)) if each.id == record.lot_id)

    def _quote(self, record: Record, cents: int | None, *, late: bool) -> RefundQuote:
        with self._database.read() as connection:
            known = book.of_purchase(connection, record.id)
        there = self._survey_of(record, known)
        if there.disputed:
            raise RefundImpossible(reason="its payment is disputed with the bank")
        if not late and not (there.open and self.policy.by_payer):
            raise RefundImpossible(reason="the time for it is over")
        net = there.refundable if cents is None else cents
        if not 0 < net <= there.refundable:
            if there.refundable == 0:
                raise RefundImpossible(reason="no unused credits are left of it")
            most = write_cents(there.refundable)
            raise AmountInvalid(field="amount", reason=f"choose EUR 0.01 to {most} before tax")
        vat, left = vat_of(record, known, net), vat_left(record, known)
        planned = notes.plan(self._stripe, record, net=net, vat=vat, vat_left=left)
        return RefundQuote(
            purchase=record.id,
            net=net,
            vat=planned.total - net,
            total=planned.total,
            card_name=record.card_name,
            until=there.until,
            open=there.open,
        )

    def _part(self, account: AccountId, id_: PurchaseId, cents: int, whole: RefundQuote, *, late: bool) -> RefundQuote:
        """Quote a part of what is left; if less than the part is left, all of that."""
        if cents > whole.net:
            return whole
        return self._quote(self._settled(account, id_), cents, late=late)

    def _record(
        self,
        account: AccountId,
        quote: RefundQuote,
        *,
        key: str,
        fingerprint: str,
        by: str,
        origin: Origin,
        reason: str | None,
    ) -> Refund:
        """Record the request, if no other refund of the purchase has come between. Raises: RefundChanged, KeyReused."""
        record = self._settled(account, quote.purchase)
        assert record.lot_id is not None
        by_payer = origin in BY_PAYER
        refund = Refund(
            id=RefundId(self._ids.mint("ref")),
            account_id=account,
            purchase_id=record.id,
            lot_id=record.lot_id,
            state=RefundState.REQUESTED,
            version=1,
            origin=origin,
            by=by,
            reason=reason,
            needs=needed(origin, quote.total, is_open=quote.open, policy=self.policy),
            approved_by=None if by_payer else by,
            net=quote.net,
            vat=quote.vat,
            total=quote.total,
            card_name=record.card_name,
            email=record.email,
            locale=record.locale,
            key=key,
            fingerprint=fingerprint,
            leased_until=self._machine.lease_end(),
            look_at=self._machine.lease_end(),
            created_at=self._clock.now(),
        )
        with self._database.write() as connection:
            book.lock_purchase(connection, record.id)
            known = book.of_purchase(connection, record.id)
            if vat_of(record, known, quote.net) != quote.vat and under_way(known):
                raise _changed(quote)
            if book.add(connection, refund, step="request") is None:
                found = book.of_key(connection, account, key=key, fingerprint=fingerprint)
                assert found is not None, "only its key stands against a request"
                return found
            self._machine.teller.note(connection, refund, "refund.requested", by=by)
        return refund

    def _decided(self, id_: RefundId, change: _Change) -> Refund:
        for _ in range(_TRIES_MAX):
            try:
                with self._database.write() as connection:
                    refund = book.get(connection, id_)
                    if refund.state is not RefundState.HELD or refund.closing is not None:
                        raise RefundDecided(refund=refund.id, state=refund.state.value)
                    change(connection, refund)
            except Overtaken:
                continue
            crash.point("refunds.decision.recorded")
            return self._machine.drive(id_) or self.get(id_)
        raise Unavailable

    def _change(self, connection: Connection, refund: Refund, step: str, *, by: str, **values: Any) -> Refund:
        now = self._clock.now()
        changed = book.change(connection, refund, step=step, at=now, by=by, look_at=now, **values)
        if changed.state is not refund.state:
            self._machine.teller.tell(connection, changed, by=by)
        else:
            self._machine.teller.note(connection, changed, f"refund.{step}", by=by)
        self._owe(connection, refund.id)
        return changed

    def _owe(self, connection: Connection, id_: RefundId) -> None:
        now = self._clock.now()
        jobs.enqueue(connection, ids=self._ids, kind=DRIVE, payload={"refund": id_}, now=now, key=id_)


def _changed(quote: RefundQuote) -> RefundChanged:
    shown = {"net": write_cents(quote.net), "vat": write_cents(quote.vat), "total": write_cents(quote.total)}
    return RefundChanged(total=write_cents(quote.total), quote=shown)
