"""The vocabulary of people: persons, members with their roles, sessions, invitations, hosts and staff.

Owns: the frozen types and what each role may do. Refuses to know: how they are stored.
A person is a human with an e-mail address; a member is a person in one account. One person may be in several.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NewType

from msgspec import Struct

from ileen.accounts.model import AUDIT_READ, BALANCE_READ, UI_SCOPES, USAGE_READ, WEBHOOKS
from ileen.base.clock import Instant
from ileen.base.ids import AccountId

PersonId = NewType("PersonId", str)
"""`per_…`, a human who can sign in."""
MemberId = NewType("MemberId", str)
"""`mem_…`, a person's place in one account."""
SessionId = NewType("SessionId", str)
"""`ses_…`, a browser that is signed in."""


class Role(StrEnum):
    """What a member may do: owners everything, billing all about money, members see balance and usage."""

    OWNER = "owner"
    BILLING = "billing"
    MEMBER = "member"


class StaffRole(StrEnum):
    """What the operator's own people may do in the console."""

    SUPPORT = "support"
    ADMIN = "admin"


ROLE_SCOPES: Final[Mapping[Role, frozenset[str]]] = {
    Role.OWNER: UI_SCOPES | {AUDIT_READ, WEBHOOKS},
    Role.BILLING: UI_SCOPES,
    Role.MEMBER: frozenset({BALANCE_READ, USAGE_READ}),
}
"""The scopes of a browser session, by the member's role."""


class Person(Struct, frozen=True, kw_only=True):
    """A human. The e-mail address was confirmed before the person was made."""

    id: PersonId
    email: str
    name: str
    locale: str
    time_zone: str
    has_password: bool
    created_at: Instant


class Member(Struct, frozen=True, kw_only=True):
    """A person's place in an account."""

    id: MemberId
    account: AccountId
    person: PersonId
    email: str
    name: str
    role: Role
    created_at: Instant


class Membership(Struct, frozen=True, kw_only=True):
    """An account a person belongs to, seen by that person."""

    account: AccountId
    name: str
    member: MemberId
    role: Role


class Session(Struct, frozen=True, kw_only=True):
    """A browser that is signed in. `network` is the address's neighbourhood, `agent` what the browser calls itself."""

    id: SessionId
    person: PersonId
    account: AccountId | None
    method: str
    network: str
    agent: str
    created_at: Instant
    last_seen_at: Instant
    expires_at: Instant


class SignedIn(Struct, frozen=True, kw_only=True):
    """A living session with its person, and their role in the account it works in, as they are right now."""

    session: Session
    person: Person
    member: MemberId | None
    role: Role | None
    staff: StaffRole | None


class Visitor(Struct, frozen=True, kw_only=True):
    """The browser at the other end: its own long-lived cookie's value, the network it comes from, its name."""

    token: str
    network: str
    agent: str


class Invitation(Struct, frozen=True, kw_only=True):
    """An open invitation to an account."""

    id: str
    account: AccountId
    email: str
    role: Role
    created_at: Instant
    expires_at: Instant


class HostKey(Struct, frozen=True, kw_only=True):
    """What a host application's secret stands for; the secret itself is shown once."""

    id: str
    name: str
    hint: str
    created_at: Instant
    revoked_at: Instant | None


class UiSession(Struct, frozen=True, kw_only=True):
    """A short-lived permission for the browser of a host's user. `origins` are where it may be used from."""

    id: str
    account: AccountId
    host_user: str | None
    scopes: frozenset[str]
    origins: frozenset[str]
    expires_at: Instant


class Staff(Struct, frozen=True, kw_only=True):
    """One of the operator's own people."""

    id: str
    person: PersonId
    email: str
    name: str
    role: StaffRole
    created_at: Instant
    revoked_at: Instant | None
