"""What each rule finds, and what it leaves alone: numbers in, findings out."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.alerts.conftest import T0, Told

from bursar.alerts import rules
from bursar.alerts.facts import (
    ApprovalAsked,
    BudgetStanding,
    CoverageFacts,
    DayFacts,
    DoubtFacts,
    LoopCut,
    PeriodFacts,
    ProviderErrors,
    RetriesCapped,
    UnpricedModel,
)
from bursar.alerts.judge import Episode, judge, usual_day
from bursar.alerts.rules import Rule, parameters_of, read_rule, write_rule
from bursar.domain.alerts import Severity, dedup_key
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadAlert
from bursar.domain.findings import Cause, Factor, Part
from bursar.domain.findings import Finding as Anomaly
from bursar.domain.watching import Change, Clock, Label, SeriesKey, Signal

NOW = datetime_from_us(T0)
USD = 10**12


def found(what, told, episodes=None, severity=None):
    return judge(Rule("r", what, severity), told, episodes or {}, NOW)


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_day_that_costs_more_than_twice_the_usual_says_its_numbers(told: Told):
    told.the_day = DayFacts("2026-11-18", Decimal("52.10"), 3, (*[Decimal("16.20")] * 13, Decimal(900)))
    (one,) = found(rules.DailySpend(filters=("feature=checkout",)), told)
    assert one.title == "Spend today is 3.2× the usual: $52.10"
    for words in ("$16.20", "last 14 complete days", "above 2×, $32.40", "only feature=checkout", "3 attempts without"):
        assert words in one.text
    assert one.address == "/explore?period=today&by=feature&filter=feature%3Dcheckout"
    assert (one.window, one.severity) == ("2026-11-18", Severity.CRITICAL)


def test_a_day_that_is_over_is_told_as_such(told: Told):
    told.the_day = DayFacts("2026-11-17", Decimal(30), 0, (Decimal(10),) * 14, is_over=True)
    (one,) = found(rules.DailySpend(), told)
    assert one.title == "Spend on 2026-11-17 was 3.0× the usual: $30.00"
    assert "so far" not in one.text
    assert one.address == "/explore?period=2026-11-17&by=feature"
    told.the_period = PeriodFacts("2026-10-01", "2026-10", Decimal(101), 0, is_over=True)
    (one,) = found(rules.PeriodSpend(amount_usd=Decimal(100)), told)
    assert one.title == "Spend last month is above $100.00: $101.00"


@pytest.mark.parametrize(
    ("spent", "earlier", "raises"),
    [
        ("2.01", ["1"] * 14, True),
        ("2.00", ["1"] * 14, False),  # above, not at
        ("9.00", ["1"] * 4, False),  # four days are no habit
        ("9.00", ["1"] * 5, True),
        ("0.90", ["0.1"] * 14, False),  # below a dollar it is noise
        ("9.00", ["0"] * 14, False),  # nothing is usual
        ("9.00", ["1"] * 5 + [None] * 9, True),  # days of unknown cost are left out, not zero
        (None, ["1"] * 14, False),  # all of it unpriced: another rule's
        ("2.01", ["100"] * 20 + ["1"] * 14, True),  # only the last fourteen
    ],
)
def test_a_usual_day_is_the_median_of_enough_complete_ones(told: Told, spent, earlier, raises):
    costs = tuple(None if one is None else Decimal(one) for one in earlier)
    told.the_day = DayFacts("2026-11-18", None if spent is None else Decimal(spent), 0, costs)
    assert bool(found(rules.DailySpend(), told)) is raises


@given(st.lists(st.decimals(0, 1000, places=6), min_size=5, max_size=14))
def test_one_wild_day_moves_what_is_usual_no_further_than_its_neighbours(days):
    usual = usual_day([*days[:-1], Decimal(10) ** 9])
    assert usual is not None
    assert usual <= max([*days[:-1]])


def test_spend_above_an_amount_is_told_once_a_period_and_amount(told: Told):
    what = rules.PeriodSpend(amount_usd=Decimal(100))
    assert found(what, told) == []
    told.the_period = PeriodFacts("2026-11-01", "mtd", Decimal("100.01"), 0)
    (one,) = found(what, told)
    assert "$100.01" in one.title
    (other,) = found(rules.PeriodSpend(amount_usd=Decimal(50)), told)
    assert one.key != other.key


def test_a_model_without_a_price_is_one_episode_however_long_it_goes_on(told: Told):
    told.the_unpriced = [UnpricedModel("openai", "gpt-9", 3)]
    (first,) = found(rules.UnpricedCharges(), told)
    assert "3 attempts of gpt-9 at openai" in first.text
    going_on = {("r", "openai/gpt-9"): Episode(first.window, NOW - timedelta(days=6))}
    (again,) = found(rules.UnpricedCharges(), told, going_on)
    assert again.key == first.key
    going_on = {("r", "openai/gpt-9"): Episode("2026-11-01T00:00:00Z", NOW - timedelta(days=7))}
    (anew,) = found(rules.UnpricedCharges(), told, going_on)
    assert anew.window != "2026-11-01T00:00:00Z"


@pytest.mark.parametrize(("doubts", "raises"), [((100, 15, 6), True), ((100, 15, 5), False), ((49, 40, 0), False)])
def test_too_many_unsure_charges_are_told_when_there_are_enough_to_say(told: Told, doubts, raises):
    told.the_doubts = DoubtFacts("2026-11-18", *doubts)
    assert bool(found(rules.EstimatedShare(), told)) is raises


@pytest.mark.parametrize(("attempts", "failed", "raises"), [(20, 11, True), (20, 10, False), (19, 19, False)])
def test_a_storm_needs_a_share_and_a_number(told: Told, attempts, failed, raises):
    told.the_providers = [ProviderErrors("openai", attempts, failed), ProviderErrors("anthropic", 500, 1)]
    assert [one.value for one in found(rules.ErrorStorm(), told)] == (["openai"] if raises else [])


@pytest.mark.parametrize(("untagged", "raises"), [("20", False), ("20.01", True), ("100", True)])
def test_spend_without_tags_is_told_below_a_share(told: Told, untagged, raises):
    told.the_coverage = CoverageFacts("2026-W47", Decimal(100), Decimal(untagged))
    assert bool(found(rules.TagCoverage(), told)) is raises


def test_nothing_spent_is_not_badly_tagged(told: Told):
    told.the_coverage = CoverageFacts("2026-W47", Decimal(0), Decimal(0))
    assert found(rules.TagCoverage(), told) == []


@pytest.mark.parametrize(
    ("spent", "value", "severity"),
    [(49, None, None), (50, "b=acme 50%", "info"), (80, "b=acme 80%", "warning"), (130, "b=acme 100%", "critical")],
)
def test_a_budget_tells_of_the_highest_threshold_it_reached(told: Told, spent, value, severity):
    told.the_budgets = [BudgetStanding("b", "customers", "acme", "2026-11", 100 * USD, spent * USD, 7 * USD, None)]
    told_of = found(rules.Budgets(), told)
    assert [(one.value, str(one.severity)) for one in told_of] == ([(value, severity)] if value else [])
    if told_of:
        assert f"${spent}.00 of $100.00 is spent in 2026-11, and $7.00 is held" in told_of[0].text
        assert told_of[0].window == "2026-11"


def test_a_budget_that_will_not_last_says_until_when(told: Told):
    standing = BudgetStanding("b", "team", "", "2026-11", 100 * USD, 10 * USD, 0, T0 + 86_400_000_000)
    told.the_budgets = [standing]
    (one,) = found(rules.Budgets(), told)
    assert "2026-11-19 11:06 UTC" in one.text
    assert found(rules.Budgets(forecast=False), told) == []
    told.the_budgets = [msgspec.structs.replace(standing, exhausts_us=T0 - 1)]
    assert found(rules.Budgets(), told) == []
    told.the_budgets = [msgspec.structs.replace(standing, limit_pico=0, spent_pico=0, exhausts_us=None)]
    assert found(rules.Budgets(), told) == []


def test_each_cut_of_a_loop_is_told(told: Told):
    told.the_loops = [LoopCut("c1", T0, "billing-sync sent one request 40 times, $0.41."), LoopCut("c2", T0, "Again.")]
    assert len({one.key for one in found(rules.Loops(), told)}) == 2


def test_a_cap_on_retries_is_told_once_an_hour_when_it_was_in_the_way_or_is_spent(told: Told):
    below = RetriesCapped("organization", "acme", "2026-11-18T11:00Z", 9 * USD, USD // 2, 10 * USD, 0)
    told.the_retries = [below]
    assert found(rules.RetryCap(), told) == []
    told.the_retries = [msgspec.structs.replace(below, refused=3), msgspec.structs.replace(below, spent_pico=10 * USD)]
    refused, spent = found(rules.RetryCap(), told)
    assert refused.key == spent.key  # one thing, told once
    assert (refused.window, refused.address) == ("2026-11-18T11:00Z", "/loops")
    for words in ("$9.50 of $10", "3 retries were not made", "gateway.retry_usd_per_hour_max"):
        assert words in refused.text


def test_whoever_can_approve_is_told_that_calls_wait_and_once(told: Told):
    asked = ApprovalAsked("bg_1", "team", "acme corp", 80, 1)
    told.the_approvals = [asked]
    (first,) = found(rules.Approvals(), told)
    assert first.severity is Severity.CRITICAL
    assert "`bursar budgets approve bg_1 --value 'acme corp'`" in first.text
    assert "1 call was refused" in first.text
    episodes = {(first.rule, first.value): Episode(first.window, NOW - timedelta(minutes=100))}
    told.the_approvals = [msgspec.structs.replace(asked, calls=40)]
    assert found(rules.Approvals(), told, episodes)[0].key == first.key
    episodes = {(first.rule, first.value): Episode("2026-11-17T00:00:00Z", NOW - timedelta(hours=3))}
    assert found(rules.Approvals(), told, episodes)[0].window == first.window


def test_a_review_is_written_once_it_is_due_and_not_again_when_it_was_told(told: Told):
    assert found(rules.Reviews(), told) == []
    told.the_review_due = "2026-W47"
    (one,) = found(rules.Reviews(), told)
    assert (one.value, one.window, one.address) == ("weekly", "2026-W47", "/reviews/2026-W47")
    assert (one.severity, one.title, one.text) == (Severity.INFO, "Weekly review of 2026-W47", "What was spent")
    assert found(rules.Reviews(), told, {("r", "weekly"): Episode("2026-W47", NOW)}) == []
    assert told.reviews_written == 1
    assert len(found(rules.Reviews(), told, {("r", "weekly"): Episode("2026-W46", NOW)})) == 1


def test_a_statement_is_sent_to_each_that_bears_something_or_to_one_of_them(told: Told):
    told.the_recipients = ["web", "search"]
    assert found(rules.SentStatements(), told) == []
    told.the_review_due = "2026-10"
    both = found(rules.SentStatements(), told)
    assert [(one.value, one.window) for one in both] == [("team web", "2026-10"), ("team search", "2026-10")]
    assert both[0].address == "/statements?month=2026-10&of=web"
    given = {"by": "customer", "of": "search", "day": "3", "hour": "7", "closed_only": "true"}
    (one,) = found(parameters_of("statement", given), told)
    assert (one.value, one.text) == ("customer search", "by customer, True")
    with pytest.raises(BadAlert):
        write_rule(Rule("r", parameters_of("statement", {"day": "30"})))
    with pytest.raises(BadAlert):
        parameters_of("statement", {"by": "model"})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"day": "8"}, "day"),
        ({"every": "monthly", "day": "29"}, "day"),
        ({"hour": "24"}, "hour"),
        ({"day": "0"}, "day"),
    ],
)
def test_a_review_on_no_day_or_at_no_hour_is_refused(given: dict[str, str], field: str):
    with pytest.raises(BadAlert) as refused:
        write_rule(Rule("r", parameters_of("review", given)))
    assert refused.value.field == field


def test_the_operators_severity_wins(told: Told):
    told.the_loops = [LoopCut("c1", T0, "x")]
    assert found(rules.Loops(), told, severity=Severity.INFO)[0].severity is Severity.INFO


PARTS = st.text(max_size=8)


@given(first=st.tuples(PARTS, PARTS, PARTS), second=st.tuples(PARTS, PARTS, PARTS))
def test_two_keys_are_the_same_only_for_the_same_rule_value_and_window(first, second):
    assert (dedup_key(*first) == dedup_key(*second)) is (first == second)


@given(gaps=st.lists(st.integers(1, 90), min_size=1, max_size=30))
def test_a_storm_is_told_again_only_after_half_an_hour_of_calm(gaps):
    told, episodes, told_of, now, last_seen, expected = Told(), {}, set(), datetime(2026, 1, 1, tzinfo=UTC), None, 0
    told.the_providers = [ProviderErrors("openai", 40, 40)]
    for minutes in gaps:
        now += timedelta(minutes=minutes)
        (one,) = judge(Rule("r", rules.ErrorStorm()), told, episodes, now)
        told_of.add(one.key)
        expected += last_seen is None or now - last_seen >= timedelta(minutes=30)
        last_seen = now
        episodes = {("r", "openai"): Episode(one.window, now)}
    assert len(told_of) == expected


@pytest.mark.parametrize(
    ("kind", "given_", "field"),
    [
        ("weather", {}, "kind"), ("daily_spend", {"factor": "1"}, "factor"), ("daily_spend", {"factor": "x"}, "factor"),
        ("daily_spend", {"colour": "red"}, "colour"), ("period_spend", {}, "parameters"),
        ("period_spend", {"amount_usd": "-1"}, "amount_usd"),
        ("period_spend", {"amount_usd": "1e999"}, "amount_usd"), ("error_storm", {"percent": "101"}, "percent"),
        ("budgets", {"percents": "0"}, "percents"), ("tag_coverage", {"dimension": "shoe"}, "dimension"),
        ("period_spend", {"amount_usd": "1", "period": "year"}, "period"), ("daily_spend", {"factor": "NaN"}, "factor"),
    ],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_named(kind, given_, field):
    with pytest.raises(BadAlert) as refused:
        write_rule(Rule("r", parameters_of(kind, given_)))
    assert refused.value.field == field


@pytest.mark.parametrize("kind", rules.KINDS)
def test_every_kind_can_be_written_and_read_again(kind):
    given_ = {"amount_usd": "12.34"} if kind == "period_spend" else {}
    rule = Rule("r", parameters_of(kind, given_), Severity.INFO, ("a",), False)
    assert read_rule(write_rule(rule)) == rule
    assert rule.kind == kind


def test_a_filter_that_cannot_be_read_is_refused_before_it_is_stored():
    with pytest.raises(BadAlert) as refused:
        write_rule(Rule("r", parameters_of("daily_spend", {}, ("nonsense",))))
    assert refused.value.field == "filters"


def anomaly(**changes) -> Anomaly:
    own = {
        "finding_id": "an_1", "series": SeriesKey("feature", "search"), "signals": (Signal.COST,),
        "change": Change.SPIKE, "clock": Clock.MINUTE, "began_us": T0 - 3_600_000_000, "seen_us": T0, "found_us": T0,
        "until_us": T0, "surprise": 9.0, "expected_pico": USD, "actual_pico": 4 * USD,
        "cause": Cause((Part(Factor.CALLS, 2 * USD), Part(Factor.INPUT, USD), Part(Factor.PRICE, -1))),
        "nested": (SeriesKey("team", "web"),),
    }  # fmt: skip
    return Anomaly(**(own | changes))


def test_an_anomaly_is_told_with_what_it_costs_and_why(told: Told):
    told.the_anomalies = [anomaly()]
    (one,) = found(rules.Anomaly(), told)
    assert one.title == "Feature search costs $3.00 an hour more than usual (4.0×)"
    for words in ("it cost $4.00, where $1.00 was to be expected", "$2,190.00 a month", "more calls, longer prompts"):
        assert words in one.text
    assert (one.value, one.window, one.severity, one.address) == ("an_1", "", Severity.WARNING, "/anomalies/an_1")
    (one,) = found(rules.Anomaly(excess_usd_per_day=Decimal("7.2")), told)
    assert (one.window, one.severity) == ("grave", Severity.CRITICAL)  # ten times as much: told once more
    told.the_anomalies = [anomaly(ended_us=T0)]
    (one,) = found(rules.Anomaly(excess_usd_per_day=Decimal(1)), told)
    assert one.severity is Severity.WARNING
    assert one.title == "Feature search cost $3.00 an hour more than usual (4.0×)"


@pytest.mark.parametrize(
    ("what", "changes", "raises"),
    [
        ({"excess_usd_per_day": Decimal(72)}, {}, True),  # three dollars an hour
        ({"excess_usd_per_day": Decimal("72.01")}, {}, False),
        ({"excess_usd_per_day": Decimal(3)}, {"ended_us": T0}, True),  # and it was over within the hour
        ({"excess_usd_per_day": Decimal("3.01")}, {"ended_us": T0}, False),
        ({"excess_usd_per_day": Decimal(72)}, {"began_us": T0 - 100 * 3_600_000_000, "actual_pico": 301 * USD}, True),
        ({}, {"began_us": T0 - 60_000_000, "expected_pico": 0, "actual_pico": USD // 10}, True),  # $144 a day
        (
            {},
            {"began_us": T0 - 60_000_000, "expected_pico": 0, "actual_pico": USD // 10 - 1},
            False,
        ),  # not yet
        ({}, {"label": Label.EXPECTED}, False),
        ({}, {"label": Label.FALSE}, False),
        ({}, {"label": Label.TRUE}, True),
        ({}, {"actual_pico": 0, "expected_pico": 3 * USD}, False),  # it costs less: nobody is called at night
        ({}, {"actual_pico": 0, "expected_pico": 3 * USD, "signals": (Signal.SILENCE,)}, True),
        ({"filters": ("feature=search",)}, {}, True),
        ({"filters": ("team=web",)}, {}, True),  # it is nested in it
        ({"filters": ("team=core",)}, {}, False),
    ],
)
def test_only_what_costs_enough_and_isn_t_expected_is_told(told: Told, what, changes, raises):
    told.the_anomalies = [anomaly(**changes)]
    assert bool(found(rules.Anomaly(**what), told)) is raises


def test_acting_by_itself_needs_an_action():
    with pytest.raises(BadAlert, match="needs an action"):
        write_rule(Rule("r", parameters_of("anomaly", {"automatic": "true"})))
    made = write_rule(Rule("r", parameters_of("anomaly", {"automatic": "true", "action": "throttle"})))
    assert read_rule(made).what == rules.Anomaly(action="throttle", automatic=True)
    with pytest.raises(BadAlert, match="filtered by what it is of"):
        write_rule(Rule("r", rules.Anomaly(filters=("feature!=search",))))
