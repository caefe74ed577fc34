"""What a call that is refused for lack of credits is told while a refill is under way: so, and when to try again.

Owns: the members `refill` and `retry_after_s` of `insufficient_credits`. Refuses to know: how answers are written.
One read of our own database, made only for calls that are refused: nobody waits for Stripe to be refused.
"""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from ileen import jobs
from ileen.base.errors import InsufficientCredits
from ileen.base.ids import AccountId, wallet_of
from ileen.ledger import low
from ileen.payments import records
from ileen.payments.amounts import write_cents
from ileen.payments.refills import book
from ileen.payments.refills.model import LOOK
from ileen.store.engine import Database

RETRY_AFTER_S: Final = 5
"""A charge takes Stripe and the bank one to three seconds."""


class UnderWay(Struct, frozen=True, kw_only=True):
    """A refill that has begun or is about to, of `amount` cents; `unconfirmed`: the payer's bank waits for a person."""

    amount: int
    unconfirmed: bool


def under_way(connection: Connection, account: AccountId) -> UnderWay | None:
    """Return the refill that is under way, or that a job is about to decide on."""
    record = records.open_of(connection, account)
    if record is not None and record.refill_id is not None:
        return UnderWay(amount=record.net, unconfirmed=record.gives_way)
    setting = book.setting_of(connection, account)
    if record is not None or setting is None or not setting.enabled or setting.paused is not None:
        return None
    wanted = [(low.LOW, wallet_of(account))] if setting.triggers else [(LOOK, account)]
    is_due = any(jobs.is_open(connection, kind=kind, key=key) for kind, key in wanted)
    return UnderWay(amount=setting.amount, unconfirmed=False) if is_due else None


class Hints:
    """Explains refusals. Thread-safe; blocks on a short read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def explain(self, account: AccountId, error: InsufficientCredits) -> None:
        """Add to a refusal what is on its way, if anything is."""
        with self._database.read() as connection:
            found = under_way(connection, account)
        if found is None:
            return
        amount = write_cents(found.amount)
        error.fields["refill"] = {"amount": amount, "state": "unconfirmed" if found.unconfirmed else "under_way"}
        if found.unconfirmed:
            error.detail += f" An auto-refill of EUR {amount} waits to be confirmed with the bank."
            return
        error.fields["retry_after_s"] = RETRY_AFTER_S
        error.detail += f" An auto-refill of EUR {amount} is under way: try again in {RETRY_AFTER_S} seconds."
