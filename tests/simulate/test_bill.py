"""What the simulator bills: an independent table that agrees with a catalogue, exact sums, one entry per request."""

import json
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from http.client import HTTPConnection

import genai_prices
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.usage import Usage
from bursar.simulate.billing import Bill, Model, cost_pico, load_models, read_log
from bursar.simulate.launch import provider_process
from bursar.simulate.provider import Options

MODELS = load_models()
AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
COUNTS = st.integers(0, 500_000)


def by_catalogue(name: str, model: Model, usage: Usage) -> Decimal:
    """The oracle. Its input count includes what was cached."""
    counts = genai_prices.Usage(
        input_tokens=usage.total_input,
        cache_read_tokens=usage.cache_read or None,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h or None,
        output_tokens=usage.output or None,
        **({"cache_write_1h_tokens": usage.cache_write_1h} if usage.cache_write_1h else {}),
    )
    return genai_prices.calc_price(counts, name, provider_id=model.provider, genai_request_timestamp=AS_OF).total_price


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("long", [False, True])
def test_the_table_agrees_with_genai_prices(name, long):
    model = MODELS[name]
    size = 300_000 if long and model.above_input_tokens else 3_000
    usage = Usage(
        input=size,
        cache_read=1_000 if "cache_read" in model.rates else 0,
        cache_write_5m=500 if "cache_write_5m" in model.rates else 0,
        output=700 if "output" in model.rates else 0,
    )
    assert Decimal(cost_pico(model, usage)).scaleb(-12) == by_catalogue(name, model, usage)


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if "cache_write_1h" in model.rates])
def test_writes_for_an_hour_agree_too(name):
    usage = Usage(input=100, cache_write_5m=2_000, cache_write_1h=3_000, output=50)
    assert Decimal(cost_pico(MODELS[name], usage)).scaleb(-12) == by_catalogue(name, MODELS[name], usage)


@given(name=st.sampled_from(sorted(MODELS)), counts=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS))
@settings(max_examples=60, deadline=None)
def test_a_cost_is_the_exact_sum_rounded_once(name, counts):
    model = MODELS[name]
    usage = Usage(input=counts[0], cache_read=counts[1], cache_write_5m=counts[2], output=counts[3])
    above = model.above_input_tokens and usage.total_input > model.above_input_tokens
    rates = model.rates_above if above else model.rates
    exact = sum(
        (Fraction(rates.get(unit, model.rates["input"])) * quantity for unit, quantity in usage.nonzero()), Fraction(0)
    )
    scaled = exact * 10**6  # USD per million tokens, to pico-USD
    rounded = int((Decimal(scaled.numerator) / Decimal(scaled.denominator)).quantize(Decimal(1), ROUND_HALF_EVEN))
    assert cost_pico(model, usage) == rounded


def test_no_model_of_the_demo_is_missing_from_the_table():
    from bursar.simulate.cast import FEATURES, UNPRICED_MODEL

    assert {share.model for feature in FEATURES for share in feature.models} <= set(MODELS)
    assert UNPRICED_MODEL not in MODELS


def test_the_log_file_has_each_entry_before_its_answer_ends(tmp_path):
    path = tmp_path / "sim.jsonl"
    with provider_process(Options(seed=9, log=str(path))) as provider:
        connection = HTTPConnection("127.0.0.1", provider.port, timeout=10)
        for number in range(20):
            body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "x" * number}]})
            headers = {"authorization": "Bearer sk-canary", "x-bursar-attempt-id": f"a{number}"}
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = json.loads(connection.getresponse().read())
            entry = read_log(path)[-1]
            assert (entry.seq, entry.answer_id, entry.attempt) == (number + 1, answer["id"], f"a{number}")
            assert entry.usage.output == answer["usage"]["completion_tokens"]
        connection.close()
        assert [entry.seq for entry in provider.log(after=15)] == [16, 17, 18, 19, 20]
        bill = provider.bill()
    entries = read_log(path)
    assert bill["cost_pico"] == sum(entry.cost_pico or 0 for entry in entries) > 0
    assert bill["requests"] == bill["billed"] == 20
    assert len({entry.answer_id for entry in entries} | {entry.request_id for entry in entries}) == 40
    assert b"sk-canary" not in path.read_bytes()


def test_the_same_seed_gives_the_same_answers():
    def bodies() -> list[tuple[str, int]]:
        with provider_process(Options(seed=4, faults={"500": 0.3})) as provider:
            connection = HTTPConnection("127.0.0.1", provider.port, timeout=10)
            for _ in range(12):
                body = json.dumps({"model": "o3", "input": "hello"})
                connection.request("POST", "/v1/responses", body, {"authorization": "Bearer k"})
                connection.getresponse().read()
            connection.close()
            return [(entry.answer_id, entry.status) for entry in provider.log()]

    first = bodies()
    assert first == bodies()
    assert {status for _, status in first} == {200, 500}


def test_a_bill_without_price_is_counted_and_not_zero(tmp_path):
    bill = Bill(tmp_path / "log")
    bill.close()
    with provider_process() as provider:
        connection = HTTPConnection("127.0.0.1", provider.port, timeout=10)
        connection.request(
            "POST",
            "/v1/chat/completions",
            json.dumps({"model": "gpt-6-mini-preview", "messages": []}),
            {"authorization": "Bearer k"},
        )
        assert json.loads(connection.getresponse().read())["model"] == "gpt-6-mini-preview"
        connection.close()
        assert provider.log()[0].cost_pico is None
        assert provider.bill()["unpriced"] == 1
