"""The server is killed around the moment a mail leaves: it arrives, and a repetition is recognisable as one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ileen import notices
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds
from ileen.notices import NoticeState, book
from ileen.store.engine import Database
from inbox import inbox
from mails import SAMPLES

PROCESS = Path(__file__).with_name("mail_process.py")


def send(url: str, smtp_url: str, *, crash_at: str = "") -> int:
    command = [sys.executable, str(PROCESS), url, smtp_url]
    return subprocess.run(command, env={**os.environ, "ILEEN_CRASH_AT": crash_at}, timeout=120).returncode


@pytest.mark.parametrize(("point", "times"), [("jobs.claimed", 1), ("notices.sent", 2), ("jobs.handled", 1)])
def test_a_mail_arrives_whenever_the_server_is_killed(
    point: str, times: int, database: Database, database_url: str, tmp_path: Path
) -> None:
    """Between sending and noting it, the mail goes out twice under one Message-ID; never not at all."""
    clock = SystemClock()
    with database.write() as connection:
        id_ = notices.owe(
            connection, ids=RandomIds(clock), now=clock.now(), kind="sign_in_link", account_id=None,
            to="ada@example.com", locale="en", values=SAMPLES["sign_in_link"], key="k",
        )  # fmt: skip

    with inbox(tmp_path / "inbox.sqlite3") as box:
        assert send(database_url, box.smtp_url, crash_at=point) == -signal.SIGKILL
        assert send(database_url, box.smtp_url) == 0
        mails = box.mails("ada@example.com")

    assert len(mails) == times
    assert len({mail["headers"]["Message-ID"] for mail in mails}) == 1
    with database.read() as connection:
        notice = book.get(connection, id_)
    assert (notice.state, notice.secrets) == (NoticeState.SENT, None)
