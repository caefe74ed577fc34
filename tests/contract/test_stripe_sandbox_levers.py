"""The offline Stripe's levers as a page: they do what the control API does, and only for the page's own forms."""

from collections.abc import Iterator

import httpx2
import pytest

from plain_browser import Browser, Page
from stripe_sandbox import Receiver, StripeSandbox, receiver, stripe_process, stripe_sandbox

__all__ = ["receiver", "stripe_process", "stripe_sandbox"]


@pytest.fixture
def browser() -> Iterator[Browser]:
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def levers(stripe_sandbox: StripeSandbox, browser: Browser) -> Page:
    """The page of levers, with one paid invoice on it."""
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    stripe_sandbox.client.v1.invoices.pay(invoice.id, {"off_session": False})
    return browser.open(stripe_sandbox.url + "/control")


def test_the_clock_goes_forward(stripe_sandbox: StripeSandbox, browser: Browser, levers: Page) -> None:
    before = stripe_sandbox.levers()["now"]

    page = browser.press(levers, "+14 days")

    assert stripe_sandbox.levers()["now"] >= before + 14 * 86_400
    assert "Done." in page.text and [*page.unlabelled()] == []


def test_webhooks_faults_and_doubts_are_set(stripe_sandbox: StripeSandbox, browser: Browser, levers: Page) -> None:
    webhooks = next(form for form in levers.forms if "mode" in form.names)
    webhooks.buttons = [("Set webhooks", None, "")]
    doubts = next(form for form in levers.forms if "detach_default" in form.names)
    doubts.buttons = [("Set doubts", None, "")]

    browser.press(levers, "Set webhooks", mode="duplicated", types="invoice.paid, refund.failed", delay_s="3")
    browser.press(levers, "Arm", kind="rate_limit", at="/v1/invoices", count="2")
    page = browser.press(levers, "Set doubts", detach_default="stale")

    after = stripe_sandbox.levers()
    assert after["webhooks"] == {"mode": "duplicated", "types": ["invoice.paid", "refund.failed"], "delay_s": 3}
    [fault] = after["faults"]
    assert (fault["kind"], fault["path"], fault["count"]) == ("rate_limit", "/v1/invoices", 2)
    assert after["doubts"]["detach_default"] == "stale"
    browser.press(page, "Disarm all")
    assert stripe_sandbox.levers()["faults"] == []


def test_a_payment_is_disputed_decided_and_refunded(
    stripe_sandbox: StripeSandbox, receiver: Receiver, browser: Browser, levers: Page
) -> None:
    page = browser.press(levers, "Dispute:")
    page = browser.press(page, "Seller wins:")
    page = browser.press(page, "Refund all:")
    page = browser.press(page, "Let it fail:")

    assert "failed" in page.text
    types = receiver.types()
    assert {"charge.dispute.funds_reinstated", "refund.created", "refund.failed"} <= set(types)
    resent = browser.press(page, "Resend:")
    assert "Done." in resent.text and len(receiver.types()) == len(types) + 1


def test_what_cannot_be_done_is_said(stripe_sandbox: StripeSandbox, browser: Browser, levers: Page) -> None:
    browser.press(levers, "Refund all:")

    page = browser.press(levers, "Refund all:")

    assert "has already been refunded" in page.text


def test_another_sites_form_pulls_no_lever(stripe_sandbox: StripeSandbox, browser: Browser, levers: Page) -> None:
    for token in ("", "guessed"):
        form = {"path": "reset", "token": token}
        answer = httpx2.post(stripe_sandbox.url + "/control", data=form, trust_env=False)
        assert "This form is not from here" in answer.text

    assert len(stripe_sandbox.client.v1.customers.list().data) == 1


def test_reset_forgets_everything(stripe_sandbox: StripeSandbox, browser: Browser, levers: Page) -> None:
    browser.press(levers, "Forget everything", sure="yes")

    assert stripe_sandbox.client.v1.customers.list().data == []


def test_the_seller_and_the_numbering_are_set(stripe_sandbox: StripeSandbox, browser: Browser, levers: Page) -> None:
    numbering = next(form for form in levers.forms if "numbering" in form.names)
    numbering.buttons = [("Set numbering", None, "")]

    browser.press(levers, "Save", name="Ileen Demo", inbox_url="http://127.0.0.1:9/inbox", address="Weg 1\n1010 Wien")
    browser.press(levers, "Set numbering", numbering="account")
    front = browser.open(stripe_sandbox.url + "/")

    settings = stripe_sandbox.levers()["settings"]
    assert (settings["numbering"], settings["account_name"]) == ("account", "Ileen Demo")
    assert front.links["Inbox"] == "http://127.0.0.1:9/inbox" and "Ileen Demo" in front.text


def test_the_front_page_opens_a_customers_portal(stripe_sandbox: StripeSandbox, browser: Browser, levers: Page) -> None:
    portal = browser.press(browser.open(stripe_sandbox.url + "/"), "Open the portal of Ada")

    assert "Billing for Ada" in portal.text and "/portal/bps_" in portal.url


def test_the_front_page_lists_who_is_waited_for(stripe_sandbox: StripeSandbox, browser: Browser, levers: Page) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_authenticationRequired").id)
    browser.press(browser.open(invoice.hosted_invoice_url), "Pay €59.50")

    asked = browser.follow(browser.open(stripe_sandbox.url + "/"), "Confirmation 1")

    assert "Confirm this payment" in asked.text
