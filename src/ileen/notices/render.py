"""How a mail looks: one layout for all kinds, HTML with inlined styles and a text part that says the same.

Refuses to know: SMTP. Everything visible is text; there are no images and nothing that tells who read it.
"""

import textwrap
from typing import Final

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from ileen.catalogue import text
from ileen.notices.book import Notice
from ileen.notices.fields import show
from ileen.notices.kinds import KINDS

_COLUMNS: Final = 72
_pages: Final = Environment(loader=PackageLoader("ileen.notices"), autoescape=True, undefined=StrictUndefined)
_inliner: Final = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)
"""Style tags stay beside the inlined styles: they carry the rules for narrow and dark screens, which no
attribute can."""


class House(Struct, frozen=True, kw_only=True):
    """Who writes: names and addresses shown in every mail."""

    brand: str
    seller: str
    public_url: str


class Mail(Struct, frozen=True, kw_only=True):
    """A rendered mail."""

    subject: str
    html: str
    plain: str


class _Content(Struct, frozen=True, kw_only=True):
    locale: str
    subject: str
    preheader: str
    heading: str
    before: list[str]
    figures: list[tuple[str, str]]
    after: list[str]
    button: str | None
    link: str | None
    footer: list[str]
    address_hint: str
    brand: str


def render(notice: Notice, house: House) -> Mail:
    """Write a notice in its reader's language. Raises: KeyError if a value is missing (its secrets were blanked)."""
    content = _content(notice, house)
    html = _inliner.inline(_pages.get_template("mail.html.j2").render(mail=content))
    return Mail(subject=content.subject, html=html, plain=_plain(content))


def _content(notice: Notice, house: House) -> _Content:
    kind, locale = KINDS[notice.kind], notice.locale
    values = {**notice.facts, **(notice.secrets or {})}
    zone = values.get("time_zone", "UTC")
    shown = {
        name: show(name, field, values[name], locale=locale, zone=zone, public_url=house.public_url)
        for name, field in kind.fields.items()
        if name not in kind.optional or values.get(name)
    }
    words = {**shown, "brand": house.brand, "seller": house.seller, "to": notice.to}

    def say(key: str) -> str:
        return text(locale, f"mail.{notice.kind}{key}" if key.startswith(".") else key, **words)

    footer = [say("mail.questions"), *([say("mail.seller")] if house.seller else []), say("mail.sent_by")]
    return _Content(
        locale=locale,
        subject=_one_line(say(".subject")),
        preheader=say(".preheader"),
        heading=say(".heading"),
        before=[say(key) for key in kind.before],
        figures=[(say(f"mail.label.{name}"), shown[name]) for name in kind.figures if name in shown],
        after=[shown[name] for name in kind.notes if name in shown] + [say(key) for key in kind.after],
        button=say(".button") if kind.link else None,
        link=shown[kind.link] if kind.link else None,
        footer=footer,
        address_hint=say("mail.address"),
        brand=house.brand,
    )


def _one_line(subject: str) -> str:
    """Make sure a header stays one header, whatever a value carried."""
    return " ".join(subject.split())


def _plain(content: _Content) -> str:
    """Write the text part: paragraphs wrapped, figures aligned, the link on a line of its own and unbroken."""
    width = max((len(label) for label, _ in content.figures), default=0) + 2
    parts = [content.heading, *content.before]
    blocks = [textwrap.fill(part, _COLUMNS, break_long_words=False, break_on_hyphens=False) for part in parts]
    if content.figures:
        blocks.append("\n".join(f"{label + ':':<{width}}{value}" for label, value in content.figures))
    blocks += [textwrap.fill(part, _COLUMNS, break_long_words=False, break_on_hyphens=False) for part in content.after]
    if content.button and content.link:
        blocks.append(f"{content.button}:\n{content.link}")
    return "\n\n".join([*blocks, "-- \n" + "\n".join(content.footer)]) + "\n"
