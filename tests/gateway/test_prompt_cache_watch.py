"""Marks that don't pay are turned off, and it is said why."""

from msgspec.structs import replace

from bursar.domain.caching import CacheRule, CacheTerms, PromptCaching
from bursar.domain.usage import Unit, Usage
from bursar.gateway.prompt_cache.prices import CachePrices, cache_prices
from bursar.gateway.prompt_cache.watch import WRITES_MIN, Watch
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book

MINUTE = 60_000_000
CENT = 10_000_000_000


def test_writes_that_nobody_reads_stop_with_a_reason():
    watch = Watch()
    stopped = None
    for minute in range(120):
        stopped = stopped or watch.billed("ca_1", "claude-opus-5", CENT, 0, 10**15 + minute * MINUTE)
    assert stopped is not None
    assert stopped.why == (
        "claude-opus-5: in 1 h, 55 writes to the provider's cache cost $0.5500 more than input, "
        "and 0 reads saved $0.0000"
    )
    assert watch.is_stopped("ca_1", "claude-opus-5")
    assert not watch.is_stopped("ca_1", "claude-sonnet-5")
    rule = CacheRule("ca_1", "help", CacheTerms(prompt=PromptCaching()), True, 1, "")
    for one in (rule, rule, replace(rule, stopped="it doesn't pay")):  # the console hears of it a moment later
        watch.use([one])
        assert watch.is_stopped("ca_1", "claude-opus-5")
    watch.use([rule])
    assert not watch.is_stopped("ca_1", "claude-opus-5")
    assert watch.sums("ca_1", "claude-opus-5").writes == 0


def test_marks_that_pay_are_never_stopped_and_few_calls_prove_nothing():
    watch = Watch()
    for minute in range(600):
        assert watch.billed("ca_1", "m", CENT, CENT + 1, 10**15 + minute * MINUTE) is None
    few = Watch()
    for hour in range(WRITES_MIN - 1):
        assert few.billed("ca_1", "m", CENT, 0, 10**15 + hour * 10 * MINUTE) is None


def test_what_is_older_than_the_window_counts_no_more():
    watch = Watch()
    for minute in range(50):  # a good hour, long ago
        watch.billed("ca_1", "m", CENT, 100 * CENT, 10**15 + minute * MINUTE)
    stopped = [watch.billed("ca_1", "m", CENT, 0, 10**15 + (600 + minute) * MINUTE) for minute in range(120)]
    assert len([one for one in stopped if one]) == 1


def test_money_is_exact():
    prices = CachePrices(3_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000)
    usage = Usage(input=5, cache_read=1_000, cache_write_5m=100, cache_write_1h=10)
    assert prices.saved_pico(usage) == 1_000 * 2_700_000
    assert prices.premium_pico(usage) == 100 * 750_000 + 10 * 3_000_000


def test_a_price_sheet_says_what_a_cache_costs(tmp_path):
    path = tmp_path / "prices.msgpack"
    assert compile_book(path, None) == []
    book = PriceBook.load(path)
    sheet = book.at("anthropic", "claude-sonnet-4-5", 1_764_000_000_000_000)
    assert sheet is not None
    prices = cache_prices(sheet)
    assert prices is not None
    rates = prices.rates()
    assert (rates.read, rates.write_5m) == (0.1, 1.25)
    assert Unit.CACHE_WRITE_5M in sheet.listed
    plain = book.at("openai", "gpt-4", 1_764_000_000_000_000)
    assert plain is None or cache_prices(plain) is None
