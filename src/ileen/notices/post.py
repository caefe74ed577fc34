"""Sending a mail by SMTP: the server's URL, the headers, and which failures are for good.

Refuses to know: what a mail says, and when to try again. Every call opens a connection, sends one mail, and closes.
"""

import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from ileen.base.clock import Instant, to_datetime
from ileen.notices.book import Notice
from ileen.notices.render import House, Mail

_TIMEOUT_S: Final = 20
"""Each step of the conversation; a job's lease outlives a few of them."""
_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class MailRefused(Exception):
    """The server refused this mail for good: the address does not exist, or it will not take the content."""


class Server(Struct, frozen=True, kw_only=True):
    """An SMTP server as its URL names it."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None

    @classmethod
    def read(cls, url: str) -> Self:
        """Read `smtp://`, `smtps://` or `smtp+plain://[user:password@]host[:port]`. Raises: ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("write smtp://, smtps:// or smtp+plain:// with a host")
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )


class Mailer(Struct, frozen=True, kw_only=True):
    """How mails leave: the server, the sender, where answers go."""

    server: Server | None
    sender: str
    reply_to: str
    house: House

    @classmethod
    def of(cls, *, smtp_url: str | None, mail_from: str, support_email: str, house: House) -> Self:
        """Put a mailer together from the settings, which have been checked. Answers go to support, else the sender."""
        server = Server.read(smtp_url) if smtp_url else None
        return cls(server=server, sender=mail_from, reply_to=support_email or mail_from, house=house)

    def send(self, notice: Notice, mail: Mail, *, now: Instant) -> None:
        """Send a mail. Calls out: the SMTP server.

        Raises: MailRefused for good; OSError or smtplib.SMTPException (which is one) when trying later may help.
        """
        if self.server is None:
            raise OSError("no mail server is configured: set ILEEN_SMTP_URL")
        message = self._compose(notice, mail, now)
        try:
            with _connect(self.server, name=self._domain) as smtp:
                smtp.send_message(message, from_addr=self.sender, to_addrs=[notice.to])
        except smtplib.SMTPRecipientsRefused as error:
            [(code, text)] = error.recipients.values()
            raise _sorted(code, text, error) from error
        except smtplib.SMTPDataError as error:
            raise _sorted(error.smtp_code, error.smtp_error, error) from error

    @property
    def _domain(self) -> str:
        return self.sender.rpartition("@")[2]

    def _compose(self, notice: Notice, mail: Mail, now: Instant) -> EmailMessage:
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = Address(display_name=self.house.brand, addr_spec=self.sender)
        message["To"] = Address(addr_spec=notice.to)
        message["Reply-To"] = Address(addr_spec=self.reply_to)
        message["Subject"] = mail.subject
        message["Date"] = to_datetime(now)
        # From the notice, so that a mail sent again after a crash is recognised as the same one.
        message["Message-ID"] = f"<{notice.id.lower()}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.plain, cte="quoted-printable")
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
        message["Content-Language"] = notice.locale  # last: a second part takes earlier Content- headers into the first
        return message


def _connect(server: Server, *, name: str) -> smtplib.SMTP:
    """Open a connection, encrypted unless the server is this machine or the URL says plain; log in if asked to.

    `name` is what we call ourselves: without it, smtplib would ask the network for the machine's name each time.
    """
    if server.scheme == "smtps":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, name, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, name, timeout=_TIMEOUT_S)
    try:
        if server.scheme == "smtp" and server.host not in _LOOPBACK:
            # Required, not merely used when offered: whoever can strip the offer could read sign-in links.
            smtp.starttls(context=ssl.create_default_context())
        if server.user is not None:
            smtp.login(server.user, server.password or "")
    except BaseException:
        smtp.close()
        raise
    return smtp


def _sorted(code: int, text: bytes | str, error: Exception) -> Exception:
    """Return what to raise: codes from 500 are for good (RFC 5321, 4.2.1), all others are worth another try."""
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    return MailRefused(f"{code} {said}"[:500]) if code >= 500 else error
