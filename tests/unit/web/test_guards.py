"""What a browser's writing request must prove, where it may come from, and what network that is."""

import pytest

from ileen.base.errors import RequestForged
from ileen.web.guards import check_write, cookie_name, csrf_token, network_of

OURS = "https://credits.example.com"
TOKEN = csrf_token("secret")


def check(token: str | None = TOKEN, method: str = "POST", **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    check_write(method, named, secret="secret", token=token, public_url=OURS)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"origin": OURS},
        {"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"},
        {},
    ],
)
def test_a_write_from_a_page_of_ours_passes(headers) -> None:
    check(**headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "origin": OURS},
        {"origin": "https://evil.example", "host": "credits.example.com"},
        {"origin": "null", "host": "credits.example.com"},
    ],
)
def test_a_write_that_another_site_sent_is_refused_even_with_the_token(headers) -> None:
    with pytest.raises(RequestForged):
        check(**headers)


@pytest.mark.parametrize("token", [None, "", "é", csrf_token("other"), TOKEN.upper(), "secret"])
def test_a_write_without_the_token_of_its_own_session_is_refused(token) -> None:
    with pytest.raises(RequestForged):
        check(token, sec_fetch_site="same-origin")


def test_reading_needs_no_token() -> None:
    check(None, "GET", sec_fetch_site="cross-site")


def test_cookies_are_bound_to_the_host_on_https_only() -> None:
    assert cookie_name("session", OURS) == "__Host-ileen_session"
    assert cookie_name("session", "http://127.0.0.1:8000") == "ileen_session"


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "expected"),
    [
        ("192.0.2.77", None, 0, "192.0.2.0/24"),
        ("2001:db8:1:2::3", None, 0, "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", None, 0, "192.0.2.0/24"),
        ("192.0.2.77", "203.0.113.5", 0, "192.0.2.0/24"),
        ("10.0.0.1", "198.51.100.9, 203.0.113.5", 1, "203.0.113.0/24"),
        ("10.0.0.1", "198.51.100.9, 203.0.113.5", 2, "198.51.100.0/24"),
        ("10.0.0.1", "203.0.113.5", 3, "203.0.113.0/24"),
        ("10.0.0.1", "nonsense", 1, "unknown"),
        (None, None, 0, "unknown"),
    ],
)
def test_the_network_is_what_one_subscriber_has_and_forged_headers_do_not_count(
    peer, forwarded, proxies, expected
) -> None:
    assert network_of(peer, forwarded, proxies=proxies) == expected
