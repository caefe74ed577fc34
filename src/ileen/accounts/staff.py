"""Staff: the operator's own people, made on the command line only.

Owns: the table `staff`. Refuses to know: the console. Nobody becomes staff by a page, whatever it is sent.
"""

from typing import Any

from sqlalchemy import Row, insert, select, update

from ileen.accounts import persons
from ileen.accounts.audit import OPERATOR
from ileen.accounts.form import check_text
from ileen.accounts.means import Means
from ileen.accounts.persons import NewPerson
from ileen.accounts.sessions import Sessions, sessions_of
from ileen.accounts.sign_in import SignIns
from ileen.accounts.who import Staff, StaffRole
from ileen.base.errors import NotFound
from ileen.store.schema import person as persons_table
from ileen.store.schema import staff as table


class StaffList:
    """The operator's own people. Thread-safe; calls block on short transactions."""

    def __init__(self, means: Means, sessions: Sessions, sign_ins: SignIns) -> None:
        self._means, self._sessions, self._sign_ins = means, sessions, sign_ins

    def create(self, email: str, *, name: str, role: StaffRole) -> tuple[Staff, str]:
        """Make somebody staff, or give them another role; return them and the path where they set a password.

        The path works once, for half an hour; it is also mailed. Raises: RequestInvalid.
        """
        email = persons.check_address(email)
        name = check_text(name, field="name")
        now = self._means.clock.now()
        with self._means.database.write() as connection:
            person = persons.find(connection, email)
            if person is None:
                new = NewPerson(email=email, name=name, locale="en", time_zone="UTC", password_hash=None)
                persons.add(connection, new, ids=self._means.ids, now=now)
                person = persons.find(connection, email)
            assert person is not None, "added in this very transaction, or there before"
            changed = connection.execute(
                update(table).where(table.c.person_id == person.id).values(role=role.value, revoked_at=None)
            )
            if not changed.rowcount:
                row = {"id": self._means.ids.mint("stf"), "person_id": person.id, "role": role.value}
                connection.execute(insert(table).values(row | {"created_at": now}))
            made = _staff(connection.execute(_STAFF.where(table.c.person_id == person.id)).one())
            self._means.note(connection, "staff.created", made.id, by=OPERATOR, detail={"role": role.value})
            path = self._sign_ins.owe_link(connection, person, kind="reset")
        return made, path

    def list(self) -> list[Staff]:
        """Return all staff, oldest first, revoked ones too."""
        with self._means.database.read() as connection:
            return [_staff(row) for row in connection.execute(_STAFF.order_by(table.c.id))]

    def revoke(self, staff_id: str) -> Staff:
        """Take a staff role away and end the person's sessions. Raises: NotFound."""
        with self._means.database.write() as connection:
            row = connection.execute(_STAFF.where(table.c.id == staff_id)).first()
            if row is None:
                raise NotFound(f"There is no staff '{staff_id}'.", what="staff", id=staff_id)
            if row.revoked_at is None:
                now = self._means.clock.now()
                connection.execute(update(table).where(table.c.id == staff_id).values(revoked_at=now))
                self._means.note(connection, "staff.revoked", staff_id, by=OPERATOR)
                self._sessions.end_all(connection, sessions_of(row.person_id), actor=OPERATOR)
            return _staff(connection.execute(_STAFF.where(table.c.id == staff_id)).one())


_STAFF = select(
    table.c.id,
    table.c.person_id,
    table.c.role,
    table.c.created_at,
    table.c.revoked_at,
    persons_table.c.email,
    persons_table.c.name,
).join(persons_table, persons_table.c.id == table.c.person_id)


def _staff(row: Row[*tuple[Any, ...]]) -> Staff:
    return Staff(
        id=row.id,
        person=row.person_id,
        email=row.email,
        name=row.name,
        role=StaffRole(row.role),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
