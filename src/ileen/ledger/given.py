"""Credits given for nothing are told, in the transaction that gives them.

Owns: the job of kind `ledger.given`. Refuses to know: what is done about it; whoever gives credits handles the job.
So what must follow a gift, its audit event, is neither lost with a process that dies right after the commit, nor
owed by a gift that was refused.
"""

from typing import Final

from ileen.base.clock import Instant
from ileen.base.ids import LotId, WalletId, body
from ileen.jobs import queue
from ileen.store.bulk import Row

GIVEN: Final = "ledger.given"
"""The kind of job; its payload names the `wallet`, the `lot` and `by` whom it was given."""


def row(wallet: WalletId, lot: LotId, by: str, at: Instant) -> Row:
    """Return the job that tells of a lot. Its id shares the lot's body: a lot is made once."""
    payload: dict[str, str] = {"wallet": wallet, "lot": lot, "by": by}
    return queue.ready_row(f"job_{body(lot)}", kind=GIVEN, key=lot, payload=payload, now=at)
