"""The watch: no refund, credit note, dispute or fraud warning about a purchase of ours goes unnoticed.

Owns: which types of events tell that money goes back, and which purchase an event is about. Refuses to know: what is
done about it.
The operator is told of each event once. Events about things that are not ours are left alone.
"""

from collections.abc import Mapping
from typing import Final

import structlog

from ileen.payments import records
from ileen.payments.inbox import Event, Listener
from ileen.payments.model import Alarm
from ileen.payments.rules import Record
from ileen.store.engine import Database

_SENTENCES: Final = {
    "charge.refunded": "was refunded at Stripe",
    "charge.dispute.created": "is disputed with the payer's bank",
    "charge.dispute.funds_withdrawn": "was taken back by the payer's bank",
    "charge.dispute.funds_reinstated": "was given back by the payer's bank",
    "charge.dispute.closed": "is no longer disputed",
    "credit_note.created": "has a new credit note",
    "credit_note.voided": "has a credit note that was voided",
    "radar.early_fraud_warning.created": "is called fraudulent by the payer's bank",
    "refund.failed": "was refunded, and the payer's bank sent the money back",
}
"""What an event of each type says of a purchase."""

_log = structlog.get_logger()


class Watch:
    """Listens to what Stripe tells of money that goes back."""

    def __init__(self, database: Database, *, alarm: Alarm) -> None:
        self._database, self._alarm = database, alarm

    def listeners(self) -> Mapping[str, Listener]:
        """Return what to do on events, by type."""
        return dict.fromkeys(_SENTENCES, self._heard)

    def _heard(self, event: Event) -> str:
        record = self._purchase(event)
        if record is None:
            return "foreign"
        summary = f"Purchase {record.id} {_SENTENCES[event.type]}"
        detail = (
            f"{summary} ({event.type} of {event.object_id}, account {record.account_id}). Its credits are as they "
            "were: look at it in Stripe's dashboard, and correct the balance with `ileen adjust` if need be."
        )
        with self._database.write() as connection:
            self._alarm(connection, summary=summary, detail=detail, key=f"returned:{event.id}")
        _log.warning("payments.return.heard", purchase=record.id, type=event.type, object_id=event.object_id)
        return "alarmed"

    def _purchase(self, event: Event) -> Record | None:
        """Return the purchase an event is about: by the payment it names, or the invoice of a credit note."""
        intent, invoice = event.object.get("payment_intent"), event.object.get("invoice")
        with self._database.read() as connection:
            if isinstance(intent, str):
                return records.of_intent(connection, intent)
            return records.of_invoice(connection, invoice) if isinstance(invoice, str) else None
