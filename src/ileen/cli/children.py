"""The sandbox: our own modules as processes beside the server, each ready once it has said so in one line of JSON.

Owns: their start and end. They end with us, however we end: their standard input closes. Refuses to know: what they do.
"""

import json
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from ileen.settings import SettingInvalid

Facts = Mapping[str, str]
"""What a child says of itself once it is ready, such as its URL."""

_END_WITHIN_S = 5


@contextmanager
def children(commands: Mapping[str, Sequence[str]]) -> Generator[dict[str, Facts]]:
    """Run modules (name → arguments) as processes for a block; yield what each said. All start at the same time.

    Raises: SettingInvalid if one does not start.
    """
    with ExitStack() as stack:
        started = {module: stack.enter_context(_child(module, given)) for module, given in commands.items()}
        try:
            yield {module: _facts(module, child) for module, child in started.items()}
        finally:
            for child in started.values():  # all are told before the first is waited for
                _tell_to_end(child)


@contextmanager
def _child(module: str, given: Sequence[str]) -> Generator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", module, "--port", "0", "--until-stdin-closes", *given]
    # A session of its own: Ctrl-C reaches us alone, and we end the children when we have answered what is under way.
    child = subprocess.Popen(  # noqa: S603  # our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        yield child
    finally:
        _tell_to_end(child)
        try:
            child.wait(timeout=_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()


def _tell_to_end(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None
    child.stdin.close()


def _facts(module: str, child: "subprocess.Popen[bytes]") -> Facts:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise SettingInvalid(f"{module} did not start; see the messages above.")
    return {str(name): str(value) for name, value in json.loads(line).items()}
