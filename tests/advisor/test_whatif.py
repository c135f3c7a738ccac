"""What-ifs: nothing changed costs the same, what can't move stays at its cost and is counted, unknown is never zero."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.records import T0, call_facts, dispatched, settled

from bursar.advisor.whatif import Change, WhatIf, bands_of, what_if
from bursar.domain.charge import Quality
from bursar.domain.money import usd_from_pico
from bursar.domain.periods import Period
from bursar.domain.usage import Usage
from bursar.explore.portfolio import CONTEXT_STEPS, Group, portfolio
from bursar.gateway.meter import Meter
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.spool.journal import Journal

BOOK = PriceBook(compile_rows(None)[0])
METER = Meter(BOOK)
DAY = datetime.fromtimestamp(T0 / 1e6, UTC)
PERIOD = Period(DAY - timedelta(days=1), DAY + timedelta(days=1))
MODELS = (("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"), ("google", "gemini-2.5-pro"), ("openai", "?"))


class Asked(msgspec.Struct):
    """One call, and what it costs by the meter that charges it."""

    provider: str
    model: str
    usage: Usage
    tier: str
    operation: str

    @property
    def cost(self) -> Decimal | None:
        pico = METER.price(
            self.usage, Quality.REPORTED, self.provider, self.model, self.model, self.tier, "", T0
        ).list_pico
        return None if pico is None else usd_from_pico(pico)


COUNTS = st.integers(0, 300_000)
CALLS = st.builds(
    lambda named, usage, tier, operation: Asked(*named, usage, tier, operation),
    st.sampled_from(MODELS),
    st.builds(Usage, input=COUNTS, cache_read=COUNTS, cache_write_5m=COUNTS, output=COUNTS, reasoning=st.just(0)),
    st.sampled_from(("", "batch", "flex")),
    st.sampled_from(("chat", "chat", "embeddings")),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Path]]:
    directory = tmp_path_factory.mktemp("whatif")
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    yield ledger, directory
    ledger.close()


def groups_of(home: tuple[Ledger, Path], calls: list[Asked]) -> list[Group]:
    ledger, directory = home
    with ledger.writing() as session:
        session.run("DELETE FROM charges")
    number = len(list(directory.iterdir()))
    journal = Journal(directory / f"spool-{number}", f"w{number}", sync=False)
    for seq, call in enumerate(calls, 1):
        facts = call_facts(T0, operation=call.operation, model_asked=call.model)
        one = dispatched(seq, facts, provider=call.provider, tier_asked=call.tier)
        found = METER.price(call.usage, Quality.REPORTED, call.provider, call.model, call.model, call.tier, "", T0)
        end = settled(one)
        changes: dict[str, Any] = {
            "usage": call.usage, "lines": found.lines, "list_pico": found.list_pico, "quality": found.quality,
            "counterfactual_pico": found.counterfactual_pico, "lever": found.lever, "saved": found.saved,
            "model_served": call.model, "tier_served": call.tier,
        }  # fmt: skip
        journal.append(one)
        journal.append(msgspec.structs.replace(end, **changes))
    journal.close()
    Loader(ledger, directory / f"spool-{number}").load_all()
    called = [(call.provider, call.model) for call in calls]
    targets = [Change(provider=provider, model=model) for provider, model in MODELS]
    with ledger.reading() as session:
        return portfolio(session, ledger.dialect, PERIOD, [], bands_of(BOOK, called, targets, T0))


def asked(groups: list[Group], *changes: Change) -> WhatIf:
    return what_if(groups, changes, BOOK, T0)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALLS, min_size=1, max_size=12))
def test_every_call_is_priced_as_the_meter_would_price_it_there(home: tuple[Ledger, Path], calls: list[Asked]):
    groups = groups_of(home, calls)
    known = [call.cost for call in calls if call.cost is not None]
    same = asked(groups, Change())
    assert (same.attempts, same.unpriced_count) == (len(calls), len(calls) - len(known))
    assert same.was == sum(known, Decimal(0))
    assert abs(same.saved) <= len(calls) * Decimal("1e-12")  # each call is rounded once, a group of them too
    for provider, model in MODELS:
        found = asked(groups, Change(provider=provider, model=model))
        assert found.was == same.was
        expected = sum((cost_there(call, provider, model) for call in calls), Decimal(0))
        assert abs(found.would - expected) <= len(calls) * Decimal("2e-12")
        assert found.attempts_moved + sum(count for count, _ in found.stays.values()) == len(calls)


def cost_there(call: Asked, provider: str, model: str) -> Decimal:
    """What the meter would charge there, or what it did charge where the call can't move."""
    if call.cost is None:
        return Decimal(0)
    if (provider, model) != (call.provider, call.model):
        size, context = call.usage.total_input + call.usage.total_output, BOOK.context_tokens(provider, model)
        step = next((step for step in CONTEXT_STEPS if size <= step), 10**9)
        if call.operation != "chat" or (context is not None and step > context):
            return call.cost
    there = msgspec.structs.replace(call, provider=provider, model=model).cost
    return call.cost if there is None else there


def test_what_can_not_move_stays_and_says_why(home: tuple[Ledger, Path]):
    small, large = Usage(input=1_000, output=100), Usage(input=900_000, output=100)
    calls = [
        Asked("anthropic", "claude-sonnet-4-5", small, "", "chat"),
        Asked("google", "gemini-2.5-pro", large, "", "chat"),
        Asked("openai", "text-embedding-3-small", Usage(input=1_000), "", "embeddings"),
        Asked("openai", "?", small, "", "chat"),
    ]
    groups = groups_of(home, calls)
    found = asked(groups, Change(provider="openai", model="gpt-4o-mini"))
    assert {why: count for why, (count, _) in found.stays.items()} == {"context": 1, "operation": 1, "unpriced": 1}
    assert (found.attempts_moved, found.unpriced_count) == (1, 1)
    assert found.would < found.was
    nowhere = asked(groups, Change(provider="openai", model="no-such-model"))
    assert nowhere.stays["no_price"][0] == 2
    assert nowhere.saved == 0


def test_what_was_assumed_at_its_bound_saves_nothing_by_being_elsewhere(home: tuple[Ledger, Path]):
    [group] = groups_of(home, [Asked("anthropic", "claude-sonnet-4-5", Usage(input=1_000, output=100), "", "chat")])
    lost = msgspec.structs.replace(group, quality="assumed", usage=Usage(), effective_cost=Decimal("0.30"))
    for change in (Change(), Change(provider="openai", model="gpt-4o-mini"), Change(batch_percent=100)):
        found = asked([lost], change)
        assert (found.saved, found.stays["no_usage"]) == (0, (1, Decimal("0.30")))


def test_a_tier_without_a_price_of_its_own_is_no_tier_at_the_standard_price(home: tuple[Ledger, Path]):
    groups = groups_of(home, [Asked("openai", "gpt-4o-mini", Usage(input=1_000, output=100), "", "chat")])
    found = asked(groups, Change(tier="flex"))
    assert (found.attempts_moved, found.saved, found.stays["no_price"][0]) == (0, 0, 1)
    assert asked(groups, Change(tier="")).attempts_moved == 1


def test_batches_caches_tiers_and_shorter_answers_are_linear(home: tuple[Ledger, Path]):
    call = Asked("anthropic", "claude-sonnet-4-5", Usage(input=100_000, output=10_000), "", "chat")
    groups = groups_of(home, [call])
    was = call.cost
    assert was is not None
    assert asked(groups, Change(batch_percent=100)).would == was / 2
    assert asked(groups, Change(batch_percent=50)).would == was * 3 / 4
    assert asked(groups, Change(cached_percent=100)).would == Decimal("0.03") + Decimal("0.15")
    assert asked(groups, Change(cached_percent=0, written_percent=100)).would == Decimal("0.375") + Decimal("0.15")
    assert asked(groups, Change(output_percent=50)).would == Decimal("0.3") + Decimal("0.075")
    assert asked(groups, Change(tier="batch")).would == was / 2
    assert asked(groups, Change(model="gpt-4o-mini", from_provider="openai")).stays["other"][0] == 1


def test_tokens_of_another_model_are_corrected_where_both_were_seen_and_assumed_where_not(home: tuple[Ledger, Path]):
    size = 1_400  # bytes of each request in these records
    one = [Asked("anthropic", "claude-sonnet-4-5", Usage(input=420, output=10), "", "chat")] * 100
    other = [Asked("openai", "gpt-4o-mini", Usage(input=350, output=10), "", "chat")] * 100
    groups = groups_of(home, one + other)
    assert sum(group.text_bytes for group in groups) == 200 * size
    found = asked(groups, Change(provider="openai", model="gpt-4o-mini", from_provider="anthropic"))
    [moved] = [one for one in found.moved if not one.why]
    assert moved.ratio.is_measured
    assert moved.ratio.value == pytest.approx(350 / 420)
    assert found.assumed_ratios == []
    alone = asked(groups_of(home, one[:3]), Change(provider="openai", model="gpt-4o-mini"))
    assert alone.assumed_ratios == [("anthropic/claude-sonnet-4-5", "openai/gpt-4o-mini")]
