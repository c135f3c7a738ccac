"""The shipped traces and the made-up traffic that follows them."""

from collections import Counter, defaultdict
from importlib import resources
from itertools import islice, pairwise

import pytest

from bursar.simulate.billing import cost_pico, load_models
from bursar.simulate.cast import CUSTOMERS_TOTAL, FEATURES, UNPRICED_MODEL, customers
from bursar.simulate.generate import DAY_US, GROWING_FEATURE, LOOP_CALLS, Event, events, loop_day
from bursar.simulate.replay import requests
from bursar.simulate.trace import TRACES, load_arrivals, load_rates, read_azure, read_mooncake, read_rates

END_US = 1_790_000_000_000_000 // DAY_US * DAY_US + DAY_US  # a midnight
MODELS = load_models()


@pytest.fixture(scope="module")
def two_months() -> list[Event]:
    return list(events(3, END_US - 60 * DAY_US, END_US, 400))


def test_the_shipped_cuts_are_small_and_name_their_source():
    files = [entry for entry in resources.files("bursar.simulate").joinpath("data").iterdir() if entry.is_file()]
    sources = next(entry for entry in files if entry.name == "SOURCES.md").read_text("utf-8")
    data = [entry for entry in files if entry.name != "SOURCES.md"]
    assert sum(len(entry.read_bytes()) for entry in data) < 400_000
    assert all(f"`{entry.name}`" in sources for entry in data)
    assert all(licence in sources for licence in ("CC-BY-4.0", "Apache-2.0"))


@pytest.mark.parametrize(("name", "rows"), [("azure-code", 2_598), ("azure-conv", 4_424), ("mooncake", 1_750)])
def test_traces_read_whole_and_in_order(name, rows):
    arrivals = load_arrivals(name)
    assert len(arrivals) == rows
    assert all(a.at_s <= b.at_s for a, b in pairwise(arrivals))
    assert all(0 <= arrival.cached_tokens <= arrival.input_tokens for arrival in arrivals)
    assert any(arrival.cached_tokens for arrival in arrivals) == (name == "mooncake")


def test_tenants_have_fourteen_days_of_rates():
    rates = load_rates()
    assert len(rates) == 12
    assert {len(row.per_second) for row in rates.values()} == {14 * 144}


def test_bad_lines_are_faults_with_their_number_and_the_rest_is_read():
    rows, faults = read_azure(
        [
            "TIMESTAMP,ContextTokens,GeneratedTokens",
            "2023-11-16 18:15:46.6805900,374,44",
            "x,1,2",
            "",
            "2023-11-16 18:15:47.0,1,2",
        ]
    )
    assert ([row.input_tokens for row in rows], [fault.line for fault in faults]) == ([374, 1], [3, 4])
    cached, faults = read_mooncake(
        [
            '{"timestamp":0,"input_length":600,"output_length":1,"hash_ids":[1,2]}',
            "{",
            '{"timestamp":9,"input_length":700,"output_length":1,"hash_ids":[1,3]}',
        ]
    )
    assert ([row.cached_tokens for row in cached], [fault.line for fault in faults]) == ([0, 512], [2])
    rates, faults = read_rates(["window_start_s,a,b", "0,1.5,0", "600,x,1", "1200,2,2"])
    assert [row.per_second for row in rates] == [[1.5, 0.0, 2.0], [0.0, 0.0, 2.0]]
    assert [fault.line for fault in faults] == [3]


@pytest.mark.parametrize("trace", TRACES)
def test_each_trace_can_be_replayed(trace):
    calls = list(islice(requests(trace), 200))
    assert len(calls) == 200
    assert all(a.at_us <= b.at_us for a, b in pairwise(calls))
    assert all(event.model in MODELS for event in calls)


def test_the_same_seed_gives_the_same_day_whatever_period_it_is_part_of(two_months):
    day = [event for event in two_months if END_US - 5 * DAY_US <= event.at_us < END_US - 4 * DAY_US]
    assert day
    assert day == list(events(3, END_US - 5 * DAY_US, END_US, 400))[: len(day)]
    assert day != list(events(4, END_US - 5 * DAY_US, END_US, 400))[: len(day)]


def test_events_come_in_order_within_the_period(two_months):
    times = [event.at_us for event in two_months]
    assert times == sorted(times)
    assert times[0] >= END_US - 60 * DAY_US
    assert times[-1] < END_US
    assert 400 * 60 * 0.8 < len(times) < 400 * 60 * 1.1


def test_weekends_dip_and_nights_are_quiet(two_months):
    by_weekday: Counter[int] = Counter()
    by_hour: Counter[int] = Counter()
    for event in two_months:
        if event.feature == "doc-extract":
            by_weekday[(event.at_us // DAY_US + 3) % 7] += 1
            by_hour[event.at_us % DAY_US // 3_600_000_000] += 1
    assert max(by_weekday[5], by_weekday[6]) < min(by_weekday[day] for day in range(4))
    assert by_hour.most_common(1)[0][1] > 5 * min(by_hour[hour] for hour in range(24))


def test_usage_and_attribution_are_plausible(two_months):
    names = {feature.name for feature in FEATURES}
    for event in two_months:
        usage = event.usage
        assert min(usage.input, usage.cache_read, usage.cache_write_5m, usage.output) >= 0
        assert usage.reasoning <= usage.output
        assert event.feature in names | {""}
        assert event.model in MODELS or event.model == UNPRICED_MODEL
        if event.dialect == "openai-embeddings":
            assert usage.output == usage.cache_read == 0
    assert 0.01 < sum(event.feature == "" for event in two_months) / len(two_months) < 0.03
    assert {event.ending for event in two_months} == {
        "ok",
        "truncated",
        "provider_error",
        "timeout",
        "aborted",
        "no_usage",
    }


def test_customers_are_many_uneven_and_not_all_ascii():
    names = [name for name, _ in customers()]
    assert len(set(names)) == CUSTOMERS_TOTAL
    assert sum(not name.isascii() for name in names) >= 6
    assert max(map(len, names)) > 80


def test_the_retry_loop_costs_twenty_dollars_in_one_afternoon(two_months):
    loop = [event for event in two_months if event.incident == "retry-loop"]
    assert len(loop) == LOOP_CALLS
    assert {event.at_us // DAY_US for event in loop} == {loop_day(END_US)}
    assert {13 <= event.at_us % DAY_US / 3_600_000_000 < 17.5 for event in loop} == {True}
    assert len({event.request for event in loop}) == 1
    assert [event.client_retry for event in loop] == list(range(LOOP_CALLS))
    assert 19_500 < sum(cost_pico(MODELS[event.model], event.usage) for event in loop) / 10**9 < 20_500


@pytest.mark.parametrize("shift", range(7))
def test_the_retry_loop_falls_on_a_working_day(shift):
    assert (loop_day(END_US + shift * DAY_US) + 3) % 7 < 5


def test_code_review_answers_more_than_double(two_months):
    sizes: dict[bool, list[int]] = defaultdict(list)
    for event in two_months:
        if event.feature == GROWING_FEATURE:
            days_ago = (END_US - event.at_us) // DAY_US
            if days_ago > 21 or days_ago < 3:
                sizes[days_ago < 3].append(event.usage.output)
    before, now = (sum(sizes[late]) / len(sizes[late]) for late in (False, True))
    assert now > 2 * before


def test_classify_ticket_asks_the_dearest_model_for_a_word(two_months):
    tickets = [event for event in two_months if event.feature == "classify-ticket"]
    used = {event.model for event in two_months if event.model in MODELS}
    dearest = max(used, key=lambda name: MODELS[name].rates.get("output", 0))
    assert {event.model for event in tickets} == {dearest}
    assert max(event.usage.output for event in tickets) <= 6


def test_three_calls_go_to_a_model_that_no_catalogue_has(two_months):
    assert sum(event.model == UNPRICED_MODEL for event in two_months) == 3
