"""Named points at which a test can kill this very process, to see that nothing is lost and nothing done twice.

`ILEEN_CRASH_AT=name` or `name:3` (the third time it is reached) sends SIGKILL to the process there; unset, which is
always so outside tests, a point costs one comparison.
"""

import os
import signal

_name, _, _times = os.environ.get("ILEEN_CRASH_AT", "").partition(":")
_left = int(_times or 1)


def point(name: str) -> None:
    """Die here if the environment says so."""
    global _left  # noqa: PLW0603  # one countdown per process is the whole state
    if name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
