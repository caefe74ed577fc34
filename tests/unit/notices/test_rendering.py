"""How mails read: every kind in every language."""

import re
from html.parser import HTMLParser

import pytest

from ileen.base.clock import Instant
from ileen.catalogue import LOCALES
from ileen.catalogue.sentences import PLACEHOLDER
from ileen.notices import KINDS, House, Mail, Notice, NoticeState, render
from ileen.notices.fields import Field
from ileen.notices.kinds import check
from mails import SAMPLES

HOUSE = House(brand="Nimbus & Co", seller="Nimbus GmbH, Berlin", public_url="https://credits.example.com")
EVERY = [(kind, locale) for kind in KINDS for locale in LOCALES]


def written(kind: str, locale: str, **changes: str) -> Mail:
    values = {name: value for name, value in {**SAMPLES[kind], **changes}.items() if value != ""}
    facts, secrets = check(kind, values)
    notice = Notice(
        id="notice_1", account_id=None, kind=kind, key="k", to="ada@example.com", locale=locale, facts=facts,
        secrets=secrets, state=NoticeState.OWED, created_at=Instant(0), ended_at=None, error=None,
    )  # fmt: skip
    return render(notice, HOUSE)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


class Page(HTMLParser):
    """What a mail's HTML consists of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self._quiet = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.said += " "  # cells stand apart on the screen
        self._quiet = tag in {"style", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._quiet = False

    def handle_data(self, data: str) -> None:
        self.said += "" if self._quiet else data


@pytest.mark.parametrize(("kind", "locale"), EVERY)
def test_every_mail_is_whole_in_every_language(kind: str, locale: str) -> None:
    mail = written(kind, locale)
    page = Page(mail.html)

    assert mail.subject and "\n" not in mail.subject
    assert dict(page.tags)["html"]["lang"] == locale
    assert not PLACEHOLDER.search(page.said + mail.plain + mail.subject)
    assert "Nimbus & Co" in page.said and "Nimbus GmbH, Berlin" in page.said


@pytest.mark.parametrize(("kind", "locale"), EVERY)
def test_every_mail_has_one_button_and_nothing_that_reports_back(kind: str, locale: str) -> None:
    """No image, no script, no other server: nobody learns when a mail is read."""
    tags = Page(written(kind, locale).html).tags

    links = {attributes.get("href") for tag, attributes in tags if tag == "a"}
    assert len([1 for tag, attributes in tags if tag == "a" and "button" in str(attributes.get("class"))]) == 1
    assert len(links) == 1 and str(links.pop()).startswith("https://credits.example.com/")
    assert not {tag for tag, _ in tags} & {"img", "script", "link", "iframe", "form", "object", "video", "base"}
    assert "url(" not in written(kind, locale).html


@pytest.mark.parametrize(("kind", "locale"), EVERY)
def test_the_text_part_says_what_the_html_says(kind: str, locale: str) -> None:
    mail = written(kind, locale)
    words = set(re.findall(r"\w+", mail.plain))

    shown = re.sub(r'(?s)<(div|p)[^>]*class="(preheader|hint)".*?</\1>', "", mail.html)
    assert set(re.findall(r"\w+", Page(shown).said)) - words == set()


@pytest.mark.parametrize(("kind", "locale"), EVERY)
def test_styles_are_on_the_elements(kind: str, locale: str) -> None:
    """Many mail programs drop style tags; only narrow screens need them."""
    tags = Page(written(kind, locale).html).tags

    bare = [tag for tag, attributes in tags if tag in {"p", "h1", "td", "th", "a"} and not attributes.get("style")]
    assert bare == []


@pytest.mark.parametrize(("kind", "locale"), EVERY)
def test_lines_of_the_text_part_are_short_but_for_links(kind: str, locale: str) -> None:
    long = [line for line in written(kind, locale).plain.splitlines() if len(line) > 78 and "://" not in line]
    assert long == []


def test_the_receipt_in_german_has_every_figure() -> None:
    said = " ".join(plain(written("receipt", "de").plain).split())

    for figure in [
        "1.025,00 €", "19 %", "194,75 €", "1.219,75 €", "Visa •••• 4242", "IL-0042", "1.047,35 €",
        "01.12.2026, 23:59 CET", "https://credits.example.com/billing/invoices/inv_1.pdf",
        "Verkäufer: Nimbus GmbH, Berlin",
    ]:  # fmt: skip
        assert figure in said, figure


def test_a_receipt_without_vat_says_why() -> None:
    mail = written("receipt", "en", vat_rate="", vat="0.00", total="1025.00", tax="reverse_charge")

    assert "Reverse charge" in mail.plain and "Reverse charge" in mail.html
    assert "VAT rate" not in mail.plain


@pytest.mark.parametrize("decline", ["funds", "card", "bank", "later", "authentication"])
def test_a_failed_purchase_says_why_in_a_sentence(decline: str) -> None:
    assert len({written("purchase_failed", locale, decline=decline).plain for locale in LOCALES}) == len(LOCALES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_moment_has_its_zone(kind: str) -> None:
    fields = KINDS[kind].fields
    assert (Field.MOMENT in fields.values()) == (fields.get("time_zone") is Field.ZONE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_fact_is_used(kind: str) -> None:
    """A fact nobody reads is a mistake in the kind or in its sentences."""
    from ileen.catalogue import sentences

    said = {key: value for key, value in sentences("en").items() if key.startswith(f"mail.{kind}.")}
    shared = [sentences("en")[key] for key in KINDS[kind].before + KINDS[kind].after if not key.startswith(".")]
    named = {name for text in [*said.values(), *shared] for name in PLACEHOLDER.findall(str(text))}
    used = named | set(KINDS[kind].figures) | set(KINDS[kind].notes) | {KINDS[kind].link, "time_zone"}
    assert set(KINDS[kind].fields) - used == set()
