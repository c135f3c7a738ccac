"""Pricing is exact, adds up, is rounded once, and never takes the unknown for nothing."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from bursar.domain.money import PICO_MAX
from bursar.domain.usage import UNITS, Unit, Usage
from bursar.prices.rates import ImplausibleUsage, UnpricedUnit, bound_pico, list_without_cache, price_usage
from bursar.prices.rows import STANDARD, Band, Period
from bursar.prices.schedule import Sku, build_schedule
from bursar.prices.sheet import PriceSheet

ALL = Unit.INPUT, Unit.CACHE_READ, Unit.CACHE_WRITE_5M, Unit.CACHE_WRITE_1H, Unit.OUTPUT, Unit.WEB_SEARCH

counts = st.integers(0, 2_000_000)
usages = st.builds(
    Usage, input=counts, cache_read=counts, cache_write_5m=counts, cache_write_1h=counts, output=counts,
    output_audio=counts, input_image=counts, web_search=st.integers(0, 30),
)  # fmt: skip
femto_prices = st.integers(0, 10**12)
price_lists = st.fixed_dictionaries(dict.fromkeys(ALL, femto_prices))


def sheet_of(prices: dict[Unit, int], reasoning: int | None = None) -> PriceSheet:
    period = Period(None, None, 0, 86_400, [Band(-1, prices, reasoning)], "test")
    schedule = build_schedule(Sku("openai", "m", STANDARD, "exact", ""), [period], [], [])
    assert schedule is not None
    sheet = schedule.at(0, 0)
    assert sheet is not None
    return sheet


@given(usage=usages, prices=price_lists)
def test_lines_add_up_to_the_total_which_is_rounded_once_half_even(usage: Usage, prices: dict[Unit, int]):
    priced = price_usage(usage, sheet_of(prices))
    exact = Decimal(sum(quantity * femto for _, quantity, femto in priced.lines)).scaleb(-3)
    assert priced.list_pico == int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))
    assert [unit for unit, _, _ in priced.lines] == [unit for unit, _ in usage.nonzero()]
    assert {unit: quantity for unit, quantity, _ in priced.lines} == dict(usage.nonzero())


@given(one=usages, other=usages, prices=price_lists)
def test_a_usage_split_in_two_costs_what_it_cost_whole(one: Usage, other: Usage, prices: dict[Unit, int]):
    sheet = sheet_of(prices)
    whole = Usage(*(a + b for a, b in zip(astuple(one), astuple(other), strict=True)))
    femto = [
        sum(quantity * price for _, quantity, price in price_usage(usage, sheet).lines) for usage in (one, other, whole)
    ]
    assert femto[0] + femto[1] == femto[2]


@given(usage=usages, prices=price_lists, unit=st.sampled_from(ALL), more=st.integers(1, 10_000))
def test_more_of_a_unit_never_costs_less(usage: Usage, prices: dict[Unit, int], unit: Unit, more: int):
    sheet = sheet_of(prices)
    larger = replace(usage, **{unit.value: getattr(usage, unit) + more})
    assert price_usage(larger, sheet).list_pico >= price_usage(usage, sheet).list_pico


@given(usage=usages, prices=price_lists)
def test_a_bound_is_never_below_the_cost_of_what_it_bounds(usage: Usage, prices: dict[Unit, int]):
    sheet = sheet_of(prices)
    searchless = replace(usage, web_search=0)
    bound = bound_pico(sheet, searchless.total_input, searchless.total_output)
    assert bound >= price_usage(searchless, sheet).list_pico


@given(usage=usages, prices=price_lists)
def test_without_cache_means_every_cached_token_at_the_input_price(usage: Usage, prices: dict[Unit, int]):
    plain = replace(
        usage,
        input=usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h,
        cache_read=0,
        cache_write_5m=0,
        cache_write_1h=0,
    )
    sheet = sheet_of(prices)
    assert list_without_cache(usage, sheet) == price_usage(plain, sheet).list_pico


def test_an_explicit_zero_is_a_price_and_a_missing_one_is_not():
    free = price_usage(Usage(input=5, output=7), sheet_of({Unit.INPUT: 0, Unit.OUTPUT: 0}))
    assert free.list_pico == 0
    assert free.lines == [(Unit.INPUT, 5, 0), (Unit.OUTPUT, 7, 0)]
    with pytest.raises(UnpricedUnit) as unpriced:
        price_usage(Usage(input=5, output=7), sheet_of({Unit.INPUT: 0}))
    assert (unpriced.value.code, unpriced.value.unit) == ("unpriced_unit", Unit.OUTPUT)


def test_what_was_not_used_needs_no_price():
    assert price_usage(Usage(input=3), sheet_of({Unit.INPUT: 2_000})).list_pico == 6
    assert price_usage(Usage(), sheet_of({})).list_pico == 0


def test_a_unit_without_a_price_is_billed_as_the_unit_it_is_a_kind_of():
    sheet = sheet_of({Unit.INPUT: 3_000, Unit.CACHE_WRITE_5M: 4_000, Unit.OUTPUT: 9_000})
    usage = Usage(cache_read=1, cache_write_1h=1, input_audio=1, cache_read_audio=1, output_image=1)
    assert [femto for _, _, femto in price_usage(usage, sheet).lines] == [3_000, 4_000, 3_000, 3_000, 9_000]
    assert sheet.listed == {Unit.INPUT, Unit.CACHE_WRITE_5M, Unit.OUTPUT}


def test_a_web_search_is_never_billed_as_something_else():
    with pytest.raises(UnpricedUnit):
        price_usage(Usage(input=1, web_search=1), sheet_of({Unit.INPUT: 1, Unit.OUTPUT: 1}))


def test_reasoning_is_part_of_output_and_never_paid_twice():
    usage = Usage(output=100, reasoning=40)
    assert price_usage(usage, sheet_of({Unit.OUTPUT: 8_000})).list_pico == 800
    own = price_usage(usage, sheet_of({Unit.OUTPUT: 8_000}, reasoning=3_000))
    assert own.lines == [(Unit.OUTPUT, 60, 8_000), (Unit.OUTPUT, 40, 3_000)]
    assert own.list_pico == 600
    all_of_it = price_usage(Usage(output=40, reasoning=99), sheet_of({Unit.OUTPUT: 8_000}, reasoning=3_000))
    assert all_of_it.lines == [(Unit.OUTPUT, 40, 3_000)]


def test_a_fee_per_request_is_charged_once_even_if_nobody_counted_the_request():
    sheet = sheet_of({Unit.INPUT: 1_000, Unit.REQUEST: 5_000_000})
    assert price_usage(Usage(input=1), sheet).list_pico == 5_001
    assert price_usage(Usage(input=1, request=2), sheet).list_pico == 10_001
    assert price_usage(Usage(input=1, request=1), sheet_of({Unit.INPUT: 1_000})).list_pico == 1


def test_counts_that_no_charge_can_hold_are_unpriced_and_a_bound_stops_there():
    sheet = sheet_of({Unit.INPUT: 10**10, Unit.OUTPUT: 10**10})
    assert price_usage(Usage(input=PICO_MAX // 10**7), sheet).list_pico <= PICO_MAX
    with pytest.raises(ImplausibleUsage, match="100000000000 of output"):
        price_usage(Usage(input=3, output=10**11), sheet)
    assert bound_pico(sheet, 10**12, 10**12) == PICO_MAX


def test_a_bound_needs_the_prices_it_bounds():
    with pytest.raises(UnpricedUnit):
        bound_pico(sheet_of({Unit.INPUT: 1}), 10, 10)
    assert bound_pico(sheet_of({Unit.INPUT: 1}), 10, 0) == 1  # rounded up: a bound is not below


def test_a_bound_takes_the_dearest_input_class_and_every_band_below():
    bands = [Band(-1, {Unit.INPUT: 9_000, Unit.OUTPUT: 1_000}), Band(100, {Unit.INPUT: 2_000, Unit.OUTPUT: 5_000})]
    period = Period(None, None, 0, 86_400, bands, "test")
    schedule = build_schedule(Sku("p", "m", STANDARD, "exact", ""), [period], [], [])
    assert schedule is not None
    low, high = schedule.at(0, 100), schedule.at(0, 101)
    assert low is not None
    assert high is not None
    assert (low.dearest_input, low.dearest_output) == (9_000, 1_000)
    assert (high.dearest_input, high.dearest_output) == (9_000, 5_000)


@settings(max_examples=30)
@given(unit=st.sampled_from([unit for unit in UNITS if unit is not Unit.REQUEST]))
def test_the_unpriced_unit_is_named(unit: Unit):
    with pytest.raises(UnpricedUnit, match=unit.value):
        price_usage(Usage(**{unit.value: 1}), sheet_of({}))
