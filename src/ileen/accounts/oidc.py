"""Signing in with an identity provider: from the button to a session.

Owns: the tables `identity` and `oidc_flow`. Refuses to know: the protocol (`provider`).
P1  a flow is finished once, within minutes, in the browser that began it: the answer of somebody else's sign-in,
    planted into this browser, is refused.
P2  a known identity signs its person in, whatever e-mail address it has by now.
P3  an unknown identity becomes a new person with an account, if the provider has confirmed its address. If the
    address belongs to a person of ours, they must sign in and connect the identity: an address alone proves nothing.
"""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, and_, delete, insert, select

from ileen.accounts import persons
from ileen.accounts.means import Means
from ileen.accounts.persons import NewPerson
from ileen.accounts.provider import Identity, OpenIdClient
from ileen.accounts.register import Accounts
from ileen.accounts.sessions import Sessions
from ileen.accounts.sign_in import SignIns
from ileen.accounts.sign_up import found_account
from ileen.accounts.tokens import hash_token, mint_token
from ileen.accounts.who import PersonId, Role, SignedIn, Visitor
from ileen.base import crash
from ileen.base.errors import IdentityRefused, IdentityUnconnected, RequestInvalid
from ileen.base.ids import AccountId
from ileen.catalogue import locale_of
from ileen.store.schema import identity as identities_table
from ileen.store.schema import oidc_flow as flows_table

_LIFETIME_S: Final = 600
"""How long somebody may take at the provider's page: passwords, second factors, a lost phone."""
_NAME_CHARACTERS_MAX: Final = 120


class Connected(Struct, frozen=True, kw_only=True):
    """Where a finished flow leads; `session` is the new session's token, None if an identity was connected."""

    session: str | None
    return_path: str


class Oidc:
    """Sign-in with one identity provider. Thread-safe; calls block on the provider and on short transactions."""

    def __init__(
        self, means: Means, accounts: Accounts, sessions: Sessions, sign_ins: SignIns, client: OpenIdClient
    ) -> None:
        self._means, self._accounts, self._sessions, self._sign_ins = means, accounts, sessions, sign_ins
        self._client = client
        self.name = client.provider.name

    def begin(self, *, redirect_uri: str, return_path: str, visitor: Visitor, signed: SignedIn | None) -> str:
        """Begin a flow and return the provider's address; with `signed`, to connect the identity to that person.

        Raises: IdentityProviderFailed.
        """
        state, nonce, verifier = mint_token(), mint_token(), mint_token()
        way = self._client.way(redirect_uri=redirect_uri, state=state, nonce=nonce, verifier=verifier)
        row = {
            "state_hash": hash_token(state),
            "visitor_hash": hash_token(visitor.token),
            "nonce": nonce,
            "verifier": verifier,
            "person_id": signed.person.id if signed else None,
            "return_path": return_path,
            "expires_at": self._means.after(_LIFETIME_S),
        }
        with self._means.database.write() as connection:
            connection.execute(delete(flows_table).where(flows_table.c.expires_at < self._means.clock.now()))
            connection.execute(insert(flows_table).values(row))
        return way

    def finish(
        self,
        *,
        state: str,
        code: str,
        redirect_uri: str,
        visitor: Visitor,
        signed: SignedIn | None,
        replaces: str | None,
    ) -> Connected:
        """Finish a flow with the provider's answer. The flow is used up first: a code is tried once.

        Raises: IdentityRefused, IdentityUnconnected, IdentityProviderFailed.
        """
        mine = and_(
            flows_table.c.state_hash == hash_token(state),
            flows_table.c.visitor_hash == hash_token(visitor.token),
        )
        with self._means.database.write() as connection:
            flow = connection.execute(delete(flows_table).where(mine).returning(flows_table)).first()
        if flow is None or self._means.clock.now() >= flow.expires_at:
            raise IdentityRefused(reason="this sign-in has expired or was not begun here")
        if flow.person_id is not None and (signed is None or signed.person.id != flow.person_id):
            raise IdentityRefused(reason="somebody else has signed in meanwhile")
        if not code:
            raise IdentityRefused(reason="the provider gave no code")
        identity = self._client.identify(code, redirect_uri=redirect_uri, nonce=flow.nonce, verifier=flow.verifier)
        if flow.person_id is not None:
            self._connect(identity, flow.person_id)
            return Connected(session=None, return_path=flow.return_path)
        session = self._enter(identity, visitor=visitor, replaces=replaces)
        return Connected(session=session, return_path=flow.return_path)

    def is_connected(self, person_id: PersonId) -> bool:
        """Tell whether a person has connected an identity of this provider."""
        issuer = self._client.provider.issuer
        mine = and_(identities_table.c.person_id == person_id, identities_table.c.issuer == issuer)
        with self._means.database.read() as connection:
            return connection.execute(select(identities_table.c.subject).where(mine)).first() is not None

    def _connect(self, identity: Identity, person_id: PersonId) -> None:
        with self._means.database.write() as connection:
            owner = _owner_of(connection, identity)
            if owner is not None and owner != person_id:
                raise IdentityRefused(reason="it belongs to another person here")
            if owner is None:
                self._keep(connection, identity, person_id)

    def _enter(self, identity: Identity, *, visitor: Visitor, replaces: str | None) -> str:
        """Start a session for the identity's person, who is made if need be (P2, P3)."""
        with self._means.database.write() as connection:
            owner = _owner_of(connection, identity)
            if owner is not None:
                person = persons.get(connection, owner)
                return self._sign_ins.start(connection, person, method="oidc", visitor=visitor, replaces=replaces)
        account_id = AccountId(self._means.ids.mint("acct"))
        with self._means.database.write() as connection:
            person_id = self._make(connection, identity, account_id)
            session = self._sessions.start(
                connection, person_id, account=account_id, method="oidc", visitor=visitor, replaces=replaces
            )
        crash.point("people.identity.made")
        self._accounts.open_wallet(account_id)
        return session

    def _make(self, connection: Connection, identity: Identity, account_id: AccountId) -> PersonId:
        if identity.email is None or not identity.email_verified:
            raise IdentityRefused(reason="it has no confirmed e-mail address")
        email = _address_of(identity.email)
        new = NewPerson(
            email=email,
            name=_name_of(identity, email),
            locale=locale_of(identity.locale),
            time_zone="UTC",
            password_hash=None,
        )
        now = self._means.clock.now()
        person_id = persons.add(connection, new, ids=self._means.ids, now=now)
        if person_id is None:
            raise IdentityUnconnected
        self._means.note(connection, "person.created", person_id, by=person_id, account=account_id)
        found_account(connection, self._means, self._accounts, account_id, new=new, by=person_id)
        persons.add_member(connection, account_id, person_id, Role.OWNER, ids=self._means.ids, now=now)
        self._keep(connection, identity, person_id)
        return person_id

    def _keep(self, connection: Connection, identity: Identity, person_id: PersonId) -> None:
        row = {"issuer": identity.issuer, "subject": identity.subject, "person_id": person_id, "email": identity.email}
        connection.execute(insert(identities_table).values(row | {"created_at": self._means.clock.now()}))
        self._means.note(connection, "identity.connected", person_id, by=person_id, detail={"issuer": identity.issuer})


def _owner_of(connection: Connection, identity: Identity) -> PersonId | None:
    mine = and_(identities_table.c.issuer == identity.issuer, identities_table.c.subject == identity.subject)
    return connection.execute(select(identities_table.c.person_id).where(mine)).scalar_one_or_none()


def _address_of(email: str) -> str:
    """Return the provider's address, if we could write to it. Raises: IdentityRefused."""
    try:
        return persons.check_address(email)
    except RequestInvalid as error:
        raise IdentityRefused(reason="its e-mail address cannot be one") from error


def _name_of(identity: Identity, email: str) -> str:
    """Return the provider's name as ours can be: nobody is kept out by what their company's directory calls them."""
    printable = "".join(letter if letter.isprintable() else " " for letter in identity.name or "")
    return " ".join(printable.split())[:_NAME_CHARACTERS_MAX].strip() or email.partition("@")[0]
