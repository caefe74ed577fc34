"""Who may see a page, as a value that every page must name.

Owns: the levels and what each asks of a visitor. Refuses to know: pages and requests.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from ileen.accounts.who import Role, SignedIn


class Needs(StrEnum):
    """Anyone; a person who is signed in; a member of an account; a member with that role."""

    ANYONE = "anyone"
    PERSON = "person"
    MEMBER = "member"
    BILLING = "billing"
    OWNER = "owner"


class MenuItem(Struct, frozen=True, kw_only=True):
    """An entry of the navigation: where it leads, the key of its name, who sees it, and its place."""

    path: str
    key: str
    needs: Needs
    place: int


_ROLES: Final = {
    Needs.MEMBER: frozenset(Role),
    Needs.BILLING: frozenset({Role.OWNER, Role.BILLING}),
    Needs.OWNER: frozenset({Role.OWNER}),
}


def allows(needs: Needs, signed: SignedIn | None) -> bool:
    """Tell whether a visitor meets what a page needs. A level without a rule here lets nobody in."""
    if needs is Needs.ANYONE:
        return True
    if signed is None:
        return False
    return needs is Needs.PERSON or signed.role in _ROLES.get(needs, frozenset[Role]())
