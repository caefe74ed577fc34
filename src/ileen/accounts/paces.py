"""How fast people may try to sign in and have mails sent.

Owns: the paces and what they count. Refuses to know: how they are counted (`throttle`).
No pace can lock somebody out: strangers are slowed per address and network, a device known to the person has a pace
of its own, and a mailed link always works. What one address gets from all networks together is bounded generously,
against guessing from many networks at once; known devices are not counted there.
"""

from typing import Final

from sqlalchemy import Connection

from ileen.accounts.persons import fold
from ileen.accounts.throttle import Pace, forgive, take
from ileen.accounts.who import Visitor
from ileen.base.clock import Instant

_PAIR: Final = Pace(name="sign_in", burst=6, every_s=60)
_NETWORK: Final = Pace(name="sign_in_network", burst=60, every_s=5)
_ADDRESS: Final = Pace(name="sign_in_address", burst=100, every_s=30)
_KNOWN: Final = Pace(name="sign_in_known", burst=10, every_s=30)
_MAIL_PAIR: Final = Pace(name="mail", burst=3, every_s=300)
_MAIL_NETWORK: Final = Pace(name="mail_network", burst=30, every_s=60)
_MAIL_ADDRESS: Final = Pace(name="mail_address", burst=12, every_s=600)
_MAIL_KNOWN: Final = Pace(name="mail_known", burst=5, every_s=120)
_INVITATIONS: Final = Pace(name="invitation", burst=20, every_s=120)
_ACCEPTANCES: Final = Pace(name="acceptance", burst=10, every_s=30)


def take_sign_in(connection: Connection, email: str, visitor: Visitor, *, known: bool, now: Instant) -> None:
    """Count a try to sign in, from a device the person has used (`known`) or not. Raises: TooManyAttempts."""
    address = fold(email)
    if known:
        take(connection, _KNOWN, of=f"{address}|{visitor.token}", now=now)
        return
    take(connection, _PAIR, of=f"{address}|{visitor.network}", now=now)
    take(connection, _NETWORK, of=visitor.network, now=now)
    take(connection, _ADDRESS, of=address, now=now)


def forgive_sign_in(connection: Connection, email: str, visitor: Visitor) -> None:
    """Forget the tries of somebody who has signed in; those of their network stay counted."""
    address = fold(email)
    forgive(connection, _KNOWN, of=f"{address}|{visitor.token}")
    forgive(connection, _PAIR, of=f"{address}|{visitor.network}")


def take_mail(connection: Connection, email: str, visitor: Visitor, *, known: bool, now: Instant) -> None:
    """Count a mail that a stranger has us send to an address. Raises: TooManyAttempts."""
    address = fold(email)
    if known:
        take(connection, _MAIL_KNOWN, of=f"{address}|{visitor.token}", now=now)
        return
    take(connection, _MAIL_PAIR, of=f"{address}|{visitor.network}", now=now)
    take(connection, _MAIL_NETWORK, of=visitor.network, now=now)
    take(connection, _MAIL_ADDRESS, of=address, now=now)


def take_invitation(connection: Connection, account_id: str, *, now: Instant) -> None:
    """Count an invitation sent by an account. Raises: TooManyAttempts."""
    take(connection, _INVITATIONS, of=account_id, now=now)


def take_acceptance(connection: Connection, invitation_id: str, *, now: Instant) -> None:
    """Count a try to join by an invitation, each of which hashes a password. Raises: TooManyAttempts."""
    take(connection, _ACCEPTANCES, of=invitation_id, now=now)
