"""The pages of finance in a real browser: axe without a violation, light and dark, full and empty, wide and narrow."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.looking import FEWER, RULES, violations

pytestmark = pytest.mark.slow
EMPTY = ("/customers", "/contracts", "/contracts/negotiation", "/invoices", "/close", "/rates", "/allocation", "/tax",
         "/focus", "/reports")  # fmt: skip
FULL = ("/customers?month=2026-10&limit=8", "/customers?month=2026-10&show=plans",
        "/customers/Halcyon%20Freight?month=2026-10",
        "/contracts", "/contracts/negotiation?provider=openai", "/invoices", "BILL", "/close?month=2026-10", "/rates",
        "/allocation?month=2026-11", "/statements?month=2026-11&among=team&of=support", "/tax?month=2026-11",
        "/tax/ANT-1042", "/focus", "/reports")  # fmt: skip


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Page]:
    """One page for all of them."""
    wide = {"width": 1440, "height": 900}
    context = browser.new_context(viewport=wide, color_scheme="light", reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("where", ["full", "empty"])
def test_axe_finds_no_violation_and_nothing_scrolls_sideways(
    reader: Page, console: str, empty_console: str, where: str
):  # fmt: skip
    base, paths = (console, FULL) if where == "full" else (empty_console, EMPTY)
    found = []
    for path in paths:
        if path == "BILL":
            path = reader.locator("tbody a[href^='/invoices/bill_']").first.get_attribute("href") or ""
        answer = reader.goto(f"{base}{path}", wait_until="domcontentloaded")
        assert answer is not None
        assert answer.status == 200, path
        reader.evaluate(FEWER)
        found += violations(reader, path, RULES)
        reader.emulate_media(color_scheme="dark")
        found += violations(reader, f"{path} (dark)", ["color-contrast"])
        reader.set_viewport_size({"width": 390, "height": 844})
        if reader.evaluate("document.documentElement.scrollWidth") > 390:
            found.append(f"{path}: scrolls sideways on a phone")
        reader.set_viewport_size({"width": 1440, "height": 900})
        reader.emulate_media(color_scheme="light")
    assert not found, "\n".join(found)


def test_a_bill_is_reached_and_read_by_the_keyboard_alone(reader: Page, console: str):
    reader.goto(f"{console}/invoices")
    reader.keyboard.press("j")
    expect(reader.locator("tbody tr.at")).to_have_count(1)
    reader.keyboard.press("Enter")
    expect(reader.locator("#tax")).to_contain_text("OAI/2026-10")
    document = reader.locator("#tax a", has_text="OAI/2026-10")
    document.focus()
    reader.keyboard.press("Enter")
    expect(reader.locator("h1")).to_have_text("OAI/2026-10")
