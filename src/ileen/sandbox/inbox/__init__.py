"""An offline mail server with an inbox: takes every mail, delivers none, shows them all.

Owns: an SMTP server and pages on loopback, and a file that remembers mails. Refuses to know: Ileen.
Levers, in the recipient's address: `ada+550@example.com` is refused with that code (any 4xx or 5xx),
`ada+data-554@example.com` only after the mail was said, `ada+drop@example.com` is kept but never answered.
"""

from ileen.sandbox.inbox.app import Inbox
from ileen.sandbox.inbox.server import smtp
from ileen.sandbox.inbox.store import Store

__all__ = ["Inbox", "Store", "smtp"]
