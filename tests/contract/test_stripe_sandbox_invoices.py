"""The offline Stripe's hosted invoice, its documents and the bank's page, in a browser without script."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx2
import pypdf
import pytest

from plain_browser import Browser, Page
from stripe_sandbox import Receiver, StripeSandbox, receiver, stripe_process, stripe_sandbox

__all__ = ["receiver", "stripe_process", "stripe_sandbox"]

DAY = 86_400


@pytest.fixture
def browser() -> Iterator[Browser]:
    opened = Browser()
    yield opened
    opened.close()


def hosted(sandbox: StripeSandbox, invoice: Any) -> str:
    """Return the invoice's URL as the API hands it out now."""
    url = sandbox.client.v1.invoices.retrieve(invoice.id).hosted_invoice_url
    assert url is not None
    return url


def pay_with(browser: Browser, page: Page, last4: str) -> Page:
    """Pay with a new card, filled in by its button."""
    return browser.press(browser.press(page, last4), "Pay €")


def document(url: str) -> str:
    """Read a PDF file's text."""
    answer = httpx2.get(url, trust_env=False, timeout=30)
    assert answer.headers["content-type"] == "application/pdf" and answer.headers["x-robots-tag"].startswith("noindex")
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(answer.content)).pages)


def status(sandbox: StripeSandbox, invoice: Any) -> str:
    return sandbox.client.v1.invoices.retrieve(invoice.id).status


def test_an_invoice_is_paid_with_the_saved_card(
    stripe_sandbox: StripeSandbox, receiver: Receiver, browser: Browser
) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)

    page = browser.open(hosted(stripe_sandbox, invoice))
    paid = browser.press(page, "Pay €59.50")
    stripe_sandbox.deliver()

    assert "€59.50 due" in page.text and "VAT DE 19 % on €50.00 €9.50" in page.text and [*page.unlabelled()] == []
    assert "€59.50 paid" in paid.text and "Download receipt (PDF)" in paid.links
    assert [form.buttons for form in paid.forms] == []
    assert receiver.of("invoice.paid")[0]["request"]["id"] is None
    charge = stripe_sandbox.client.v1.charges.list().data[0]
    assert (charge.status, charge.amount) == ("succeeded", 5950)


def test_an_invoice_is_paid_with_a_new_card_after_a_declined_one(
    stripe_sandbox: StripeSandbox, receiver: Receiver, browser: Browser
) -> None:
    customer = stripe_sandbox.customer(card=None).id
    invoice = stripe_sandbox.open_invoice(customer)

    declined = pay_with(browser, browser.open(hosted(stripe_sandbox, invoice)), "9995")
    kept = stripe_sandbox.client.v1.customers.payment_methods.list(customer).data
    paid = pay_with(browser, declined, "4242")
    stripe_sandbox.deliver()

    assert "Your card has insufficient funds. You were not charged." in declined.text and kept == []
    assert "€59.50 paid" in paid.text
    assert receiver.types().count("invoice.payment_failed") == 1
    [card] = stripe_sandbox.client.v1.customers.payment_methods.list(customer).data
    assert card.card.last4 == "4242"


def test_the_bank_is_asked_and_the_payer_comes_back(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_authenticationRequired").id)

    asked = browser.press(browser.open(hosted(stripe_sandbox, invoice)), "Pay €59.50")
    back = browser.press(asked, "Approve")

    assert "Confirm this payment" in asked.text and "€59.50" in asked.text and "Visa •••• 3184" in asked.text
    assert "€59.50 paid" in back.text and status(stripe_sandbox, invoice) == "paid"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Reject", "unable to authenticate"),
        ("Let the time run out", "unable to authenticate"),
        ("Let the bank fail", "unable to authenticate"),
        ("Close", "Your bank is waiting for you to confirm this payment."),
    ],
)
def test_an_invoice_stays_open_when_the_payer_does_not_confirm(
    answer: str, said: str, stripe_sandbox: StripeSandbox, browser: Browser
) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_authenticationRequired").id)
    asked = browser.press(browser.open(hosted(stripe_sandbox, invoice)), "Pay €59.50")

    back = browser.press(asked, answer)
    paid = pay_with(browser, back, "4242")

    assert said in back.text and "€59.50 due" in back.text
    assert "€59.50 paid" in paid.text, "it can still be paid"


def test_a_decline_after_the_bank_agreed_is_shown(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer(card=None).id)
    asked = pay_with(browser, browser.open(hosted(stripe_sandbox, invoice)), "3178")

    back = browser.press(asked, "Approve")

    assert "Your card has insufficient funds. You were not charged." in back.text
    assert status(stripe_sandbox, invoice) == "open"


def test_time_at_the_bank_runs_out_by_the_clock_and_can_be_had_more_of(
    stripe_sandbox: StripeSandbox, browser: Browser
) -> None:
    first, second = (
        stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_authenticationRequired").id) for _ in range(2)
    )
    patient = browser.press(browser.open(hosted(stripe_sandbox, second)), "Pay €59.50")
    more = browser.press(patient, "Give me more time")
    browser.press(browser.open(hosted(stripe_sandbox, first)), "Pay €59.50")

    stripe_sandbox.advance(400)
    late, in_time = browser.open(hosted(stripe_sandbox, first)), browser.press(more, "Approve")

    assert "You have more time now." in more.text
    assert "unable to authenticate" in late.text and "€59.50 paid" in in_time.text


def test_a_payment_that_is_processing_is_not_asked_for_again(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    stripe_sandbox.control("settings", processing_s=60)
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    page = browser.open(hosted(stripe_sandbox, invoice))

    waiting = browser.press(page, "Pay €59.50")
    again = browser.press(page, "Pay €59.50")
    stripe_sandbox.advance(60)

    assert "€59.50 is being paid" in waiting.text and waiting.forms == []
    assert "already has a payment that is processing" in again.text
    assert "€59.50 paid" in browser.open(hosted(stripe_sandbox, invoice)).text
    assert len(stripe_sandbox.client.v1.charges.list().data) == 1


def test_an_answer_counts_once(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_authenticationRequired").id)
    asked = browser.press(browser.open(hosted(stripe_sandbox, invoice)), "Pay €59.50")

    browser.press(asked, "Reject")
    again = browser.press(asked, "Approve")

    assert "€59.50 due" in again.text and status(stripe_sandbox, invoice) == "open"
    assert browser.open(asked.url + "x").status == 410, "a wrong secret opens nothing"


def test_a_link_is_good_for_ten_days_from_when_it_was_handed_out(
    stripe_sandbox: StripeSandbox, browser: Browser
) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    old = hosted(stripe_sandbox, invoice)

    stripe_sandbox.advance(29 * DAY)
    fresh = hosted(stripe_sandbox, invoice)
    stripe_sandbox.advance(DAY)
    expired, still = browser.open(old), browser.open(fresh)
    stripe_sandbox.advance(9 * DAY)

    assert (expired.status, still.status, browser.open(fresh).status) == (410, 200, 410)
    assert "This link has expired" in expired.text
    assert browser.open(hosted(stripe_sandbox, invoice)).status == 200


def test_a_made_up_link_shows_no_invoice(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    url = hosted(stripe_sandbox, invoice)

    for wrong in (url.replace("/live_", "/live_x"), f"{stripe_sandbox.url}/invoices/in_1/live_1"):
        assert browser.open(wrong).status == 410


def test_a_void_invoice_says_so_and_takes_no_money(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    page = browser.open(hosted(stripe_sandbox, invoice))
    stripe_sandbox.client.v1.invoices.void_invoice(invoice.id)

    pressed = browser.press(page, "Pay €59.50")

    assert "Nothing to pay" in pressed.text and "was voided" in pressed.text and pressed.forms == []
    assert stripe_sandbox.client.v1.charges.list().data == []
    assert "This invoice is void" in document(stripe_sandbox.client.v1.invoices.retrieve(invoice.id).invoice_pdf or "")


def test_the_page_leads_back_to_the_sellers_product(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    stripe_sandbox.control("business", name="Ileen Demo", url="http://127.0.0.1:9/billing")
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)

    page = browser.open(hosted(stripe_sandbox, invoice))

    assert page.links["← Return to Ileen Demo"] == "http://127.0.0.1:9/billing"


def test_an_invoice_shows_what_the_law_asks_for(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer(name="Jörg Müßig", address={"country": "FI", "line1": "Katu 1", "city": "Oulu"})
    invoice = stripe_sandbox.open_invoice(
        customer.id, footer="Thank you.", custom_fields=[{"name": "PO", "value": "77"}]
    )
    stripe_sandbox.client.v1.invoices.pay(invoice.id, {"off_session": False})

    text = document(stripe_sandbox.client.v1.invoices.retrieve(invoice.id).invoice_pdf or "")

    wanted = [
        f"Invoice number {invoice.number}", "Date of issue", "Date of supply", "Date of payment", "Sandbox Seller GmbH",
        "VAT ID DE136695976", "Jörg Müßig", "Katu 1", "Finland", "50 credits", "25.5 %", "VAT FI 25.5 % on €50.00",
        "€12.75", "Total €62.75", "Paid -€62.75", "Amount due €0.00", "PO 77", "Thank you.",
    ]  # fmt: skip
    assert [part for part in wanted if part not in text] == []


def test_a_reverse_charge_invoice_names_the_buyers_vat_id(stripe_sandbox: StripeSandbox) -> None:
    greek = {"name": "Ελληνική Εταιρεία", "address": {"country": "GR", "line1": "Οδός 1", "city": "Αθήνα"}}
    tax_ids = [{"type": "eu_vat", "value": "EL094259216"}]
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer(tax_id_data=tax_ids, **greek).id)

    text = document(invoice.invoice_pdf)

    wanted = ["Ελληνική Εταιρεία", "Αθήνα", "VAT ID EL094259216", "VAT ID DE136695976", "Reverse charge", "€50.00 due"]
    assert [part for part in wanted if part not in text] == []


def test_a_receipt_exists_once_it_is_paid(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    early = browser.open(hosted(stripe_sandbox, invoice).replace("?", "/receipt?"))
    paid = browser.press(browser.open(hosted(stripe_sandbox, invoice)), "Pay €59.50")

    text = document(paid.links["Download receipt (PDF)"])

    assert (early.status, "There is no receipt yet" in early.text) == (404, True)
    assert f"Receipt for invoice {invoice.number}" in text and "Visa ending in 4242" in text
    assert "€59.50 paid on" in text


def test_a_credit_note_names_the_invoice_it_corrects(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    stripe_sandbox.client.v1.invoices.pay(invoice.id, {"off_session": False})
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 3000}
    note = stripe_sandbox.client.v1.credit_notes.create(
        {"invoice": invoice.id, "lines": [line], "refund_amount": 3570, "memo": "Unused credits", "email_type": "none"}
    )
    stripe_sandbox.control(f"dashboard/invoices/{invoice.id}/refund", amount=100)

    text, page = document(note.pdf), browser.open(hosted(stripe_sandbox, invoice))

    wanted = [
        f"Credit note number {note.number}", f"Corrects invoice {invoice.number} of", "VAT ID DE136695976",
        "VAT DE 19 % on -€30.00 -€5.70", "Total credited -€35.70", "Unused credits",
    ]  # fmt: skip
    assert [part for part in wanted if part not in text] == []
    assert f"Credit note {note.number}" in page.text and "-€35.70" in page.text and "Refund" in page.text
    assert browser.open(note.pdf.replace("/live_", "/live_x")).status == 410
