"""`POST /hooks/stripe` through the whole application, as Stripe reaches it: only what is Stripe's and ours is kept."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from ileen.app import App
from ileen.base.clock import SECOND
from ileen.settings import Settings
from ileen.store import schema

OLD, NEW = "whsec_old111", "whsec_new222"
BODY = json.dumps(
    {"id": "evt_1", "type": "thing.happened", "created": 1, "livemode": False, "data": {"object": {"id": "th_1"}}}
).encode()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Built as the server builds it, with a key that is never sent and two secrets, one of them rolled."""
    given = {
        "ILEEN_DATA_DIR": str(tmp_path),
        "ILEEN_STRIPE_SECRET_KEY": "sk_test_123",
        "ILEEN_STRIPE_WEBHOOK_SECRET": f"{OLD},{NEW}",
    }
    with App.open(Settings.read(given)) as opened:
        yield opened


def signed(app: App, raw: bytes, *, secret: str = NEW, off_s: int = 0) -> str:
    at_s = app.clock.now() // SECOND + off_s
    return f"t={at_s},v1={hmac.new(secret.encode(), b'%d.' % at_s + raw, hashlib.sha256).hexdigest()}"


def post(app: App, raw: bytes, header: str | None) -> httpx2.Response:
    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app.build()[0])
        async with httpx2.AsyncClient(transport=transport, base_url="http://ileen") as http:
            headers = {} if header is None else {"Stripe-Signature": header}
            return await http.post("/hooks/stripe", content=raw, headers=headers)

    return asyncio.run(send())


def kept(app: App) -> list[str]:
    with app.database.read() as connection:
        return list(connection.execute(select(schema.inbox_event.c.type)).scalars())


def test_what_is_not_stripes_or_not_now_is_refused_and_leaves_nothing(app: App) -> None:
    live = BODY.replace(b'"livemode": false', b'"livemode": true')
    refused = {
        "no signature": (BODY, None),
        "forged": (BODY, signed(app, BODY, secret="whsec_another")),
        "truncated": (BODY[:-1], signed(app, BODY)),
        "replayed later": (BODY, signed(app, BODY, off_s=-301)),
        "of the future": (BODY, signed(app, BODY, off_s=310)),
        "of the other mode": (live, signed(app, live)),
        "no event": (b"{}", signed(app, b"{}")),
    }

    answers = {name: post(app, raw, header) for name, (raw, header) in refused.items()}

    codes = {name: (each.status_code, each.json()["code"]) for name, each in answers.items()}
    assert codes == dict.fromkeys(refused, (400, "webhook_invalid"))
    assert kept(app) == []


def test_a_body_that_is_too_large_is_refused_before_it_is_checked(app: App) -> None:
    raw = BODY + b" " * 1024 * 1024

    assert post(app, raw, signed(app, raw)).status_code == 413
    assert kept(app) == []


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_an_event_signed_with_either_secret_is_kept_once_whatever_its_type(app: App, secret: str) -> None:
    answers = [post(app, BODY, signed(app, BODY, secret=secret)) for _ in range(2)]

    assert [(each.status_code, each.content) for each in answers] == [(200, b"")] * 2
    assert kept(app) == ["thing.happened"]


def test_without_a_key_or_a_secret_no_webhook_is_taken(tmp_path: Path) -> None:
    for given in ({}, {"ILEEN_STRIPE_SECRET_KEY": "sk_test_123"}):
        with App.open(Settings.read({"ILEEN_DATA_DIR": str(tmp_path), **given})) as app:
            answer = post(app, BODY, signed(app, BODY))
            assert (answer.status_code, answer.json()["code"]) == (404, "payments_disabled")
            assert kept(app) == []
