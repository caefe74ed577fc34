"""Start the inbox: `python -m ileen.sandbox.inbox --port 0 --smtp-port 0`; prints one line of JSON when ready."""

import argparse
import asyncio
import json
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from ileen.base.clock import SystemClock
from ileen.sandbox.inbox import Inbox, Store, smtp


def main() -> None:
    """Serve on loopback until stopped, or until standard input closes, so that it never outlives its parent."""
    parser = argparse.ArgumentParser(prog="ileen.sandbox.inbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--smtp-port", type=int, default=0)
    parser.add_argument("--data", type=Path, help="the file that remembers mails; none: memory only")
    parser.add_argument("--until-stdin-closes", action="store_true")
    given = parser.parse_args()
    if given.host not in {"127.0.0.1", "localhost"}:
        sys.exit("The inbox binds to loopback only: use --host 127.0.0.1.")
    pages = socket.create_server((given.host, given.port), backlog=512)
    mails = socket.create_server((given.host, given.smtp_port), backlog=512)
    store = Store(given.data)
    config = uvicorn.Config(
        Inbox(store), http="httptools", lifespan="off", access_log=False, log_level="critical", ws="none"
    )
    server = uvicorn.Server(config)
    if given.until_stdin_closes:
        threading.Thread(target=_follow_parent, args=(server,), daemon=True).start()
    ready = {
        "url": f"http://{given.host}:{pages.getsockname()[1]}",
        "smtp_url": f"smtp://{given.host}:{mails.getsockname()[1]}",
    }
    print(json.dumps(ready), flush=True)  # noqa: T201  # the one line promised
    asyncio.run(_serve(server, pages, mails, store))


async def _serve(server: uvicorn.Server, pages: socket.socket, mails: socket.socket, store: Store) -> None:
    clock = SystemClock()
    receiving = await asyncio.get_running_loop().create_server(lambda: smtp(store, clock), sock=mails)
    try:
        await server.serve(sockets=[pages])
    finally:
        receiving.close()


def _follow_parent(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
    server.force_exit = True


if __name__ == "__main__":
    main()
