"""Signing in, with a password or a mailed link, and what belongs to it: reset, change of password, signing out.

Owns: the table `mail_link`. Refuses to know: cookies and pages.
I1  a wrong address and a wrong password answer the same, after the same time. A link that is asked for is mailed if
    there is somebody to mail it to, and the answer does not say.
I2  a link works once, for a short time, and only when its button is pressed: mail scanners open links by themselves.
I3  a new password ends all other sessions and makes all older links worthless.
I4  somebody who signs in from a browser not seen before is told by mail.
"""

from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, and_, insert, select, update

from ileen.accounts import persons
from ileen.accounts.means import Means
from ileen.accounts.paces import forgive_sign_in, take_mail, take_sign_in
from ileen.accounts.passwords import check_password, hash_password, is_outdated, is_password
from ileen.accounts.sessions import Sessions, is_known_device, sessions_of
from ileen.accounts.tokens import hash_token, mint_token
from ileen.accounts.who import Person, PersonId, SignedIn, Visitor
from ileen.base.clock import to_text
from ileen.base.errors import LinkInvalid, SignInFailed
from ileen.store.schema import mail_link as table

LinkKind = Literal["sign_in", "reset"]
LINK_LIFETIME_S: Final[dict[LinkKind, int]] = {"sign_in": 15 * 60, "reset": 30 * 60}
"""How long mailed links work: long enough for slow mail, too short to be found in an old mailbox."""
_MAILS: Final[dict[LinkKind, tuple[str, str]]] = {
    "sign_in": ("sign_in_link", "/sign-in/link/"),
    "reset": ("reset_password", "/reset/"),
}


class SignIns:
    """Ways in for people who are ours. Thread-safe; calls block on short transactions and on argon2."""

    def __init__(self, means: Means, sessions: Sessions) -> None:
        self._means, self._sessions = means, sessions

    def with_password(self, email: str, password: str, *, visitor: Visitor, replaces: str | None) -> str:
        """Start a session and return its token. Raises: SignInFailed, TooManyAttempts."""
        now = self._means.clock.now()
        with self._means.database.write() as connection:
            found = persons.find(connection, email)
            known = found is not None and is_known_device(connection, visitor, found.id)
            take_sign_in(connection, email, visitor, known=known, now=now)
            kept = persons.kept_password(connection, found.id) if found else None
        if not is_password(password, kept) or found is None:
            if found is not None:
                with self._means.database.write() as connection:
                    detail = {"network": visitor.network, "agent": visitor.agent}
                    self._means.note(connection, "sign_in.failed", found.id, by=found.id, detail=detail)
            raise SignInFailed
        fresh = hash_password(password) if kept is not None and is_outdated(kept) else None
        with self._means.database.write() as connection:
            if persons.kept_password(connection, found.id) != kept:  # changed while we were comparing
                raise SignInFailed
            if fresh is not None:
                persons.put_password(connection, found.id, fresh)
            forgive_sign_in(connection, email, visitor)
            return self.start(connection, found, method="password", visitor=visitor, replaces=replaces)

    def start(
        self, connection: Connection, person: Person, *, method: str, visitor: Visitor, replaces: str | None
    ) -> str:
        """Start a session in the caller's transaction, and tell the person if the browser is new (I4)."""
        known = is_known_device(connection, visitor, person.id)
        account = persons.home_of(connection, person.id)
        token = self._sessions.start(
            connection, person.id, account=account, method=method, visitor=visitor, replaces=replaces
        )
        if not known:
            values = {
                "at": to_text(self._means.clock.now()),
                "device": visitor.agent or "–",
                "place": visitor.network,
                "link": "/account/sessions",
            }
            self._means.mail(
                connection,
                "new_sign_in",
                to=person.email,
                locale=person.locale,
                time_zone=person.time_zone,
                key=f"new_sign_in:{self._means.ids.mint('req')}",
                values=values,
            )
        return token

    # Links ---------------------------------------------------------------------------------------------------

    def ask_for_link(self, email: str, *, kind: LinkKind, visitor: Visitor) -> None:
        """Owe a link to whoever has this address, if anybody has. Raises: RequestInvalid, TooManyAttempts."""
        email = persons.check_address(email)
        with self._means.database.write() as connection:
            found = persons.find(connection, email)
            known = found is not None and is_known_device(connection, visitor, found.id)
            take_mail(connection, email, visitor, known=known, now=self._means.clock.now())
            if found is not None:
                self.owe_link(connection, found, kind=kind)

    def owe_link(self, connection: Connection, person: Person, *, kind: LinkKind) -> str:
        """Make a link in the caller's transaction, owe its mail and return its path."""
        token, expires_at = mint_token(), self._means.after(LINK_LIFETIME_S[kind])
        mail, path = _MAILS[kind]
        row = {
            "id": self._means.ids.mint("lnk"),
            "kind": kind,
            "token_hash": hash_token(token),
            "person_id": person.id,
            "created_at": self._means.clock.now(),
            "expires_at": expires_at,
        }
        connection.execute(insert(table).values(row))
        self._means.mail_link(
            connection,
            mail,
            to=person.email,
            locale=person.locale,
            time_zone=person.time_zone,
            id_=str(row["id"]),
            path=path + token,
            expires_at=expires_at,
        )
        return path + token

    def look(self, token: str, *, kind: LinkKind) -> Person:
        """Return whose link this is, without using it. Raises: LinkInvalid."""
        with self._means.database.read() as connection:
            return persons.get(connection, self._find(connection, token, kind).person_id)

    def with_link(self, token: str, *, visitor: Visitor, replaces: str | None) -> str:
        """Use a sign-in link and return the session's token. Raises: LinkInvalid."""
        with self._means.database.write() as connection:
            person = self._use(connection, token, "sign_in")
            forgive_sign_in(connection, person.email, visitor)
            return self.start(connection, person, method="link", visitor=visitor, replaces=replaces)

    # Passwords -----------------------------------------------------------------------------------------------

    def reset(self, token: str, password: str, *, visitor: Visitor, replaces: str | None) -> str:
        """Set a new password with a mailed link and return a session's token. Raises: LinkInvalid, RequestInvalid."""
        person = self.look(token, kind="reset")
        kept = self._hash(person, password)
        with self._means.database.write() as connection:
            person = self._use(connection, token, "reset")
            self._put(connection, person, kept, action="password.reset")
            forgive_sign_in(connection, person.email, visitor)
            return self.start(connection, person, method="reset", visitor=visitor, replaces=replaces)

    def change_password(self, signed: SignedIn, *, current: str, new: str, visitor: Visitor, token: str) -> str:
        """Change one's own password; returns a new token for this browser, all sessions end.

        Who has no password yet (they came by link or identity provider) needs none to set one.
        Raises: SignInFailed, RequestInvalid, TooManyAttempts.
        """
        person = signed.person
        with self._means.database.write() as connection:
            take_sign_in(connection, person.email, visitor, known=True, now=self._means.clock.now())
            kept = persons.kept_password(connection, person.id)
        if kept is not None and not is_password(current, kept):
            raise SignInFailed
        fresh = self._hash(person, new)
        with self._means.database.write() as connection:
            self._put(connection, person, fresh, action="password.changed")
            forgive_sign_in(connection, person.email, visitor)
            return self.start(connection, person, method="password", visitor=visitor, replaces=token)

    def sign_out(self, signed: SignedIn) -> None:
        """End the session of this browser."""
        self._sessions.end(signed, signed.session.id)

    def _hash(self, person: Person, password: str) -> str:
        return hash_password(check_password(password, not_like=(person.email, person.name)))

    def _put(self, connection: Connection, person: Person, kept: str, *, action: str) -> None:
        """Keep a new password, end all sessions and make all links worthless (I3)."""
        persons.put_password(connection, person.id, kept)
        self._means.note(connection, action, person.id, by=person.id)
        self._sessions.end_all(connection, sessions_of(person.id), actor=person.id)
        unused = and_(table.c.person_id == person.id, table.c.used_at.is_(None))
        connection.execute(update(table).where(unused).values(used_at=self._means.clock.now()))

    def _find(self, connection: Connection, token: str, kind: LinkKind) -> Row[Any]:
        unused = and_(table.c.token_hash == hash_token(token), table.c.kind == kind, table.c.used_at.is_(None))
        row = connection.execute(select(table).where(unused)).first()
        if row is None or self._means.clock.now() >= row.expires_at:
            raise LinkInvalid
        return row

    def _use(self, connection: Connection, token: str, kind: LinkKind) -> Person:
        row = self._find(connection, token, kind)
        unused = and_(table.c.id == row.id, table.c.used_at.is_(None))
        if not connection.execute(update(table).where(unused).values(used_at=self._means.clock.now())).rowcount:
            raise LinkInvalid
        return persons.get(connection, PersonId(row.person_id))
