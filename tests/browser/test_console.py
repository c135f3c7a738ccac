"""The console in a real browser: two clicks, keys, no script, a strict policy, and axe without a violation."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.browser.looking import CONTRAST, FEWER, RULES, violations

pytestmark = pytest.mark.slow
WIDTHS = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
ALERTS = "/alerts?channel=ops&rule=daily-spend"
SAVINGS = "/savings?period=60d"
ANOMALY = "/anomalies/an_000000000000"
FORMS = (
    "/edit/budget",
    "/edit/budget?of=Europe",
    "/edit/policy",
    "/edit/limit",
    "/edit/cache",
    "/edit/cache?of=support",
    "/edit/initiative",
    "/edit/initiative?of=shorter%20prompts",
)
SCENARIOS = "/scenarios?a=viral%20500%20price=10%20convert=1%25..3%25%20cost=4&b=usage%20two&add=viral"
PATHS = ("/", "/budgets", "/explore?by=team&and=provider", ALERTS, "/calls?limit=10", "/budgets/Europe",
         "/prices?find=haiku-4", "/search?q=har", SAVINGS,
         "/controls?stop=feature&value=support-bot&reason=loops", "/caches", "/advice", "/forecast?growth=10",
         "/initiatives", "/initiatives/shorter%20prompts", "/maturity",
         "/anomalies", ANOMALY, SCENARIOS, "/customers?show=cohorts", *FORMS)  # fmt: skip


def a_call(page: Page) -> str:
    page.goto("/calls?filter=quality%3Dreported&order=dearest")
    return page.locator("tbody a[href^='/calls/']").first.get_attribute("href") or ""


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_what_cost_the_most_last_month_takes_two_clicks(page: Page):
    page.goto("/")
    page.get_by_role("link", name="Last month").last.click()
    page.get_by_role("link", name="Customer", exact=True).click()
    expect(page.locator(".lead").first).to_have_text("1–31 Oct 2026")
    answer = page.locator("section", has=page.get_by_role("heading", name="What cost the most"))
    expect(answer.locator("tbody tr").first).to_contain_text("$")


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_without_a_script_menus_open_forms_answer_and_charts_are_there(page: Page):
    page.goto("/explore")
    assert page.locator(".chart .seg-rect").count() > 50
    page.locator("summary", has_text="Last 30 days").click()
    page.get_by_label("From").fill("2026-11-01")
    page.get_by_label("To, included").fill("2026-11-07")
    page.get_by_role("button", name="Show these days").click()
    expect(page.locator("summary").first).to_contain_text("1–7 Nov 2026")
    page.locator("summary", has_text="+ filter").click()
    page.get_by_label("Value").fill("support-bot")
    page.get_by_role("button", name="Add filter").click()
    expect(page.locator(".chip")).to_contain_text("Feature = support-bot")


@pytest.mark.parametrize(
    ("page", "size", "paths", "rules"),
    [
        ({"color_scheme": "light"}, "wide", PATHS, RULES),
        (
            {"color_scheme": "dark"},
            "wide",
            (*PATHS[:3], SAVINGS, "/initiatives", "/forecast", "/maturity", "/anomalies", ANOMALY, SCENARIOS, FORMS[1]),
            CONTRAST,  # what else there is was looked at in the light
        ),
        (
            {"color_scheme": "light"},
            "phone",
            (
                "/",
                "/budgets",
                ALERTS,
                SAVINGS,
                "/caches",
                "/advice",
                "/initiatives",
                "/forecast",
                "/maturity",
                "/anomalies",
                ANOMALY,
                FORMS[0],
            ),
            RULES,
        ),
    ],
    indirect=["page"],
    ids=["light", "dark", "phone"],
)
def test_axe_finds_no_violation(page: Page, size: str, paths: tuple[str, ...], rules: list[str]):
    page.set_viewport_size(WIDTHS[size])
    found = []
    for path in (*paths, a_call(page)):
        page.goto(path)
        page.evaluate(FEWER)
        found += violations(page, path, rules)
    assert found == []


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_a_channel_is_added_and_switched_off_by_forms_alone(page: Page):
    page.goto("/alerts")
    page.locator("summary", has_text="Add a channel").click()
    form = page.locator("form[action='/alerts/channel']")
    form.get_by_label("Name", exact=True).fill("mail")
    form.get_by_label("Address").fill("env:BURSAR_ALERT_MAIL")
    form.get_by_role("button", name="Add it").click()
    expect(page).to_have_url(re.compile(r"/alerts#channels$"))
    page.get_by_role("button", name="Switch off mail").click()
    expect(page.locator("#channels tbody tr", has_text="mail")).to_contain_text("off")
    page.get_by_role("link", name="mail", exact=True).click()
    page.get_by_role("button", name="Remove mail").click()
    expect(page.locator("#channels tbody tr", has_text="mail")).to_have_count(0)


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_a_budget_is_made_and_changed_by_its_form_alone(page: Page, request: pytest.FixtureRequest):
    name = f"bot {request.node.callspec.id}"
    page.goto("/budgets")
    page.get_by_role("link", name="New budget").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Limit", exact=True).fill("lots")
    expect(page.get_by_label("One unit of it in US dollars")).to_be_hidden()
    page.get_by_label("Currency").select_option("EUR")
    page.get_by_label("One unit of it in US dollars").fill("1.08")
    page.get_by_label("Who says so").fill("ECB")
    page.get_by_label("As of").fill("2026-11-01")
    page.get_by_label("Whose calls, condition 1").select_option("feature")
    page.get_by_label("Its value, condition 1").fill("support-bot")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".wrong")).to_contain_text("is no amount")
    page.get_by_label("Limit", exact=True).fill("40")
    page.get_by_role("button", name="Show how it would begin").click()
    expect(page.locator("#trial")).to_contain_text("It would begin with")
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile(r"/budgets/bg_\w+$"))
    page.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("What happens at threshold 2").select_option("throttle")
    page.get_by_label("Calls a minute at threshold 2").fill("30")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".facts")).to_contain_text(["30 calls a minute"], use_inner_text=True)


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_a_policy_and_a_limit_are_tried_made_changed_and_removed_by_their_forms(page: Page):
    for link, label, first, second in (
        ("New policy", "Not these models", "gpt-4*", "gpt-4o*"),
        ("New limit", "requests a minute", "1", "60"),
    ):
        page.goto("/controls")
        page.get_by_role("link", name=link).click()
        page.get_by_label("Name", exact=True).fill("tried")
        page.get_by_label(label).fill(first)
        page.get_by_role("button", name="Try it").click()
        expect(page.locator("#trial")).to_contain_text("refused")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="tried", exact=True).click()
        page.get_by_label(label).fill(second)
        page.get_by_role("button", name="Save").click()
        expect(page.locator("main")).to_contain_text(second)
        page.get_by_role("link", name="tried", exact=True).click()
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_role("link", name="tried", exact=True)).to_have_count(0)


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_a_cache_rule_is_made_changed_and_removed_by_its_form_alone(page: Page):
    page.goto("/caches")
    page.get_by_role("link", name="New rule").click()
    page.get_by_label("Name", exact=True).fill("answers")
    expect(page.get_by_label("For how long").first).to_be_hidden()
    page.get_by_label("Asked again, it").select_option("kept")
    page.get_by_label("For how long").first.fill("soon")
    expect(page.get_by_label("Alike from this cosine")).to_be_hidden()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".wrong")).to_contain_text("no length of time")
    page.get_by_label("For how long").first.fill("2h")
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile(r"/caches$"))
    row = page.locator("#rules tbody tr").filter(has=page.get_by_role("link", name="answers", exact=True))
    expect(row).to_contain_text("answered again for 2 hours")
    page.get_by_role("button", name="Clear answers of answers", exact=True).click()
    expect(row).to_contain_text("were cleared")
    page.get_by_role("button", name="Switch off answers").click()
    expect(row.locator(".badge")).to_have_text("off")
    page.get_by_role("link", name="answers", exact=True).click()
    page.get_by_role("button", name="Remove rule").click()
    expect(row).to_have_count(0)


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_an_anomaly_is_labelled_and_a_draft_kept_by_forms_alone(page: Page, request: pytest.FixtureRequest):
    page.goto("/anomalies")
    page.locator(".odd a", has_text="Feature billing-sync").click()
    page.get_by_label("Why, for whoever comes later").fill(f"a loop, {request.node.callspec.id}")
    page.get_by_role("button", name="True", exact=True).click()
    expect(page).to_have_url(re.compile(r"/anomalies/an_000000000000#label$"))
    expect(page.locator("#label header")).to_contain_text(f"a loop, {request.node.callspec.id}")
    page.get_by_role("button", name="Take it back").click()
    expect(page.locator("#label header")).to_contain_text("nobody has said yet")
    offer = {"script": "Throttle", "no script": "Ask for approval"}[request.node.callspec.id]
    page.get_by_role("button", name=f"Keep as a draft: {offer}").click()
    expect(page.locator("#actions li", has_text=offer)).to_contain_text("draft is kept")


def test_on_a_phone_no_page_scrolls_sideways(page: Page):
    page.set_viewport_size(WIDTHS["phone"])
    for path in (*PATHS, a_call(page)):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS["phone"]["width"], path


def test_a_day_of_the_chart_tells_and_opens(page: Page):
    page.goto("/?period=last-month")
    bar = page.locator(".bucket").nth(19)
    bar.hover(position={"x": 10, "y": 5}, force=True)
    expect(page.locator(".tip.on h3")).to_contain_text("Tue 20 Oct")
    bar.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tip.on h3")).to_contain_text("Wed 21 Oct")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/explore\?period=2026-10-21$"))
    expect(page.get_by_role("heading", name="Cost by hour").first).to_be_visible()


def test_dragging_over_days_shows_just_those(page: Page):
    page.goto("/explore?period=last-month")
    first, last = (page.locator(".bucket .hit").nth(at).bounding_box() for at in (4, 8))
    assert first
    assert last
    page.mouse.move(first["x"] + 5, first["y"] + 50)
    page.mouse.down()
    page.mouse.move(last["x"] + 5, last["y"] + 60, steps=6)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"period=2026-10-05\.\.2026-10-09"))


def test_the_keyboard_reaches_everything(page: Page):
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(r"/explore$"))
    page.wait_for_load_state()  # the address changes before the new page's keys are there
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tbody tr.at")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.get_by_label("Field")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox").first).to_be_focused()
    page.keyboard.type("harbor")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?.*q=harbor"))


def test_a_filter_offers_the_values_that_exist(page: Page):
    page.goto("/explore")
    page.locator("summary", has_text="+ filter").click()
    page.locator("#values option[value='support-bot']").wait_for(state="attached")
    expect(page.get_by_label("Name of the tag")).to_be_hidden()
    page.get_by_label("Field").select_option("tag")
    expect(page.get_by_label("Name of the tag")).to_be_visible()
    page.get_by_label("Field").select_option("saved")
    page.locator("#values option[value='prompt_cache']").wait_for(state="attached")
    offered = [one.get_attribute("value") for one in page.locator("#values option").all()]
    assert offered == ["batch", "prompt_cache"], "levers that made a difference"
