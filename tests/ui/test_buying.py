"""The whole story in a real browser: sign up, the gate's two steps, buying, 3-D Secure, cards, invoices, leaving."""

import re
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from ui.conftest import Visitor

PASSWORD = "correct horse battery staple"


def sign_up(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.page.get_by_label("Company or your own name").fill("Ada Lovelace")
    visitor.page.get_by_label("E-mail address").fill(visitor.email)
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.press("Create account")
    link = re.search(r"http\S+/sign-up/\S+", visitor.mail("Confirm")["text"])
    assert link is not None
    visitor.page.goto(link[0])
    if "/sign-up/" in visitor.page.url:  # the link shows a button: mail scanners open links, people press buttons
        visitor.page.locator("main form button[type=submit], main form button:not([type])").first.click()


def tell_who_is_billed(visitor: Visitor) -> None:
    visitor.page.get_by_label("Name", exact=False).first.fill("Ada Lovelace")
    visitor.page.get_by_label("Country").select_option("DE")
    visitor.page.get_by_label("Postal code").fill("10119")
    visitor.page.get_by_label("City").fill("Berlin")
    visitor.press("Continue")


def add_card(visitor: Visitor, number: str) -> None:
    """Fill in the card form of the hosted page."""
    page = visitor.page
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry", exact=False).first.fill("12/34")
    page.get_by_label("CVC", exact=False).first.fill("123")
    name = page.get_by_label("Name on card", exact=False)
    if name.count():
        name.first.fill("Ada Lovelace")
    visitor.press("Save card")
    if "/authenticate/" in page.url:
        page.get_by_role("button", name="Approve").click()


def through_the_gate(visitor: Visitor, number: str = "4242424242424242") -> None:
    sign_up(visitor)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Set up billing")
    tell_who_is_billed(visitor)
    visitor.press("Add card at Stripe")
    add_card(visitor, number)


def buy(visitor: Visitor, amount: str) -> None:
    """Choose one of the presets and go to the total."""
    visitor.page.get_by_label(amount, exact=True).check()
    visitor.press("Show the total")


def balance(visitor: Visitor) -> str:
    visitor.open("/billing")
    return visitor.page.locator(".balance").inner_text()


def key_of(visitor: Visitor) -> dict[str, str]:
    """Have the person make a key in another tab; return what an agent of theirs sends."""
    tab = visitor.page.context.new_page()
    tab.goto(f"{visitor.facts['url']}/account/keys/new")
    tab.get_by_label("What is it for?").fill("agent")
    tab.get_by_role("button", name="Create key").click()
    secret = tab.locator(".secret").inner_text()
    tab.close()
    return {"Authorization": f"Bearer {secret}"}


def test_a_person_signs_up_passes_the_gate_and_has_credits(visitor: Visitor) -> None:
    sign_up(visitor)
    visitor.see("gate-1-details")
    tell_who_is_billed(visitor)
    visitor.see("gate-2-card")
    visitor.press("Add card at Stripe")
    visitor.see("stripe-card")
    add_card(visitor, "4242424242424242")
    expect(visitor.page.get_by_text("Buy your first credits").first).to_be_visible()
    visitor.see("gate-3-credits")
    for preset in ("€5.00", "€10.00", "€25.00", "€50.00", "€100.00"):
        expect(visitor.page.get_by_label(preset, exact=True)).to_be_visible()
    buy(visitor, "€25.00")
    expect(visitor.page.get_by_role("button", name="Purchase · pay €29.75")).to_be_visible()
    visitor.see("buy-total")
    visitor.press("Purchase · pay €29.75")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("You’re all set")
    visitor.see("bought")

    assert balance(visitor) == "€25.00"
    visitor.see("billing")
    with visitor.page.expect_request("**/v1/events/stream"):
        visitor.page.reload()
    httpx2.post(f"{visitor.facts['url']}/v1/charges", json={"amount": "2.50"}, headers=key_of(visitor), timeout=30)
    expect(visitor.page.locator(".balance")).to_have_text("€22.50", timeout=2000)
    expect(visitor.page.get_by_text("Total used €2.50")).to_be_visible()
    receipt = visitor.mail("Receipt")
    assert "29.75" in receipt["text"] and "25.00" in receipt["text"]


def test_a_card_that_needs_3d_secure_leads_through_the_challenge_and_ends_in_credits(visitor: Visitor) -> None:
    through_the_gate(visitor, "4000002760003184")
    buy(visitor, "€10.00")
    visitor.press("Purchase · pay €11.90")
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("confirm")
    visitor.see("needs-confirmation")
    with visitor.page.expect_popup() as opened:
        visitor.press("Confirm with your bank", leaves=False)
    bank = opened.value
    pay = bank.get_by_role("button", name="Pay", exact=False)
    if pay.count():
        pay.first.click()
    bank.get_by_role("button", name="Approve").click()
    expect(bank.get_by_text("Paid").first).to_be_visible()
    # The page that was left open looks again by itself; nobody has to press anything.
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("You’re all set", timeout=30_000)

    assert balance(visitor) == "€10.00"


def test_a_cancelled_confirmation_leaves_no_charge_no_credits_and_a_free_account(visitor: Visitor) -> None:
    through_the_gate(visitor, "4000002760003184")
    buy(visitor, "€10.00")
    visitor.press("Purchase · pay €11.90")
    visitor.press("Cancel payment", leaves=False)
    expect(visitor.page.get_by_role("button", name="Cancel payment")).to_have_count(0)
    visitor.see("cancelled")
    visitor.open("/gate")

    expect(visitor.page.get_by_text("Buy your first credits").first).to_be_visible()


def test_a_declined_card_is_told_in_a_plain_sentence_and_another_one_pays(visitor: Visitor) -> None:
    through_the_gate(visitor, "4000000000000341")
    buy(visitor, "€5.00")
    visitor.press("Purchase · pay €5.95")
    declined = visitor.page.get_by_role("alert")
    expect(declined).to_contain_text("declined")
    assert not re.search("lost|stolen|fraud", declined.inner_text())
    visitor.see("declined")
    visitor.press("Add")
    add_card(visitor, "4242424242424242")
    visitor.open("/gate")
    buy(visitor, "€5.00")
    visitor.press("Purchase · pay €5.95")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("You’re all set")

    assert balance(visitor) == "€5.00"


def test_cards_and_invoices_are_managed_on_the_billing_page(visitor: Visitor) -> None:
    through_the_gate(visitor)
    buy(visitor, "€5.00")
    visitor.press("Purchase · pay €5.95")
    visitor.open("/billing")
    visitor.page.locator("section[aria-labelledby=cards]").get_by_role("button").first.click()
    add_card(visitor, "4000002760000016")
    visitor.open("/billing")
    cards = visitor.page.locator("section[aria-labelledby=cards]")
    expect(cards.get_by_role("listitem")).to_have_count(2)
    assert cards.get_by_text("Default", exact=True).count() == 1
    assert cards.locator("a.button").count() == 1, "only the card that is not the default can be removed"
    cards.locator("a.button").click()
    visitor.see("card-remove")
    visitor.page.locator("main form button").first.click()
    visitor.open("/billing")
    expect(visitor.page.locator("section[aria-labelledby=cards]").get_by_role("listitem")).to_have_count(1)

    document = visitor.page.locator("section[aria-labelledby=invoices] a[href^='/billing/invoices/']").first
    href = document.get_attribute("href")
    cookies = {each["name"]: each["value"] for each in visitor.page.context.cookies()}
    pdf = httpx2.get(visitor.facts["url"] + str(href), cookies=cookies, follow_redirects=True, timeout=30)
    assert pdf.content.startswith(b"%PDF")


def test_pressing_twice_is_one_charge(visitor: Visitor) -> None:
    through_the_gate(visitor)
    buy(visitor, "€5.00")
    visitor.page.get_by_role("button", name="Purchase · pay €5.95").dblclick()
    expect(visitor.page).to_have_url(re.compile("/billing/purchases/"))  # the first press is aborted by the second

    assert balance(visitor) == "€5.00"
    rows = visitor.page.locator("section[aria-labelledby=invoices] tbody tr")
    expect(rows).to_have_count(1)


@pytest.mark.parametrize("language", ["de", "fr", "es", "it"])
def test_the_first_pages_speak_every_language(visitor: Visitor, language: str) -> None:
    for path in ("/sign-up", "/sign-in", "/sign-in/link", "/reset"):
        visitor.open(f"{path}?lang={language}")
        assert visitor.page.locator("html").get_attribute("lang") == language
        visitor.see(f"{language}{path.replace('/', '-')}")


def test_nothing_opens_before_the_gate_is_passed(visitor: Visitor) -> None:
    sign_up(visitor)
    visitor.open("/billing")
    seen: dict[str, Any] = {"url": visitor.page.url}

    assert seen["url"].endswith("/gate")
