"""The rows of persons: found, added, changed. Each function works inside a transaction the caller opened.

Owns: the tables `person` and `member` on the level of rows. Refuses to know: why.
"""

import unicodedata
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ileen.accounts.form import invalid
from ileen.accounts.who import MemberId, Person, PersonId, Role
from ileen.base.clock import Instant
from ileen.base.ids import AccountId, Ids
from ileen.notices import address
from ileen.store.schema import account as accounts_table
from ileen.store.schema import member as members_table
from ileen.store.schema import person as table

_PERSON: Final = (
    table.c.id,
    table.c.email,
    table.c.name,
    table.c.locale,
    table.c.time_zone,
    table.c.password_hash.is_not(None).label("has_password"),
    table.c.created_at,
)


class NewPerson(Struct, frozen=True, kw_only=True):
    """What is known of somebody who is about to become a person."""

    email: str
    name: str
    locale: str
    time_zone: str
    password_hash: str | None


def fold(email: str) -> str:
    """Return an e-mail address in the form in which two of them are compared: case does not count."""
    return unicodedata.normalize("NFC", email.strip()).casefold()


def check_address(email: str) -> str:
    """Return an address that mail can be sent to. Raises: RequestInvalid."""
    checked = address(email[:300])
    if checked is None:
        raise invalid("email", "write an address such as ada@example.com")
    return checked


def find(connection: Connection, email: str) -> Person | None:
    """Return the person with an e-mail address, if there is one. Accepts any text a stranger may send."""
    if not email.isprintable():  # nobody's address, and PostgreSQL refuses to look for some of these characters
        return None
    row = connection.execute(select(*_PERSON).where(table.c.email_folded == fold(email))).first()
    return read_person(row) if row is not None else None


def get(connection: Connection, person_id: PersonId) -> Person:
    """Return a person known to exist."""
    return read_person(connection.execute(select(*_PERSON).where(table.c.id == person_id)).one())


def kept_password(connection: Connection, person_id: PersonId) -> str | None:
    """Return the hash of a person's password, if they have one."""
    return connection.execute(select(table.c.password_hash).where(table.c.id == person_id)).scalar_one()


def put_password(connection: Connection, person_id: PersonId, kept: str) -> None:
    """Keep a new password's hash."""
    connection.execute(update(table).where(table.c.id == person_id).values(password_hash=kept))


def add(connection: Connection, new: NewPerson, *, ids: Ids, now: Instant) -> PersonId | None:
    """Add a person; None if somebody with that e-mail address is there already, also one added at this moment."""
    row = {
        "id": ids.mint("per"),
        "email": new.email,
        "email_folded": fold(new.email),
        "name": new.name,
        "locale": new.locale,
        "time_zone": new.time_zone,
        "password_hash": new.password_hash,
        "created_at": now,
    }
    put = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = connection.execute(put(table).values(row).on_conflict_do_nothing().returning(table.c.id))
    return added.scalar_one_or_none()


def add_member(
    connection: Connection, account_id: AccountId, person_id: PersonId, role: Role, *, ids: Ids, now: Instant
) -> MemberId:
    """Make a person a member of an account. They must not be one already."""
    id_ = MemberId(ids.mint("mem"))
    place = {"id": id_, "account_id": account_id, "person_id": person_id, "role": role.value, "created_at": now}
    connection.execute(insert(members_table).values(place))
    return id_


def home_of(connection: Connection, person_id: PersonId) -> AccountId | None:
    """Return the account a person's new session works in: the one they joined first."""
    mine = (members_table.c.person_id == person_id) & members_table.c.removed_at.is_(None)
    query = select(members_table.c.account_id).where(mine).order_by(members_table.c.created_at, members_table.c.id)
    return connection.execute(query.limit(1)).scalar_one_or_none()


def name_of(connection: Connection, account_id: AccountId) -> str:
    """Return an account's name."""
    return connection.execute(select(accounts_table.c.name).where(accounts_table.c.id == account_id)).scalar_one()


def read_person(row: Row[*tuple[Any, ...]]) -> Person:
    """Read a row of person columns."""
    return Person(
        id=row.id,
        email=row.email,
        name=row.name,
        locale=row.locale,
        time_zone=row.time_zone,
        has_password=row.has_password,
        created_at=row.created_at,
    )
