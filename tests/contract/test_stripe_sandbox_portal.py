"""The offline Stripe's portal: one visit, test cards, billing details and tax ids, in a browser without script."""

from collections.abc import Iterator
from typing import Any

import pytest

from plain_browser import Browser, Page
from stripe_sandbox import Receiver, StripeSandbox, receiver, receiving, stripe_process, stripe_sandbox

__all__ = ["receiver", "stripe_process", "stripe_sandbox"]

ALL = {
    "customer_update": {"enabled": True, "allowed_updates": ["address", "email", "name", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
}
NONE = {name: {"enabled": False} for name in ALL}


@pytest.fixture
def browser() -> Iterator[Browser]:
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def shop() -> Iterator[str]:
    """Where the portal leads back to: any page that answers."""
    with receiving() as taken:
        yield taken.url


def link(sandbox: StripeSandbox, customer: str, features: dict[str, Any] = ALL, **given: Any) -> str:
    """Return the URL of a fresh visit."""
    configuration = sandbox.client.v1.billing_portal.configurations.create({"features": features})
    params = {"customer": customer, "configuration": configuration.id, "return_url": "http://127.0.0.1:9/back", **given}
    return sandbox.client.v1.billing_portal.sessions.create(params).url


def update_flow(then: str) -> dict[str, Any]:
    return {
        "type": "payment_method_update",
        "after_completion": {"type": "redirect", "redirect": {"return_url": then}},
    }


def card(browser: Browser, page: Page, last4: str) -> Page:
    """Fill a test card in by its button, and save it."""
    return browser.press(browser.press(page, last4), "Save card")


def cards(sandbox: StripeSandbox, customer: str) -> list[str]:
    return [one.card.last4 for one in sandbox.client.v1.customers.payment_methods.list(customer).data]


def default(sandbox: StripeSandbox, customer: str) -> str | None:
    settings = sandbox.client.v1.customers.retrieve(
        customer, {"expand": ["invoice_settings.default_payment_method"]}
    ).invoice_settings  # fmt: skip
    return settings.default_payment_method and settings.default_payment_method.card.last4


def test_a_link_opens_once_and_its_visit_lasts_an_hour(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    url = link(stripe_sandbox, stripe_sandbox.customer().id)

    home = browser.open(url)
    again = browser.open(url)
    stripe_sandbox.advance(3500)
    late = browser.open(home.url)
    stripe_sandbox.advance(100)
    over = browser.open(home.url)

    assert (home.status, late.status) == (200, 200) and home.url != url and "Billing for Ada" in home.text
    for page in (again, over):
        assert page.status == 410 and "This link has expired" in page.text
        assert page.links["Go back to Sandbox Seller GmbH"] == "http://127.0.0.1:9/back"


def test_a_link_that_nobody_opens_expires(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    url = link(stripe_sandbox, stripe_sandbox.customer().id)

    stripe_sandbox.advance(300)

    assert browser.open(url).status == 410


def test_a_made_up_link_opens_nothing(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    url = link(stripe_sandbox, stripe_sandbox.customer().id)

    assert browser.open(url + "x").status == 410
    assert browser.open(stripe_sandbox.url + "/portal/bps_1/visit_1").status == 410
    assert browser.open(url).status == 200, "a wrong try does not use the link up"


def test_a_visit_leads_back_only_to_the_url_it_was_made_with(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    customer = stripe_sandbox.customer().id

    given = browser.open(link(stripe_sandbox, customer) + "?return_url=https://elsewhere.example")
    script = browser.open(link(stripe_sandbox, customer, return_url="javascript:alert(1)"))

    assert given.links["← Return to Sandbox Seller GmbH"] == "http://127.0.0.1:9/back"
    assert "elsewhere" not in given.answer.text and "javascript" not in script.answer.text


def test_every_page_is_marked_unindexed_and_runs_no_script(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    home = browser.open(link(stripe_sandbox, stripe_sandbox.customer().id))
    pages = [home, browser.follow(home, "Add a card"), browser.follow(home, "Change billing details")]
    pages += [browser.open(stripe_sandbox.url + path) for path in ("/", "/control", "/portal/bps_1/x")]

    for page in pages:
        headers = page.answer.headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; style-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert headers["x-robots-tag"] == "noindex, nofollow" and headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
        assert "Sandbox — no real money" in page.text
        assert [tag for tag, _ in page.tags if tag in {"script", "style"}] == []
        assert [given for _, given in page.tags if "style" in given or any(name[:2] == "on" for name in given)] == []
        assert [*page.unlabelled()] == []
    assert "form-action 'self' http://127.0.0.1:9;" in home.answer.headers["content-security-policy"]


def test_a_form_may_end_up_where_its_flow_returns_to(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    """Chromium checks form-action at every redirect, so the bank's page names the way out of the visit as well."""
    customer = stripe_sandbox.customer(card=None).id
    page = browser.open(link(stripe_sandbox, customer, flow_data=update_flow("http://127.0.0.1:8/then")))

    asked = card(browser, page, "3184")

    for one in (page, asked):
        policy = one.answer.headers["content-security-policy"]
        assert "form-action 'self' http://127.0.0.1:8 http://127.0.0.1:9;" in policy


def test_the_update_flow_saves_a_card_makes_it_the_default_and_returns(
    stripe_sandbox: StripeSandbox, receiver: Receiver, browser: Browser
) -> None:
    customer = stripe_sandbox.customer(card=None).id
    page = browser.open(link(stripe_sandbox, customer, flow_data=update_flow(receiver.url)))

    done = card(browser, page, "4242")
    stripe_sandbox.deliver()

    assert "Update your card" in page.text and done.url == receiver.url
    assert (cards(stripe_sandbox, customer), default(stripe_sandbox, customer)) == (["4242"], "4242")
    expected = {"setup_intent.created", "setup_intent.succeeded", "payment_method.attached", "customer.updated"}
    assert expected <= set(receiver.types())
    assert {event["request"]["id"] for event in receiver.of("payment_method.attached")} == {None}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"number": "4111 1111 1111 1111"}, "Enter one of the test card numbers."),
        ({"number": ""}, "Enter a card number."),
        ({"expiry": "13 / 30"}, "Enter month and year"),
        ({"expiry": "01 / 20"}, "This date is in the past."),
        ({"cvc": "12"}, "Enter three digits."),
    ],
)
def test_nothing_but_a_test_card_with_sound_data_is_taken(
    typed: dict[str, str], said: str, stripe_sandbox: StripeSandbox, browser: Browser
) -> None:
    customer = stripe_sandbox.customer(card=None).id
    form = browser.follow(browser.open(link(stripe_sandbox, customer)), "Add a card")
    filled = browser.press(form, "4242")

    page = browser.press(filled, "Save card", **typed)

    assert said in page.text and "Check the marked fields." in page.text
    assert cards(stripe_sandbox, customer) == []


def test_a_declined_card_is_not_saved(stripe_sandbox: StripeSandbox, receiver: Receiver, browser: Browser) -> None:
    customer = stripe_sandbox.customer(card=None).id
    page = browser.open(link(stripe_sandbox, customer, flow_data=update_flow("http://127.0.0.1:9/")))

    page = card(browser, page, "0002")
    stripe_sandbox.deliver()

    assert "Your card was declined." in page.text and cards(stripe_sandbox, customer) == []
    assert "setup_intent.setup_failed" in receiver.types() and "payment_method.attached" not in receiver.types()


def test_a_card_that_asks_when_saved_is_confirmed_once(
    stripe_sandbox: StripeSandbox, shop: str, browser: Browser
) -> None:
    customer = stripe_sandbox.customer(card=None).id
    page = browser.open(link(stripe_sandbox, customer, flow_data=update_flow(shop)))

    asked = card(browser, page, "3155")
    before = cards(stripe_sandbox, customer)
    done = browser.press(asked, "Approve")
    invoice = stripe_sandbox.open_invoice(customer)
    paid = stripe_sandbox.client.v1.invoices.pay(invoice.id, {"off_session": True})

    assert "Nothing is charged now" in asked.text and before == []
    assert (done.url, cards(stripe_sandbox, customer), paid.status) == (shop, ["3155"], "paid")


@pytest.mark.parametrize("answer", ["Reject", "Close", "Let the time run out", "Let the bank fail"])
def test_a_card_its_holder_does_not_confirm_is_not_saved(
    answer: str, stripe_sandbox: StripeSandbox, browser: Browser
) -> None:
    customer = stripe_sandbox.customer(card=None).id
    page = browser.open(link(stripe_sandbox, customer, flow_data=update_flow("http://127.0.0.1:9/")))

    back = browser.press(card(browser, page, "3184"), answer)

    assert "so it was not saved" in back.text and "Update your card" in back.text
    assert cards(stripe_sandbox, customer) == []


def test_cards_are_added_chosen_and_removed_at_home(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    customer = stripe_sandbox.customer().id
    home = browser.open(link(stripe_sandbox, customer))
    form = browser.press(browser.follow(home, "Add a card"), "4444")

    home = browser.press(form, "Save card", default="no")
    kept = default(stripe_sandbox, customer)
    home = browser.press(home, "Make Mastercard •••• 4444 the default")
    chosen = default(stripe_sandbox, customer)
    home = browser.press(home, "Remove Visa •••• 4242")

    assert (kept, chosen, cards(stripe_sandbox, customer)) == ("4242", "4444", ["4444"])
    assert "The card is removed." in home.text


def test_another_customers_card_is_out_of_reach(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    victim = stripe_sandbox.customer().id
    [theirs] = stripe_sandbox.client.v1.customers.payment_methods.list(victim).data
    home = browser.open(link(stripe_sandbox, stripe_sandbox.customer().id))
    [remove] = [form for form in home.forms if form.action.endswith("/remove")]
    remove.action = f"{home.url}/cards/{theirs.id}/remove"

    page = browser.press(home, "Remove Visa •••• 4242")

    assert "does not have a payment method" in page.text and cards(stripe_sandbox, victim) == ["4242"]


def test_a_new_address_changes_where_the_customer_is_taxed(
    stripe_sandbox: StripeSandbox, receiver: Receiver, browser: Browser
) -> None:
    customer = stripe_sandbox.customer().id
    form = browser.follow(browser.open(link(stripe_sandbox, customer)), "Change billing details")

    home = browser.press(form, "Save", name="Ελένη", city="Helsinki", postal_code="00100", country="FI")
    stripe_sandbox.deliver()

    after = stripe_sandbox.client.v1.customers.retrieve(customer, {"expand": ["tax"]})
    assert (after.name, after.address.country, after.tax.location.country) == ("Ελένη", "FI", "FI")
    assert "Your billing details are saved." in home.text and "Finland" in home.text
    assert receiver.of("customer.updated")[-1]["data"]["previous_attributes"]["name"] == "Ada"
    assert stripe_sandbox.draft(customer).total == 5000 + 1275


def test_a_country_must_be_chosen(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    customer = stripe_sandbox.customer().id
    form = browser.follow(browser.open(link(stripe_sandbox, customer)), "Change billing details")

    page = browser.press(form, "Save", country="", email="nobody")

    assert "Choose a country." in page.text and "Enter an e-mail address" in page.text


def test_tax_ids_are_added_checked_and_removed(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    customer = stripe_sandbox.customer().id
    home = browser.open(link(stripe_sandbox, customer))

    wrong = browser.press(home, "Add tax id", value="DE1")
    added = browser.press(wrong, "Add tax id", value="de 136695976")
    twice = browser.press(added, "Add tax id", value="DE136695976")
    stripe_sandbox.advance(60)
    checked = browser.open(home.url)
    removed = browser.press(checked, "Remove DE136695976")

    assert "does not have the form of its kind" in wrong.text
    assert "DE136695976 pending" in added.text and "already exists" in twice.text
    assert "DE136695976 verified" in checked.text
    assert "No tax id." in removed.text


def test_a_visit_offers_and_does_only_what_is_allowed(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    customer = stripe_sandbox.customer().id
    home = browser.open(link(stripe_sandbox, customer, NONE))
    free = browser.open(link(stripe_sandbox, customer))
    for form in free.forms:
        form.action = form.action.replace(free.url, home.url)

    for button in ("Remove Visa •••• 4242", "Add tax id"):
        browser.press(free, button)
    browser.press(browser.follow(free, "Change billing details"), "Save", name="Mallory")

    assert (home.forms, "Invoices" in home.text, "Add a card" in home.links) == ([], False, False)
    assert cards(stripe_sandbox, customer) == ["4242"]
    assert stripe_sandbox.client.v1.customers.tax_ids.list(customer).data == []


def test_a_flow_can_end_on_a_page_of_its_own(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    customer = stripe_sandbox.customer(card=None).id
    confirmed = {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "All set."}}
    flow = {"type": "payment_method_update", "after_completion": confirmed}

    page = card(browser, browser.open(link(stripe_sandbox, customer, flow_data=flow)), "4242")

    assert "All set." in page.text and "Go back to Sandbox Seller GmbH" in page.links


def test_invoices_are_listed_with_their_documents(stripe_sandbox: StripeSandbox, browser: Browser) -> None:
    customer = stripe_sandbox.customer().id
    invoice = stripe_sandbox.open_invoice(customer)
    stripe_sandbox.draft(customer)

    home = browser.open(link(stripe_sandbox, customer))
    shown = browser.follow(home, f"View invoice {invoice.number}")

    assert f"{invoice.number} €59.50 open" in home.text
    assert [name for name in home.links if name.startswith("View")] == [f"View invoice {invoice.number}"]
    assert "€59.50 due" in shown.text
