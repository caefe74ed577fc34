"""Alerts: an account is told that its credits run low, and that they have run out, once per crossing.

Owns: the table `alert_told`, the jobs of kind `ledger.crossed`, the threshold of each account. Refuses to know: why
the balance fell, and payments; whether more credits are about to come by themselves is asked of `expects`.
L1  an alert is kept as told in the transaction that owes what tells it: told once, whatever is killed or run again.
L2  low is told per crossing; empty once until credits are added, whether the balance fell to nothing or so little is
    left that a call was refused.
L3  no mail while a refill is expected: it, or its failure, is told by itself.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import structlog
from msgspec import Struct
from sqlalchemy import Connection, func, select, update

from ileen import notices
from ileen.accounts import audit
from ileen.accounts.register import Accounts
from ileen.accounts.who import Role
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import AmountInvalid
from ileen.base.ids import AccountId, Ids, WalletId, account_of, wallet_of
from ileen.base.money import NANO, write
from ileen.jobs import Handler, Job
from ileen.ledger import low, reads
from ileen.ledger.model import Wallet
from ileen.ledger.places import bucket_of
from ileen.outbound import Tell
from ileen.store.bulk import insert_new
from ileen.store.engine import Database
from ileen.store.schema import alert_told as told_table
from ileen.store.schema import lot as lots_table
from ileen.store.schema import member as members_table
from ileen.store.schema import person as persons_table

THRESHOLD_MIN: Final = 1 * NANO
THRESHOLD_MAX: Final = 5_000 * NANO

_EMPTY_BELOW: Final = 1 * NANO
"""A refused call means that credits have run out only if less than this is left: a dear call may be refused of more."""
_HOUR_US: Final = 3_600 * SECOND
_PACE_US: Final = 7 * 24 * _HOUR_US
"""What the present pace is measured over: a week has its weekend."""
_KINDS: Final = {"low": "low_balance", "empty": "out_of_credits"}
"""The mail of each alert."""

_log = structlog.get_logger()


class Standing(Struct, frozen=True, kw_only=True):
    """How credits stand, in nano-credits. `threshold` None: no alerts; `hours_left` None: nothing is spent."""

    balance: int
    threshold: int | None
    hours_left: int | None

    @property
    def state(self) -> Literal["ok", "low", "empty"]:
        """`ok`, `low` or `empty`."""
        if self.balance <= 0:
            return "empty"
        return "low" if self.threshold is not None and self.balance <= self.threshold else "ok"


def nothing_expected(_connection: Connection, _account: AccountId) -> bool:
    """Tell that no credits come by themselves: the answer where nothing can be bought."""
    return False


class Alerts:
    """The alerts of all accounts. Thread-safe; calls block on short transactions."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        *,
        clock: Clock,
        ids: Ids,
        expects: Callable[[Connection, AccountId], bool] = nothing_expected,
        tell: Tell | None = None,
    ) -> None:
        """`expects` tells whether credits come without anybody doing anything; `tell` takes events for servers."""
        self._tell_servers = tell
        self._database, self._accounts = database, accounts
        self._clock, self._ids, self._expects = clock, ids, expects

    def handlers(self) -> Mapping[str, Handler]:
        """Return the jobs of this part."""
        return {low.CROSSED: self._crossed}

    def standing(self, account: AccountId) -> Standing:
        """Return how the account's credits stand."""
        with self._database.read() as connection:
            wallet = reads.wallet(connection, wallet_of(account))
            return self._standing(connection, wallet)

    def set_threshold(self, account: AccountId, threshold: int | None, *, by: str) -> Standing:
        """Set the balance (nano-credits) at which low credits are told, None for no alerts. Raises: AmountInvalid."""
        if threshold is not None and not THRESHOLD_MIN <= threshold <= THRESHOLD_MAX:
            bounds = f"{write(THRESHOLD_MIN)} to {write(THRESHOLD_MAX)}"
            raise AmountInvalid(field="threshold", reason=f"choose {bounds} credits, or null for no alerts")
        with self._database.write() as connection:
            low.set_notice_mark(connection, wallet_of(account), threshold)
            audit.note(
                connection,
                ids=self._ids,
                now=self._clock.now(),
                actor=by,
                action="alerts.changed",
                subject=account,
                account_id=account,
                detail={"threshold": "" if threshold is None else write(threshold)},
            )
        return self.standing(account)

    def short(self, account: AccountId, needed: int) -> None:
        """Hear that a call was refused for lack of `needed` nano-credits; a transaction only where it is to be told."""
        with self._database.read() as connection:
            wallet = reads.wallet(connection, wallet_of(account))
            if wallet.notice_mark is None or wallet.settled >= min(needed, _EMPTY_BELOW):
                return
            epoch = _newest_lot(connection, wallet.id)
            mailed = connection.execute(_told(account, "empty", epoch)).scalar()
            if mailed or (mailed is False and self._expects(connection, account)):
                return
        with self._database.write() as connection:
            self._tell(connection, wallet, "empty", epoch)

    def _crossed(self, job: Job) -> None:
        """Tell of a crossing, unless credits have been added meanwhile."""
        mark = job.payload["mark"]
        with self._database.write() as connection:
            wallet = reads.wallet(connection, WalletId(job.payload["wallet"]))
            if wallet.notice_mark is None or wallet.settled > (wallet.notice_mark if mark == "low" else 0):
                return
            if mark == "empty":
                self._tell(connection, wallet, mark, _newest_lot(connection, wallet.id))
            elif wallet.settled > 0:  # else that it is empty says more
                self._tell(connection, wallet, mark, job.payload["seq"])

    def _tell(self, connection: Connection, wallet: Wallet, kind: str, epoch: str) -> None:
        account, now = account_of(wallet.id), self._clock.now()
        row = {"account_id": account, "kind": kind, "epoch": epoch, "at": now, "mailed": False}
        if insert_new(connection, told_table, row) and self._tell_servers is not None:
            type_, data = f"balance.{kind}", {"balance": write(wallet.settled)}
            self._tell_servers(connection, account=account, type_=type_, data=data, key=f"{type_}:{account}:{epoch}")
        if self._expects(connection, account):
            return
        mine = (told_table.c.account_id == account) & (told_table.c.kind == kind) & (told_table.c.epoch == epoch)
        first = mine & told_table.c.mailed.is_(False)
        if connection.execute(update(told_table).where(first).values(mailed=True)).rowcount:
            self._mail(connection, wallet, kind, epoch)
            _log.info("accounts.alert.told", account=account, kind=kind)

    def _mail(self, connection: Connection, wallet: Wallet, kind: str, epoch: str) -> None:
        account = self._accounts.get(account_of(wallet.id))
        if not account.email:
            return
        values = {"balance": write(wallet.settled), "link": "/billing/buy", "settings": "/billing#alerts"}
        hours_left = self._standing(connection, wallet).hours_left
        if kind == "low" and hours_left is not None:
            values["runway"] = runway(hours_left)
        notices.owe(
            connection,
            ids=self._ids,
            now=self._clock.now(),
            kind=_KINDS[kind],
            account_id=account.id,
            to=account.email,
            locale=_locale_of(connection, account.id),
            values=values,
            key=f"{_KINDS[kind]}:{account.id}:{epoch}",
        )

    def _standing(self, connection: Connection, wallet: Wallet) -> Standing:
        now = self._clock.now()
        window = min(_PACE_US, now - wallet.created_at)
        since = Instant(now - window)
        spent = sum(day.charge for day in reads.usage(connection, wallet, group_by="day", since=since, until=now))
        return Standing(
            balance=wallet.settled,
            threshold=wallet.notice_mark,
            hours_left=hours_left(wallet.settled, spent=spent, window_us=window),
        )


def hours_left(balance: int, *, spent: int, window_us: int) -> int | None:
    """Return for how many whole hours a balance lasts if as much is spent as was in a window; None if nothing was."""
    if spent <= 0:
        return None
    return max(balance, 0) * max(window_us, _HOUR_US) // (spent * _HOUR_US)


def runway(hours: int) -> str:
    """Return the word whose sentence says how long credits last: rough, as all of it is an estimate."""
    steps = ((1, "minutes"), (20, "hours"), (36, "day"), (6 * 24, "days"), (10 * 24, "week"))
    return next((word for below, word in steps if hours < below), "weeks")


def _told(account: AccountId, kind: str, epoch: str):  # SQLAlchemy's own generic type
    mine = (told_table.c.account_id == account) & (told_table.c.kind == kind) & (told_table.c.epoch == epoch)
    return select(told_table.c.mailed).where(mine)


def _newest_lot(connection: Connection, wallet: WalletId) -> str:
    mine = (lots_table.c.bucket == bucket_of(wallet)) & (lots_table.c.wallet_id == wallet)
    return connection.execute(select(func.max(lots_table.c.id)).where(mine)).scalar() or ""


def _locale_of(connection: Connection, account: AccountId) -> str:
    """Return the language of the account's first owner."""
    is_owner = (members_table.c.account_id == account) & (members_table.c.role == Role.OWNER.value)
    is_owner &= members_table.c.removed_at.is_(None)
    joined = select(persons_table.c.locale).join(members_table, members_table.c.person_id == persons_table.c.id)
    return connection.execute(joined.where(is_owner).order_by(members_table.c.id).limit(1)).scalar() or "en"
