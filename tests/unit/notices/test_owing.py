"""A notice is owed with what caused it, once, and only with the facts its kind declares."""

import pytest

from ileen import notices
from ileen.base.clock import ManualClock
from ileen.base.errors import NotFound
from ileen.base.ids import Ids
from ileen.jobs import queue
from ileen.notices import KINDS, NoticeState, ValuesWrong, book
from ileen.store.engine import Database
from mails import SAMPLES


def owe(database: Database, clock: ManualClock, ids: Ids, kind: str = "receipt", **options: object) -> str:
    given = {"account_id": "acct_1", "to": "ada@example.com", "locale": "de", "key": kind}
    given = {**given, "values": SAMPLES.get(kind), **options}
    with database.write() as connection:
        return notices.owe(connection, ids=ids, now=clock.now(), kind=kind, **given)


def read(database: Database, id_: str) -> notices.Notice:
    with database.read() as connection:
        return book.get(connection, id_)


def jobs_waiting(database: Database, clock: ManualClock, ids: Ids) -> int:
    with database.write() as connection:
        return len(queue.claim(connection, ids=ids, now=clock.now(), limit=10))


def test_every_kind_has_a_sample() -> None:
    assert set(SAMPLES) == set(KINDS)


def test_a_notice_is_owed_with_its_job(database: Database, clock: ManualClock, ids: Ids) -> None:
    id_ = owe(database, clock, ids)

    notice = read(database, id_)
    assert (notice.state, notice.to, notice.locale, notice.facts) == (
        NoticeState.OWED,
        "ada@example.com",
        "de",
        SAMPLES["receipt"],
    )
    assert jobs_waiting(database, clock, ids) == 1


def test_the_same_key_is_owed_once(database: Database, clock: ManualClock, ids: Ids) -> None:
    """Answer, webhook and poller may all come to owe the same receipt."""
    first = owe(database, clock, ids)

    assert owe(database, clock, ids) == first
    assert jobs_waiting(database, clock, ids) == 1


def test_a_notice_of_a_rolled_back_transaction_does_not_exist(database: Database, clock: ManualClock, ids: Ids) -> None:
    def interrupted() -> None:
        with database.write() as connection:
            notices.owe(
                connection, ids=ids, now=clock.now(), kind="card_expiring", account_id=None, to="a@example.com",
                locale="en", values=SAMPLES["card_expiring"], key="k",
            )  # fmt: skip
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted()

    with database.read() as connection:
        assert book.find(connection) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"total": "29.755"}, "total"),
        ({"total": "1e3"}, "total"),
        ({"total": "NaN"}, "total"),
        ({"balance": "many"}, "balance"),
        ({"refundable_until": "2026-12-01T22:59:59"}, "refundable_until"),
        ({"refundable_until": "soon"}, "refundable_until"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"tax": "unheard_of"}, "tax"),
        ({"invoice": "javascript:alert(1)"}, "invoice"),
        ({"invoice": "//evil.example/x"}, "invoice"),
        ({"invoice": "/\\evil.example"}, "invoice"),
        ({"invoice": "https://x.example/a\r\nBcc: b@example.com"}, "invoice"),
        ({"surprise": "1"}, "surprise"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_mistake_of_the_caller(
    change: dict[str, str], named: str, database: Database, clock: ManualClock, ids: Ids
) -> None:
    with pytest.raises(ValuesWrong, match=named):
        owe(database, clock, ids, values={**SAMPLES["receipt"], **change})


def test_a_missing_value_is_a_mistake_of_the_caller(database: Database, clock: ManualClock, ids: Ids) -> None:
    values = {name: value for name, value in SAMPLES["receipt"].items() if name != "total"}
    with pytest.raises(ValuesWrong, match="total"):
        owe(database, clock, ids, values=values)


def test_an_unknown_kind_is_a_mistake_of_the_caller(database: Database, clock: ManualClock, ids: Ids) -> None:
    with pytest.raises(ValuesWrong, match="postcard"):
        owe(database, clock, ids, "postcard", values={})


@pytest.mark.parametrize("to", ["", "ada", "ada@", "@example.com", "ada@example.com\r\nBcc: eve@example.com", None])
def test_a_wrong_address_does_not_undo_the_purchase(
    to: str | None, database: Database, clock: ManualClock, ids: Ids
) -> None:
    """The notice has failed and shows; the transaction that owed it goes on."""
    notice = read(database, owe(database, clock, ids, to=to))

    assert (notice.state, notice.to) == (NoticeState.FAILED, "")
    assert "address" in str(notice.error)
    assert jobs_waiting(database, clock, ids) == 0


def test_free_text_is_cleaned_and_cut_never_refused(database: Database, clock: ManualClock, ids: Ids) -> None:
    values = {**SAMPLES["invitation"], "inviter": "Eve\r\nBcc: all@example.com\x00" + "x" * 500}

    inviter = read(database, owe(database, clock, ids, "invitation", values=values)).facts["inviter"]

    assert inviter.startswith("Eve Bcc: all@example.com x") and len(inviter) == 120


def test_a_link_with_a_token_is_kept_apart_and_blanked_when_sent(
    database: Database, clock: ManualClock, ids: Ids
) -> None:
    id_ = owe(database, clock, ids, "sign_in_link")
    before = read(database, id_)
    with database.write() as connection:
        book.sent(connection, id_, now=clock.now())
    after = read(database, id_)

    assert before.secrets == {"link": SAMPLES["sign_in_link"]["link"]}
    assert "link" not in before.facts
    assert (after.state, after.secrets) == (NoticeState.SENT, None)


def test_a_failed_notice_can_be_owed_again_unless_its_link_was_blanked(
    database: Database, clock: ManualClock, ids: Ids
) -> None:
    receipt, link = owe(database, clock, ids), owe(database, clock, ids, "sign_in_link")
    with database.write() as connection:
        for id_ in (receipt, link):
            book.failed(connection, id_, error="550 no such user", now=clock.now())
        book.reopen(connection, receipt, ids=ids, now=clock.now())

    assert read(database, receipt).state is NoticeState.OWED
    assert read(database, link).secrets is None
    with pytest.raises(NotFound), database.write() as connection:
        book.reopen(connection, link, ids=ids, now=clock.now())


def test_notices_are_found_by_state_and_account(database: Database, clock: ManualClock, ids: Ids) -> None:
    one = owe(database, clock, ids, account_id="acct_1", key="1")
    clock.advance(1)
    other = owe(database, clock, ids, account_id="acct_2", key="2", to="nonsense")

    with database.read() as connection:
        assert [notice.id for notice in book.find(connection)] == [other, one]
        assert [notice.id for notice in book.find(connection, state=NoticeState.FAILED)] == [other]
        assert [notice.id for notice in book.find(connection, account_id="acct_1")] == [one]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Ada.L+x@Example.COM ", "Ada.L+x@example.com"),
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("root@localhost", "root@localhost"),
        ("a" * 65 + "@example.com", None),
        ("ada@" + "a" * 64 + ".example", None),
        ("ada@-x.example", None),
        ("ada@x..example", None),
        ("ada@@example.com", None),
        ('"ada b"@example.com', None),
        ("Ada <ada@example.com>", None),
        ("ada@example.com,eve@example.com", None),
        ("ada@example.com\n", "ada@example.com"),
        ("ada@exam\nple.com", None),
        ("ädä@example.com", None),
    ],
)
def test_addresses_are_those_mail_servers_take(text: str, expected: str | None) -> None:
    assert notices.address(text) == expected
