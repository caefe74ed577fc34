"""Host applications: products with a login of their own, behind which Ileen stands.

Owns: the tables `host_key`, `host_account`, `ui_session`. Refuses to know: HTTP, and how the host knows its users.
H1  a host key is made on the command line only, shown once, and can be revoked; its UI sessions end with it.
H2  a host reaches accounts that have no members of their own: people who signed up here are not the host's to be.
H3  a host's `reference` names one account for good: asking again returns it, also when the first answer was lost.
H4  a UI session lasts at most `TTL_S_MAX`, has only the scopes it names, and works only from the origins it names.
"""

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, and_, insert, literal, select, update

from ileen.accounts.audit import OPERATOR, note
from ileen.accounts.form import check_text, invalid
from ileen.accounts.model import UI_SCOPES, Account
from ileen.accounts.register import Accounts
from ileen.accounts.tokens import HOST_PREFIX, UI_PREFIX, hash_token, mint_token
from ileen.accounts.who import HostKey, UiSession
from ileen.base import crash
from ileen.base.clock import SECOND, Clock
from ileen.base.errors import KeyInvalid, NotFound, SessionInvalid
from ileen.base.ids import AccountId, Ids
from ileen.store.engine import Database
from ileen.store.schema import host_account as references_table
from ileen.store.schema import host_key as keys_table
from ileen.store.schema import member as members_table
from ileen.store.schema import ui_session as sessions_table

TTL_S_MAX: Final = 900
"""The longest a UI session's token lives: it is held by a browser's script, and the host can always make another."""
_ORIGINS_MAX: Final = 10
_HINT_LENGTH: Final = len(HOST_PREFIX) + 4
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-\[\]:]+", re.ASCII)


class Hosts:
    """Host keys, the accounts made with them, and UI sessions. Thread-safe; calls block on short transactions."""

    def __init__(self, database: Database, accounts: Accounts, *, clock: Clock, ids: Ids) -> None:
        self._database, self._accounts, self._clock, self._ids = database, accounts, clock, ids

    # Keys ----------------------------------------------------------------------------------------------------

    def create_key(self, name: str) -> tuple[HostKey, str]:
        """Create a host key; return it and its secret, which is shown this once. Raises: RequestInvalid."""
        secret = mint_token(HOST_PREFIX)
        key = HostKey(
            id=self._ids.mint("hk"),
            name=check_text(name, field="name"),
            hint=secret[:_HINT_LENGTH],
            created_at=self._clock.now(),
            revoked_at=None,
        )
        row = {"id": key.id, "name": key.name, "secret_hash": hash_token(secret), "hint": key.hint}
        with self._database.write() as connection:
            connection.execute(insert(keys_table).values(row | {"created_at": key.created_at}))
            self._note(connection, "host_key.created", key.id, by=OPERATOR, detail={"name": key.name})
        return key, secret

    def list_keys(self) -> list[HostKey]:
        """Return all host keys, oldest first, revoked ones too."""
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(select(keys_table).order_by(keys_table.c.id))]

    def revoke_key(self, key_id: str) -> HostKey:
        """Revoke a host key and with it its UI sessions, at once and for good. Raises: NotFound."""
        unrevoked = and_(keys_table.c.id == key_id, keys_table.c.revoked_at.is_(None))
        with self._database.write() as connection:
            changed = connection.execute(update(keys_table).where(unrevoked).values(revoked_at=self._clock.now()))
            row = connection.execute(select(keys_table).where(keys_table.c.id == key_id)).first()
            if row is None:
                raise NotFound(f"There is no host key '{key_id}'.", what="host key", id=key_id)
            if changed.rowcount:
                self._note(connection, "host_key.revoked", key_id, by=OPERATOR)
        return _key(row)

    def authenticate(self, secret: str) -> HostKey:
        """Return the host key of a secret. Raises: KeyInvalid, the same for an unknown and a revoked one."""
        if not secret.startswith(HOST_PREFIX):
            raise KeyInvalid
        with self._database.read() as connection:
            row = connection.execute(select(keys_table).where(keys_table.c.secret_hash == hash_token(secret))).first()
        if row is None or row.revoked_at is not None:
            raise KeyInvalid
        return _key(row)

    # Accounts ------------------------------------------------------------------------------------------------

    def open_account(
        self, host: HostKey, *, reference: str, name: str, email: str | None, time_zone: str
    ) -> tuple[Account, bool]:
        """Return the account of the host's own `reference`, made if need be, and whether it was made now.

        The account and its reference are one transaction, then the wallet is opened; asking again completes what a
        crash cut off. An account that exists is returned as it is. Raises: RequestInvalid.
        """
        reference = check_text(reference, field="reference", length_max=128)
        account_id = self._referenced(reference)
        made = account_id is None
        if account_id is None:
            account_id, made = self._make(host, reference, name=name, email=email, time_zone=time_zone)
        crash.point("hosts.account.added")
        return self._accounts.open_wallet(account_id), made

    def _make(
        self, host: HostKey, reference: str, *, name: str, email: str | None, time_zone: str
    ) -> tuple[AccountId, bool]:
        account_id = AccountId(self._ids.mint("acct"))
        row = {"reference": reference, "account_id": account_id, "host_key_id": host.id}
        with self._database.write() as connection:
            _lock_reference(connection, reference)
            known = connection.execute(_reference(reference)).scalar_one_or_none()
            if known is not None:  # somebody else was asked for the same at the same moment
                return AccountId(known), False
            self._accounts.add(connection, account_id, name=name, email=email, time_zone=time_zone, by=host.id)
            connection.execute(insert(references_table).values(row | {"created_at": self._clock.now()}))
        return account_id, True

    def _referenced(self, reference: str) -> AccountId | None:
        with self._database.read() as connection:
            return connection.execute(_reference(reference)).scalar_one_or_none()

    # UI sessions ---------------------------------------------------------------------------------------------

    def open_ui_session(
        self,
        host: HostKey,
        account_id: AccountId,
        *,
        scopes: Iterable[str],
        origins: Iterable[str],
        ttl_s: int,
        host_user: str | None,
    ) -> tuple[UiSession, str]:
        """Open a UI session for a signed-in user of the host; return it and its token, which is shown this once.

        Raises: NotFound (also for an account that has members), RequestInvalid.
        """
        now = self._clock.now()
        session = UiSession(
            id=self._ids.mint("uis"),
            account=self._accounts.get(account_id).id,
            host_user=check_text(host_user, field="user", length_max=128) if host_user is not None else None,
            scopes=_check_scopes(scopes),
            origins=_check_origins(origins),
            expires_at=type(now)(now + _check_ttl(ttl_s) * SECOND),
        )
        token = mint_token(UI_PREFIX)
        row = {"id": session.id, "token_hash": hash_token(token), "account_id": account_id, "host_key_id": host.id}
        rest = {"host_user": session.host_user, "created_at": now, "expires_at": session.expires_at}
        words = {"scopes": " ".join(sorted(session.scopes)), "origins": " ".join(sorted(session.origins))}
        with self._database.write() as connection:
            if connection.execute(_members(account_id)).first() is not None:
                raise NotFound(f"There is no account '{account_id}'.", what="account", id=account_id)
            connection.execute(insert(sessions_table).values(row | rest | words))
            detail = {"user": session.host_user or "", "scopes": words["scopes"]}
            self._note(connection, "ui_session.opened", session.id, by=host.id, account=account_id, detail=detail)
        self._accounts.open_wallet(account_id)
        return session, token

    def end_ui_session(self, host: HostKey, session_id: str) -> None:
        """End a UI session before its time, when the host's user signs out. Raises: NotFound."""
        mine = and_(sessions_table.c.id == session_id, sessions_table.c.host_key_id == host.id)
        with self._database.write() as connection:
            row = connection.execute(select(sessions_table).where(mine)).first()
            if row is None:
                raise NotFound(f"There is no UI session '{session_id[:64]}'.", what="UI session", id=session_id[:64])
            if row.revoked_at is None:
                connection.execute(update(sessions_table).where(mine).values(revoked_at=self._clock.now()))
                self._note(connection, "ui_session.ended", session_id, by=host.id, account=row.account_id)

    def ui_session(self, token: str) -> UiSession:
        """Return the living UI session of a token. Raises: SessionInvalid."""
        living = and_(sessions_table.c.token_hash == hash_token(token), sessions_table.c.revoked_at.is_(None))
        query = select(sessions_table).join(
            keys_table, and_(keys_table.c.id == sessions_table.c.host_key_id, keys_table.c.revoked_at.is_(None))
        )
        with self._database.read() as connection:
            row = connection.execute(query.where(living)).first()
        if row is None or self._clock.now() >= row.expires_at:
            raise SessionInvalid
        return UiSession(
            id=row.id,
            account=row.account_id,
            host_user=row.host_user,
            scopes=frozenset(row.scopes.split()),
            origins=frozenset(row.origins.split()),
            expires_at=row.expires_at,
        )

    def names_origin(self, token: str, origin: str) -> bool:
        """Tell whether the UI session of a token, living or ended, was made for a web origin."""
        query = select(sessions_table.c.origins).where(sessions_table.c.token_hash == hash_token(token))
        with self._database.read() as connection:
            origins = connection.execute(query).scalar_one_or_none()
        return origins is not None and origin in origins.split()

    def knows_origin(self, origin: str) -> bool:
        """Tell whether any living UI session was made for a web origin."""
        if not _is_origin(origin):
            return False
        table = sessions_table
        named = (literal(" ") + table.c.origins + " ").contains(f" {origin} ", autoescape=True)
        living = and_(named, table.c.revoked_at.is_(None), table.c.expires_at > self._clock.now())
        with self._database.read() as connection:
            return connection.execute(select(table.c.id).where(living).limit(1)).first() is not None

    def _note(
        self,
        connection: Connection,
        action: str,
        subject: str,
        *,
        by: str,
        account: AccountId | None = None,
        detail: dict[str, str] | None = None,
    ) -> None:
        now = self._clock.now()
        note(
            connection,
            ids=self._ids,
            now=now,
            actor=by,
            action=action,
            subject=subject,
            account_id=account,
            detail=detail,
        )


def _lock_reference(connection: Connection, reference: str) -> None:
    """Have makers of the same reference wait for each other (PostgreSQL; SQLite has one writer at a time anyway)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"host:{reference}",))


def _reference(reference: str) -> Any:
    return select(references_table.c.account_id).where(references_table.c.reference == reference)


def _members(account_id: AccountId) -> Any:
    return select(members_table.c.id).where(members_table.c.account_id == account_id).limit(1)


def _check_scopes(scopes: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(scopes)
    if not wanted or wanted - UI_SCOPES:
        raise invalid("scopes", f"choose from {', '.join(sorted(UI_SCOPES))}")
    return wanted


def _check_origins(origins: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(origins)
    if not 1 <= len(wanted) <= _ORIGINS_MAX or not all(_is_origin(each) for each in wanted):
        raise invalid("origins", "name 1 to 10 web origins such as https://app.example.com")
    return wanted


def _is_origin(text: str) -> bool:
    if len(text) > 200 or not _ORIGIN.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}" and parts.port != 0
    except ValueError:  # a port that is none, a bracket that does not close
        return False


def _check_ttl(ttl_s: int) -> int:
    if not 1 <= ttl_s <= TTL_S_MAX:
        raise invalid("ttl_s", f"it must be between 1 and {TTL_S_MAX}")
    return ttl_s


def _key(row: Row[Any]) -> HostKey:
    return HostKey(id=row.id, name=row.name, hint=row.hint, created_at=row.created_at, revoked_at=row.revoked_at)
