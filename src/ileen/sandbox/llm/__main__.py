"""Start the sandbox provider: `python -m ileen.sandbox.llm --port 0`; prints one line of JSON when it is ready."""

import argparse
import json
import logging
import socket
import sys
import threading

import uvicorn

from ileen.sandbox.llm import build


def main() -> None:
    """Serve on loopback until stopped, or until standard input closes, so that it never outlives its parent."""
    parser = argparse.ArgumentParser(prog="ileen.sandbox.llm", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--until-stdin-closes", action="store_true")
    given = parser.parse_args()
    if given.host not in {"127.0.0.1", "localhost"}:
        sys.exit("The sandbox provider binds to loopback only: use --host 127.0.0.1.")
    listener = socket.create_server((given.host, given.port), backlog=2048)
    logging.getLogger("uvicorn.error").addFilter(lambda record: "Exception in ASGI" not in record.getMessage())
    config = uvicorn.Config(
        build(), loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="critical", ws="none"
    )
    server = uvicorn.Server(config)
    if given.until_stdin_closes:
        threading.Thread(target=_follow_parent, args=(server,), daemon=True).start()
    port = listener.getsockname()[1]
    print(json.dumps({"url": f"http://{given.host}:{port}"}), flush=True)  # noqa: T201  # the one line promised
    server.run(sockets=[listener])


def _follow_parent(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
    server.force_exit = True


if __name__ == "__main__":
    main()
