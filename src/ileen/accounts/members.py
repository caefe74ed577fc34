"""Members of an account: who they are, invitations, roles, leaving.

Owns: the tables `member` and `invitation`. Refuses to know: pages.
M1  an account always has an owner: the last one can neither be removed nor given another role, also when two owners
    remove each other at the same moment.
M2  an invitation is for one address: the mailed link proves that it is read, and a person with that address accepts.
M3  who is removed is out at once: their sessions in the account end in the same transaction.
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, and_, insert, select, update

from ileen.accounts import persons
from ileen.accounts.form import check_all, check_text, check_time_zone
from ileen.accounts.means import Means
from ileen.accounts.paces import take_acceptance, take_invitation
from ileen.accounts.passwords import check_password, hash_password
from ileen.accounts.persons import NewPerson
from ileen.accounts.sessions import Sessions, sessions_in
from ileen.accounts.tokens import hash_token, mint_token
from ileen.accounts.who import Invitation, Member, MemberId, Membership, Person, PersonId, Role, SignedIn, Visitor
from ileen.base.clock import Instant, to_text
from ileen.base.errors import AlreadyMember, Forbidden, LastOwner, LinkInvalid, NotFound
from ileen.base.ids import AccountId
from ileen.catalogue import locale_of
from ileen.store.schema import account as accounts_table
from ileen.store.schema import invitation as invitations_table
from ileen.store.schema import member as table
from ileen.store.schema import person as persons_table

INVITATION_LIFETIME_S: Final = 7 * 24 * 3600
"""How long an invitation stands: people are asked in their holidays too."""


class Invited(Struct, frozen=True, kw_only=True):
    """What somebody sees who opens an invitation."""

    account_name: str
    email: str
    role: Role
    known: bool
    """Whether a person with this address exists, who is to sign in first."""


class Members:
    """Members and invitations of all accounts. Thread-safe; calls block on short transactions."""

    def __init__(self, means: Means, sessions: Sessions) -> None:
        self._means, self._sessions = means, sessions

    def of(self, account_id: AccountId) -> list[Member]:
        """Return an account's members, the first who joined first."""
        with self._means.database.read() as connection:
            return [_member(row) for row in connection.execute(_members(account_id).order_by(table.c.id))]

    def memberships(self, person_id: PersonId) -> list[Membership]:
        """Return the accounts a person belongs to, the first they joined first."""
        query = (
            select(table.c.account_id, accounts_table.c.name, table.c.id, table.c.role)
            .join(accounts_table, accounts_table.c.id == table.c.account_id)
            .where(table.c.person_id == person_id, table.c.removed_at.is_(None))
            .order_by(table.c.created_at, table.c.id)
        )
        with self._means.database.read() as connection:
            return [
                Membership(account=row.account_id, name=row.name, member=row.id, role=Role(row.role))
                for row in connection.execute(query)
            ]

    def change_role(self, account_id: AccountId, member_id: str, role: Role, *, by: str) -> None:
        """Give a member another role. Raises: NotFound, LastOwner."""
        with self._means.database.write() as connection:
            member = self._lock(connection, account_id, member_id, stays_owner=role is Role.OWNER)
            if member.role is role:
                return
            connection.execute(update(table).where(table.c.id == member.id).values(role=role.value))
            detail = {"from": member.role.value, "to": role.value}
            self._means.note(connection, "member.role_changed", member.id, by=by, account=account_id, detail=detail)

    def remove(self, account_id: AccountId, member_id: str, *, by: str) -> None:
        """Remove a member, or let them leave; their sessions in the account end. Raises: NotFound, LastOwner."""
        with self._means.database.write() as connection:
            member = self._lock(connection, account_id, member_id, stays_owner=False)
            connection.execute(update(table).where(table.c.id == member.id).values(removed_at=self._means.clock.now()))
            self._means.note(connection, "member.removed", member.id, by=by, account=account_id)
            self._sessions.end_all(connection, sessions_in(member.person, account_id), actor=by)

    # Invitations ---------------------------------------------------------------------------------------------

    def invitations(self, account_id: AccountId) -> list[Invitation]:
        """Return an account's open invitations, the last one first."""
        query = select(invitations_table).where(
            invitations_table.c.account_id == account_id,
            _open(),
            invitations_table.c.expires_at > self._means.clock.now(),
        )
        with self._means.database.read() as connection:
            return [_invitation(row) for row in connection.execute(query.order_by(invitations_table.c.id.desc()))]

    def invite(self, account_id: AccountId, *, email: str, role: Role, inviter: SignedIn) -> None:
        """Invite somebody; a newer invitation replaces an older one to the same address.

        Raises: RequestInvalid, AlreadyMember, TooManyAttempts.
        """
        email = persons.check_address(email)
        token, now, expires_at = mint_token(), self._means.clock.now(), self._means.after(INVITATION_LIFETIME_S)
        by = inviter.member or inviter.person.id
        row = {
            "id": self._means.ids.mint("inv"),
            "account_id": account_id,
            "email": email,
            "email_folded": persons.fold(email),
            "role": role.value,
            "token_hash": hash_token(token),
            "invited_by": by,
            "created_at": now,
            "expires_at": expires_at,
        }
        with self._means.database.write() as connection:
            lock_account(connection, account_id)
            take_invitation(connection, account_id, now=now)
            if self._is_member(connection, account_id, email):
                raise AlreadyMember
            older = and_(
                invitations_table.c.account_id == account_id,
                invitations_table.c.email_folded == row["email_folded"],
                _open(),
            )
            connection.execute(update(invitations_table).where(older).values(revoked_at=now))
            connection.execute(insert(invitations_table).values(row))
            detail = {"role": role.value}
            self._means.note(connection, "invitation.sent", str(row["id"]), by=by, account=account_id, detail=detail)
            self._mail(connection, row, inviter, path=f"/invitation/{token}", expires_at=expires_at)

    def revoke(self, account_id: AccountId, invitation_id: str, *, by: str) -> None:
        """Take an open invitation back. Raises: NotFound."""
        mine = and_(invitations_table.c.id == invitation_id, invitations_table.c.account_id == account_id, _open())
        with self._means.database.write() as connection:
            taken = connection.execute(update(invitations_table).where(mine).values(revoked_at=self._means.clock.now()))
            if not taken.rowcount:
                raise NotFound(what="open invitation", id=invitation_id[:64])
            self._means.note(connection, "invitation.revoked", invitation_id, by=by, account=account_id)

    def look(self, token: str) -> Invited:
        """Return what an invitation is about, without accepting it. Raises: LinkInvalid."""
        with self._means.database.read() as connection:
            row = self._find(connection, token)
            return Invited(
                account_name=persons.name_of(connection, row.account_id),
                email=row.email,
                role=Role(row.role),
                known=persons.find(connection, row.email) is not None,
            )

    def accept(self, token: str, signed: SignedIn) -> AccountId:
        """Join an account as the person who is signed in. Raises: LinkInvalid, Forbidden (another address)."""
        with self._means.database.write() as connection:
            row = self._find(connection, token)
            if row.email_folded != persons.fold(signed.person.email):
                raise Forbidden(f"This invitation is for {row.email}.", scope="")
            self._join(connection, row, signed.person.id)
            return AccountId(row.account_id)

    def accept_as_new(
        self, token: str, *, name: str, password: str, locale: str, time_zone: str, visitor: Visitor
    ) -> str:
        """Join an account as a new person, whose address the link has proved; return their first session's token.

        Raises: LinkInvalid (also if the address has a person by now), RequestInvalid, TooManyAttempts.
        """
        invited = self.look(token)
        with self._means.database.write() as connection:
            take_acceptance(connection, self._find(connection, token).id, now=self._means.clock.now())
        own_words = (invited.email, name)
        check_all(
            lambda: check_text(name, field="name"),
            lambda: check_password(password, not_like=own_words),
            lambda: check_time_zone(time_zone),
        )
        name, kept = check_text(name, field="name"), hash_password(password)
        new = NewPerson(
            email=invited.email,
            name=name,
            locale=locale_of(locale),
            time_zone=time_zone,
            password_hash=kept,
        )
        now = self._means.clock.now()
        with self._means.database.write() as connection:
            row = self._find(connection, token)
            person_id = persons.add(connection, new, ids=self._means.ids, now=now)
            if person_id is None:
                raise LinkInvalid
            self._means.note(connection, "person.created", person_id, by=person_id, account=row.account_id)
            self._join(connection, row, person_id)
            return self._sessions.start(
                connection, person_id, account=row.account_id, method="invitation", visitor=visitor, replaces=None
            )

    def _join(self, connection: Connection, row: Row[Any], person_id: PersonId) -> None:
        now = self._means.clock.now()
        unused = and_(invitations_table.c.id == row.id, _open())
        if not connection.execute(update(invitations_table).where(unused).values(accepted_at=now)).rowcount:
            raise LinkInvalid
        lock_account(connection, row.account_id)
        if self._is_member(connection, row.account_id, row.email):
            return
        member = persons.add_member(connection, row.account_id, person_id, Role(row.role), ids=self._means.ids, now=now)
        detail = {"role": row.role, "invitation": row.id}
        self._means.note(connection, "member.joined", member, by=person_id, account=row.account_id, detail=detail)

    def _mail(
        self, connection: Connection, row: dict[str, Any], inviter: SignedIn, *, path: str, expires_at: Instant
    ) -> None:
        values = {
            "inviter": inviter.person.name,
            "account": persons.name_of(connection, row["account_id"]),
            "role": row["role"],
            "expires_at": to_text(expires_at),
            "link": path,
        }
        known = persons.find(connection, row["email"])
        reader: Person = known or inviter.person  # a stranger's language is best guessed from who invites them
        self._means.mail(
            connection,
            "invitation",
            to=row["email"],
            locale=reader.locale,
            time_zone=reader.time_zone,
            key=f"invitation:{row['id']}",
            values=values,
            account=row["account_id"],
        )

    def _find(self, connection: Connection, token: str) -> Row[Any]:
        query = select(invitations_table).where(invitations_table.c.token_hash == hash_token(token), _open())
        row = connection.execute(query).first()
        if row is None or self._means.clock.now() >= row.expires_at:
            raise LinkInvalid
        return row

    def _is_member(self, connection: Connection, account_id: AccountId, email: str) -> bool:
        query = _members(account_id).where(persons_table.c.email_folded == persons.fold(email))
        return connection.execute(query).first() is not None

    def _lock(self, connection: Connection, account_id: AccountId, member_id: str, *, stays_owner: bool) -> Member:
        """Return a member about to be changed, if an owner is left after it. Locks: the account (M1)."""
        lock_account(connection, account_id)
        members = [_member(row) for row in connection.execute(_members(account_id))]
        found = [member for member in members if member.id == member_id]
        if not found:
            raise NotFound(what="member", id=member_id[:64])
        owners = [member for member in members if member.role is Role.OWNER]
        if not stays_owner and owners == found:
            raise LastOwner
        return found[0]


def lock_account(connection: Connection, account_id: AccountId) -> None:
    """Have changes to an account's members wait for each other. Locks: the account's row."""
    connection.execute(select(accounts_table.c.id).where(accounts_table.c.id == account_id).with_for_update()).one()


def _members(account_id: AccountId) -> Select[*tuple[Any, ...]]:
    return (
        select(
            table.c.id,
            table.c.account_id,
            table.c.person_id,
            table.c.role,
            table.c.created_at,
            persons_table.c.email,
            persons_table.c.name,
        )
        .join(persons_table, persons_table.c.id == table.c.person_id)
        .where(table.c.account_id == account_id, table.c.removed_at.is_(None))
    )


def _open() -> Any:
    return and_(invitations_table.c.accepted_at.is_(None), invitations_table.c.revoked_at.is_(None))


def _member(row: Row[Any]) -> Member:
    return Member(
        id=MemberId(row.id),
        account=row.account_id,
        person=row.person_id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
    )


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        id=row.id,
        account=row.account_id,
        email=row.email,
        role=Role(row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
