"""A Stripe that answers every request as told, for what the offline one cannot: it is never live.

Import the fixture by name: `answering`.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

BALANCE = {"object": "balance", "available": [], "pending": []}


class Answering:
    """Answers every request as told, where the offline Stripe cannot: it is never live and knows no restricted key."""

    def __init__(self, url: str) -> None:
        self.url, self.status, self.body = url, 200, dict[str, object]()

    def refuse(self, status: int) -> None:
        self.status, self.body = status, {"error": {"type": "invalid_request_error", "message": "No."}}


@pytest.fixture
def answering() -> Iterator[Answering]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(found.body).encode()
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Answering(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
