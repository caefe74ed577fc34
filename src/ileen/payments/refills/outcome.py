"""What becomes of a refill's purchase, told in the transaction that records it: the attempt, the rule, the mails.

Owns: how an end is written down, and what the account is told. Refuses to know: how the purchase got there.
Mails are owed in the same transaction as what they tell, under a key of the purchase: once.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from ileen.accounts import Accounts
from ileen.base.clock import Clock, Instant, to_text
from ileen.outbound import Tell, silent
from ileen.payments.amounts import write_cents
from ileen.payments.model import Notify, PurchaseState
from ileen.payments.refills import book
from ileen.payments.refills.model import RefillPolicy, RefillState
from ileen.payments.refills.rules import SUPERSEDED, Aftermath, after_failure
from ileen.payments.rules import Record
from ileen.payments.stripe.decline import DeclineKind, decline_of

_LINK: Final = "/billing#refill"
_WORDS: Final = {
    DeclineKind.FUNDS: "funds",
    DeclineKind.CARD_DATA: "card",
    DeclineKind.BANK: "bank",
    DeclineKind.TRY_LATER: "later",
    DeclineKind.AUTHENTICATION: "authentication",
}
"""The sentence of a mail for each class of decline."""


class Outcomes:
    """Listens to the purchases of refills. Locks: the account's setting, then its wallet."""

    def __init__(
        self, accounts: Accounts, *, policy: RefillPolicy, clock: Clock, notify: Notify, tell: Tell = silent
    ) -> None:
        self._tell_servers = tell
        self._accounts, self._policy, self._clock, self._notify = accounts, policy, clock, notify

    def heard(self, connection: Connection, record: Record) -> None:
        """Take note of a purchase's new state, in the transaction that records it; others than refills are ignored."""
        if record.refill_id is None:
            return
        match record.state:
            case PurchaseState.ACTION_REQUIRED:
                self._ask(connection, record)
            case PurchaseState.SETTLED:
                self._settled(connection, record)
            case PurchaseState.FAILED | PurchaseState.VOID:
                self._failed(connection, record)
            case _:
                pass

    def rule(self, connection: Connection, record: Record) -> dict[str, str]:
        """Return what the receipt of a refill says of the rule that fired; nothing for other purchases."""
        if record.refill_id is None:
            return {}
        refill = book.get(connection, record.refill_id)
        zone = self._accounts.get(record.account_id).time_zone
        total = book.month_total(connection, record.account_id, now=self._clock.now(), zone=zone)
        return {"threshold": write_cents(refill.threshold), "month": write_cents(total), "settings": _LINK}

    def _ask(self, connection: Connection, record: Record) -> None:
        assert record.action_until is not None
        values = {
            "credits": write_cents(record.net),
            "total": write_cents(record.total),
            "card": record.card_name,
            "expires_at": to_text(record.action_until),
            "time_zone": self._accounts.get(record.account_id).time_zone,
            "link": f"/billing/purchases/{record.id}",
        }
        self._tell(connection, record, "action_required", values)

    def _settled(self, connection: Connection, record: Record) -> None:
        assert record.refill_id is not None
        now = self._clock.now()
        book.end(connection, record.refill_id, RefillState.SETTLED, because=None, at=now)
        self._event(connection, record, "refill.succeeded")
        setting = book.lock(connection, record.account_id)
        if setting is not None and setting.failures:
            book.put(connection, setting, at=now, failures=0)

    def _failed(self, connection: Connection, record: Record) -> None:
        assert record.refill_id is not None
        now, because = self._clock.now(), record.because or ""
        book.end(connection, record.refill_id, RefillState.FAILED, because=because, at=now)
        if because != SUPERSEDED:
            self._event(connection, record, "refill.failed", because=because)
        setting = book.lock(connection, record.account_id)
        if setting is None or not setting.enabled or setting.paused is not None:
            return
        failures = setting.failures + (because != SUPERSEDED)
        after = after_failure(because, record.decline_code, failures=failures, policy=self._policy)
        if after.pause is not None:
            self._event(connection, record, "refill.paused", reason=after.pause.value)
            changes = {"paused": after.pause, "paused_at": now, "look_at": None}
        else:
            assert after.retry_us is not None
            changes = {"look_at": Instant(now + after.retry_us)}
        book.put(connection, setting, at=now, failures=failures, **changes)
        if because not in {"cancelled", SUPERSEDED}:  # by the account itself
            self._tell_failed(connection, record, after)

    def _event(self, connection: Connection, record: Record, type_: str, **more: str) -> None:
        data = {"refill": record.refill_id, "purchase": record.id, "amount": write_cents(record.net), **more}
        key = f"{type_}:{record.id}"
        self._tell_servers(connection, account=record.account_id, type_=type_, data=data, key=key)

    def _tell_failed(self, connection: Connection, record: Record, after: Aftermath) -> None:
        values = {
            "credits": write_cents(record.net),
            "total": write_cents(record.total),
            "card": record.card_name,
            "refill_next": "retry" if after.pause is None else "paused",
            "link": _LINK,
        }
        if record.decline_code is not None:
            values["decline"] = _WORDS[decline_of(record.decline_code).kind]
        self._tell(connection, record, "refill_failed", values)

    def _tell(self, connection: Connection, record: Record, kind: str, values: Mapping[str, str]) -> None:
        self._notify(
            connection,
            kind=kind,
            account_id=record.account_id,
            to=record.email,
            locale=record.locale,
            values=values,
            key=f"{kind}:{record.id}",
        )
