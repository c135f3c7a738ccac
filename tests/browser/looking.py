"""axe over a page, no longer than it has something new to look at."""

from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page

SCRIPT = AXE_FILE_PATH.read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
FEWER = """() => {
  for (const body of document.querySelectorAll("tbody")) for (const row of [...body.rows].slice(4)) row.remove();
  for (const svg of document.querySelectorAll("svg g")) for (const mark of [...svg.children].slice(40)) mark.remove();
  for (const item of [...document.querySelectorAll("body > nav a, .nav a")].slice(6)) item.remove();
}"""
"""Rows, marks and links beyond the first few are like those: axe looks at each for as long as at the first."""
CONTRAST = ["color-contrast"]


def violations(page: Page, path: str, rules: list[str]) -> list[str]:
    """Of one look. The script is put into the page once: a second look at it needs none."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(SCRIPT)
    found = page.evaluate("rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules)[
        "violations"
    ]
    return [
        f"{path}: {one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"][:1]
    ]
