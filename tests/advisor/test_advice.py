"""Advice: each planted saving is found in a small ledger, what looks like one isn't, each charge counts once, and each
draft can be kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.advisor.advice import KINDS, Advice, Claim, Draft, Estimate
from bursar.advisor.drafts import route_draft
from bursar.advisor.families import FAMILIES
from bursar.advisor.families.exact import hits_by_day
from bursar.advisor.families.repeats import Repeat
from bursar.advisor.look import MONTH_DAYS, Look, Segment
from bursar.advisor.review import _nets, review
from bursar.bench.advice import FIRST_DAY, calls_of, looked_at
from bursar.bench.advice_making import Plant
from bursar.bench.advice_models import Disliked, Disputed, Trialled
from bursar.bench.advice_outputs import (
    Cached,
    Chat,
    Code,
    Documents,
    Labels,
    LongAnswers,
    Prose,
    Staff,
    Untold,
    Variety,
)
from bursar.bench.advice_plants import FixedPrompt, Hurried, Nightly, NightlyTwice, Questions, SameSize
from bursar.domain.caching import CacheTerms
from bursar.domain.clock import us_from_datetime
from bursar.domain.controls import DraftBudget, PolicyTerms
from bursar.domain.routes import RouteRule, Target, faults_of
from bursar.explore.filters import Filter
from bursar.governance.checks import check_caching, check_policy, read_terms
from bursar.ledger.store import Columns, Params, Rows, Session
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows

DAYS = 8


@cache
def book() -> PriceBook:
    return PriceBook(compile_rows(None)[0])


def look_at(*plants: type[Plant]) -> Iterator[Look]:
    made = calls_of([plant(0) for plant in plants], 0, FIRST_DAY, DAYS)
    calls = sorted((call for of_plant in made for call in of_plant), key=lambda one: one.at_us)
    with looked_at(calls, book(), DAYS) as look:
        yield look


@pytest.fixture(scope="module")
def planted() -> Iterator[Look]:
    yield from look_at(Questions, Nightly, NightlyTwice, Hurried, FixedPrompt, Prose, Labels, Trialled)


@pytest.fixture(scope="module")
def plain() -> Iterator[Look]:
    yield from look_at(Chat, Code, Documents, Cached, Variety, Staff, LongAnswers, SameSize, Disputed, Disliked, Untold)


def test_what_is_planted_is_found_and_ranked_by_money(planted: Look):
    found = review(planted)
    given = {
        (row.advice.kind, {one.field: one.values[0] for one in row.advice.scope}["feature"]) for row in found.ranked
    }
    assert given >= {
        ("exact_cache", "faq"), ("batch", "nightly-report"), ("batch", "night-index"), ("exact_cache", "night-index"),
        ("service_tier", "lead-scoring"), ("prompt_cache", "contract-fields"), ("output_length", "tickets"),
        ("cheaper_model", "listing"),
    }  # fmt: skip
    savings = [row.advice.saving.expected for row in found.ranked if row.net is not None and row.advice.saving]
    assert savings == sorted(savings, reverse=True)
    for row in found.ranked:
        advice = row.advice
        assert advice.kind in KINDS
        assert advice.attempts > 0
        assert advice.examples
        assert advice.doubts
        assert advice.saving is not None
        assert advice.saving.low <= advice.saving.expected <= advice.saving.high
        assert row.net is None or Decimal(0) <= row.net <= advice.saving.expected
    assert found.total == sum(row.net for row in found.ranked if row.net is not None)


def test_an_overlap_counts_once(planted: Look):
    found = review(planted)
    rows = {row.advice.kind: row for row in found.ranked if "night-index" in row.advice.title}
    batch, exact = rows["batch"], rows["exact_cache"]
    assert batch.net == batch.advice.saving.expected
    assert exact.net == 0  # all of its calls are in the batch too


def test_what_only_looks_like_a_saving_is_not_advised(plain: Look):
    assert [row.advice.title for row in review(plain).ranked if row.net is not None] == []


def test_every_draft_can_be_kept_as_it_is(planted: Look):
    for row in review(planted).ranked:
        change = row.advice.change
        assert change.before
        assert change.after
        if change.kind == "cache":
            terms = read_terms(change.terms, CacheTerms)
            assert check_caching(terms) == terms
        elif change.kind == "policy":
            check_policy(read_terms(change.terms, PolicyTerms))
        elif change.kind == "route":
            assert faults_of(read_terms(change.terms, RouteRule), None) == []
        elif change.kind == "budget":
            assert Decimal(read_terms(change.terms, DraftBudget).limit) > 0
        else:
            assert change.steps


def test_too_few_days_say_nothing_of_a_month():
    made = calls_of([Nightly(0)], 0, FIRST_DAY, 2)
    with looked_at(made[0], book(), 2) as look:
        found = review(look)
    assert found.too_short
    assert found.ranked == []


CLAIMS = st.lists(
    st.tuples(st.sampled_from(["total_input > $n", "total_output > $n", "request_bytes > $n", "cost * 100000 < $n"]),
              st.integers(0, 9_000), st.decimals(1, 500, places=2)),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=CLAIMS)
def test_each_charge_counts_for_the_first_claim_on_it(planted: Look, claims: list[tuple[str, int, Decimal]]):
    given = [made_up(number, text, bound, saving) for number, (text, bound, saving) in enumerate(claims)]
    nets = _nets(planted, given)
    every = planted.once("every", all_of)
    left = every
    for (text, bound, saving), net in zip(claims, nets, strict=True):
        name = text.split(" ")[0]
        held = [
            row for row in every
            if (row["cost"] * 100_000 < bound if name == "cost" else row[name] > bound)
        ]  # fmt: skip
        ids = {row["attempt_id"] for row in held}
        mine = sum((row["cost"] for row in left if row["attempt_id"] in ids), Decimal(0))
        whole = sum((row["cost"] for row in held), Decimal(0))
        assert net is not None
        assert abs(net - (saving * mine / whole if whole else 0)) <= Decimal("0.0001")
        left = [row for row in left if row["attempt_id"] not in ids]


def test_each_segment_by_itself_gives_the_same_nets_as_all_at_once(planted: Look):
    ranked = review(planted).ranked
    anywhere = [
        msgspec.structs.replace(row.advice, claim=msgspec.structs.replace(row.advice.claim, about=()))
        for row in ranked
    ]  # fmt: skip
    assert len({row.advice.claim.about for row in ranked}) < len(ranked)
    assert _nets(planted, anywhere) == [row.net for row in ranked]


def all_of(look: Look) -> list[dict[str, Any]]:
    return look.ask("SELECT attempt_id, total_input, total_output, request_bytes, cost FROM {base}")


def made_up(number: int, text: str, bound: int, saving: Decimal) -> Advice:
    return Advice(
        id=f"ad_{number}", kind="batch", title="", why="", scope=(Filter("feature", ("faq",)),), examples=(),
        attempts=1, spent=Decimal(1), saving=Estimate(saving, saving, saving), confidence="measured", effort="low",
        risk="low", change=Draft("client"), doubts=(),
        claim=Claim(text.replace("$n", f"$n{number}"), {f"n{number}": bound}),
    )  # fmt: skip


@given(gaps=st.lists(st.integers(0, 500), max_size=30), ttl_s=st.integers(1, 600))
def test_an_entry_ends_its_time_after_it_was_made(gaps: list[int], ttl_s: int):
    times = [float(sum(gaps[:at])) for at in range(len(gaps) + 1)]
    days = [None] * len(times)
    one = Repeat(Segment("", "", "", ""), "f", "vk", times, days, [Decimal(1)] * len(times), [1] * len(times))
    hits, daily = hits_by_day([one], ttl_s)
    made = [times[0]]
    for at in times[1:]:
        if at >= made[-1] + ttl_s:
            made.append(at)
    assert hits == len(times) - len(made) == sum(daily.values())


def test_each_family_is_in_the_table_once():
    assert len(set(FAMILIES)) == len(FAMILIES)


def bare_look(**fields: Any) -> Look:
    look = object.__new__(Look)
    for name, value in fields.items():
        setattr(look, name, value)
    return look


@pytest.mark.parametrize("days", [3, 5, 28])
def test_the_interval_holds_the_next_month_as_often_as_it_says_however_few_days_were_seen(days: int):
    rng, month, held = np.random.default_rng(days), float(MONTH_DAYS), 0
    look = bare_look(days=Decimal(days))
    for _ in range(300):
        seen = {date(2026, 11, 1 + at): Decimal(repr(float(rng.normal(10, 3)))) for at in range(days)}
        truth = 10 * month + float(rng.normal(0, 3 * month**0.5))
        found = look.monthly(seen)
        held += float(found.low) <= truth <= float(found.high)
    assert held / 300 > 0.92


def test_days_are_counted_from_the_first_one_in_utc_whatever_zone_is_shown():
    """A slice's day is UTC's: an evening in Los Angeles is the next one's, which hasn't begun there."""
    now = datetime(2026, 11, 9, tzinfo=UTC)
    for zone in ("UTC", "America/Los_Angeles", "Asia/Kolkata"):
        start, end = (datetime(2026, 11, day, tzinfo=ZoneInfo(zone)) for day in (1, 9))
        look = bare_look(
            slices=[SimpleNamespace(day=date(2026, 11, 4))], period=SimpleNamespace(start=start, end=end),
            now_us=us_from_datetime(now),
        )  # fmt: skip
        until = min(end, now)
        assert look._days() == Decimal((until - datetime(2026, 11, 4, tzinfo=UTC)).total_seconds()) / 86_400


@pytest.mark.parametrize("feature", ["*", "a?c", "[bot]", "plain"])
def test_a_route_that_is_advised_is_about_its_own_calls_alone_whatever_they_are_called(feature: str):
    rule = RouteRule(name="r", match={"feature": feature}, targets=(Target("openai", "gpt-4.1"),))
    kept = read_terms(route_draft(rule, "", "").terms, RouteRule)
    assert faults_of(kept, None) == []
    pattern = kept.match["feature"]
    assert fnmatchcase(feature, pattern)
    assert not any(fnmatchcase(other, pattern) for other in ("other", "abc", "b", "*?"))


class Asked:
    """A session that counts what it is asked."""

    def __init__(self, session: Session) -> None:
        self.session, self.questions = session, 0

    def query(self, sql: str, params: Params | None = None) -> Rows:
        self.questions += 1
        return self.session.query(sql, params)

    def run(self, sql: str, params: Params | None = None) -> None:
        self.session.run(sql, params)

    def stage(self, name: str, columns: Columns) -> AbstractContextManager[None]:
        return self.session.stage(name, columns)


def test_segments_that_nothing_is_advised_on_cost_no_questions_of_their_own(plain: Look, planted: Look):
    counts = {}
    for name, look in (("plain", plain), ("planted", planted)):
        asked = Asked(look.session)
        given = review(Look(asked, "duckdb", look.period, look.book, look.now_us)).ranked
        counts[name] = asked.questions, len(look.segments), len(given)
    questions, segments, given = counts["plain"]
    assert segments >= 10
    assert questions <= 40 + 4 * given
    assert counts["planted"][0] <= 40 + 8 * counts["planted"][2]


def test_what_is_claimed_of_a_segment_is_the_same_alone_and_with_all_others(planted: Look):
    for segment in planted.segments:
        claim = planted.claim(segment, "total_input > 2000")
        alone = planted.claimed(Claim(claim.sql, claim.params))
        assert planted.claimed(claim)[:2] == alone[:2]
        assert len(planted.claimed(claim).calls) == len(alone.calls)
