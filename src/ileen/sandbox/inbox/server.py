"""The SMTP side: takes mails for anybody, with or without a login, and misbehaves where an address asks for it."""

import re
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from ileen.base.clock import Clock
from ileen.sandbox.inbox.store import Store

_LEVER = re.compile(r"\+(?:(?P<rcpt>[45]\d\d)|data-(?P<data>[45]\d\d)|(?P<drop>drop))@")
_MAIL_BYTES_MAX = 10 * 1024 * 1024


def smtp(store: Store, clock: Clock) -> SMTP:
    """Return the protocol of one connection. Any user and password are let in."""
    return SMTP(
        _Handler(store, clock),
        data_size_limit=_MAIL_BYTES_MAX,
        enable_SMTPUTF8=True,
        hostname="sandbox.invalid",
        ident="Ileen sandbox: delivers nothing",
        auth_require_tls=False,
        authenticator=_believe,
    )


def _believe(*_: object) -> AuthResult:
    """Let anybody in."""
    return AuthResult(success=True)


class _Handler:
    """What aiosmtpd calls by name; the answers are SMTP's reply lines."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session
        if (lever := _LEVER.search(address)) and lever["rcpt"]:
            return f"{lever['rcpt']} Refused, as the address asks"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # as above
        del session
        content: Any = envelope.content
        levers = [lever for address in envelope.rcpt_tos if (lever := _LEVER.search(address))]
        for lever in levers:
            if lever["data"]:
                return f"{lever['data']} Refused, as the address asks"
        for recipient in envelope.rcpt_tos:
            self._store.add(
                at=self._clock.now(), sender=envelope.mail_from or "", recipient=recipient, raw=bytes(content)
            )
        if any(lever["drop"] for lever in levers):
            transport: Any = server.transport
            transport.abort()
        return "250 Kept, not delivered"
