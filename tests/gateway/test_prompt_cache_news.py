"""What workers tell of prompt caches, and what the console makes of it."""

import json

from bursar.domain.caching import PromptCaching
from bursar.domain.usage import Usage
from bursar.gateway.prompt_cache.breaks import PLACES_MAX, Breaks, Place, add_place
from bursar.gateway.prompt_cache.caching import CallOf, PromptCaches, Ruled
from bursar.gateway.prompt_cache.news import PromptNews, lost_a_month, monthly_pico, read_told, say, stops
from bursar.gateway.prompt_cache.prices import CachePrices
from bursar.gateway.prompt_cache.watch import WRITES_MIN

SONNET = CachePrices(3_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000)
RULE = Ruled("ca_000000000001", PromptCaching(), SONNET)
MINUTE = 60_000_000
START = 10**15
HANDBOOK = "Answer in the words of the handbook, and say where they stand. " * 100


def worked(calls: int, usage: Usage) -> PromptCaches:
    """A worker after a call a minute whose system prompt has a time in it, each billed like this."""
    caches = PromptCaches(b"s" * 32)
    call = CallOf(
        dialect="anthropic-messages", model="claude-sonnet-4-5", provider="anthropic", account="main",
        credential_id="vk_1", feature="help",
    )  # fmt: skip
    for number in range(calls):
        now_us = START + number * MINUTE
        system = f"{HANDBOOK} It is 10:{number % 60:02}:00. {HANDBOOK}"
        body = {"system": system, "messages": [{"role": "user", "content": "q"}]}
        marked = caches.mark(call, RULE, json.dumps(body).encode(), now_us)
        if marked is not None and marked.ticket is not None:
            caches.billed(marked.ticket, usage, now_us)
        else:
            caches.watch.billed(RULE.rule_id, call.model, SONNET.premium_pico(usage), SONNET.saved_pico(usage), now_us)
    return caches


def test_two_workers_are_told_as_one(tmp_path):
    for slot in range(2):
        news = PromptNews(worked(90, Usage(cache_write_5m=1_000)), tmp_path, slot)
        news.look(START)
        (tmp_path / f"prompt-cache-{slot}.json").unlink()
        news.look(START + MINUTE)  # nothing new: not written again
        assert not (tmp_path / f"prompt-cache-{slot}.json").exists()
        PromptNews(worked(90, Usage(cache_write_5m=1_000)), tmp_path, slot).look(START)
    told = read_told(tmp_path)
    [series] = told.series
    assert (series.credential_id, series.model, series.feature) == ("vk_1", "claude-sonnet-4-5", "help")
    assert series.breaks.calls == 180
    [place] = series.breaks.places
    assert say(place, series.breaks) == "system[0] changes at byte ~6272 in 99 % of calls (looks like a date or a time)"
    [rule] = told.rules
    assert rule.sums.writes == 180
    assert rule.sums.premium_pico == 180 * 1_000 * 750_000
    assert HANDBOOK[:20] not in (tmp_path / "prompt-cache-0.json").read_text("utf-8")


def test_a_rule_that_loses_money_is_stopped_until_it_is_changed(tmp_path):
    PromptNews(worked(90, Usage(cache_write_5m=1_000)), tmp_path, 0).look(START)
    told = read_told(tmp_path)
    now_us = START + 90 * MINUTE
    [(rule_id, why)] = stops(told, {}, now_us).items()
    assert rule_id == RULE.rule_id
    assert why.startswith("claude-sonnet-4-5: in 1 h, ")
    assert stops(told, {RULE.rule_id: now_us}, now_us) == {}


def test_workers_that_each_saw_too_little_stop_a_rule_together(tmp_path):
    calls = WRITES_MIN - 5
    for slot in range(3):
        caches = PromptCaches(b"s" * 32)
        for number in range(calls):
            caches.watch.billed("ca_2", "m", 10**9, 0, START + number * 3 * MINUTE)
        PromptNews(caches, tmp_path, slot).look(START)
    told = read_told(tmp_path)
    assert told.stopped == []
    assert list(stops(told, {}, START + 80 * MINUTE)) == ["ca_2"]


def test_a_rule_that_pays_goes_on(tmp_path):
    PromptNews(worked(90, Usage(cache_read=10_000, cache_write_5m=1_000)), tmp_path, 0).look(START)
    assert stops(read_told(tmp_path), {}, START + 90 * MINUTE) == {}


def test_a_damaged_file_tells_nothing(tmp_path):
    (tmp_path / "prompt-cache-0.json").write_bytes(b'{"series": 7')
    assert read_told(tmp_path).series == []


def test_a_month_is_made_of_what_was_measured():
    day = Breaks(0, 86_400_000_000, calls=10, lost_tokens=1_000)
    assert lost_a_month(day) == 30_000
    assert monthly_pico(day, SONNET) == 30_000 * 2_700_000
    assert monthly_pico(day, SONNET, 100) == 3_000 * 2_700_000
    assert lost_a_month(Breaks(0, 1_000_000, lost_tokens=5)) is None


def test_places_are_bounded_and_add_up():
    places: list[Place] = []
    for number in range(50):
        add_place(places, Place(part=f"messages[{number % 20}]", cause="text", calls=1, lost_tokens=10))
    assert len(places) <= PLACES_MAX
    assert sum(place.calls for place in places) == 50
    assert sum(place.lost_tokens for place in places) == 500
