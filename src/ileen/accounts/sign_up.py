"""Signing up: an address is confirmed first, then person, account and owner come into being in one transaction.

Owns: the table `sign_up`. Refuses to know: forms and mails' words.
U1  nothing exists before the address is confirmed: no account, no wallet, nothing to clean up.
U2  asking looks the same whether or not somebody has the address: the answer is a mail either way. Who has it
    already gets a sign-in link instead.
U3  only who chose the password can finish: in another browser than the one that asked, it is asked for again. Who
    signs up with a stranger's address gains nothing when the stranger follows the link.
U4  person, account, owner and session are one transaction; the wallet is opened after it, by us or, if we die, by
    the job that the same transaction enqueued. Of two links for one address, one makes the account.
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, and_, insert, select, update

from ileen import jobs
from ileen.accounts import persons
from ileen.accounts.form import check_all, check_text, check_time_zone
from ileen.accounts.means import Means
from ileen.accounts.paces import take_mail, take_sign_in
from ileen.accounts.passwords import check_password, hash_password, is_password
from ileen.accounts.persons import NewPerson
from ileen.accounts.register import Accounts
from ileen.accounts.sessions import Sessions, is_known_device
from ileen.accounts.sign_in import SignIns
from ileen.accounts.tokens import hash_token, mint_token
from ileen.accounts.who import Role, Visitor
from ileen.base import crash
from ileen.base.errors import LinkInvalid, SignInFailed
from ileen.base.ids import AccountId
from ileen.catalogue import locale_of
from ileen.store.schema import sign_up as table

OPEN_WALLET: Final = "account.open_wallet"
"""The kind of job that opens a new account's wallet, should nobody have come to it."""
LIFETIME_S: Final = 24 * 3600
"""How long the link to confirm an address works: mail may take its time, and people sleep."""


class Pending(Struct, frozen=True, kw_only=True):
    """A sign-up that waits for its address to be confirmed."""

    email: str
    same_browser: bool


class SignUps:
    """Sign-ups of people who are not ours yet. Thread-safe; calls block on short transactions and on argon2."""

    def __init__(self, means: Means, accounts: Accounts, sessions: Sessions, sign_ins: SignIns) -> None:
        self._means, self._accounts, self._sessions, self._sign_ins = means, accounts, sessions, sign_ins

    def ask(self, *, name: str, email: str, password: str, locale: str, time_zone: str, visitor: Visitor) -> str:
        """Take a sign-up and owe its mail; return the address it goes to. Raises: RequestInvalid, TooManyAttempts."""
        own_words = (email, email.partition("@")[0], name)
        check_all(
            lambda: check_text(name, field="name"),
            lambda: persons.check_address(email),
            lambda: check_password(password, not_like=own_words),
            lambda: check_time_zone(time_zone),
        )
        email, name = persons.check_address(email), check_text(name, field="name")
        with self._means.database.write() as connection:
            found = persons.find(connection, email)
            known = found is not None and is_known_device(connection, visitor, found.id)
            take_mail(connection, email, visitor, known=known, now=self._means.clock.now())
        kept = hash_password(password)  # also for nothing: the time it takes tells nobody anything
        new = NewPerson(email=email, name=name, locale=locale_of(locale), time_zone=time_zone, password_hash=kept)
        with self._means.database.write() as connection:
            found = persons.find(connection, email)
            if found is not None:
                self._sign_ins.owe_link(connection, found, kind="sign_in")
            else:
                self._store(connection, new, visitor)
        crash.point("people.sign_up.stored")
        return email

    def look(self, token: str, visitor: Visitor) -> Pending:
        """Return the sign-up a link belongs to, without using it. Raises: LinkInvalid."""
        with self._means.database.read() as connection:
            row = self._find(connection, token)
        return Pending(email=row.email, same_browser=row.visitor_hash == hash_token(visitor.token))

    def confirm(self, token: str, *, password: str | None, visitor: Visitor, replaces: str | None) -> str:
        """Make the account of a confirmed address and return its first session's token.

        `password` is needed in another browser than the one that signed up (U3).
        Raises: LinkInvalid, SignInFailed, TooManyAttempts.
        """
        with self._means.database.read() as connection:
            row = self._find(connection, token)
        if row.visitor_hash != hash_token(visitor.token):
            with self._means.database.write() as connection:
                take_sign_in(connection, row.email, visitor, known=False, now=self._means.clock.now())
            if password is None or not is_password(password, row.password_hash):
                raise SignInFailed
        account_id = AccountId(self._means.ids.mint("acct"))
        with self._means.database.write() as connection:
            session = self._make(connection, row, account_id, visitor=visitor, replaces=replaces)
        crash.point("people.sign_up.confirmed")
        self._accounts.open_wallet(account_id)
        return session

    def open_wallet(self, job: jobs.Job) -> None:
        """Handle the job that completes an account: opening a wallet again changes nothing."""
        self._accounts.open_wallet(AccountId(job.payload["account"]))

    def _store(self, connection: Connection, new: NewPerson, visitor: Visitor) -> None:
        token, now, expires_at = mint_token(), self._means.clock.now(), self._means.after(LIFETIME_S)
        row = {
            "id": self._means.ids.mint("sup"),
            "token_hash": hash_token(token),
            "visitor_hash": hash_token(visitor.token),
            "email": new.email,
            "name": new.name,
            "locale": new.locale,
            "time_zone": new.time_zone,
            "password_hash": new.password_hash,
            "created_at": now,
            "expires_at": expires_at,
        }
        connection.execute(insert(table).values(row))
        self._means.mail_link(
            connection,
            "confirm_email",
            to=new.email,
            locale=new.locale,
            time_zone=new.time_zone,
            id_=str(row["id"]),
            path=f"/sign-up/{token}",
            expires_at=expires_at,
        )

    def _find(self, connection: Connection, token: str) -> Row[Any]:
        unused = and_(table.c.token_hash == hash_token(token), table.c.used_at.is_(None))
        row = connection.execute(select(table).where(unused)).first()
        if row is None or self._means.clock.now() >= row.expires_at:
            raise LinkInvalid
        return row

    def _make(
        self, connection: Connection, row: Row[Any], account_id: AccountId, *, visitor: Visitor, replaces: str | None
    ) -> str:
        """Use the link up and add everything it promised. Raises: LinkInvalid if another one was first."""
        means, now = self._means, self._means.clock.now()
        unused = and_(table.c.id == row.id, table.c.used_at.is_(None))
        if not connection.execute(update(table).where(unused).values(used_at=now)).rowcount:
            raise LinkInvalid
        new = NewPerson(
            email=row.email,
            name=row.name,
            locale=row.locale,
            time_zone=row.time_zone,
            password_hash=row.password_hash,
        )
        person_id = persons.add(connection, new, ids=means.ids, now=now)
        if person_id is None:
            raise LinkInvalid
        means.note(connection, "person.created", person_id, by=person_id, account=account_id)
        found_account(connection, means, self._accounts, account_id, new=new, by=person_id)
        persons.add_member(connection, account_id, person_id, Role.OWNER, ids=means.ids, now=now)
        return self._sessions.start(
            connection, person_id, account=account_id, method="sign_up", visitor=visitor, replaces=replaces
        )


def found_account(
    connection: Connection, means: Means, accounts: Accounts, account_id: AccountId, *, new: NewPerson, by: str
) -> None:
    """Add a person's own account and the job that opens its wallet to the caller's transaction."""
    accounts.add(connection, account_id, name=new.name, email=new.email, time_zone=new.time_zone, by=by)
    now = means.clock.now()
    payload = {"account": str(account_id)}
    jobs.enqueue(connection, ids=means.ids, kind=OPEN_WALLET, payload=payload, now=now, key=account_id)
