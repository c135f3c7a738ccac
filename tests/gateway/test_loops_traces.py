"""The loop breaker on real traffic: the shipped traces raise nothing, and the planted loop ends below 50 cents."""

from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from tests.gateway.loop_script import Played, Sent, breakers_of, play

from bursar.domain.loops import Loops
from bursar.gateway.loop_pace import Pace, Paces
from bursar.gateway.loop_signs import compile_limits
from bursar.simulate.billing import Model, cost_pico, load_models
from bursar.simulate.generate import DAY_US, Event, events, loop_day
from bursar.simulate.replay import PLAYED, requests
from bursar.simulate.trace import WINDOW_S, load_rates

END_US = 20_400 * DAY_US
MODELS = load_models()
SERVEGEN_CALLS = 50_000  # the first hours of fourteen days; docs/loops.md says what all of them gave


def as_sent(event: Event, start_us: int, key: str) -> Sent:
    """A generated event as it reaches the breaker."""
    model: Model | None = MODELS.get(event.model)
    endings = {
        "provider_error": ("provider_error", 529, "overloaded_error", 0),
        "timeout": ("timeout", 0, "upstream_timeout", 150_000_000_000),
        "aborted": ("aborted", 200, "client_gone", None),
        "truncated": ("truncated", 200, "", None),
    }
    outcome, status, error, cost = endings.get(event.ending, ("ok", 200, "", None))
    if cost is None and model is not None:
        cost = cost_pico(model, event.usage)
    return Sent(
        event.at_us - start_us, f"{event.feature}/{event.request}", event.duration_ms * 1000 + 500_000, outcome, status,
        error, cost, event.usage.total_input * 4 + 600, key, event.session, event.agent, event.feature, event.model,
        "embeddings" if event.dialect == "openai-embeddings" else "chat", event.client_retry,
        1 + len(event.failed_attempts),
    )  # fmt: skip


KEYS: dict[str, Callable[[Event], str]] = {
    "one key for all": lambda event: "vk_all",
    "a key per customer": lambda event: f"vk_{event.customer or event.user}",
}


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("trace", PLAYED)
def test_a_real_trace_with_its_own_arrivals_raises_nothing(trace: str, keys: str) -> None:
    calls = (as_sent(event, 0, KEYS[keys](event)) for event in islice(requests(trace), SERVEGEN_CALLS))
    assert_raises_nothing(play(calls, breakers_of(workers=2)))


def test_the_twelve_tenants_at_their_full_pace_are_never_sudden() -> None:
    limits = compile_limits(Loops(rate_usd="0"))
    paces = Paces(limits, 1)
    for tenant, rates in load_rates().items():
        pace = Pace(1, 0)
        for minute, calls in enumerate(minutes_of(rates.per_second)):
            pace.calls = calls
            now_us = (minute + 1) * 60_000_000
            assert calls <= paces.floor or paces.hurries(pace, "key", paces.floor, now_us) is None, (tenant, minute)
            pace.begin_minute(now_us)


def minutes_of(per_second: list[float]) -> Iterator[int]:
    for rate in per_second:
        yield from [round(rate * 60)] * (WINDOW_S // 60)


def test_the_made_up_company_raises_nothing_but_its_planted_loop() -> None:
    start_us = END_US - 16 * DAY_US
    made = list(events(0, start_us, END_US, 4_000))
    usual = [event for event in made if event.incident != "retry-loop"]
    assert len(usual) > 30_000
    assert_raises_nothing(play(as_sent(event, start_us, f"vk_{event.team}") for event in usual))
    played = play(as_sent(event, start_us, f"vk_{event.team}") for event in made)
    assert {cut.feature for cut in played.breaker.cuts.values()} == {"billing-sync"}


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("seed", range(10))
def test_the_planted_loop_of_twenty_dollars_ends_below_fifty_cents(workers: int, seed: int) -> None:
    day_us = loop_day(END_US) * DAY_US
    loop = [event for event in events(seed, day_us, END_US, 10) if event.incident == "retry-loop"]
    calls = [as_sent(event, day_us, "vk_finance") for event in loop]
    assert len(calls) == 400
    assert sum(call.cost_pico or 0 for call in calls) > 20 * 10**12
    played = play(calls, breakers_of(workers=workers))
    assert played.spent_pico < 500_000_000_000
    assert played.passed + played.refused == 400


def assert_raises_nothing(played: Played) -> None:
    assert played.refused == 0, [str(refusal) for refusal in played.refusals[:3]]
    assert played.signs == set()
