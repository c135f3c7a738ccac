"""What a charge saved: steps that are each the difference of two prices, and add up to the last pico."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.charge import Quality
from bursar.domain.savings import Saved
from bursar.domain.usage import Usage
from bursar.gateway.meter import Meter, Metered, with_saved
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.prices.overrides import read_overrides
from bursar.prices.rates import list_without_cache

AT_US = 1_793_000_000_000_000
METER = Meter(PriceBook(compile_rows(None)[0]))
MODELS = (
    ("openai", "gpt-5"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("google", "gemini-2.5-flash"),
)
COUNTS = st.integers(0, 300_000)
USAGES = st.builds(Usage, input=COUNTS, cache_read=COUNTS, cache_write_5m=COUNTS, cache_write_1h=COUNTS, output=COUNTS)


def priced(usage: Usage, provider: str, model: str, tier: str = "") -> Metered:
    return METER.price(usage, Quality.REPORTED, provider, model, model, tier, "", AT_US)


@given(USAGES, st.sampled_from(MODELS), st.sampled_from(("", "default", "batch", "flex", "priority")))
def test_cost_and_steps_are_the_counterfactual(usage: Usage, named: tuple[str, str], tier: str):
    provider, model = named
    found = priced(usage, provider, model, tier)
    if found.list_pico is None:
        assert (found.counterfactual_pico, found.lever, found.saved) == (None, "", Saved())
        return
    assert found.counterfactual_pico == found.list_pico + found.saved.total
    base = "" if tier in ("batch", "flex") else tier
    sheet = METER.sheet(provider, model, model, base, "", AT_US, usage.total_input)
    assert sheet is not None
    assert found.counterfactual_pico == list_without_cache(usage, sheet)
    if tier not in ("batch", "flex"):
        assert found.saved.batch == 0


def test_batch_and_cache_are_two_steps_of_one_call():
    usage = Usage(input=100_000, cache_read=900_000, output=10_000)
    at_once = priced(usage, "anthropic", "claude-sonnet-4-5")
    batch = priced(usage, "anthropic", "claude-sonnet-4-5", "batch")
    assert at_once.list_pico is not None
    assert batch.list_pico is not None
    plain = priced(Usage(input=1_000_000, output=10_000), "anthropic", "claude-sonnet-4-5")
    assert batch.counterfactual_pico == at_once.counterfactual_pico == plain.list_pico
    assert batch.saved.batch == (plain.list_pico or 0) // 2
    assert batch.saved.prompt_cache == at_once.saved.prompt_cache // 2
    assert batch.lever == "batch"  # it saved the most


def test_a_write_that_nobody_reads_is_a_negative_saving():
    found = priced(Usage(input=10, cache_write_1h=50_000, output=10), "anthropic", "claude-sonnet-4-5")
    assert found.saved.prompt_cache < 0
    assert found.lever == "prompt_cache"
    assert found.counterfactual_pico is not None
    assert found.list_pico is not None
    assert found.counterfactual_pico < found.list_pico


def test_a_cached_token_without_a_plain_price_claims_nothing():
    local = read_overrides(
        '[[price]]\nprovider = "local"\nmodel = "m"\noutput = 1\ncache_read = 1\ncache_write_5m = 1\n'
    )
    assert local.faults == []
    meter = Meter(PriceBook(msgspec.structs.replace(compile_rows(None)[0], overrides=local.rows)))
    found = meter.price(Usage(cache_read=5, output=5), Quality.REPORTED, "local", "m", "m", "", "", AT_US)
    assert found.list_pico == 10_000_000
    assert found.saved == Saved()


def test_what_is_known_of_savings_is_replaced_whole():
    found = priced(Usage(input=1_000, output=10), "openai", "gpt-5")
    assert with_saved(found, Saved()) is found
    routed = with_saved(found, Saved(routing=-5))
    assert routed.list_pico == found.list_pico
    assert routed.counterfactual_pico == (found.list_pico or 0) - 5
    assert with_saved(routed, Saved()).counterfactual_pico == found.list_pico


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_a_plain_price_elsewhere_is_known_or_none(provider: str, model: str):
    usage = Usage(input=1_000, cache_read=500, output=10)
    there = METER.plain_pico(usage, provider, model, "", AT_US)
    assert there == priced(Usage(input=1_500, output=10), provider, model).list_pico
    assert METER.plain_pico(usage, provider, "no-such-model", "", AT_US) is None
