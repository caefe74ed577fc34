"""Mail on its way is encrypted, and handed only to a server that proves who it is."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ileen.base.clock import ManualClock
from ileen.notices import House, Mailer, NoticeState
from ileen.notices.book import Notice
from ileen.notices.render import Mail

HOUSE = House(brand="Ileen", seller="Ileen Test GmbH, Berlin", public_url="https://credits.example.com")
MAIL = Mail(subject="Receipt", plain="Thank you", html="<p>Thank you</p>")
HOST = "127.0.0.2"
"""An address of this machine that the mailer treats as another one, unlike 127.0.0.1."""
SCHEMES = pytest.mark.parametrize("scheme", ["smtps", "smtp"])


class Server:
    """A mail server that keeps what it is told. `smtps` encrypts from the first byte, `smtp` by STARTTLS."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.encrypted: list[bool] = []
        self.passwords: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        self.encrypted.append(server.transport.get_extra_info("cipher") is not None)
        return "250 OK"

    def sign_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.passwords.append(data.password)
        return AuthResult(success=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where certificates are made; none of them is trusted yet."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    return tmp_path


def certificate(folder: Path, *, address: str = HOST, days_left: int = 30) -> Path:
    """Make a certificate that signs itself, with its key; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail of the tests")])
    until = datetime.now(UTC) + timedelta(days=days_left)  # OpenSSL asks the machine's clock
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=365))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "mail.pem"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *private) + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@contextmanager
def serving(scheme: str, shown: Path | None) -> Iterator[tuple[Server, str]]:
    """Run a server that shows a certificate, or none at all; yield it with its URL."""
    context = None
    if shown is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(shown)
    server = Server()
    options: dict[str, Any] = {"auth_require_tls": False, "authenticator": server.sign_in}
    options |= {"ssl_context": context} if scheme == "smtps" else {"tls_context": context}
    controller = Controller(server, hostname=HOST, port=free_port(), **options)
    controller.start()
    try:
        yield server, f"{scheme}://ada:secret@{HOST}:{controller.port}"
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def send(url: str) -> None:
    """Send one mail, as the job does."""
    clock = ManualClock()
    mailer = Mailer.of(smtp_url=url, mail_from="billing@example.com", support_email="", house=HOUSE)
    notice = Notice(
        id="ntc_1", account_id=None, kind="receipt", key="one", to="ada@example.com", locale="en", facts={},
        secrets=None, state=NoticeState.OWED, created_at=clock.now(), ended_at=None, error=None,
    )  # fmt: skip
    mailer.send(notice, MAIL, now=clock.now())


@SCHEMES
def test_a_server_that_proves_who_it_is_gets_the_mail_encrypted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """An operator's own authority is trusted as OpenSSL is told to: by SSL_CERT_FILE."""
    shown = certificate(folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(shown))

    with serving(scheme, shown) as (server, url):
        send(url)

    assert len(server.mails) == 1 and server.encrypted == [True]
    assert server.passwords == [b"secret"]


@SCHEMES
def test_a_certificate_nobody_vouches_for_is_refused(folder: Path, scheme: str) -> None:
    with serving(scheme, certificate(folder)) as (server, url), pytest.raises(ssl.SSLCertVerificationError):
        send(url)

    assert server.mails == [] == server.passwords


@SCHEMES
@pytest.mark.parametrize(
    ("wrong", "said"), [({"address": "127.0.0.3"}, "mismatch"), ({"days_left": -1}, "expired")], ids=["name", "age"]
)
def test_a_certificate_of_another_server_or_out_of_date_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, wrong: dict[str, Any], said: str
) -> None:
    shown = certificate(folder, **wrong)
    monkeypatch.setenv("SSL_CERT_FILE", str(shown))

    with serving(scheme, shown) as (server, url), pytest.raises(ssl.SSLCertVerificationError, match=said):
        send(url)

    assert server.mails == [] == server.passwords


def test_a_server_that_does_not_offer_encryption_is_told_nothing(folder: Path) -> None:
    """Whoever sits between could have stripped the offer."""
    with serving("smtp", None) as (server, url), pytest.raises(OSError, match="STARTTLS"):
        send(url)

    assert server.mails == [] == server.passwords


def test_mail_in_the_clear_takes_a_url_that_says_so(folder: Path) -> None:
    with serving("smtp", None) as (server, url):
        send(url.replace("smtp://", "smtp+plain://"))

    assert len(server.mails) == 1 and server.encrypted == [False]
