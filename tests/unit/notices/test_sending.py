"""Mails on their way: from what was owed, by the worker, over real SMTP, into the offline inbox."""

import threading
from collections.abc import Iterator

import pytest

from ileen import jobs
from ileen.base.clock import ManualClock
from ileen.base.ids import Ids
from ileen.notices import House, Mailer, Notices, NoticeState
from ileen.store.engine import Database
from inbox import Inbox, inbox
from mails import SAMPLES

HOUSE = House(brand="Ileen", seller="Ileen Test GmbH, Berlin", public_url="https://credits.example.com")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    with inbox(tmp_path_factory.mktemp("inbox") / "inbox.sqlite3") as running:
        yield running


class Post:
    """A room of notices with its worker, and an address of its own in the shared inbox."""

    def __init__(self, database: Database, clock: ManualClock, ids: Ids, smtp_url: str | None, **sender: str) -> None:
        self.database, self.clock, self.ids = database, clock, ids
        who = {"mail_from": "billing@example.com", "support_email": "help@example.com", **sender}
        mailer = Mailer.of(smtp_url=smtp_url, house=HOUSE, **who)
        self.operator = f"{ids.mint('op').lower()}@example.com"
        self.notices = Notices(database, mailer=mailer, operator=self.operator, clock=clock, ids=ids)
        self.worker = jobs.Worker(database, self.notices.handlers(), clock=clock, ids=ids)
        self.name = ids.mint("to").lower()
        self.to = f"{self.name}@example.com"

    def owe(self, kind: str = "receipt", **options: object) -> str:
        given = {"to": self.to, "locale": "en", "values": SAMPLES[kind], "key": self.ids.mint("key"), **options}
        with self.database.write() as connection:
            self.notices.owe(connection, kind=kind, account_id=None, **given)
        return self.notices.find(limit=1)[0].id

    def run(self, times: int = 1) -> None:
        for _ in range(times):
            self.worker.run_due()
            self.clock.advance(1800)


@pytest.fixture
def post(database: Database, clock: ManualClock, ids: Ids, box: Inbox) -> Post:
    return Post(database, clock, ids, box.smtp_url)


def test_an_owed_mail_arrives_once(post: Post, box: Inbox) -> None:
    id_ = post.owe()
    post.run(2)

    [mail] = box.mails(post.to)
    assert mail["subject"] == "Receipt: €1,025.00 in credits"
    assert mail["links"] == ["https://credits.example.com/billing/invoices/inv_1.pdf"]
    assert "€1,047.35" in mail["html"] and "€1,047.35" in mail["text"]
    assert post.notices.get(id_).state is NoticeState.SENT


def test_the_headers_say_who_writes_and_where_answers_go(post: Post, box: Inbox) -> None:
    id_ = post.owe(locale="fr")
    post.run()

    headers = box.mails(post.to)[0]["headers"]
    assert headers["From"] == "Ileen <billing@example.com>"
    assert headers["Reply-To"] == "help@example.com"
    assert headers["To"] == post.to
    assert headers["Message-ID"] == f"<{id_.lower()}@example.com>"
    assert headers["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert headers["Content-Language"] == "fr"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["MIME-Version"] == "1.0"


def test_without_a_support_address_answers_go_to_the_sender(
    database: Database, clock: ManualClock, ids: Ids, box: Inbox
) -> None:
    post = Post(database, clock, ids, box.smtp_url, support_email="")
    post.owe()
    post.run()

    assert box.mails(post.to)[0]["headers"]["Reply-To"] == "billing@example.com"


def test_nothing_typed_becomes_a_header(post: Post, box: Inbox) -> None:
    values = {**SAMPLES["invitation"], "inviter": "Eve\r\nBcc: all@example.com", "account": "<b>Bold</b>\u2028X: y"}
    post.owe("invitation", values=values)
    post.run()

    [mail] = box.mails(post.to)
    assert mail["subject"] == "Eve Bcc: all@example.com invites you to <b>Bold</b> X: y"
    assert not {"Bcc", "X"} & set(mail["headers"])
    assert "&lt;b&gt;Bold&lt;/b&gt;" in mail["html"] and "<b>" not in mail["html"]


@pytest.mark.parametrize("address", ["+550", "+data-554"])
def test_a_refusal_for_good_fails_the_notice_and_is_not_tried_again(address: str, post: Post) -> None:
    id_ = post.owe(to=f"{post.name}{address}@example.com")
    post.run(3)

    notice = post.notices.get(id_)
    assert (notice.state, str(notice.error)[:2]) == (NoticeState.FAILED, "55")
    with post.database.read() as connection:
        assert jobs.counts(connection, now=post.clock.now()).done == 1


def test_a_refusal_for_now_is_tried_again_then_visible(post: Post) -> None:
    id_ = post.owe("sign_in_link", to=f"{post.name}+450@example.com")
    post.run(jobs.ATTEMPTS_MAX - 1)
    before = post.notices.get(id_)
    post.run()
    after = post.notices.get(id_)

    assert (before.state, before.secrets is None) == (NoticeState.OWED, False)
    assert (after.state, after.secrets) == (NoticeState.FAILED, None)
    with post.database.read() as connection:
        assert "450" in str(jobs.dead(connection)[0].error)


def test_a_failed_mail_can_be_sent_again_by_hand(post: Post, box: Inbox) -> None:
    id_ = post.owe(to=f"{post.name}+450@example.com")
    post.run(jobs.ATTEMPTS_MAX)
    healthy = Post(post.database, post.clock, post.ids, box.smtp_url)
    with post.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE notice SET recipient = '{post.to}'")
    healthy.notices.resend(id_)
    healthy.run()

    assert len(box.mails(post.to)) == 1
    assert post.notices.get(id_).state is NoticeState.SENT


def test_a_link_with_a_token_is_sent_whole_and_gone_from_the_database(post: Post, box: Inbox) -> None:
    id_ = post.owe("sign_in_link")
    post.run()

    link = "https://credits.example.com" + SAMPLES["sign_in_link"]["link"]
    [mail] = box.mails(post.to)
    assert mail["links"] == [link] and link in mail["text"].splitlines()
    with post.database.read() as connection:
        for table in ("notice", "job"):
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()
            assert rows and "tok_sign_in" not in repr(rows)
    assert post.notices.get(id_).secrets is None


def test_without_a_mail_server_mails_stay_owed_and_say_so(database: Database, clock: ManualClock, ids: Ids) -> None:
    post = Post(database, clock, ids, None)
    id_ = post.owe()
    post.run()

    assert post.notices.get(id_).state is NoticeState.OWED
    with database.read() as connection:
        [job] = jobs.find(connection, states=[jobs.JobState.READY], limit=9)
    assert "ILEEN_SMTP_URL" in str(job.error)


def test_a_server_that_is_away_is_tried_again(database: Database, clock: ManualClock, ids: Ids, box: Inbox) -> None:
    away = Post(database, clock, ids, "smtp://127.0.0.1:1")
    id_ = away.owe()
    away.run()
    assert away.notices.get(id_).state is NoticeState.OWED

    back = Post(database, clock, ids, box.smtp_url)
    back.run()
    assert [mail["to"] for mail in box.mails(away.to)] == [away.to]


def test_a_mail_whose_answer_was_lost_goes_out_again_under_the_same_id(post: Post, box: Inbox) -> None:
    """The server kept the mail and broke the line: receivers recognise the second one by its Message-ID."""
    to = f"{post.name}+drop@example.com"
    id_ = post.owe(to=to)
    post.run(2)

    mails = box.mails(to)
    assert len(mails) == 2
    assert len({mail["headers"]["Message-ID"] for mail in mails}) == 1
    assert post.notices.get(id_).state is NoticeState.OWED


def test_user_and_password_of_the_url_are_used(database: Database, clock: ManualClock, ids: Ids, box: Inbox) -> None:
    post = Post(database, clock, ids, box.smtp_url.replace("//", "//mail%40user:p%2Fw@"))
    post.owe()
    post.run()

    assert len(box.mails(post.to)) == 1


def test_the_running_server_sends_at_once(post: Post, box: Inbox) -> None:
    post.worker.start(every_s=60)
    threading.Event().wait(0.2)
    post.owe()

    assert len(box.mails(post.to)) == 1
    post.worker.stop()


def test_an_alarm_reaches_the_operator_once(post: Post, box: Inbox) -> None:
    for _ in range(2):
        with post.database.write() as connection:
            post.notices.alarm(connection, summary="2 differences", detail="pur_1: paid, not settled", key="day")
    post.run()

    [mail] = box.mails(post.operator)
    assert mail["subject"] == "Ileen needs attention: 2 differences"
    assert "pur_1: paid, not settled" in mail["text"]


def test_without_an_operator_an_alarm_is_only_logged(post: Post) -> None:
    silent = Notices(
        post.database, mailer=Mailer.of(smtp_url=None, mail_from="a@example.com", support_email="", house=HOUSE),
        operator="", clock=post.clock, ids=post.ids,
    )  # fmt: skip
    with post.database.write() as connection:
        silent.alarm(connection, summary="s", detail="d", key="k")

    assert post.notices.find() == []
