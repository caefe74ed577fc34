"""Sessions: browsers that are signed in.

Owns: the tables `session` and `device`. Refuses to know: cookies, and how somebody proved who they are.
S1  every sign-in makes a new token and ends the session the browser had: a token planted before is worth nothing.
S2  a session is looked up at every request: ending it, removing the member or changing the role works at once.
S3  a session ends by itself after `IDLE_S` without use, and after `LIFETIME_S` whatever happens.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ileen.accounts.audit import note
from ileen.accounts.tokens import hash_token, mint_token
from ileen.accounts.who import Person, PersonId, Role, Session, SessionId, SignedIn, StaffRole, Visitor
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import NotFound
from ileen.base.ids import AccountId, Ids
from ileen.store.engine import Database
from ileen.store.schema import device as devices_table
from ileen.store.schema import member as members_table
from ileen.store.schema import person as persons_table
from ileen.store.schema import session as table
from ileen.store.schema import staff as staff_table

LIFETIME_S: Final = 30 * 24 * 3600
"""The longest a session lasts: a month, after which the password is asked for again."""
IDLE_S: Final = 7 * 24 * 3600
"""How long a session outlives its last use: a week bridges a weekend and a short holiday."""
_TOUCH_INTERVAL_US: Final = 300 * SECOND
"""How stale `last_seen_at` may get: one write per browser and five minutes is no load."""
_AGENT_CHARACTERS_MAX: Final = 200


class Sessions:
    """All sessions. Thread-safe; calls block on short transactions."""

    def __init__(self, database: Database, *, clock: Clock, ids: Ids) -> None:
        self._database, self._clock, self._ids = database, clock, ids

    def start(
        self,
        connection: Connection,
        person_id: PersonId,
        *,
        account: AccountId | None,
        method: str,
        visitor: Visitor,
        replaces: str | None,
    ) -> str:
        """Start a session in the caller's transaction and return its token, which only the browser keeps.

        `replaces` is the token the browser came with; its session ends. The browser becomes a known device.
        """
        now = self._clock.now()
        if replaces is not None:
            connection.execute(update(table).where(_live(replaces)).values(ended_at=now))
        token = mint_token()
        row = {
            "id": self._ids.mint("ses"),
            "token_hash": hash_token(token),
            "person_id": person_id,
            "account_id": account,
            "method": method,
            "network": visitor.network,
            "agent": visitor.agent[:_AGENT_CHARACTERS_MAX],
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + LIFETIME_S * SECOND,
        }
        connection.execute(insert(table).values(row))
        _remember(connection, visitor, person_id, now)
        note(
            connection,
            ids=self._ids,
            now=now,
            actor=person_id,
            action="session.started",
            subject=str(row["id"]),
            account_id=account,
            detail={"method": method, "network": visitor.network, "agent": visitor.agent},
        )
        return token

    def current(self, token: str) -> SignedIn | None:
        """Return the living session of a token with its person and role, or None."""
        now = self._clock.now()
        with self._database.read() as connection:
            row = connection.execute(_SIGNED_IN.where(_live(token))).first()
        if row is None or now >= row.expires_at or now - row.last_seen_at >= IDLE_S * SECOND:
            return None
        if now - row.last_seen_at >= _TOUCH_INTERVAL_US:
            with self._database.write() as connection:
                stale = _live(token) & (table.c.last_seen_at < now)
                connection.execute(update(table).where(stale).values(last_seen_at=now))
        return _signed_in(row)

    def list(self, person_id: PersonId) -> list[Session]:
        """Return a person's living sessions, the last used first."""
        now = self._clock.now()
        living = and_(
            table.c.person_id == person_id,
            table.c.ended_at.is_(None),
            table.c.expires_at > now,
            table.c.last_seen_at > now - IDLE_S * SECOND,
        )
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(living).order_by(table.c.last_seen_at.desc(), table.c.id))
            return [_session(row) for row in rows]

    def end(self, signed: SignedIn, session_id: str) -> None:
        """End one of the person's sessions. Raises: NotFound, also for another person's."""
        mine = and_(table.c.id == session_id, table.c.person_id == signed.person.id)
        with self._database.write() as connection:
            if connection.execute(select(table.c.id).where(mine)).first() is None:
                raise NotFound(what="session", id=session_id[:64])
            self.end_all(connection, mine, actor=signed.person.id)

    def end_others(self, signed: SignedIn) -> None:
        """End all of the person's sessions but this one."""
        others = and_(table.c.person_id == signed.person.id, table.c.id != signed.session.id)
        with self._database.write() as connection:
            self.end_all(connection, others, actor=signed.person.id)

    def end_all(self, connection: Connection, which: ColumnElement[bool], *, actor: str) -> None:
        """End the sessions that `which` selects, in the caller's transaction."""
        now = self._clock.now()
        ended = connection.execute(
            update(table)
            .where(which, table.c.ended_at.is_(None))
            .values(ended_at=now)
            .returning(table.c.id, table.c.account_id)
        ).all()
        for row in ended:
            note(
                connection,
                ids=self._ids,
                now=now,
                actor=actor,
                action="session.ended",
                subject=row.id,
                account_id=row.account_id,
            )

    def enter(self, signed: SignedIn, account_id: AccountId) -> None:
        """Have a session work in another account of its person. Raises: NotFound."""
        place = and_(
            members_table.c.account_id == account_id,
            members_table.c.person_id == signed.person.id,
            members_table.c.removed_at.is_(None),
        )
        with self._database.write() as connection:
            if connection.execute(select(members_table.c.id).where(place)).first() is None:
                raise NotFound(f"There is no account '{account_id[:64]}'.", what="account", id=account_id[:64])
            connection.execute(update(table).where(table.c.id == signed.session.id).values(account_id=account_id))


def sessions_of(person_id: PersonId) -> ColumnElement[bool]:
    """Select all sessions of a person, for `end_all`."""
    return table.c.person_id == person_id


def sessions_in(person_id: PersonId, account_id: AccountId) -> ColumnElement[bool]:
    """Select a person's sessions in one account, for `end_all`."""
    return and_(table.c.person_id == person_id, table.c.account_id == account_id)


def is_known_device(connection: Connection, visitor: Visitor, person_id: PersonId) -> bool:
    """Tell whether the person has signed in from this browser before."""
    known = and_(
        devices_table.c.visitor_hash == hash_token(visitor.token),
        devices_table.c.person_id == person_id,
    )
    return connection.execute(select(devices_table.c.person_id).where(known)).first() is not None


def _remember(connection: Connection, visitor: Visitor, person_id: PersonId, now: Instant) -> None:
    row = {
        "visitor_hash": hash_token(visitor.token),
        "person_id": person_id,
        "first_seen_at": now,
        "last_seen_at": now,
    }
    put = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    keys = ["visitor_hash", "person_id"]
    again = put(devices_table).values(row).on_conflict_do_update(index_elements=keys, set_={"last_seen_at": now})
    connection.execute(again)


def _live(token: str) -> ColumnElement[bool]:
    return and_(table.c.token_hash == hash_token(token), table.c.ended_at.is_(None))


_SIGNED_IN: Final = (
    select(
        table,
        persons_table.c.email,
        persons_table.c.name,
        persons_table.c.locale,
        persons_table.c.time_zone,
        persons_table.c.password_hash.is_not(None).label("has_password"),
        persons_table.c.created_at.label("person_created_at"),
        members_table.c.id.label("member_id"),
        members_table.c.role,
        staff_table.c.role.label("staff_role"),
    )
    .join(persons_table, persons_table.c.id == table.c.person_id)
    .outerjoin(
        members_table,
        and_(
            members_table.c.account_id == table.c.account_id,
            members_table.c.person_id == table.c.person_id,
            members_table.c.removed_at.is_(None),
        ),
    )
    .outerjoin(staff_table, and_(staff_table.c.person_id == table.c.person_id, staff_table.c.revoked_at.is_(None)))
)


def _signed_in(row: Row[Any]) -> SignedIn:
    person = Person(
        id=row.person_id,
        email=row.email,
        name=row.name,
        locale=row.locale,
        time_zone=row.time_zone,
        has_password=row.has_password,
        created_at=row.person_created_at,
    )
    return SignedIn(
        session=_session(row),
        person=person,
        member=row.member_id,
        role=Role(row.role) if row.role else None,
        staff=StaffRole(row.staff_role) if row.staff_role else None,
    )


def _session(row: Row[Any]) -> Session:
    return Session(
        id=SessionId(row.id),
        person=row.person_id,
        account=row.account_id,
        method=row.method,
        network=row.network,
        agent=row.agent,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
    )
