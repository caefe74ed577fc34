"""Settle: the one way from a paid invoice to credits, the same for the buyer's answer, the webhook and the poller.

Owns: what is written when money came in or a purchase ended, the lot's command, the receipt.
Refuses to know: how the invoice came about.
T1  credits come from a fresh read of a paid invoice that equals its purchase and is covered by a payment; from no
    event, no answer to a call, no amount but the purchase's net.
T2  the lot's command carries `fund:{purchase}`: however often and from wherever this runs, there is one lot.
T3  the receipt is owed in the transaction that ends the purchase, so it is owed once.
"""

from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from ileen.accounts import Accounts, audit
from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant, to_datetime, to_instant, to_text
from ileen.base.ids import Ids, LotId, PurchaseId, wallet_of
from ileen.base.money import write
from ileen.ledger import Ledger
from ileen.ledger.model import Fund, Receipt, Source
from ileen.payments import records
from ileen.payments.amounts import credits_of, write_cents
from ileen.payments.model import Alarm, Notify, Policy, PurchaseState
from ileen.payments.records import Overtaken
from ileen.payments.refills.outcome import Outcomes
from ileen.payments.rules import Decision, Record, Step, decide
from ileen.payments.stripe import Invoice
from ileen.store.engine import Database

_REFUND_DAYS: Final = 14
"""How long unused credits can be given back for money: Directive 2011/83/EU, article 9. Days of the calendar, the one
of the purchase not counted, until the last hour of the last one: Regulation (EEC, Euratom) 1182/71, article 3."""
_TRIES_MAX: Final = 10
_TAX_NOTES: Final = {
    "reverse_charge": "reverse_charge",
    "customer_exempt": "exempt",
    "not_collecting": "not_collected",
    "not_subject_to_tax": "not_collected",
    "not_supported": "not_collected",
}
"""What the receipt says about tax, by Stripe's reason; nothing where VAT was charged as usual."""

_log = structlog.get_logger()


class Settler:
    """Writes down that money came in. Needs no lease: each change names the version it was decided on."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        accounts: Accounts,
        *,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        notify: Notify,
        alarm: Alarm,
        outcomes: Outcomes,
    ) -> None:
        """`outcomes` is told of every new state of a refill's purchase, in the transaction that records it."""
        self._database, self._ledger, self._accounts = database, ledger, accounts
        self._policy, self._clock, self._ids = policy, clock, ids
        self._notify, self._alarm, self.outcomes = notify, alarm, outcomes

    def settle(self, id_: PurchaseId, invoice: Invoice) -> Record:
        """Turn a freshly read, paid invoice into credits, or into an alarm; return what the purchase is then.

        Safe beside anybody who drives or settles the same purchase. Raises: NotFound, Unavailable.
        """
        for _ in range(_TRIES_MAX):
            with self._database.read() as connection:
                record = records.get(connection, id_)
            decision = decide(record, invoice, now=self._clock.now(), policy=self._policy)
            if decision.step not in {Step.TAKE, Step.SETTLE, Step.END}:
                return record
            try:
                self.do(record, invoice, decision)
            except Overtaken:
                continue
        raise AssertionError(f"purchase {id_} was changed by others at every try")

    def do(self, record: Record, invoice: Invoice | None, decision: Decision) -> Record:
        """Do one of the steps TAKE, SETTLE, END. Raises: Overtaken, Unavailable."""
        if decision.step is Step.END:
            return self._end(record, decision)
        assert invoice is not None and invoice.status == "paid", "credits come from a paid invoice only"
        return self._take(record, invoice) if decision.step is Step.TAKE else self._fund(record, invoice)

    def alarm(self, connection: Connection, record: Record) -> None:
        """Raise an alarm in the transaction that recorded it: kept with the purchase and in the audit, and told."""
        assert record.alarm is not None
        summary = f"Purchase {record.id} needs a look: {record.because}"
        self._alarm(connection, summary=summary, detail=record.alarm, key=f"alarm:{record.id}:{record.version}")
        self._note(connection, record, "purchase.alarmed", alarm=record.alarm)

    def _take(self, record: Record, invoice: Invoice) -> Record:
        now = self._clock.now()
        paid_at = now if invoice.paid_s is None else Instant(invoice.paid_s * SECOND)
        intent_id = next((each.intent_id for each in invoice.payments if each.status == "paid"), None)
        return self._change(
            record,
            "paid",
            state=PurchaseState.PAID,
            paid_at=paid_at,
            invoice_id=invoice.id,
            invoice_number=invoice.number,
            intent_id=intent_id,
            decline_code=None,
            ended_at=None,
            look_at=record.look_at or now,
        )

    def _fund(self, record: Record, invoice: Invoice) -> Record:
        assert invoice.subtotal == record.net, "credits are the net of the invoice"
        command = Fund(
            wallet=wallet_of(record.account_id),
            key=f"fund:{record.id}",
            lot=LotId(self._ids.mint("lot")),
            amount=credits_of(record.net),
            source=Source.PURCHASE if record.refill_id is None else Source.REFILL,
            reference=record.id,
        )
        receipt = self._ledger.run(command)
        crash.point("payments.fund.called")
        zone = self._accounts.get(record.account_id).time_zone
        now = self._clock.now()
        with self._database.write() as connection:
            settled = records.change(
                connection,
                record,
                step="settled",
                at=now,
                state=PurchaseState.SETTLED,
                lot_id=LotId(receipt.ref),
                ended_at=now,
                leased_until=Instant(0),
                look_at=None,
            )
            self.outcomes.heard(connection, settled)
            by_rule = self.outcomes.rule(connection, settled)
            self._notify(
                connection,
                kind="refill_receipt" if by_rule else "receipt",
                account_id=record.account_id,
                to=record.email,
                locale=record.locale,
                values=_receipt_values(settled, receipt, zone) | by_rule,
                key=f"receipt:{record.id}",
            )
            self._note(connection, settled, "purchase.settled", lot=receipt.ref)
        crash.point("payments.settled.recorded")
        _log.info("payments.purchase.settled", purchase=record.id, account=record.account_id, net_cents=record.net)
        return settled

    def _end(self, record: Record, decision: Decision) -> Record:
        assert decision.state is not None
        values: dict[str, Any] = {"state": decision.state, "because": decision.because, "closing": None}
        if decision.alarm is not None:
            values["alarm"] = decision.alarm
        ended = self._change(
            record,
            decision.state.value,
            detail=decision.alarm or decision.because,
            ended_at=self._clock.now(),
            **values,
        )
        _log.info("payments.purchase.ended", purchase=record.id, state=decision.state.value, because=decision.because)
        return ended

    def _change(self, record: Record, step: str, *, detail: str | None = None, **values: Any) -> Record:
        crash.point(f"payments.{step}.decided")
        with self._database.write() as connection:
            changed = records.change(connection, record, step=step, at=self._clock.now(), detail=detail, **values)
            if "alarm" in values:
                self.alarm(connection, changed)
            if changed.state is not record.state:
                self.outcomes.heard(connection, changed)
            if changed.ended_at is not None:
                self._note(connection, changed, f"purchase.{changed.state.value}", because=changed.because or "")
        crash.point(f"payments.{step}.recorded")
        return changed

    def _note(self, connection: Connection, record: Record, action: str, **detail: str) -> None:
        audit.note(
            connection,
            ids=self._ids,
            now=self._clock.now(),
            actor=audit.SYSTEM,
            action=action,
            subject=record.id,
            account_id=record.account_id,
            detail={"net": write_cents(record.net), "total": write_cents(record.total), **detail},
        )


def refund_deadline(paid_at: Instant, zone: str) -> Instant:
    """Return the last second of the fourteenth day after a purchase, where the payer's clocks show it.

    It is some hours more than fourteen times 24, and an hour off where the clocks were changed meanwhile.
    """
    here = ZoneInfo(zone)
    last = to_datetime(paid_at).astimezone(here).date() + timedelta(days=_REFUND_DAYS)
    # Where clocks go back at midnight that second comes twice: the later one is meant, in the payer's favour.
    return to_instant(datetime.combine(last, time(23, 59, 59), here).replace(fold=1))


def _receipt_values(record: Record, receipt: Receipt, zone: str) -> dict[str, str]:
    assert record.paid_at is not None
    values = {
        "credits": write_cents(record.net),
        "net": write_cents(record.net),
        "vat": write_cents(record.vat),
        "total": write_cents(record.total),
        "card": record.card_name,
        "invoice_number": record.invoice_number or "",
        # Ours, which asks Stripe for the document when it is opened: Stripe's own address is good for some days only.
        "invoice": f"/billing/invoices/{record.id}",
        "balance": write(receipt.settled),
        "refundable_until": to_text(refund_deadline(record.paid_at, zone)),
        "time_zone": zone,
    }
    if record.rate is not None:
        values["vat_rate"] = record.rate
    if record.reason in _TAX_NOTES:
        values["tax"] = _TAX_NOTES[record.reason]
    return values
