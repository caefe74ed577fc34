"""The low mark: a balance at or below which whatever lowers it is told, in the transaction that books it.

Owns: the job of kind `ledger.low`, and setting the mark. Refuses to know: what is done about it; whoever sets marks
handles the job.
A call lowers the balance, and so does a refund, a dispute or a correction: none of them has to know of the mark. It is
in the wallet's row, which every batch loads anyway: a wallet without one costs a comparison per command, and no
statement. While a job of the wallet is open no other is added, so a thousand calls below the mark leave one job.
The headline balance counts (`settled`): what open holds have reserved is not spent yet.
"""

from typing import Final

from sqlalchemy import Connection, update

from ileen.base.ids import WalletId, compose, is_id
from ileen.jobs import queue
from ileen.ledger.model import Receipt
from ileen.ledger.places import bucket_of
from ileen.store.bulk import Row
from ileen.store.schema import wallet as table

LOW: Final = "ledger.low"
"""The kind of job; its payload names the `wallet` and, if a call lowered the balance, its `hold`."""


def set_mark(connection: Connection, wallet: WalletId, low_mark: int | None) -> None:
    """Set a wallet's low mark (nano-credits), or take it away, in the caller's transaction. Locks: the wallet's row."""
    mine = (table.c.bucket == bucket_of(wallet)) & (table.c.id == wallet)
    connection.execute(update(table).where(mine).values(low_mark=low_mark))


def row(of: Receipt) -> Row:
    """Return the job that tells of a command. Its id comes from the wallet and the entry's number: one per command."""
    payload: dict[str, str] = {"wallet": of.wallet}
    if is_id(of.ref, "hold"):
        payload["hold"] = of.ref
    entropy = f"{of.wallet}:{of.seq}".encode()
    return queue.ready_row(compose("job", of.at, entropy), kind=LOW, key=of.wallet, payload=payload, now=of.at)
