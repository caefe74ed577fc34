"""The ledger's door: commands in, receipts out, and reads.

Commands go through lanes and are durable when answered. Reads are blocking and short; call them from threads.
"""

import asyncio
import weakref
from collections.abc import Collection, Sequence

from sqlalchemy import select

from ileen.base.clock import Clock, Instant, SystemClock
from ileen.base.errors import NotFound, Refused
from ileen.base.ids import HoldId, WalletId
from ileen.ledger import days, reads
from ileen.ledger.lanes import Lanes, LoopSink, Waiter
from ileen.ledger.model import Command, Entry, Expire, Hold, Lot, Receipt, Spender, Wallet
from ileen.ledger.reads import Call, UsageGroup
from ileen.store import schema
from ileen.store.engine import Database

_SWEEP_MAX = 1000
"""Overdue holds freed per sweep; the next one takes the rest."""


class Ledger:
    """All credits of all accounts. Start it before commands are given, stop it to drain them."""

    def __init__(self, database: Database, *, clock: Clock | None = None, lanes: int | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._lanes = Lanes(database, self._clock, count=lanes)
        self._sinks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopSink] = weakref.WeakKeyDictionary()

    def start(self) -> None:
        """Start the lanes."""
        self._lanes.start()

    def stop(self) -> None:
        """Finish what is queued, then stop."""
        self._lanes.stop()

    def run(self, command: Command) -> Receipt:
        """Have a command decided and made durable; block until it is.

        Raises: the command's refusals (see `rules`), Unavailable when the database stays out of reach.
        """
        waiter = Waiter()
        self._lanes.submit(command, waiter, None)
        return waiter.wait()

    async def arun(self, command: Command) -> Receipt:
        """Do what `run` does, without blocking the event loop. Cancelling the wait does not undo the command."""
        loop = asyncio.get_running_loop()
        sink = self._sinks.get(loop)
        if sink is None:
            sink = self._sinks[loop] = LoopSink(loop)
        future: asyncio.Future[Receipt] = loop.create_future()
        self._lanes.submit(command, sink, future)
        return await future

    def wallet(self, wallet: WalletId) -> Wallet:
        """Return a wallet. Raises: NotFound."""
        with self._database.read() as connection:
            return reads.wallet(connection, wallet)

    def wallets(self, wallets: Collection[WalletId]) -> list[Wallet]:
        """Return those wallets that there are, in no order."""
        with self._database.read() as connection:
            return reads.wallets(connection, wallets)

    def spender(self, wallet: WalletId, api_key: str = "") -> Spender:
        """Return the caps and counters of the account, or of one of its keys."""
        with self._database.read() as connection:
            return reads.spender(connection, wallet, api_key)

    def lots(self, wallet: WalletId) -> list[Lot]:
        """Return a wallet's lots in burn order."""
        with self._database.read() as connection:
            return reads.lots(connection, wallet)

    def hold(self, wallet: WalletId, hold: HoldId) -> Hold:
        """Return a hold. Raises: NotFound."""
        with self._database.read() as connection:
            return reads.hold(connection, wallet, hold)

    def hold_of_key(self, wallet: WalletId, key: str) -> Hold | None:
        """Return the hold that the command with this idempotency key was about, or None if there was none."""
        with self._database.read() as connection:
            return reads.hold_of_key(connection, wallet, key)

    def call(self, wallet: WalletId, hold: HoldId) -> Call:
        """Return a call by its hold's id. Raises: NotFound."""
        with self._database.read() as connection:
            return reads.call(connection, wallet, hold)

    def calls(
        self,
        wallet: WalletId,
        *,
        limit: int,
        before: HoldId | None = None,
        run: str | None = None,
        mode: str | None = None,
        activity: str | None = None,
        model: str | None = None,
        api_key: str | None = None,
    ) -> list[Call]:
        """Return calls, newest first."""
        filters = {"run": run, "mode": mode, "activity": activity, "model": model, "api_key": api_key}
        with self._database.read() as connection:
            return reads.calls(connection, wallet, limit=limit, before=before, filters=filters)

    def entries(self, wallet: WalletId, *, limit: int, before: int | None = None) -> list[Entry]:
        """Return journal entries, newest first."""
        with self._database.read() as connection:
            return reads.entries(connection, wallet, limit=limit, before=before)

    def usage(self, wallet: WalletId, *, group_by: str, since: Instant, until: Instant) -> list[UsageGroup]:
        """Sum completed calls by mode, activity, model, key, run or day. Raises: NotFound, RequestInvalid."""
        with self._database.read() as connection:
            return reads.usage(
                connection, reads.wallet(connection, wallet), group_by=group_by, since=since, until=until
            )

    def spent(self, wallet: WalletId, *, first: int, last: int) -> list[days.Spent]:
        """Return what was spent from one day to another, both included, by day, mode, activity and model."""
        with self._database.read() as connection:
            return days.spent(connection, wallet, first=first, last=last)

    def balances(self, wallet: WalletId, moments: Sequence[Instant]) -> list[int]:
        """Return the settled balance just before each moment. Raises: NotFound."""
        with self._database.read() as connection:
            return days.balances(connection, reads.wallet(connection, wallet), moments)

    def keep_tariff(self, tariff_id: str, body: str) -> None:
        """Store the pinned prices a hold will name, once; they are facts and never change."""
        table = schema.tariff
        with self._database.write() as connection:
            known = connection.execute(select(table.c.body).where(table.c.id == tariff_id)).scalar_one_or_none()
            assert known is None or known == body, "a tariff's id is the hash of its body"
            if known is None:
                at = self._clock.now()
                connection.exec_driver_sql(
                    "INSERT INTO tariff (id, body, created_at) VALUES (%(id)s, %(body)s, %(at)s) ON CONFLICT DO NOTHING"
                    if self._database.dialect == "postgresql"
                    else "INSERT INTO tariff (id, body, created_at) VALUES (:id, :body, :at) ON CONFLICT DO NOTHING",
                    {"id": tariff_id, "body": body, "at": at},
                )

    def tariff(self, tariff_id: str) -> str:
        """Return a pinned tariff's body. Raises: NotFound."""
        table = schema.tariff
        with self._database.read() as connection:
            found = connection.execute(select(table.c.body).where(table.c.id == tariff_id)).scalar_one_or_none()
        if found is None:
            raise NotFound(what="tariff", id=tariff_id)
        return found

    def sweep(self) -> int:
        """Free the holds whose time is over; return how many. Safe beside other sweepers and late captures."""
        table = schema.hold
        query = (
            select(table.c.wallet_id, table.c.id)
            .where(table.c.state == "open", table.c.expires_at <= self._clock.now())
            .limit(_SWEEP_MAX)
        )
        with self._database.read() as connection:
            overdue = connection.execute(query).all()
        freed = 0
        for wallet, hold in overdue:
            try:
                freed += not self.run(Expire(wallet=wallet, hold=hold)).replayed
            except Refused:  # it was captured or voided in between, which is as good
                continue
        return freed
