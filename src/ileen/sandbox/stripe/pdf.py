"""Documents as PDF: what an EU VAT invoice, its receipt and its credit note must show, on one kind of page.

Owns: the page's layout and the letters on it. Refuses to know: Stripe's objects, tax rules, where numbers come from.
P1  every text in the document can be read back from the file, whatever its alphabet (Latin, Greek, Cyrillic).
P2  the same document gives the same bytes.

What must be on it: Directive 2006/112/EC, Art. 226 (invoices) and Art. 219 (credit notes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib import resources
from typing import Final

from fpdf import FPDF
from fpdf.enums import XPos, YPos

_FONT: Final = "Roboto"
_INK: Final = (26, 29, 36)
_MUTED: Final = (98, 104, 116)
_RULE: Final = (214, 217, 223)
_WIDTH_MM: Final = 180
_COLUMNS_MM: Final = (86, 18, 28, 20, 28)
_MARGIN_MM: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A side of the sale, as it is printed. `tax_ids` are whole: "DE136695976"."""

    name: str
    address: Sequence[str]
    email: str | None = None
    tax_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One service: quantity, net unit price and net amount in cents; the rate in percent, None without tax."""

    description: str
    quantity: int
    unit_net_cents: Decimal
    net_cents: int
    percent: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Everything on the page. `facts` and `totals` are labelled rows; `notes` are sentences below the totals."""

    title: str
    number: str
    issued_at: datetime
    currency: str
    facts: Sequence[tuple[str, str]]
    seller: Party
    buyer: Party
    headline: str
    lines: Sequence[Line]
    totals: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()


def render(document: Document) -> bytes:
    """Return the document as a PDF file."""
    page = _begin(document)
    _head(page, document)
    _parties(page, document)
    _lines(page, document)
    _totals(page, document.totals)
    _notes(page, document.notes)
    return bytes(page.output())


def money(cents: int | Decimal, currency: str) -> str:
    """Write cents as "€1,234.50"; further decimals of a unit price are kept ("€0.005"); a currency is upper-cased."""
    sign, amount = ("-" if cents < 0 else ""), abs(Decimal(cents)) / 100
    decimals = max(2, -int(amount.normalize().as_tuple().exponent))
    symbol = "€" if currency.lower() == "eur" else f"{currency.upper()} "
    return f"{sign}{symbol}{amount:,.{decimals}f}"


def percentage(percent: Decimal) -> str:
    """Write a rate without needless zeros: "19 %", "25.5 %"."""
    return f"{percent.normalize():f} %"


class _Page(FPDF):
    """An A4 page that says on each sheet what it is part of."""

    mark = ""

    def footer(self) -> None:
        """Print the mark and the sheet's number."""
        self.set_y(-_MARGIN_MM)
        self.set_font(_FONT, size=8)
        self.set_text_color(*_MUTED)
        self.cell(_WIDTH_MM, 5, f"{self.mark} · Page {self.page_no()} of {{nb}}")


def _begin(document: Document) -> _Page:
    page = _Page(format="A4")
    page.mark = f"{document.number} · Sandbox document — no real money"
    page.set_margin(_MARGIN_MM)
    page.set_auto_page_break(auto=True, margin=_MARGIN_MM + 5)
    page.set_creation_date(document.issued_at)
    page.set_title(f"{document.title} {document.number}")
    page.set_author(document.seller.name)
    page.set_lang("en")
    files = resources.files("font_roboto") / "files"
    for style, name in (("", "Roboto-Regular.ttf"), ("B", "Roboto-Bold.ttf")):
        with resources.as_file(files / name) as path:
            page.add_font(_FONT, style, path)
    page.add_page()
    page.set_text_color(*_INK)
    page.set_draw_color(*_RULE)
    return page


def _head(page: _Page, document: Document) -> None:
    page.set_font(_FONT, "B", 22)
    page.cell(_WIDTH_MM / 2, 12, document.title)
    page.set_font(_FONT, "B", 12)
    page.cell(_WIDTH_MM / 2, 12, document.seller.name, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(3)
    for label, value in document.facts:
        page.set_font(_FONT, "B", 9)
        page.cell(42, 5, label)
        page.set_font(_FONT, size=9)
        page.multi_cell(_WIDTH_MM - 42, 5, value, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(6)


def _parties(page: _Page, document: Document) -> None:
    top, width = page.get_y(), _WIDTH_MM / 2
    below: list[float] = []
    for column, (label, party) in enumerate((("From", document.seller), ("Bill to", document.buyer))):
        page.set_xy(_MARGIN_MM + column * width, top)
        rows = [party.name, *party.address, *([party.email] if party.email else [])]
        rows += [f"VAT ID {tax_id}" for tax_id in party.tax_ids]
        page.set_font(_FONT, "B", 9)
        page.multi_cell(width - 4, 5, label, align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)
        page.set_font(_FONT, size=9)
        for row in rows:
            page.multi_cell(width - 4, 5, row, align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)
        below.append(page.get_y())
    page.set_xy(_MARGIN_MM, max(below) + 8)
    page.set_font(_FONT, "B", 14)
    page.multi_cell(_WIDTH_MM, 8, document.headline, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(4)


def _lines(page: _Page, document: Document) -> None:
    page.set_font(_FONT, size=9)
    heads = ("Description", "Quantity", "Unit price (net)", "VAT rate", "Amount (net)")
    with page.table(
        col_widths=_COLUMNS_MM,
        width=_WIDTH_MM,
        align="L",
        text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT", "RIGHT"),
        borders_layout="HORIZONTAL_LINES",
        line_height=6,
        padding=1,
    ) as table:
        table.row(heads)
        for line in document.lines:
            percent = "—" if line.percent is None else percentage(line.percent)
            unit, net = money(line.unit_net_cents, document.currency), money(line.net_cents, document.currency)
            table.row((line.description, str(line.quantity), unit, percent, net))
    page.ln(3)


def _totals(page: _Page, totals: Sequence[tuple[str, str]]) -> None:
    for number, (label, value) in enumerate(totals, start=1):
        page.set_font(_FONT, "B" if number == len(totals) else "", 9)
        page.set_x(_MARGIN_MM + 70)
        page.cell(82, 6, label)
        page.cell(28, 6, value, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _notes(page: _Page, notes: Sequence[str]) -> None:
    page.ln(6)
    page.set_font(_FONT, size=9)
    for note in notes:
        page.multi_cell(_WIDTH_MM, 5, note, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        page.ln(1)
