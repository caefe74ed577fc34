"""The register of accounts and API keys: create, list, revoke, authenticate.

Owns: the rows of `account` and `api_key`, and the order of the steps between them and the ledger.
Refuses to know: HTTP and prices. Transactions are short and never open while the ledger is asked.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, insert, or_, select, update

from ileen.accounts.audit import OPERATOR, note
from ileen.accounts.form import (
    check_calls_max,
    check_cap,
    check_email,
    check_scopes,
    check_text,
    check_time_zone,
)
from ileen.accounts.grants import Grants
from ileen.accounts.model import ALL, SECRET_PREFIX, Account, ApiKey
from ileen.accounts.tokens import hash_token, mint_token
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import KeyInvalid, NotFound
from ileen.base.ids import AccountId, Ids, KeyId, is_id, wallet_of
from ileen.jobs import Handler
from ileen.ledger import Ledger
from ileen.ledger.model import DEBT_NANO_MAX_DEFAULT, NOTICE_NANO_DEFAULT, CloseKey, OpenWallet, Receipt, SetCaps
from ileen.ledger.places import bucket_of
from ileen.store.engine import Database
from ileen.store.schema import account as accounts_table
from ileen.store.schema import api_key as keys_table

_TOUCH_INTERVAL_US: Final = 60 * SECOND
"""How stale `last_used_at` may get: one write per key and minute is no load, and a minute is exact enough."""
_HINT_LENGTH: Final = len(SECRET_PREFIX) + 4

_log = structlog.get_logger()


class Accounts:
    """All accounts and their keys. Thread-safe; calls block on short transactions."""

    def __init__(self, database: Database, ledger: Ledger, *, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._grants = Grants(database, ledger, clock=clock, ids=ids)
        self._touched: dict[KeyId, Instant] = {}
        self._touching = threading.Lock()
        self._closed = False
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ileen-last-used")

    def handlers(self) -> Mapping[str, Handler]:
        """Return this part's jobs by kind."""
        return self._grants.handlers()

    # Accounts ------------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        email: str | None = None,
        time_zone: str = "UTC",
        debt_max: int = DEBT_NANO_MAX_DEFAULT,
        account_id: AccountId | None = None,
    ) -> Account:
        """Create an account and its wallet; `debt_max` in nano-credits bounds what late captures may borrow.

        With an `account_id` minted by the caller, asking again completes what a crash left half done.
        Raises: RequestInvalid, AmountInvalid.
        """
        check_cap(debt_max, field="debt_max")
        account_id = account_id or AccountId(self._ids.mint("acct"))
        with self._database.write() as connection:
            self.add(connection, account_id, name=name, email=email, time_zone=time_zone, by=OPERATOR)
        return self.open_wallet(account_id, debt_max=debt_max)

    def add(
        self, connection: Connection, account_id: AccountId, *, name: str, email: str | None, time_zone: str, by: str
    ) -> None:
        """Add an account to the caller's transaction, unless it is there; `open_wallet` must follow the commit (A3).

        `by` is the actor of the audit event. Raises: RequestInvalid.
        """
        name = check_text(name, field="name")
        email = check_email(email) if email is not None else None
        time_zone = check_time_zone(time_zone)
        if connection.execute(_account_rows(account_id)).first() is not None:
            return
        now = self._clock.now()
        row = {"id": account_id, "name": name, "email": email, "time_zone": time_zone}
        moment = {"created_at": now, "bucket": bucket_of(wallet_of(account_id))}
        connection.execute(insert(accounts_table).values(row | moment))
        note(
            connection,
            ids=self._ids,
            now=now,
            actor=by,
            action="account.created",
            subject=account_id,
            account_id=account_id,
        )

    def open_wallet(self, account_id: AccountId, *, debt_max: int = DEBT_NANO_MAX_DEFAULT) -> Account:
        """Open the account's wallet; asking again changes nothing. Raises: NotFound."""
        account = self.get(account_id)
        opened = OpenWallet(
            wallet=wallet_of(account_id),
            time_zone=account.time_zone,
            debt_max=debt_max,
            notice_mark=NOTICE_NANO_DEFAULT,
        )
        self._ledger.run(opened)
        return account

    def get(self, account_id: AccountId) -> Account:
        """Return one account. Raises: NotFound."""
        row = None
        if is_id(account_id, "acct"):
            with self._database.read() as connection:
                row = connection.execute(_account_rows(account_id)).first()
        if row is None:
            raise NotFound(f"There is no account '{account_id}'.", what="account", id=account_id)
        return _read_account(row)

    def list(self) -> list[Account]:
        """Return all accounts, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(accounts_table).order_by(accounts_table.c.id)).all()
        return [_read_account(row) for row in rows]

    def grant(self, account_id: AccountId, *, amount: int, reason: str, key: str | None, by: str = OPERATOR) -> Receipt:
        """Give an account bonus credits, `amount` in nano-credits; the same `key` gives them once.

        Raises: NotFound, AmountInvalid, KeyReused.
        """
        return self._grants.give(self.get(account_id), amount=amount, reason=reason, key=key, by=by)

    # Keys ----------------------------------------------------------------------------------------------------

    def create_key(
        self,
        account_id: AccountId,
        *,
        name: str,
        mode: str | None = None,
        activity: str | None = None,
        scopes: Iterable[str] = ALL,
        cap_day: int | None = None,
        cap_month: int | None = None,
        cap_total: int | None = None,
        calls_max: int | None = None,
        by: str = OPERATOR,
    ) -> tuple[ApiKey, str]:
        """Create a key; return it and its secret, which is shown this once. Caps are in nano-credits.

        The ledger is told first (A2); the wallet is opened again in case its creation was cut off. `by` is the actor
        of the audit event.
        Raises: NotFound, RequestInvalid, AmountInvalid.
        """
        account = self.get(account_id)
        secret = mint_token(SECRET_PREFIX)
        key = ApiKey(
            id=KeyId(self._ids.mint("key")),
            account=account.id,
            name=check_text(name, field="name"),
            hint=secret[:_HINT_LENGTH],
            mode=check_text(mode, field="mode") if mode is not None else None,
            activity=check_text(activity, field="activity") if activity is not None else None,
            scopes=check_scopes(scopes),
            calls_max=check_calls_max(calls_max),
            created_at=self._clock.now(),
            revoked_at=None,
            last_used_at=None,
        )
        caps = SetCaps(
            wallet=wallet_of(account.id),
            api_key=key.id,
            day=check_cap(cap_day, field="cap_day"),
            month=check_cap(cap_month, field="cap_month"),
            total=check_cap(cap_total, field="cap_total"),
        )
        self._ledger.run(
            OpenWallet(wallet=wallet_of(account.id), time_zone=account.time_zone, notice_mark=NOTICE_NANO_DEFAULT)
        )
        self._ledger.run(caps)
        with self._database.write() as connection:
            connection.execute(insert(keys_table).values(_write_key(key, secret)))
            self._note_key(connection, key, action="key.created", by=by)
        return key, secret

    def keys(self, account_id: AccountId) -> Sequence[ApiKey]:
        """Return the account's keys, oldest first, revoked ones too. Raises: NotFound."""
        account = self.get(account_id)
        statement = select(keys_table).where(keys_table.c.account_id == account.id).order_by(keys_table.c.id)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [_read_key(row) for row in rows]

    def revoke_key(self, account_id: AccountId, key_id: KeyId, *, by: str = OPERATOR) -> ApiKey:
        """Revoke a key for good; asking again changes nothing. Raises: NotFound, also for another account's key."""
        found = [key for key in self.keys(account_id) if key.id == key_id]
        if not found:
            raise NotFound(what="API key", id=key_id)
        self._ledger.run(CloseKey(wallet=wallet_of(account_id), api_key=key_id))
        mine = (keys_table.c.id == key_id) & (keys_table.c.account_id == account_id)
        unrevoked = mine & keys_table.c.revoked_at.is_(None)
        with self._database.write() as connection:
            changed = connection.execute(update(keys_table).where(unrevoked).values(revoked_at=self._clock.now()))
            key = _read_key(connection.execute(select(keys_table).where(mine)).one())
            if changed.rowcount:
                self._note_key(connection, key, action="key.revoked", by=by)
        return key

    def _note_key(self, connection: Connection, key: ApiKey, *, action: str, by: str) -> None:
        detail = {"name": key.name, "scopes": " ".join(sorted(key.scopes))}
        note(
            connection,
            ids=self._ids,
            now=self._clock.now(),
            actor=by,
            action=action,
            subject=key.id,
            account_id=key.account,
            detail=detail,
        )

    # Authentication ------------------------------------------------------------------------------------------

    def authenticate(self, secret: str) -> ApiKey:
        """Return the key a secret belongs to. Looked up every time, so that revoking takes effect at once.

        Raises: KeyInvalid, the same for an unknown and a revoked key.
        """
        if not secret.startswith(SECRET_PREFIX) or not secret.isascii():
            raise KeyInvalid
        statement = select(keys_table).where(keys_table.c.secret_hash == hash_token(secret))
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        if row is None or row.revoked_at is not None:
            raise KeyInvalid
        key = _read_key(row)
        self._touch(key)
        return key

    def close(self) -> None:
        """Finish what is still to be noted about the use of keys. Call before closing the database."""
        with self._touching:
            self._closed = True
        self._background.shutdown(wait=True)

    def _touch(self, key: ApiKey) -> None:
        """Note in the background that a key is in use, at most once a minute; the answer never waits for it."""
        now = self._clock.now()
        with self._touching:
            known = max(key.last_used_at or Instant(0), self._touched.get(key.id, Instant(0)))
            if self._closed or now - known < _TOUCH_INTERVAL_US:
                return
            if len(self._touched) > 10_000:  # a bound on memory; forgetting costs one extra write per key
                self._touched.clear()
            self._touched[key.id] = now
            noted = self._background.submit(self._write_touch, key.id, now)
        noted.add_done_callback(_report)

    def _write_touch(self, key_id: KeyId, now: Instant) -> None:
        used = keys_table.c.last_used_at
        stale = (keys_table.c.id == key_id) & or_(used.is_(None), used < now)
        with self._database.write() as connection:
            connection.execute(update(keys_table).where(stale).values(last_used_at=now))


def _report(future: Future[None]) -> None:
    if (error := future.exception()) is not None:
        _log.warning("accounts.key.touch_failed", error=type(error).__name__)


def _account_rows(account_id: AccountId) -> Any:
    return select(accounts_table).where(accounts_table.c.id == account_id)


def _read_account(row: Row[Any]) -> Account:
    return Account(id=row.id, name=row.name, email=row.email, time_zone=row.time_zone, created_at=row.created_at)


def _read_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        account=row.account_id,
        name=row.name,
        hint=row.hint,
        mode=row.mode,
        activity=row.activity,
        scopes=frozenset(row.scopes.split()),
        calls_max=row.calls_max,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _write_key(key: ApiKey, secret: str) -> dict[str, object]:
    return {
        "id": key.id,
        "account_id": key.account,
        "name": key.name,
        "secret_hash": hash_token(secret),
        "hint": key.hint,
        "mode": key.mode,
        "activity": key.activity,
        "scopes": " ".join(sorted(key.scopes)),
        "calls_max": key.calls_max,
        "created_at": key.created_at,
        "revoked_at": None,
        "last_used_at": None,
    }
