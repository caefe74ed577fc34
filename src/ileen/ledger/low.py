"""The low mark: a balance at or below which a completed call is told, in the transaction that books the call.

Owns: the job of kind `ledger.low`, and setting the mark. Refuses to know: what is done about it; whoever sets marks
handles the job.
The mark is in the wallet's row, which every batch loads anyway: a wallet without one costs a comparison per call, and
no statement. While a job of the wallet is open no other is added, so a thousand calls below the mark leave one job.
The headline balance counts (`settled`): what open holds have reserved is not spent yet.
"""

from typing import Final

from sqlalchemy import Connection, update

from ileen.base.clock import Instant
from ileen.base.ids import HoldId, WalletId, body
from ileen.jobs import queue
from ileen.ledger.places import bucket_of
from ileen.store.bulk import Row
from ileen.store.schema import wallet as table

LOW: Final = "ledger.low"
"""The kind of job; its payload names the `wallet` and the `hold` of the call."""


def set_mark(connection: Connection, wallet: WalletId, low_mark: int | None) -> None:
    """Set a wallet's low mark (nano-credits), or take it away, in the caller's transaction. Locks: the wallet's row."""
    mine = (table.c.bucket == bucket_of(wallet)) & (table.c.id == wallet)
    connection.execute(update(table).where(mine).values(low_mark=low_mark))


def row(wallet: WalletId, hold: HoldId, at: Instant) -> Row:
    """Return the job that tells of a call. Its id shares the hold's body: a call completes once."""
    payload: dict[str, str] = {"wallet": wallet, "hold": hold}
    return queue.ready_row(f"job_{body(hold)}", kind=LOW, key=wallet, payload=payload, now=at)
