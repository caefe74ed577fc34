"""Operator commands, called in this process: what they print as JSON, and how they end."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ileen.app import App
from ileen.base.ids import wallet_of
from ileen.cli import app
from ileen.ledger.model import Fund, Source
from ileen.settings import Settings
from stripe_sandbox import StripeSandbox, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]


class Shell:
    """Runs commands on one data directory."""

    def __init__(self, data: Path) -> None:
        self.environment = {"ILEEN_DATA_DIR": str(data)}

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, [*arguments, "--json"], env=self.environment)
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout) if code == 0 or done.stdout.startswith(("{", "[")) else None

    def reads(self, *arguments: str, code: int = 0) -> str:
        """Run a command as a person reads it."""
        done = CliRunner().invoke(app, arguments, env=self.environment | {"COLUMNS": "200"})
        assert done.exit_code == code, (done.output, done.exception)
        return done.output


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def selling(shell: Shell, stripe_sandbox: StripeSandbox) -> Shell:
    """A server that sells through the offline Stripe."""
    shell.environment |= {
        "ILEEN_PUBLIC_URL": "https://credits.example.com",
        "ILEEN_STRIPE_SECRET_KEY": stripe_sandbox.secret_key,
        "ILEEN_STRIPE_BASE_URL": stripe_sandbox.url,
    }
    return shell


def test_a_host_key_is_shown_once_listed_without_its_secret_and_revoked(shell: Shell) -> None:
    made = shell("host-key", "create", "--name", "portal")
    [listed] = shell("host-key", "list")
    revoked = shell("host-key", "revoke", made["id"])

    assert (listed["id"], listed["name"], listed["revoked_at"]) == (made["id"], "portal", None)
    assert made["secret"] not in json.dumps([listed, revoked])
    assert revoked["revoked_at"] is not None


def test_staff_are_made_listed_and_revoked(shell: Shell) -> None:
    made = shell("staff", "create", "eve@example.com", "--name", "Eve", "--role", "admin")
    [listed] = shell("staff", "list")
    revoked = shell("staff", "revoke", made["id"])

    assert "/" in made["link"]
    assert (listed["email"], listed["role"], listed["revoked_at"]) == ("eve@example.com", "admin", None)
    assert revoked["revoked_at"] is not None


def test_jobs_and_notices_of_a_fresh_database_are_none(shell: Shell) -> None:
    assert shell("jobs", "list") == [] == shell("notices", "list")
    assert shell("jobs", "counts")["dead"] == 0


def test_stripe_is_set_up_once_and_checked_with_an_exit_code(selling: Shell) -> None:
    before = selling("stripe", "check", code=1)
    made = selling("stripe", "setup")
    selling.environment["ILEEN_STRIPE_WEBHOOK_SECRET"] = made["webhook_secret"]
    again = selling("stripe", "setup")

    assert before["endpoint"] is None and before["to_do"]
    assert (again["endpoint"], again["webhook_secret"]) == (made["endpoint"], None)
    assert again["to_do"] == []


def test_a_check_of_a_complete_stripe_account_says_so_and_exits_with_zero(
    selling: Shell, stripe_sandbox: StripeSandbox
) -> None:
    home, union = ({"country": "DE", "type": kind} for kind in ("standard", "oss_union"))
    stripe_sandbox.control("tax", head_office="DE", registrations=[home])
    made = selling("stripe", "setup")
    selling.environment["ILEEN_STRIPE_WEBHOOK_SECRET"] = made["webhook_secret"]
    [lacking] = selling("stripe", "check", code=1)["to_do"]
    assert lacking.startswith("Stripe collects no tax in AT, BE,")
    stripe_sandbox.control("tax", head_office="DE", registrations=[home, union])

    found = selling("stripe", "check")

    assert (found["portal"], found["product"], found["endpoint"]) == (made["portal"], made["product"], made["endpoint"])
    assert (found["to_do"], found["webhook_secret"]) == ([], None)
    assert selling.reads("stripe", "check") == "Stripe is set up.\n"


def test_reconcile_tells_the_breaks_and_exits_with_one(selling: Shell) -> None:
    clean = selling("reconcile")
    assert clean["breaks"] == []
    assert selling.reads("reconcile").startswith("Books and Stripe match from ")
    account = selling("account", "create", "Ada")
    lot, reference = "lot_" + "0" * 26, "pur_" + "0" * 26
    with App.open(Settings.read(selling.environment)) as ours:  # credits that no purchase paid for
        wallet = wallet_of(account["id"])
        ours.ledger.run(Fund(wallet=wallet, key=lot, lot=lot, amount=1, source=Source.PURCHASE, reference=reference))

    [found] = selling("reconcile", code=1)["breaks"]

    assert (found["kind"], found["lot"]) == ("lot_foreign", lot)
    table = selling.reads("reconcile", code=1)
    assert "1 breaks" in table and "lot_foreign" in table
