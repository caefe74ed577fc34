"""A server whose key cannot be right does not start: seen through the real process."""

import os
import subprocess
from pathlib import Path

from answering import BALANCE, Answering, answering
from running import ILEEN

__all__ = ["answering"]


def test_a_start_with_a_key_that_cannot_be_right_is_refused_with_one_sentence(
    tmp_path: Path, answering: Answering
) -> None:
    """A live key must never meet a sandbox, nor may a key charge in another mode than its name says.

    The first is refused by the settings alone, the second by what Stripe answers at the start.
    """
    answering.body = {**BALANCE, "livemode": True}

    def refused(key: str) -> str:
        given = {"DATA_DIR": str(tmp_path), "PORT": "0", "STRIPE_SECRET_KEY": key, "STRIPE_BASE_URL": answering.url}
        environment = {**os.environ, **{f"ILEEN_{name}": value for name, value in given.items()}}
        done = subprocess.run([*ILEEN, "serve"], env=environment, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr.splitlines()[-1]

    assert "never with a live one" in refused("sk_live_123456")
    assert not (tmp_path / "ileen.sqlite3").exists(), "settings are refused before anything is touched"
    assert "is named a test key" in refused("sk_test_123456")
