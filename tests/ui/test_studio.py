"""The studio in a real browser: a streamed answer, its cost, stopping, and every kind of screen on laptop and phone."""

from playwright.sync_api import expect

from ui.conftest import Visitor
from ui.test_buying import buy, through_the_gate


def test_a_person_lands_in_the_studio_and_watches_an_answer_and_its_cost(visitor: Visitor) -> None:
    page = visitor.page
    width = (page.viewport_size or {"width": 0})["width"]
    through_the_gate(visitor)
    buy(visitor, "€5.00")
    visitor.press("Purchase · pay €5.95")
    visitor.press("Continue")
    expect(page.get_by_role("heading", level=1)).to_have_text("Studio: agents at work")
    visitor.see(f"studio-home-{width}")

    page.get_by_role("link", name="Architect chat").click()
    page.get_by_label("Your message").fill("We sell boats. Where should our invoices be kept?")
    visitor.see(f"studio-agent-{width}")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer .words")).to_contain_text("You asked")
    expect(page.locator("#announce")).to_contain_text("Done. Cost so far: €0.0", timeout=15_000)
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    visitor.see(f"studio-run-{width}")

    visitor.open("/studio/develop/task_queue_execution")
    page.get_by_label("Tasks, one on each line").fill("Name the product\nWrite a slogan\nPick a colour")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#announce")).to_contain_text("Done.", timeout=15_000)
    visitor.see(f"studio-queue-{width}")
    visitor.open("/studio/design")
    visitor.see(f"studio-mode-{width}")
    page.locator("details.user summary").click()
    expect(page.get_by_role("link", name="Credits & Billing")).to_be_visible()
    visitor.see(f"studio-menu-{width}")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Credits & Billing")).to_be_hidden()
    expect(page.locator("details.user summary")).to_be_focused()
