"""Pages for people: sign-up, sign-in, the account, and the frame that every page of ours is shown in.

Owns: server-rendered HTML that works without JavaScript, cookies, forms, the look. Refuses to know: rules; each page
is a call of a room below and a template.
P1  a page says who may see it (`Needs`); one function lets in, and every form proves that it came from a page of ours.
P2  nothing is inline: the content security policy allows no script, no style and no image that is not our own file.
P3  every sentence comes from the catalogue, in the reader's language; every value in it is escaped.
P4  no answer tells whether somebody has an account with an e-mail address, except to who reads its mail.

A room of pages makes a `Pages`, decorates plain functions of a `Visit`, and is named in `web/pages/site.py`.
"""

from ileen.web.pages.desk import Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit

__all__ = ["Needs", "Pages", "Visit"]
