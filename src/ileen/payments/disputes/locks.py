"""The lock of an account whose payment its bank has taken back: nothing is bought or spent until that is settled.

Owns: what is remembered of it between two calls. Refuses to know: how a dispute ends.
Asking the database at every model call would double what a hold costs, so that for calls what was read holds for some
seconds: a lock takes effect that much later. Purchases ask every time.
"""

from typing import Final

from ileen.base.clock import SECOND, Clock, Instant, to_text
from ileen.base.errors import AccountOnHold
from ileen.base.ids import AccountId
from ileen.payments import records
from ileen.payments.amounts import write_cents
from ileen.payments.disputes import book
from ileen.store.engine import Database

_FRESH_US: Final = 5 * SECOND


class Locks:
    """Knows the locked accounts. Thread-safe: what is known is replaced as a whole."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._known: tuple[Instant, frozenset[AccountId]] = (Instant(0), frozenset())

    def is_clear(self, account: AccountId) -> bool:
        """Tell without waiting whether an account is known not to be locked."""
        at, locked = self._known
        return account not in locked and 0 <= self._clock.now() - at < _FRESH_US

    def check(self, account: AccountId) -> None:
        """Let an account pass that is not locked. Blocks on a short read. Raises: AccountOnHold."""
        now = self._clock.now()
        with self._database.read() as connection:
            locked = book.locked(connection)
            self._known = now, locked
            if account not in locked:
                return
            (first, *_) = book.open_of(connection, account)
            record = records.get(connection, first.purchase_id)
        paid_at = to_text(record.paid_at or record.created_at)
        raise AccountOnHold(amount=write_cents(record.total), paid_at=paid_at, purchase=record.id)
