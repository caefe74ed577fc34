"""The door of people: sign-up, sign-in, sessions, members, hosts and staff as one value.

Owns: the putting together, profiles, and the jobs of this room. Refuses to know: pages and cookies.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import update

from ileen.accounts import throttle
from ileen.accounts.activity import Activity
from ileen.accounts.form import check_text, check_time_zone
from ileen.accounts.hosts import Hosts
from ileen.accounts.means import Means
from ileen.accounts.members import Members
from ileen.accounts.oidc import Oidc
from ileen.accounts.provider import OpenIdClient, Provider
from ileen.accounts.purge import purge
from ileen.accounts.register import Accounts
from ileen.accounts.sessions import Sessions
from ileen.accounts.sign_in import SignIns
from ileen.accounts.sign_up import OPEN_WALLET, SignUps
from ileen.accounts.staff import StaffList
from ileen.accounts.who import SignedIn
from ileen.base.clock import Clock
from ileen.base.ids import Ids
from ileen.catalogue import locale_of
from ileen.jobs import Handler, Job, Recurring, every
from ileen.store.engine import Database
from ileen.store.schema import person as persons_table

SWEEP: Final = "people.sweep"
"""The kind of job that forgets what has had its time: throttles, sessions, links, sign-ups."""
_SWEEP_EVERY_S: Final = 600


class People:
    """Everything about people who sign in, for one process. Thread-safe.

    `provider` is the identity provider people may sign in with, if the operator has one.
    """

    def __init__(
        self, database: Database, accounts: Accounts, *, clock: Clock, ids: Ids, provider: Provider | None = None
    ) -> None:
        self._means = means = Means(database=database, clock=clock, ids=ids)
        self.sessions = Sessions(database, clock=clock, ids=ids)
        self.hosts = Hosts(database, accounts, clock=clock, ids=ids)
        self.sign_ins = SignIns(means, self.sessions)
        self.sign_ups = SignUps(means, accounts, self.sessions, self.sign_ins)
        self.members = Members(means, self.sessions)
        self.staff = StaffList(means, self.sessions, self.sign_ins)
        self.activity = Activity(database)
        self.oidc: Oidc | None = None
        if provider is not None:
            client = OpenIdClient(provider, clock=clock)
            self.oidc = Oidc(means, accounts, self.sessions, self.sign_ins, client)

    def handlers(self) -> Mapping[str, Handler]:
        """Return this room's jobs by kind."""
        return {OPEN_WALLET: self.sign_ups.open_wallet, SWEEP: self.sweep}

    def recurring(self) -> Sequence[Recurring]:
        """Return this room's recurring jobs."""
        return (every(_SWEEP_EVERY_S, SWEEP),)

    def change_profile(self, signed: SignedIn, *, name: str, locale: str, time_zone: str) -> None:
        """Change a person's own name, language and time zone. Raises: RequestInvalid."""
        values = {
            "name": check_text(name, field="name"),
            "locale": locale_of(locale),
            "time_zone": check_time_zone(time_zone),
        }
        with self._means.database.write() as connection:
            connection.execute(update(persons_table).where(persons_table.c.id == signed.person.id).values(values))
            self._means.note(connection, "person.changed", signed.person.id, by=signed.person.id)

    def sweep(self, _: Job | None = None) -> None:
        """Delete what only slowed somebody down in the past, and what ended more than a day ago."""
        with self._means.database.write() as connection:
            throttle.sweep(connection, now=self._means.clock.now())
            purge(connection, now=self._means.clock.now())
