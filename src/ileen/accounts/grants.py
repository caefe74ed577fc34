"""Bonus credits: given through the ledger, and on record with who gave them and why.

Owns: the audit event `credits.granted`, one per lot. Refuses to know: who may give credits.
The credits and the job that notes them are one commit of the ledger (`ledger.given`), so that whatever dies when, a
grant is on record: at once by whoever granted, else by the job.
"""

from collections.abc import Mapping

from sqlalchemy import select

from ileen.accounts.audit import note
from ileen.accounts.model import Account
from ileen.base import crash
from ileen.base.clock import Clock
from ileen.base.ids import AccountId, Ids, LotId, WalletId, account_of, wallet_of
from ileen.base.money import write
from ileen.jobs import Handler, Job
from ileen.ledger import Ledger
from ileen.ledger.given import GIVEN
from ileen.ledger.model import Fund, Receipt, Source
from ileen.store.engine import Database
from ileen.store.schema import account as accounts_table
from ileen.store.schema import audit_event as events_table


class Grants:
    """Gives bonus credits and notes it. Thread-safe."""

    def __init__(self, database: Database, ledger: Ledger, *, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._ids = ids

    def handlers(self) -> Mapping[str, Handler]:
        """Return the jobs of grants by kind."""
        return {GIVEN: self._note_given}

    def give(self, account: Account, *, amount: int, reason: str, key: str | None, by: str) -> Receipt:
        """Give bonus credits, `amount` in nano-credits; the same `key` gives them once.

        Raises: NotFound, AmountInvalid, KeyReused.
        """
        lot = LotId(self._ids.mint("lot"))
        receipt = self._ledger.run(
            Fund(
                wallet=wallet_of(account.id),
                key=f"grant:{key or lot}",
                lot=lot,
                amount=amount,
                source=Source.BONUS,
                reason=reason,
                by=by,
            )
        )
        crash.point("accounts.grant.given")
        self._note(account.id, LotId(receipt.ref), amount=receipt.amount, reason=reason, by=by)
        return receipt

    def _note_given(self, job: Job) -> None:
        wallet, id_ = WalletId(job.payload["wallet"]), job.payload["lot"]
        (lot,) = [each for each in self._ledger.lots(wallet) if each.id == id_]
        self._note(account_of(wallet), lot.id, amount=lot.amount, reason=lot.reason or "", by=job.payload["by"])

    def _note(self, account: AccountId, lot: LotId, *, amount: int, reason: str, by: str) -> None:
        """Note a grant, unless it is on record. Locks: the account's row, so that two at once do not both note it."""
        mine = select(accounts_table.c.id).where(accounts_table.c.id == account).with_for_update()
        is_noted = (events_table.c.account_id == account) & (events_table.c.subject == lot)
        with self._database.write() as connection:
            connection.execute(mine).one()
            if connection.execute(select(events_table.c.id).where(is_noted).limit(1)).first() is not None:
                return
            note(
                connection,
                ids=self._ids,
                now=self._clock.now(),
                actor=by,
                action="credits.granted",
                subject=lot,
                account_id=account,
                detail={"amount": write(amount), "reason": reason},
            )
