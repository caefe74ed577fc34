"""Operator commands, called in this process: what they print as JSON, and how they end."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ileen.cli import app
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


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


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


def test_stripe_is_set_up_once_and_checked_with_an_exit_code(shell: Shell, stripe_sandbox: StripeSandbox) -> None:
    shell.environment |= {
        "ILEEN_PUBLIC_URL": "https://credits.example.com",
        "ILEEN_STRIPE_SECRET_KEY": stripe_sandbox.secret_key,
        "ILEEN_STRIPE_BASE_URL": stripe_sandbox.url,
    }

    before = shell("stripe", "check", code=1)
    made = shell("stripe", "setup")
    shell.environment["ILEEN_STRIPE_WEBHOOK_SECRET"] = made["webhook_secret"]
    again = shell("stripe", "setup")

    assert before["endpoint"] is None and before["to_do"]
    assert (again["endpoint"], again["webhook_secret"]) == (made["endpoint"], None)
    found = shell("reconcile")
    assert found["breaks"] == []
