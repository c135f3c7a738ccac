"""What a review says of made-up facts: sums that add up, sentences worth their line, silence where nothing is."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.explore.filters import Filter
from bursar.reviews.compose import compose
from bursar.reviews.facts import (
    Advised,
    AnomalyFact,
    BudgetFact,
    Facts,
    Group,
    InitiativeFact,
    MonthSpend,
    Opens,
    Outlook,
    Repeated,
    Spend,
    Waiting,
    Wasted,
)
from bursar.reviews.printed import literal, source_of, to_pdf
from bursar.reviews.said import Review, Said
from bursar.reviews.spending import split
from bursar.reviews.text import to_text
from bursar.reviews.words import Words

WORDS = Words()
NASTY = 'acme "x" #y \\ $z$ [b] *c* <d>'


def spend(cost: str, calls: int = 100, **more: int) -> Spend:
    return Spend(cost=Decimal(cost), calls=calls, attempts=calls, **more)  # type: ignore[arg-type]


def group(name: str, now: Spend, before: Spend, of: str = "feature") -> Group:
    return Group((of,), (name,), now, before)


def facts(kind: str = "weekly", **more: object) -> Facts:
    given = {"now": spend("100"), "then": spend("80"), "period": "16–22 Nov 2026", "before": "the week before"}
    return Facts(kind=kind, **{**given, **more})  # type: ignore[arg-type]


def said(review: Review, title: str) -> list[str]:
    return [one.text for section in review.sections if section.title == title for one in section.said]


@given(st.decimals(0, 10**6, places=12), st.integers(0, 10**6), st.decimals(0, 10**6, places=12), st.integers(0, 10**6))
def test_the_two_parts_of_a_change_are_the_change(now: Decimal, calls: int, before: Decimal, calls_before: int):
    parts = split(Spend(cost=now, calls=calls), Spend(cost=before, calls=calls_before))
    assert abs(sum(parts, Decimal(0)) - (now - before)) <= Decimal("1e-18")


def test_nothing_to_report_is_one_line():
    for kind in ("weekly", "monthly"):
        review = compose(facts(kind, now=Spend(), then=Spend()), WORDS)
        assert (review.lead, review.sections, review.about) == ("Nothing to report: no call came.", (), "")
        assert "no call came" in to_text(review)
        quiet = compose(facts(kind, now=spend("80.10"), then=spend("80")), WORDS)
        assert all(section.nothing.endswith(".") for section in quiet.sections)


def test_a_month_after_one_that_the_books_only_begin_in_stands_for_itself():
    wasted = [Wasted("timeout", "Timed out", Decimal(5), Decimal(0), 7, ())]
    features = [group("search", spend("100"), Spend())]
    review = compose(
        facts("monthly", then=Spend(), before="August", is_before_cut=True, features=features, wasted=wasted), WORDS
    )
    assert review.about == "30 minutes; there is nothing to compare it with"
    assert review.lead == "$100.00 spent; nothing needs you."
    assert said(review, "Waste")[1] == "Timed out: $5.00 for 7 attempts."
    assert said(review, "Unit costs")[0] == "A call of search costs $1.00."


def test_a_month_that_runs_is_held_against_no_whole_one():
    months = [MonthSpend(date(2026, 10, 1), spend("100")), MonthSpend(date(2026, 11, 1), spend("9"), is_running=True)]
    assert "Oct $100.00, Nov so far $9.00." in said(compose(facts("monthly", months=months), WORDS), "Trend")


def test_a_month_whose_band_isnt_known_is_told_without_one():
    [line] = said(compose(facts("monthly", outlook=Outlook(Decimal(9), None, None)), WORDS), "Trend")[-1:]
    assert line == "The running month will end at $9.00, as far as so short a history tells."


def test_a_quiet_week_needs_nobody():
    review = compose(facts(now=spend("80.10"), then=spend("80")), WORDS)
    assert review.lead == "$80.10 spent, 0.1 % more than in the week before; nothing needs you.".replace(
        " %", "\u202f%"
    )


def test_minutes_are_ten_and_thirty():
    assert compose(facts(), WORDS).minutes == 10
    assert compose(facts("monthly"), WORDS).minutes == 30


def test_who_moved_is_told_by_money_with_why():
    groups = [
        group("small", spend("1"), spend("0.9")),
        group("calls", spend("40", 400), spend("20", 200)),
        group("dear", spend("50", 100), spend("20", 100)),
        group("new", spend("9"), Spend()),
        group("gone", Spend(), spend("5")),
    ]
    lines = said(compose(facts(features=groups), WORDS), "What changed")
    assert [line.split(" ")[0] for line in lines] == ["dear", "calls", "new", "gone"]
    assert "+$30.00 by what a call costs" in lines[0]
    assert "+$20.00 by its calls" in lines[1]
    assert lines[2] == "new is new: $9.00."
    assert lines[3] == "gone spent nothing, after $5.00 in the week before."


def test_without_a_week_before_nobody_is_called_new():
    review = compose(facts(then=Spend(), features=[group("a", spend("100"), Spend())]), WORDS)
    assert said(review, "What changed") == []
    assert "nothing to compare with" in next(one.nothing for one in review.sections if one.title == "What changed")


def test_growth_says_what_grew_and_what_it_made():
    now = spend("60", 100, input_tokens=100_000, output_tokens=90_000)
    before = spend("40", 100, input_tokens=100_000, output_tokens=50_000)
    few = group("few", spend("60", 5, output_tokens=9_000), spend("4", 5, output_tokens=10))
    [line] = said(compose(facts(features=[group("search", now, before), few]), WORDS), "Answers and prompts that grew")
    assert line == ("search: answers grew 80.0 %, to 900 tokens. A call costs $0.20 more, which made $20.00.").replace(
        " %", "\u202f%"
    )


def test_a_cache_that_went_cold_is_a_reason():
    now = spend("60", 100, input_tokens=100_000, cache_read_tokens=10_000)
    before = spend("40", 100, input_tokens=100_000, cache_read_tokens=80_000)
    [line] = said(compose(facts(features=[group("search", now, before)]), WORDS), "Answers and prompts that grew")
    assert "the provider's cache gave 10.0\u202f% of the input, after 80.0\u202f%" in line


def test_waste_is_told_from_a_five_hundredth_of_the_bill_on():
    wasted = [
        Wasted("retry", "Retried by Bursar", Decimal(5), Decimal(1), 50, (), "search", Decimal(4)),
        Wasted("timeout", "Timed out", Decimal("0.1"), Decimal(0), 1, ()),
    ]
    again = Repeated("abc", "cron", 300, Decimal(9))
    lines = said(compose(facts(wasted=wasted, repeated=[again]), WORDS), "Retries and other waste")
    assert lines[0].startswith("cron sent one request 300 times, for $9.00")
    assert lines[1].startswith("$5.10 brought nothing, 5.1")
    assert "80.0\u202f% of it by search" in lines[2]
    assert len(lines) == 3


def test_the_month_has_its_trend_budgets_initiatives_anomalies_and_outlook():
    review = compose(
        facts(
            "monthly",
            months=[MonthSpend(date(2026, month, 1), spend(str(10 * month))) for month in (8, 9, 10)],
            budgets=[
                BudgetFact("core", "", Decimal(90), Decimal(100), Decimal("0.9"), exhausted_on=date(2026, 11, 28)),
                BudgetFact("calm", "", Decimal(10), Decimal(100), Decimal("0.1")),
            ],
            initiatives=[
                InitiativeFact("i1", "prompts", "ada", "running", Decimal(40), Decimal(50), ("failed calls are up",))
            ],
            anomalies=[
                AnomalyFact(
                    "f1", "search costs 3×", "Answers are longer.", date(2026, 10, 3), True, Decimal(30), Decimal(300)
                )
            ],
            outlook=Outlook(Decimal(120), Decimal(110), Decimal(130), Decimal("0.1")),
            customers=[
                group("acme", spend("70"), spend("30"), "customer"),
                group("", spend("30"), Spend(), "customer"),
            ],
        ),
        WORDS,
    )
    assert "Aug $80.00, Sep $90.00, Oct $100.00: 25.0\u202f% more than in August." in said(review, "Trend")
    assert any(line.startswith("The running month will end at $120.00") for line in said(review, "Trend"))
    [budget] = said(review, "Budgets")
    assert budget.endswith("will be exhausted on 28 November at this pace.")
    [initiative] = said(review, "Initiatives")
    assert "80.0\u202f% of its target of $50.00. But failed calls are up." in initiative
    [anomaly] = said(review, "Anomalies and their ends")
    assert anomaly.startswith("search costs 3×, since 3 October: $30.00 more than expected, $300.00 a month if it")
    assert anomaly.endswith("goes on. Answers are longer.")
    assert said(review, "Unit costs")[0] == "acme is the only customer that calls name: $70.00."


def test_what_to_do_is_advice_decisions_and_what_has_no_owner():
    nameless = group("", spend("20"), spend("20"))
    review = compose(
        facts(
            features=[nameless],
            advised=[Advised("a1", "Cache search", "effort low", "measured", Decimal(50), Decimal(40), Decimal(60))],
            waiting=[Waiting("The policy cap is kept and off: switch it on, or drop it.", Opens("/controls"))],
        ),
        WORDS,
    )
    lines = said(review, "What to do")
    assert lines[0].startswith("$20.00, 20.0\u202f% of the bill, says no feature")
    assert lines[1] == "The policy cap is kept and off: switch it on, or drop it."
    assert lines[2] == "Cache search: $50.00 a month, between $40.00 and $60.00; measured, effort low."


def test_what_is_to_be_tried_and_what_waits_are_said_without_a_promise():
    review = compose(
        facts(
            now=spend("80.10"),
            then=spend("80"),
            advised=[Advised("a1", "Try small for search", "effort low", "estimated", None, Decimal(40), Decimal(60))],
            waiting=[Waiting("The policy cap is kept and off: switch it on, or drop it.", Opens("/controls"))],
            anomalies=[AnomalyFact("f1", "x", "", date(2026, 11, 17), False, Decimal("0.03"), None)],
        ),
        WORDS,
    )
    assert review.lead.endswith("; one decision waits.")
    assert said(review, "What to do")[-1] == (
        "Try small for search: $40.00 to $60.00 a month if it proves good enough; effort low."
    )
    assert said(review, "What changed") == [], "an anomaly that was over with three cents"


def test_doubts_are_said():
    now = Spend(cost=Decimal(5), calls=10, attempts=12, unpriced=2, assumed=1)
    lines = said(compose(facts(now=now), WORDS), "What was spent")
    assert "2 attempts without a price: that cost is in no figure here." in lines
    assert "1 attempt whose end we never heard: booked at the most that can be." in lines


@pytest.mark.parametrize("text", [NASTY, 'a"]#eval("1")', "line\nfeed\u2028", "\\", ""])
def test_no_name_is_markup_in_the_pdf(text: str):
    """What breaks out would fail to compile, or show as something else than a string."""
    review = compose(facts(features=[group(text or "x", spend("90"), spend("20"))], period=text), WORDS)
    source = source_of(review, text, lambda opens: f"http://127.0.0.1:8788{opens.path}")
    assert literal(text) in source
    assert to_pdf(review, text, lambda opens: f"http://127.0.0.1{opens.path}").startswith(b"%PDF")


def test_every_sentence_opens():
    review = compose(facts(features=[group("a", spend("90"), spend("20"))]), WORDS)
    rows: list[Said] = [one for section in review.sections for one in section.said]
    assert rows
    assert all(one.opens.path.startswith("/") for one in rows)
    changed = next(one for one in rows if one.text.startswith("a spent"))
    assert changed.opens.filters == (Filter("feature", ("a",)),)


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [(112, 100, "12.0\u202f% more than in May"), (90, 100, "10.0\u202f% less than in May"),
     (1300, 100, "13× as much as in May"),
     (100, 100, "as much as in May"), (5, 0, "new"), (0, 5, "gone")],
)  # fmt: skip
def test_what_is_held_against_something_reads_as_people_say_it(now: int, before: int, told: str):
    assert WORDS.than(now, before, "in May") == told
