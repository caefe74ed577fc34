"""Events for accounts' own servers: signed, once per key, tried again, and never sent where they must not go."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ileen.base.clock import ManualClock
from ileen.base.errors import NotFound, RequestInvalid
from ileen.base.ids import AccountId, RandomIds
from ileen.jobs import Worker
from ileen.outbound import Outbound, Reach
from ileen.outbound.door import ENDPOINTS_MAX, PAUSES_S, sign
from ileen.outbound.target import TargetRefused, check_url, send
from ileen.store.engine import Database

ACCOUNT = AccountId("acct_01KB2Z8M6T0000000000000000")
OWN = Reach(loopback=True)


class Ear:
    """A server of the account's; `answers` are its next statuses, then 204."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                ear.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(ear.answers.pop(0) if ear.answers else 204)
                self.send_header("Location", f"{ear.url}/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's own word
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Post:
    """The room, and time that passes."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock, self.ids = database, clock, RandomIds(clock)
        self.room = Outbound(database, reach=OWN, clock=clock, ids=self.ids)

    def tell(self, type_: str = "refill.failed", *, key: str = "one") -> None:
        with self.database.write() as connection:
            self.room.tell(connection, account=ACCOUNT, type_=type_, data={"amount": "50.00"}, key=key)

    def work(self) -> None:
        worker = Worker(self.database, self.room.handlers(), clock=self.clock, ids=self.ids)
        while worker.run_due():
            pass


@pytest.fixture
def post(sqlite_database: Database, clock: ManualClock) -> Post:
    return Post(sqlite_database, clock)


def test_an_event_arrives_once_signed_as_standard_webhooks_has_it(post: Post, ear: Ear) -> None:
    endpoint = post.room.add(ACCOUNT, ear.url)

    post.tell()
    post.tell()
    post.work()

    ((headers, body),) = ear.heard
    key = base64.b64decode(endpoint.secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body)["data"] == {"account": ACCOUNT, "amount": "50.00"}
    assert [each.state for each in post.room.deliveries(ACCOUNT, endpoint.id, limit=5)] == ["delivered"]


def test_the_signature_is_the_one_of_the_published_example() -> None:
    """github.com/standard-webhooks/standard-webhooks, the libraries' own test vector."""
    body = b'{"test": 2432232314}'

    signed = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_that_was_not_taken_is_tried_again_with_growing_pauses_under_the_same_id(post: Post, ear: Ear) -> None:
    ear.answers = [500, 302, 404]
    endpoint = post.room.add(ACCOUNT, ear.url)
    post.tell()

    for pause_s in (0, *PAUSES_S[:3]):
        post.clock.advance(pause_s - 1 if pause_s else 0)
        before = len(ear.heard)
        post.work()
        if pause_s:
            assert len(ear.heard) == before, "not before its time"
            post.clock.advance(1)
            post.work()

    assert len({headers["webhook-id"] for headers, _ in ear.heard}) == 1
    assert len(ear.heard) == 4, "a redirect is an answer like any other that is not 2xx"
    (delivery,) = post.room.deliveries(ACCOUNT, endpoint.id, limit=5)
    assert (delivery.state, delivery.attempts, delivery.status) == ("delivered", 4, 204)


def test_an_event_nobody_takes_has_failed_after_two_days(post: Post, ear: Ear) -> None:
    ear.answers = [503] * 50
    endpoint = post.room.add(ACCOUNT, ear.url)
    post.tell()

    for pause_s in (0, *PAUSES_S, 10**6):
        post.clock.advance(pause_s)
        post.work()

    (delivery,) = post.room.deliveries(ACCOUNT, endpoint.id, limit=5)
    assert (delivery.state, delivery.attempts, delivery.error) == ("failed", len(PAUSES_S) + 1, "the answer was 503")


def test_only_the_events_asked_for_are_told_and_none_after_removal(post: Post, ear: Ear) -> None:
    endpoint = post.room.add(ACCOUNT, ear.url, events=["balance.low"])
    post.tell("refill.failed", key="a")
    post.tell("balance.low", key="b")
    post.work()
    post.tell("balance.low", key="c")
    post.room.remove(ACCOUNT, endpoint.id)

    post.work()

    assert [json.loads(body)["type"] for _, body in ear.heard] == ["balance.low"]
    with pytest.raises(NotFound):
        post.room.remove(ACCOUNT, endpoint.id)


def test_a_stranger_sees_and_removes_nothing(post: Post, ear: Ear) -> None:
    endpoint = post.room.add(ACCOUNT, ear.url)
    stranger = AccountId("acct_01KB2Z8M6T0000000000000001")

    assert post.room.endpoints(stranger) == []
    with pytest.raises(NotFound):
        post.room.remove(stranger, endpoint.id)
    with pytest.raises(NotFound):
        post.room.deliveries(stranger, endpoint.id, limit=1)


def test_there_are_at_most_ten_endpoints_and_only_known_events(post: Post, ear: Ear) -> None:
    for _ in range(ENDPOINTS_MAX):
        post.room.add(ACCOUNT, ear.url)

    with pytest.raises(RequestInvalid):
        post.room.add(ACCOUNT, ear.url)
    with pytest.raises(RequestInvalid):
        post.room.add(ACCOUNT, ear.url, events=["everything"])


@pytest.mark.parametrize(
    ("url", "reach", "allowed"),
    [
        ("https://example.com/hook", Reach(), True),
        ("http://example.com/hook", Reach(), False),
        ("http://127.0.0.1:8000/", Reach(), False),
        ("http://127.0.0.1:8000/", OWN, True),
        ("http://10.0.0.1/", OWN, False),
        ("http://10.0.0.1/", Reach(private=True), True),
        ("https://user:secret@example.com/", Reach(), False),
        ("https://example.com/#part", Reach(), False),
        ("https:///hook", Reach(), False),
        ("https://example.com:port/", Reach(), False),
        ("ftp://example.com/", Reach(private=True), False),
        ("https://example.com/\r\nX: y", Reach(), False),
        ("https://[::1", Reach(), False),
    ],
)
def test_a_url_is_taken_by_its_text_only_if_it_may_be_called(url: str, reach: Reach, allowed: bool) -> None:
    if allowed:
        assert check_url(url, reach) == url
        return
    with pytest.raises(RequestInvalid):
        check_url(url, reach)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.1.2.3",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[fd00::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
    ],
)
def test_no_address_of_our_own_network_is_connected_to(host: str) -> None:
    with pytest.raises(TargetRefused):
        send(f"https://{host}/", b"{}", {}, Reach())
