"""Documents can be read back from their files, in every alphabet of the EU."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO

import pypdf
import pytest

from ileen.sandbox.stripe.pdf import Document, Line, Party, money, percentage, render

SELLER = Party(name="Ileen Sandbox GmbH", address=["Musterstraße 1", "10115 Berlin"], tax_ids=["DE136695976"])
BUYER = Party(name="Zażółć Gęślą Jaźń sp. z o.o.", address=["ul. Świętokrzyska 1", "00-001 Warszawa"])
LINE = Line(description="50 credits", quantity=50, unit_net_cents=Decimal(100), net_cents=5000, percent=Decimal(23))
DOCUMENT = Document(
    title="Invoice",
    number="ILEEN-0001",
    issued_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
    currency="eur",
    facts=[("Invoice number", "ILEEN-0001"), ("Date of issue", "24 November 2026")],
    seller=SELLER,
    buyer=BUYER,
    headline="€61.50 due",
    lines=[
        Line(description="50 credits", quantity=50, unit_net_cents=Decimal(100), net_cents=5000, percent=Decimal(23))
    ],
    totals=[("Subtotal", "€50.00"), ("Total", "€61.50")],
    notes=["Reverse charge"],
)


def read(document: Document) -> str:
    pages = pypdf.PdfReader(BytesIO(render(document))).pages
    return "\n".join(page.extract_text() for page in pages)


def test_everything_on_the_page_can_be_read_back() -> None:
    text = read(DOCUMENT)

    parts = ["Invoice", "ILEEN-0001", "Musterstraße 1", "VAT ID DE136695976", "ul. Świętokrzyska 1", "50 credits"]
    parts += ["€1.00", "23 %", "€50.00", "€61.50", "Reverse charge", "no real money", "Page 1 of 1"]
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize("name", ["Zażółć Gęślą Jaźń", "Ελληνική Εταιρεία ΑΕ", "Българско дружество", "Šķēde Ōõ Ðß Ő"])
def test_names_print_in_every_alphabet_of_the_union(name: str) -> None:
    assert name in read(replace(DOCUMENT, buyer=replace(BUYER, name=name)))


def test_the_same_document_gives_the_same_bytes() -> None:
    assert render(DOCUMENT) == render(DOCUMENT)


def test_a_long_document_goes_on_over_pages() -> None:
    text = read(replace(DOCUMENT, lines=[replace(LINE, description=f"Line {n}") for n in range(80)]))

    assert "Line 79" in text and "Page 3 of 3" in text


@pytest.mark.parametrize(
    ("cents", "written"),
    [(123456, "€1,234.56"), (-5, "-€0.05"), (0, "€0.00"), (Decimal("0.5"), "€0.005"), (Decimal("100.00"), "€1.00")],
)
def test_money_is_written_in_euros_without_losing_a_digit(cents: int | Decimal, written: str) -> None:
    assert money(cents, "eur") == written


def test_other_currencies_are_named_and_rates_lose_their_zeros() -> None:
    assert (money(100, "usd"), percentage(Decimal("25.50")), percentage(Decimal("20.0"))) == (
        "USD 1.00",
        "25.5 %",
        "20 %",
    )
