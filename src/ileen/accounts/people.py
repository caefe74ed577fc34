"""The door of people: members, sessions, hosts and staff as one value.

Owns: nothing but the putting together. Refuses to know: what each part does.
"""

from ileen.accounts.hosts import Hosts
from ileen.accounts.register import Accounts
from ileen.accounts.sessions import Sessions
from ileen.base.clock import Clock
from ileen.base.ids import Ids
from ileen.store.engine import Database


class People:
    """Everything about people who sign in, for one process. Thread-safe."""

    def __init__(self, database: Database, accounts: Accounts, *, clock: Clock, ids: Ids) -> None:
        self.sessions = Sessions(database, clock=clock, ids=ids)
        self.hosts = Hosts(database, accounts, clock=clock, ids=ids)
