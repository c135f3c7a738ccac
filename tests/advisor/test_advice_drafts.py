"""The exact change of each advice: a control that can be kept where one can make it, else what to send, literally."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from typing import ClassVar

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import budget_draft
from bursar.advisor.families.bands import cross_fewer_bands
from bursar.advisor.families.batch import send_as_batches
from bursar.advisor.families.batch_requests import batch_steps
from bursar.advisor.families.history import WINDOW, send_less_history
from bursar.advisor.families.jobs import stop_repeated_jobs
from bursar.advisor.families.retries import stop_asking_again
from bursar.advisor.families.tiers import take_the_standard_tier
from bursar.advisor.look import Home, Look
from bursar.bench.advice import FIRST_DAY, calls_of, looked_at
from bursar.bench.advice_making import Plant
from bursar.bench.advice_outputs import Coach, HungUp, JustAbove
from bursar.bench.advice_plants import Hurried, Nightly, Probe, SharedJob
from bursar.bench.advice_world import Made
from bursar.domain.caching import CacheTerms
from bursar.domain.controls import DraftBudget, PolicyTerms
from bursar.domain.usage import Usage
from bursar.governance.checks import check_caching, check_policy, read_terms
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows

DAYS = 8


class OnFlex(Nightly):
    """A nightly run on a model that has a flex tier."""

    name = "night-flex"
    served: ClassVar[dict[str, str]] = {"provider": "openai", "model": "gpt-5.2"}

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for call in super().calls(rng, day):
            usage = Usage(input=10 * call.usage.input, output=call.usage.output)
            yield msgspec.structs.replace(call, usage=usage, **self.served)


class OnFlexWithPeople(OnFlex):
    """The same, with people's calls of the same feature, request type and model."""

    name = "shared-flex"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        yield from super().calls(rng, day)
        for call in SharedJob(0).calls(rng, day):
            if call.user:
                yield msgspec.structs.replace(call, feature=self.name, **self.served)


@cache
def book() -> PriceBook:
    return PriceBook(compile_rows(None)[0])


@contextmanager
def look_at(*plants: Plant) -> Iterator[Look]:
    made = calls_of(plants, 0, FIRST_DAY, DAYS)
    calls = sorted((call for of_plant in made for call in of_plant), key=lambda one: one.at_us)
    with looked_at(calls, book(), DAYS) as look:
        yield look


def policy_of(advice: Advice) -> PolicyTerms:
    """The terms of a draft that a site would keep."""
    assert advice.change.kind == "policy"
    return check_policy(read_terms(advice.change.terms, PolicyTerms))


def test_a_dearer_tier_is_taken_off_by_a_policy():
    with look_at(Hurried(0)) as look:
        [advice] = take_the_standard_tier(look)
    terms = policy_of(advice)
    assert terms.service_tier == "standard"
    assert terms.match == {"feature": "lead-scoring", "request_type": "score", "model": "gpt-4o"}


def test_a_tier_that_no_request_asks_for_is_for_the_project_s_settings():
    with look_at(Hurried(0)) as look:
        look.base = look.base.replace("SELECT *", "SELECT * REPLACE ('' AS tier_asked)")
        [advice] = take_the_standard_tier(look)
    assert advice.change.kind == "client"
    assert "project's settings" in advice.change.steps[0]


def test_the_flex_tier_is_a_policy_where_it_meets_nobody_who_waits():
    with look_at(OnFlex(0), OnFlexWithPeople(0), Nightly(0)) as look:
        found = {one.scope[0].values[0]: one for one in send_as_batches(look)}
    alone, mixed, plain = (found[name] for name in ("night-flex", "shared-flex", "nightly-report"))
    assert policy_of(alone).service_tier == "flex"
    assert "flex tier" in alone.title
    assert any("time-out" in step for step in alone.change.steps)
    for one in (mixed, plain):
        assert one.change.kind == "client"
        assert "as a batch" in one.title
    assert "/v1/messages/batches" in " ".join(plain.change.steps)
    assert '"url": "/v1/chat/completions"' in " ".join(mixed.change.steps)


@pytest.mark.parametrize(
    ("provider", "dialect", "said"),
    [
        ("anthropic", "anthropic-messages", '"params": BODY'),
        ("openai", "openai-responses", '"endpoint": "/v1/responses"'),
        ("openai", "openai-embeddings", '"url": "/v1/embeddings"'),
        ("google", "gemini-generate", "/v1beta/models/m-1:batchGenerateContent"),
        ("aws", "bedrock-converse", "CreateModelInvocationJob for m-1"),
        ("groq", "openai-chat", '"url": "/v1/chat/completions"'),
    ],
)
def test_a_batch_is_said_as_its_provider_takes_it(provider: str, dialect: str, said: str):
    steps = batch_steps(provider, Home("m-1", provider, "", "m-1", dialect))
    assert said in " ".join(steps)
    assert "PLACE" not in " ".join(steps)
    assert "MODEL" not in " ".join(steps)


def test_a_long_past_is_warned_of_by_its_bytes():
    with look_at(Coach(0)) as look:
        [advice] = send_less_history(look)
        rows = look.ask(
            "SELECT request_bytes, row_number() OVER (PARTITION BY session ORDER BY received_at) AS turn FROM {base}"
        )
    terms = policy_of(advice)
    assert terms.on_input_excess == "warn"
    assert terms.input_bytes_max is not None
    early = [row for row in rows if row["turn"] <= WINDOW]
    warned = [row for row in rows if row["request_bytes"] > terms.input_bytes_max]
    assert warned
    assert sum(row in warned for row in early) <= 0.01 * len(early)


def test_a_context_band_is_warned_of_at_its_edge():
    with look_at(JustAbove(0)) as look:
        [advice] = cross_fewer_bands(look)
        row = look.ask(
            "SELECT avg((total_input > 200000)::INTEGER) AS there, "
            f"avg((request_bytes > {policy_of(advice).input_bytes_max})::INTEGER) AS warned FROM {{base}}"
        )[0]
    assert policy_of(advice).on_input_excess == "warn"
    assert row["warned"] == pytest.approx(row["there"], abs=0.1)


def test_a_forgotten_job_is_answered_from_a_cache_for_a_week():
    with look_at(Probe(0)) as look:
        [advice] = stop_repeated_jobs(look)
        spent = look.spent
    terms = check_caching(read_terms(advice.change.terms, CacheTerms))
    assert terms.exact is not None
    assert terms.exact.ttl_s == 7 * 86_400
    assert terms.match["credential"] == "vk_status-board"
    assert advice.saving is not None
    monthly = spent * Decimal("30.4375") / DAYS
    runs = DAYS * 24
    assert float(advice.saving.expected) == pytest.approx(float(monthly) * (1 - 2 / runs), rel=0.002)


def test_what_was_paid_twice_is_watched_by_a_budget_at_its_usual_day():
    with look_at(HungUp(0)) as look:
        [advice] = stop_asking_again(look)
        per_day = {day: sum(one.cost for one in look.slices if one.day == day) for day in {s.day for s in look.slices}}
    terms = read_terms(advice.change.terms, DraftBudget)
    assert advice.change.kind == "budget"
    assert 0 < Decimal(terms.limit) <= max(per_day.values()) * 2
    assert terms.match["feature"] == "export"
    assert any("dry run" in line for line in advice.change.after)
    assert advice.change.steps


@given(a_day=st.decimals(0, 10**9, places=12))
def test_a_proposed_limit_is_never_below_the_usual_day_nor_far_above(a_day: Decimal):
    limit = Decimal(budget_draft("b", {}, a_day, "", "").terms["limit"])
    assert limit >= a_day
    assert limit >= Decimal("0.01")
    assert limit <= max(a_day * Decimal("1.1"), Decimal("0.01"))
