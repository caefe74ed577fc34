"""Start the offline Stripe: `python -m ileen.sandbox.stripe --port 0`; prints one line of JSON when it is ready."""

import argparse
import json
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from ileen.base.clock import SystemClock
from ileen.sandbox.stripe import Server, State


def main() -> None:
    """Serve on loopback until stopped, or until standard input closes, so that it never outlives its parent."""
    parser = argparse.ArgumentParser(prog="ileen.sandbox.stripe", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path, help="the file that remembers everything; none: memory only")
    parser.add_argument("--until-stdin-closes", action="store_true")
    given = parser.parse_args()
    if given.host not in {"127.0.0.1", "localhost"}:
        sys.exit("The offline Stripe binds to loopback only: use --host 127.0.0.1.")
    listener = socket.create_server((given.host, given.port), backlog=2048)
    state = State(given.data, SystemClock())
    state.base_url = f"http://{given.host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        Server(state), loop="uvloop", http="httptools", lifespan="on", access_log=False, log_level="critical", ws="none"
    )
    server = uvicorn.Server(config)
    if given.until_stdin_closes:
        threading.Thread(target=_follow_parent, args=(server,), daemon=True).start()
    ready = {"url": state.base_url, "secret_key": state.secret_key, "control_url": f"{state.base_url}/_control"}
    print(json.dumps(ready), flush=True)  # noqa: T201  # the one line promised
    server.run(sockets=[listener])


def _follow_parent(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
    server.force_exit = True


if __name__ == "__main__":
    main()
