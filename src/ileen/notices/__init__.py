"""Notices: what we owe the outside, mails first. Owed in the caller's transaction, sent by a job, sent once.

Owns: the table `notice`, the kinds of mail and what each must be told, how mails look, SMTP.
Refuses to know: why something is owed. Callers give facts, not sentences; sentences come from the catalogue.
N1  a notice exists if and only if what caused it was committed, and the same key is owed once.
N2  owed → sent, or failed and visible. A job tries for a while; a second delivery after a crash has the same
    Message-ID.
N3  a link that carries a token is kept only until the mail is out (or given up), then blanked.
N4  nothing anyone typed reaches a mail's headers except as one cleaned line.
"""

from ileen.base.address import address
from ileen.notices.book import Notice, NoticeState, owe
from ileen.notices.door import Notices
from ileen.notices.kinds import KINDS, Kind, ValuesWrong
from ileen.notices.post import Mailer, MailRefused
from ileen.notices.render import House, Mail, render

__all__ = [
    "KINDS",
    "House",
    "Kind",
    "Mail",
    "MailRefused",
    "Mailer",
    "Notice",
    "NoticeState",
    "Notices",
    "ValuesWrong",
    "address",
    "owe",
    "render",
]
