"""The offline inbox, as the process that `ileen up` starts: spoken to over SMTP and HTTP."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pytest

from inbox import Inbox, inbox


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    with inbox(tmp_path / "inbox.sqlite3") as running:
        yield running


def post(box: Inbox, to: str = "ada@example.com", subject: str = "Grüße", html: str = "<p>Hi</p>") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", to, subject
    message.set_content("Hi")
    message.add_alternative(html, subtype="html")
    with smtplib.SMTP(box.smtp_host, box.smtp_port, timeout=20) as smtp:
        smtp.send_message(message)


def test_a_mail_is_kept_with_both_parts_and_its_links(box: Inbox) -> None:
    post(
        box, html='<a href="https://example.com/?a=1&amp;b=2">go</a> <a href="https://example.com/?a=1&amp;b=2">go</a>'
    )

    [mail] = box.mails("ada@example.com")
    assert (mail["subject"], mail["from"], mail["to"]) == ("Grüße", "shop@example.com", "ada@example.com")
    assert mail["text"].strip() == "Hi"
    assert mail["links"] == ["https://example.com/?a=1&b=2"]


def test_mails_are_listed_by_recipient_newest_first(box: Inbox) -> None:
    for to, subject in [("ada@example.com", "one"), ("eve@example.com", "two"), ("Ada@Example.com", "three")]:
        post(box, to, subject)

    assert [mail["subject"] for mail in box.mails("ada@example.com")] == ["three", "one"]
    page = httpx2.get(box.url, params={"to": "ada@example.com"}).text
    assert "ada@example.com (2)" in page and "eve@example.com (1)" in page
    assert "three" in page and ">two<" not in page


def test_mails_outlive_a_restart_until_they_are_deleted(tmp_path: Path) -> None:
    with inbox(tmp_path / "inbox.sqlite3") as first:
        post(first)
    with inbox(tmp_path / "inbox.sqlite3") as second:
        assert len(second.mails("ada@example.com")) == 1
        assert httpx2.delete(f"{second.url}/api/messages").status_code == 204
        assert second.mails("ada@example.com", wait_s=0) == []


def test_a_mails_html_is_shown_under_a_policy_that_runs_and_loads_nothing(box: Inbox) -> None:
    post(box, html='<script>alert(1)</script><img src="https://tracker.example/x.gif">')
    [mail] = box.mails("ada@example.com")

    answer = httpx2.get(f"{box.url}/messages/{mail['id']}/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert "sandbox allow-top-navigation-by-user-activation" in policy


def test_a_subject_is_text_on_the_page(box: Inbox) -> None:
    post(box, subject="<b>bold</b>")
    [mail] = box.mails("ada@example.com")

    for path in ("/", f"/messages/{mail['id']}"):
        assert "&lt;b&gt;bold&lt;/b&gt;" in httpx2.get(box.url + path).text


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/messages/99", {}, 404),
        ("GET", "/messages/x", {}, 404),
        ("GET", "/api/messages/99", {}, 404),
        ("GET", "/elsewhere", {}, 404),
        ("PUT", "/", {}, 405),
        ("GET", "/", {"host": "evil.example"}, 421),
        ("DELETE", "/api/messages", {"sec-fetch-site": "cross-site"}, 403),
        ("POST", "/clear", {"sec-fetch-site": "same-origin"}, 303),
    ],
)
def test_odd_requests_get_plain_answers(
    box: Inbox, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert httpx2.request(method, box.url + path, headers=headers).status_code == status


def test_an_address_can_ask_to_be_refused(box: Inbox) -> None:
    for to in ("ada+550@example.com", "ada+450@example.com"):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            post(box, to)
    with pytest.raises(smtplib.SMTPDataError):
        post(box, "ada+data-554@example.com")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        post(box, "ada+drop@example.com")

    assert [mail["to"] for mail in box.mails(None)] == ["ada+drop@example.com"]


def test_it_binds_to_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="loopback only"), inbox(tmp_path / "inbox.sqlite3", "--host", "0.0.0.0"):
        pass
