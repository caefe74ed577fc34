"""What happens by itself when the sandbox's clock gets there: actions registered by name, done in order of time.

Owns: the registry and the run. Refuses to know: what the actions do.
T1  moving the clock by days runs each action at its own instant, in order, so that its consequences carry that time.
"""

import json
from collections.abc import Callable

from ileen.sandbox.stripe.delivery import Deliverer, next_due
from ileen.sandbox.stripe.errors import Json
from ileen.sandbox.stripe.store import State, Tx

Action = Callable[[Tx, Json], None]
ACTIONS: dict[str, Action] = {}
"""By name, as given to `Tx.schedule`. Modules add theirs when they are imported (`routes` imports them all)."""


def run_actions(state: State) -> bool:
    """Do every action that is due, each in a transaction of its own; tell whether there was any."""
    any_done = False
    while True:
        with state.transaction() as tx:
            found = tx.connection.execute(
                "SELECT seq, action, arguments FROM due WHERE at <= ? ORDER BY at, seq LIMIT 1", (tx.now,)
            ).fetchone()
            if found is None:
                return any_done
            seq, action, arguments = found
            tx.connection.execute("DELETE FROM due WHERE seq = ?", (seq,))
            ACTIONS[action](tx, json.loads(arguments))
        any_done = True


async def advance(state: State, deliverer: Deliverer, *, to: int) -> None:
    """Move the clock forward to `to`, stopping at each instant at which something is due."""
    await settle(state, deliverer)
    while True:
        with state.transaction() as tx:
            instants = [tx.connection.execute("SELECT min(at) FROM due").fetchone()[0], next_due(tx)]
        stops = [instant for instant in instants if instant is not None and instant <= to]
        if not stops:
            break
        state.move_clock(min(stops))
        await settle(state, deliverer)
    state.move_clock(to)


async def settle(state: State, deliverer: Deliverer) -> None:
    """Do all that is due at this instant, and all that follows from it."""
    await deliverer.run_due()
    while run_actions(state):
        await deliverer.run_due()
