"""Marks of a wallet: balances whose reaching is told, in the transaction that books what lowered the balance.

Owns: the jobs of kind `ledger.low` and `ledger.crossed`, and setting the marks. Refuses to know: what is done about
them; whoever sets a mark handles its job.
A call lowers the balance, and so does a refund, a dispute or a correction: none of them has to know of marks. They are
in the wallet's row, which every batch loads anyway: a wallet without any costs two comparisons per command, and no
statement. The headline balance counts (`settled`): what open holds have reserved is not spent yet.

low mark     whatever leaves the balance there or below is told. While a job of the wallet is open no other is added,
             so a thousand calls below the mark leave one job.
notice mark  what makes the balance fall from above it is told, and what makes it fall to nothing: once per crossing.
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
CROSSED: Final = "ledger.crossed"
"""The kind of job; its payload names the `wallet`, the `mark` (low, empty) and the `seq` of the entry that crossed."""


def set_mark(connection: Connection, wallet: WalletId, low_mark: int | None) -> None:
    """Set a wallet's low mark (nano-credits), or take it away, in the caller's transaction. Locks: the wallet's row."""
    _set(connection, wallet, low_mark=low_mark)


def set_notice_mark(connection: Connection, wallet: WalletId, notice_mark: int | None) -> None:
    """Set a wallet's notice mark, or take it away, in the caller's transaction. Locks: the wallet's row."""
    _set(connection, wallet, notice_mark=notice_mark)


def row(of: Receipt) -> Row:
    """Return the job that tells of a command. Its id comes from the wallet and the entry's number: one per command."""
    payload: dict[str, str] = {"wallet": of.wallet}
    if is_id(of.ref, "hold"):
        payload["hold"] = of.ref
    return _job(of, LOW, key=of.wallet, payload=payload)


def crossed_row(mark: str, of: Receipt) -> Row:
    """Return the job that tells of a mark that was crossed."""
    payload: dict[str, str] = {"wallet": of.wallet, "mark": mark, "seq": str(of.seq)}
    return _job(of, CROSSED, key=f"{of.wallet}:{mark}", payload=payload)


def _job(of: Receipt, kind: str, *, key: str, payload: dict[str, str]) -> Row:
    id_ = compose("job", of.at, f"{kind}:{key}:{of.seq}".encode())
    return queue.ready_row(id_, kind=kind, key=key, payload=payload, now=of.at)


def _set(connection: Connection, wallet: WalletId, **marks: int | None) -> None:
    mine = (table.c.bucket == bucket_of(wallet)) & (table.c.id == wallet)
    connection.execute(update(table).where(mine).values(marks))
