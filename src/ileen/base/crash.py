"""Named points at which a test can kill this very process, to see that nothing is lost and nothing done twice.

`ILEEN_CRASH_AT=name` or `name:3` (the third time it is reached) sends SIGKILL to the process there; unset, which is
always so outside tests, a point costs two comparisons. A simulated world listens instead: at each point it may abandon
the flow by an exception of its own, or let something else happen first.
"""

import os
import signal
from collections.abc import Callable

_name, _, _times = os.environ.get("ILEEN_CRASH_AT", "").partition(":")
_left = int(_times or 1)
_listener: Callable[[str], None] | None = None


def listen(listener: Callable[[str], None] | None) -> None:
    """Have `listener` called with the name of every point this process reaches; None: no longer."""
    global _listener  # noqa: PLW0603  # one listener per process is the whole state
    _listener = listener


def point(name: str) -> None:
    """Die here if the environment says so."""
    global _left  # noqa: PLW0603  # one countdown per process is the whole state
    if _listener is not None:
        _listener(name)
    if name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
