"""Who is told what of a refund, in the transaction that records it: the payer's mails, the audit, the alarm.

Owns: which state is told to whom, once. Refuses to know: how a refund got there.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from ileen.accounts import Accounts, audit
from ileen.base.clock import Clock, to_text
from ileen.base.ids import Ids, wallet_of
from ileen.base.money import write
from ileen.ledger import reads
from ileen.payments import records
from ileen.payments.amounts import write_cents
from ileen.payments.model import Alarm, Notify
from ileen.payments.refunds.model import BY_PAYER, WITHDRAWALS, Origin, Refund, RefundState

_AFTER_REQUEST: Final = frozenset({RefundState.HELD, RefundState.APPROVED})


class Teller:
    """Tells of refunds. Works in the caller's transaction."""

    def __init__(self, accounts: Accounts, *, clock: Clock, ids: Ids, notify: Notify, alarm: Alarm) -> None:
        self._accounts, self._clock, self._ids = accounts, clock, ids
        self._notify, self.alarm = notify, alarm

    def tell(self, connection: Connection, refund: Refund, *, by: str = audit.SYSTEM) -> None:
        """Tell of a refund's new state."""
        self.note(connection, refund, f"refund.{refund.state.value}", by=by)
        if refund.state is RefundState.HELD:
            self._ask(connection, refund)
        if refund.state in _AFTER_REQUEST and refund.origin in BY_PAYER:
            self._acknowledge(connection, refund)
        elif refund.state is RefundState.DONE:
            self._mail(connection, refund, "refund_done", self._done(connection, refund))
        elif refund.state is RefundState.DENIED:
            self._mail(connection, refund, "refund_declined", {"because": refund.because or ""})
        elif refund.state is RefundState.FAILED:
            if refund.origin is not Origin.DASHBOARD:
                self._mail(connection, refund, "refund_failed", {})
            self._alarm_of(connection, refund)

    def note(self, connection: Connection, refund: Refund, action: str, *, by: str) -> None:
        """Keep an audit event about a refund."""
        detail = {
            "purchase": refund.purchase_id,
            "net": write_cents(refund.net),
            "total": write_cents(refund.total),
            "origin": refund.origin.value,
        }
        if refund.because or refund.reason:
            detail["because"] = refund.because or refund.reason or ""
        audit.note(
            connection,
            ids=self._ids,
            now=self._clock.now(),
            actor=by,
            action=action,
            subject=refund.id,
            account_id=refund.account_id,
            detail=detail,
        )

    def _acknowledge(self, connection: Connection, refund: Refund) -> None:
        record = records.get(connection, refund.purchase_id)
        assert record.paid_at is not None
        values = {
            "vat": write_cents(refund.vat),
            "card": refund.card_name,
            "invoice_number": record.invoice_number or "",
            "bought_at": to_text(record.paid_at),
            "at": to_text(refund.created_at),
            "time_zone": self._accounts.get(refund.account_id).time_zone,
            "refund_stage": "checked" if refund.state is RefundState.HELD else "sent",
        }
        kind = "withdrawal_received" if refund.origin in WITHDRAWALS else "refund_received"
        self._mail(connection, refund, kind, values)

    def _done(self, connection: Connection, refund: Refund) -> dict[str, str]:
        wallet = reads.wallet(connection, wallet_of(refund.account_id))
        return {
            "vat": write_cents(refund.vat),
            "card": refund.card_name,
            "note_number": refund.note_number or "–",
            "balance": write(wallet.settled),
        }

    def _mail(self, connection: Connection, refund: Refund, kind: str, values: Mapping[str, str]) -> None:
        common = {
            "credits": write_cents(refund.net),
            "refunded": write_cents(refund.total),
            "link": f"/billing/refunds/{refund.id}",
        }
        self._notify(
            connection,
            kind=kind,
            account_id=refund.account_id,
            to=refund.email,
            locale=refund.locale,
            values={**common, **values},
            key=f"{kind}:{refund.id}",
        )

    def _ask(self, connection: Connection, refund: Refund) -> None:
        summary = f"Refund {refund.id} of EUR {write_cents(refund.total)} waits for approval"
        detail = (
            f"{summary} ({refund.origin.value}, account {refund.account_id}): "
            f"ileen refunds approve {refund.id}, or deny it with a reason. Its credits are frozen meanwhile."
        )
        self.alarm(connection, summary=summary, detail=detail, key=f"refund_held:{refund.id}")

    def _alarm_of(self, connection: Connection, refund: Refund) -> None:
        summary = f"Refund {refund.id} of EUR {write_cents(refund.total)} failed: {refund.because}"
        detail = f"{summary}. Its credits are back in the balance of account {refund.account_id}."
        if refund.note_id is not None:
            detail += (
                f" Credit note {refund.note_number} stands at Stripe, so this part cannot be refunded to the card "
                "again: pay it another way, or correct the document with your accountant."
            )
        self.alarm(connection, summary=summary, detail=detail, key=f"refund_failed:{refund.id}")
