"""Commands that run things: up, serve, migrate, version."""

import os
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from os import environ
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from msgspec import Struct
from msgspec.structs import replace

from ileen import __version__
from ileen.accounts.audit import SYSTEM
from ileen.app import App, origin_of
from ileen.base import log
from ileen.base.errors import KeyInvalid
from ileen.base.ids import AccountId
from ileen.base.money import NANO
from ileen.cli.children import children
from ileen.cli.sandbox import INBOX, LLM, STRIPE, connect, wanted
from ileen.cli.show import Json, console, print_json
from ileen.settings import SettingInvalid, Settings
from ileen.store.engine import Database

_DEMO_BONUS = 20 * NANO
Host = Annotated[str | None, typer.Option(help="Address to listen on; default: ILEEN_HOST or 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free port; default: ILEEN_PORT or 8000.")]


class _Demo(Struct, frozen=True, kw_only=True):
    """What `up` remembers of its demo account, in a file only its owner can read."""

    account: AccountId
    secret: str


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (up, serve, migrate, version):
        app.command()(command)


def up(as_json: Json = False, host: Host = None, port: Port = None) -> None:  # noqa: FBT002
    """Start everything: database, server, offline model provider, Stripe and inbox, a demo account with credits."""
    settings = _settings(host, port)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _listening(settings) as listener, children(wanted(settings)) as sandbox:
        settings = connect(_reachable(settings, listener), sandbox)
        inbox_url = sandbox[INBOX]["url"] if INBOX in sandbox else None
        settings = replace(settings, studio="off" if settings.studio == "off" else "on")
        with App.open(settings, inbox_url=inbox_url) as app:
            demo = _demo(app, settings.data_dir / "demo.json")
            url = origin_of(listener)
            facts = {
                "url": url,
                "openai_base_url": f"{url}/openai/v1",
                "anthropic_base_url": f"{url}/anthropic",
                "api_key": demo.secret,
                "account_id": demo.account,
                "sandbox_llm_url": sandbox[LLM]["url"] if LLM in sandbox else None,
                "sandbox_stripe_url": sandbox[STRIPE]["url"] if STRIPE in sandbox else None,
                "sandbox_inbox_url": inbox_url,
            }
            _run(app, listener, lambda: print_json(facts) if as_json else _welcome(facts))


def serve(host: Host = None, port: Port = None) -> None:
    """Start the server alone, for production: no demo account, no sandbox."""
    settings = _settings(host, port)
    with _listening(settings) as listener, App.open(_reachable(settings, listener)) as app:
        url = origin_of(listener)
        _run(app, listener, lambda: console.print(f"Ileen {__version__} serves on {url}", highlight=False))


def migrate() -> None:
    """Bring the database's schema to this version."""
    database = Database.open(Settings.read(environ).database_url)
    database.migrate()
    database.close()
    console.print("The database is up to date.")


def version(as_json: Json = False) -> None:  # noqa: FBT002
    """Print the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        console.print(__version__, highlight=False)


def _settings(host: str | None, port: int | None) -> Settings:
    settings = Settings.read(environ)
    log.set_up(settings.log_level)
    return replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
    )


@contextmanager
def _listening(settings: Settings) -> Generator[socket.socket]:
    try:
        listener = socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        why = error.strerror or str(error)
        sentence = (
            f"Cannot listen on {settings.host}:{settings.port} ({why}). Choose another with --port or ILEEN_PORT."
        )
        raise SettingInvalid(sentence) from error
    with listener:
        yield listener


def _reachable(settings: Settings, listener: socket.socket) -> Settings:
    """Have links lead to where people reach us: the address listened on, unless the settings know better."""
    return replace(settings, public_url=settings.public_url or origin_of(listener))


def _run(app: App, listener: socket.socket, ready: Callable[[], None]) -> None:
    # Request threads and the lane share the interpreter: shorter turns keep both prompt.
    sys.setswitchinterval(0.001)
    uvloop.run(app.serve(listener, ready=ready))


def _demo(app: App, path: Path) -> _Demo:
    """Return the demo account, made once: its grant has a fixed key, so a crash at any step never grants twice."""
    demo = _read_demo(app, path)
    if demo is None:
        existing = [account for account in app.accounts.list() if account.name == "Demo"]
        account = existing[0] if existing else app.accounts.create("Demo")
        _, secret = app.accounts.create_key(account.id, name="demo")
        demo = _Demo(account=account.id, secret=secret)
        fresh = path.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
            file.write(msgspec.json.encode(demo))
        fresh.replace(path)
    app.accounts.grant(demo.account, amount=_DEMO_BONUS, reason="Welcome", key="demo", by=SYSTEM)
    return demo


def _read_demo(app: App, path: Path) -> _Demo | None:
    try:
        demo = msgspec.json.decode(path.read_bytes(), type=_Demo)
        app.accounts.authenticate(demo.secret)
    except (OSError, msgspec.MsgspecError, KeyInvalid):
        return None
    return demo


def _welcome(facts: dict[str, str | None]) -> None:
    url, key = facts["url"], facts["api_key"]
    offline = facts["sandbox_llm_url"] is not None
    command = sys.argv[0] if sys.argv[0].endswith("/ileen") else "ileen"
    provider = "an offline model provider" if offline else "the model providers you configured"
    stand_ins = {"Stripe": facts["sandbox_stripe_url"], "inbox": facts["sandbox_inbox_url"]}
    named = "".join(f"\nThe offline {name}: {where}" for name, where in stand_ins.items() if where)
    body = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'
    console.print(
        f"""
[bold]Ileen is up[/bold] at {url}, with {provider}. Open it, sign up, buy credits with a test card.{named}

A demo account has 20.00 bonus credits. Its API key:

  {key}

[bold]curl[/bold]
  curl {url}/openai/v1/chat/completions -H "Authorization: Bearer {key}" -H "Content-Type: application/json" -d '{body}'

[bold]Python[/bold]
  from openai import OpenAI; client = OpenAI(base_url="{url}/openai/v1", api_key="{key}")
  print(client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "Hello"}}]))

Then look, in another terminal: {command} wallet (or calls, journal, audit). Ctrl-C stops everything.
""",
        highlight=False,
        soft_wrap=True,
    )
    sys.stdout.flush()
