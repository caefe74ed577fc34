"""Purchases as people see them: quote, buy, look, cancel.

Owns: what may be bought, that what is charged is what was shown, one purchase at a time, the caller's idempotency key.
Refuses to know: the steps at Stripe (`machine`), and HTTP.
B1  an amount is whole cents within bounds; the total that was shown must be Stripe's total of this moment.
B2  one purchase per account is under way; who asks for another meanwhile is answered with the first. A refill that
    waits for the bank gives way: it is called off, unless it is confirmed at that very moment.
B3  a caller's key is bound to the purchase it was first answered with, for ever; with other content it is refused.
"""

import hashlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection

from ileen.accounts import audit
from ileen.base import crash
from ileen.base.clock import Clock, Instant
from ileen.base.errors import NotFound, PurchaseClosed, QuoteChanged, StripeRefused, StripeUnavailable, Unavailable
from ileen.base.ids import AccountId, Ids, PurchaseId, RefillId
from ileen.payments import records
from ileen.payments.amounts import check_cents, write_cents
from ileen.payments.disputes.locks import Locks
from ileen.payments.machine import Machine, description
from ileen.payments.model import (
    ENDED,
    Evidence,
    Next,
    NextKind,
    Payer,
    Payers,
    Policy,
    Purchase,
    PurchaseState,
    Quote,
)
from ileen.payments.records import Overtaken
from ileen.payments.rules import Record
from ileen.payments.stripe import Invoice, Stripe, invoices
from ileen.payments.stripe.decline import decline_of
from ileen.store.engine import Database

_CANCELLABLE: Final = frozenset(
    {
        PurchaseState.QUOTED,
        PurchaseState.CREATED,
        PurchaseState.INVOICED,
        PurchaseState.FINALIZED,
        PurchaseState.ACTION_REQUIRED,
    }
)
_TRIES_MAX: Final = 10
_PREVIEWS_MAX: Final = 3

_log = structlog.get_logger()
T = TypeVar("T")


class Purchases:
    """The purchases of all accounts. Thread-safe; calls block on Stripe and on short transactions."""

    def __init__(
        self,
        database: Database,
        machine: Machine,
        *,
        stripe: Stripe,
        payers: Payers,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        locks: Locks,
    ) -> None:
        self._database, self._machine, self._stripe, self._locks = database, machine, stripe, locks
        self._payers, self._policy, self._clock, self._ids = payers, policy, clock, ids
        self._rates: dict[str, str] = {}
        self._rating = threading.Lock()

    def quote(self, account: AccountId, cents: int) -> Quote:
        """Return what `cents` of credits would come to today, from Stripe's preview. Writes nothing.

        Raises: AmountInvalid, BillingIncomplete, LocationInvalid, CountryNotSold, TerritoryNotSold, StripeUnavailable,
        StripeRefused.
        """
        check_cents(cents)
        return self._quote(account, self._payers.customer_of(account), cents)

    def buy(
        self,
        account: AccountId,
        cents: int,
        *,
        quoted_total: int,
        key: str,
        by: str | None,
        evidence: Evidence,
        card: str | None = None,
    ) -> Purchase:
        """Buy `cents` of credits for the total that was shown; return where the purchase is when Stripe has answered.

        A repeated key, or a purchase already under way, answers with that purchase. Waits for Stripe; what Stripe
        leaves open is carried on with in the background.
        Raises: QuoteChanged (with the new quote), KeyReused, AccountOnHold, NotFound for the card, and as `quote`.
        Nothing was charged then.
        """
        check_cents(cents)
        fingerprint = _fingerprint(cents, quoted_total, card)
        known = self._known(account, key=key, fingerprint=fingerprint)
        if known is None:
            self._locks.check(account)
            parked = self._parked(account)
            payer = self._payers.payer(account, card=card)
            quote = self._quote(account, payer.customer, cents)
            if quote.total != quoted_total:
                raise QuoteChanged(total=write_cents(quote.total), quote=_quote_fields(quote))
            record = self._record(account, payer, quote, by=by, evidence=evidence)
            known = self._make_room(parked, key=key, fingerprint=fingerprint)
            known = known or self._add(record, key=key, fingerprint=fingerprint)
            if known is record:
                crash.point("payments.quote.recorded")
                return self._answer(self._machine.carry_on(known))
        return self._look(known)

    def payer(self, account: AccountId) -> Payer:
        """Return who would be charged. Raises what keeps them from it: BillingIncomplete, CountryNotSold, …."""
        return self._payers.payer(account, card=None)

    def prepare_refill(self, account: AccountId, cents: int, *, refill: RefillId) -> Record:
        """Return the purchase of a refill, not recorded yet: the default card, for Stripe's total of this moment.

        Raises: as `quote`; BillingIncomplete without a card; AccountOnHold.
        """
        self._locks.check(account)
        payer = self._payers.payer(account, card=None)
        quote = self._quote(account, payer.customer, check_cents(cents))
        record = self._record(account, payer, quote, by=None, evidence=Evidence())
        return msgspec.structs.replace(record, refill_id=refill)

    def purchase(self, account: AccountId, id_: PurchaseId) -> Purchase:
        """Return a purchase; one that waits for the payer is read at Stripe first. Raises: NotFound."""
        return self._look(self._get(account, id_))

    def purchases(self, account: AccountId, *, limit: int, before: PurchaseId | None = None) -> list[Purchase]:
        """Return an account's purchases, newest first, as recorded."""
        with self._database.read() as connection:
            return [
                _public(each, url=None) for each in records.of_account(connection, account, limit=limit, before=before)
            ]

    def invoice(self, account: AccountId, id_: PurchaseId) -> Invoice:
        """Return a purchase's invoice as Stripe has it now: number, and links that are valid for some days.

        Raises: NotFound, also while there is none; StripeUnavailable.
        """
        record = self._get(account, id_)
        found = None if record.invoice_id is None else invoices.read(self._stripe, record.invoice_id)
        if found is None:
            raise NotFound(what="invoice of purchase", id=id_)
        return found

    def cancel(self, account: AccountId, id_: PurchaseId, *, by: str | None = None) -> Purchase:
        """Call a purchase off before the bank decides on it; asking again changes nothing.

        If the money came in at the same moment, the answer is the settled purchase.
        Raises: NotFound, PurchaseClosed.
        """
        for _ in range(_TRIES_MAX):
            record = self._get(account, id_)
            if record.state is PurchaseState.VOID or record.closing is not None:
                break
            if record.state not in _CANCELLABLE:
                raise PurchaseClosed(purchase=record.id, state=record.state.value)
            try:
                self._call_off(record, because="cancelled", by=by)
            except Overtaken:
                continue
            break
        return self._look(self._get(account, id_))

    # Buying ------------------------------------------------------------------------------------------------------

    def _known(self, account: AccountId, *, key: str, fingerprint: bytes) -> Record | None:
        """Return the purchase this key was answered with, or bind it to the one under way."""
        return self._write(lambda c: records.join(c, account, key=key, fingerprint=fingerprint, now=self._clock.now()))

    def _parked(self, account: AccountId) -> PurchaseId | None:
        with self._database.read() as connection:
            under_way = records.open_of(connection, account)
        return under_way.id if under_way is not None and under_way.gives_way else None

    def _make_room(self, parked: PurchaseId | None, *, key: str, fingerprint: bytes) -> Record | None:
        """Call off a refill that waits for the bank; return it, bound to the key, if it became credits all the same.

        Then it lifts the balance as the caller wanted, and nobody is charged for both.
        """
        if parked is None:
            return None
        for _ in range(_TRIES_MAX):
            with self._database.read() as connection:
                record = records.get(connection, parked)
            if record.gives_way:
                try:
                    if record.closing is None:
                        self._call_off(record, because="superseded", by=None)
                except Overtaken:
                    continue
                record = self._machine.drive(parked) or record
            if record.state is not PurchaseState.SETTLED:
                return None
            return self._write(partial(self._bind, record=record, key=key, fingerprint=fingerprint))
        raise Unavailable

    def _bind(self, connection: Connection, *, record: Record, key: str, fingerprint: bytes) -> Record:
        records.bind(connection, record, key=key, fingerprint=fingerprint, now=self._clock.now())
        return record

    def _add(self, record: Record, *, key: str, fingerprint: bytes) -> Record:
        def add(connection: Connection) -> Record:
            kept = records.add(connection, record, key=key, fingerprint=fingerprint, now=self._clock.now())
            if kept is record:
                self._note(connection, record, "purchase.started", by=record.by)
            return kept

        return self._write(add)

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do some work in a transaction, again if others were faster."""
        for _ in range(_TRIES_MAX):
            try:
                with self._database.write() as connection:
                    return work(connection)
            except Overtaken:
                continue
        raise Unavailable

    def _record(self, account: AccountId, payer: Payer, quote: Quote, *, by: str | None, evidence: Evidence) -> Record:
        located = msgspec.structs.replace(
            evidence,
            billing_country=evidence.billing_country or payer.country,
            card_country=evidence.card_country or payer.card_country,
        )
        return Record(
            id=PurchaseId(self._ids.mint("pur")),
            account_id=account,
            state=PurchaseState.QUOTED,
            version=1,
            net=quote.net,
            vat=quote.vat,
            total=quote.total,
            rate=quote.rate,
            reason=quote.reason,
            country=quote.country,
            customer=payer.customer,
            card=payer.card,
            card_name=payer.card_name,
            email=payer.email,
            locale=payer.locale,
            by=by,
            evidence=msgspec.json.encode(located).decode(),
            leased_until=self._machine.lease_end(),
            look_at=self._machine.lease_end(),
            created_at=self._clock.now(),
        )

    def _quote(self, account: AccountId, customer: str, cents: int) -> Quote:
        for _ in range(_PREVIEWS_MAX):
            quote = self._preview(customer, cents)
            if self._payers.accept(account, quote.reason):
                return quote
        raise StripeRefused(reason="the tax of this account does not settle down")

    def _preview(self, customer: str, cents: int) -> Quote:
        found = invoices.preview(
            self._stripe,
            customer=customer,
            cents=cents,
            description=description(cents),
            tax_code=self._policy.tax_code,
        )
        if found.subtotal != cents or found.total != cents + found.tax:
            raise StripeRefused(reason="its preview does not add up; is there a discount on the customer?")
        rated = [each for each in found.taxes if each.amount > 0]
        reason = rated[0].reason if rated else found.taxes[0].reason if found.taxes else "not_collecting"
        return Quote(
            net=found.subtotal,
            vat=found.tax,
            total=found.total,
            rate=self._rate(rated[0].rate_id) if len(rated) == 1 else None,
            reason=reason,
            country=found.country,
        )

    def _rate(self, rate_id: str | None) -> str | None:
        """Return a rate's percentage; a rate at Stripe never changes, so each is read once."""
        if rate_id is None:
            return None
        with self._rating:
            known = self._rates.get(rate_id)
        if known is None:
            known = invoices.rate(self._stripe, rate_id)
            with self._rating:
                self._rates[rate_id] = known
        return known

    # Looking -----------------------------------------------------------------------------------------------------

    def _get(self, account: AccountId, id_: PurchaseId) -> Record:
        with self._database.read() as connection:
            record = records.lookup(connection, id_)
        if record is None or record.account_id != account:
            raise NotFound(what="purchase", id=id_)
        return record

    def _look(self, record: Record) -> Purchase:
        """Answer with a purchase; carry it on if nobody does, so that whoever waits for it sees it move."""
        if record.state in ENDED:
            return _public(record, url=None)
        if record.state is PurchaseState.ACTION_REQUIRED or (record.look_at or 0) <= self._clock.now():
            record = self._machine.drive(record.id) or record
        return self._answer(record)

    def _answer(self, record: Record) -> Purchase:
        """Answer with the page on which the payer confirms, read afresh because its address expires."""
        url = None
        if record.state is PurchaseState.ACTION_REQUIRED and record.closing is None and record.invoice_id is not None:
            try:
                found = invoices.read(self._stripe, record.invoice_id)
                url = found.hosted_url if found else None
            except StripeUnavailable:
                _log.warning("payments.stripe.unavailable", purchase=record.id)
        return _public(record, url=url)

    def _call_off(self, record: Record, *, because: str, by: str | None) -> None:
        now = self._clock.now()
        with self._database.write() as connection:
            records.change(
                connection,
                record,
                step="cancel",
                at=now,
                closing=PurchaseState.VOID,
                because=because,
                leased_until=Instant(0),
                look_at=now,
            )
            self._note(connection, record, f"purchase.{because}", by=by)
        crash.point("payments.cancel.recorded")

    def _note(self, connection: Connection, record: Record, action: str, *, by: str | None) -> None:
        audit.note(
            connection,
            ids=self._ids,
            now=self._clock.now(),
            actor=by or audit.SYSTEM,
            action=action,
            subject=record.id,
            account_id=record.account_id,
            detail={"net": write_cents(record.net), "total": write_cents(record.total), "card": record.card_name},
        )


def _public(record: Record, *, url: str | None) -> Purchase:
    return Purchase(
        id=record.id,
        account=record.account_id,
        state=record.state,
        net=record.net,
        vat=record.vat,
        total=record.total,
        rate=record.rate,
        reason=record.reason,
        country=record.country,
        invoice=record.invoice_id,
        number=record.invoice_number,
        decline=None if record.decline_code is None else decline_of(record.decline_code),
        ended_because=record.because,
        alarm=record.alarm,
        lot=record.lot_id,
        next=_next(record, url),
        refill=record.refill_id,
        created_at=record.created_at,
        paid_at=record.paid_at,
        ended_at=record.ended_at,
    )


def _next(record: Record, url: str | None) -> Next:
    if record.state in ENDED:
        kind = NextKind.CONTACT if record.because == "paid_otherwise" else NextKind.NONE
        return Next(kind=kind, id=record.id)
    if url is not None:
        return Next(kind=NextKind.REDIRECT, url=url, id=record.id)
    return Next(kind=NextKind.POLL, id=record.id)


def _quote_fields(quote: Quote) -> dict[str, str | None]:
    return {
        "net": write_cents(quote.net),
        "vat": write_cents(quote.vat),
        "total": write_cents(quote.total),
        "rate": quote.rate,
        "reason": quote.reason,
        "country": quote.country,
    }


def _fingerprint(cents: int, quoted_total: int, card: str | None) -> bytes:
    return hashlib.sha256(msgspec.json.encode((cents, quoted_total, card))).digest()
