"""`bursar meter`: what a recorded answer cost, to the last digit, and what it says when that is unknown."""

import io
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.providers.recordings import Recording, recording, recordings

from bursar.cli.commands.meter import metered
from bursar.cli.main import run
from bursar.domain.clock import us_from_datetime
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book

RECORDED_AT = "2026-07-15T12:00"  # before the catalogue's later corrections: see REPRICED


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Meter = Callable[..., Ran]

REPRICED = {
    "openrouter-chat-json-cbe5443f": "unpriced at the source's commit; listed since",
    "bedrock-converse-json-3163f3b9": "the source read no model from the path; worked out in providers/test_bedrock.py",
    "bedrock-converse-json-bf85438e": "likewise",
    "bedrock-responses-json-b3fb1615": "its 27 cache writes were lost there, and are billed 1.25 times here",
}
"""Recordings that cost something else than their source says, and why."""

UNPRICED = {
    "openai-responses-json-1f07588d": "the source leaves out the fee of its file search, which nobody lists",
    "openai-responses-json-43a551a0": "likewise, of its code's container",
}
"""Recordings that the source has a price for and we don't, until it is given."""

UNPRICED_PROVIDERS = {
    "huggingface_cerebras": "the router's catalogue has no price for this model",
    "zhipuai": "has no price for this model",
}


@pytest.fixture
def meter(tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], monkeypatch) -> Meter:
    """Runs the command on bytes; all runs share one compiled price book."""
    data = tmp_path_factory.getbasetemp() / "meter-data"
    monkeypatch.delenv("BURSAR_CONFIG", raising=False)

    def ran(body: bytes | Path | str, *words: str, fmt: str = "json") -> Ran:
        if isinstance(body, bytes):
            path = tmp_path_factory.mktemp("answer") / "answer"
            path.write_bytes(body)
        else:
            path = Path(body)
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            run(["meter", str(path), *words, "--data", str(data), "--format", fmt])
        code = left.value.code
        return Ran(code if isinstance(code, int) else 0, *capsys.readouterr())

    return ran


def words_of(one: Recording) -> list[str]:
    words = ["--dialect", one.dialect.name, "--at", RECORDED_AT]
    return [*words, "--provider", one.expected["provider_id"]] if one.expected else words


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    path = tmp_path_factory.mktemp("prices") / "book"
    compile_book(path, None)
    return PriceBook.load(path)


def priced(book: PriceBook, one: Recording, provider: str) -> dict[str, Any]:
    at_us = us_from_datetime(datetime.fromisoformat(RECORDED_AT + "+00:00"))
    model = one.asked().model if one.dialect.family == "bedrock" else ""  # its answers don't say which
    return metered(book, one.answer(), provider=provider, model=model, tier="", at_us=at_us)


def test_every_recorded_price_is_met_but_for_what_is_listed(book: PriceBook):
    compared, differing = 0, set()
    for one in recordings():
        if one.expected is None:
            continue
        answer = priced(book, one, one.expected["provider_id"])
        if one.expected["provider_id"] in UNPRICED_PROVIDERS:
            assert (answer["list_cost"], answer["quality"]) == (None, "unpriced")
            assert one.expected["input_price_usd"] is None
            continue
        assert (answer["list_cost"] is None) == (one.id in UNPRICED), (one.id, answer)
        if one.id in UNPRICED:
            continue
        compared += 1
        costs = {side: Decimal(0) for side in ("input", "output")}
        for line in answer["lines"]:
            if line["unit"] not in ("web_search", "request"):
                costs["output" if line["unit"].startswith("output") else "input"] += line["list_cost"]
        expected = [one.expected["input_price_usd"], one.expected["output_price_usd"]]
        if None in expected or [Decimal(price) for price in expected] != list(costs.values()):
            differing.add(one.id)
    assert compared == 27
    assert differing == set(REPRICED)


def test_the_total_is_the_sum_of_its_lines_and_the_providers_own_where_it_says_one(book: PriceBook):
    for one in recordings():
        if one.provider == "openrouter" and one.status == 200:
            answer = priced(book, one, "openrouter")
            assert answer["provider_cost"] is not None
            if answer["list_cost"] is not None:
                exact = sum(line["list_cost"] for line in answer["lines"])
                assert abs(answer["list_cost"] - exact) <= Decimal("5e-13")
    answer = priced(book, recording("openrouter-chat-json-81a34bf5"), "openrouter")
    assert answer["list_cost"] == answer["provider_cost"] == Decimal("0.00341475")


def test_a_stream_is_seen_by_its_look_or_said(meter: Meter):
    one = recording("openai-responses-stream-8f8b1d04")
    seen, said = meter(one.body, *words_of(one)), meter(one.body, *words_of(one), "--stream")
    assert seen == said
    answer = seen.json()
    assert answer["stream"] is True
    assert answer["usage"]["input"] == 1_143
    assert answer["usage"]["total_input"] == 9_463
    assert (answer["usage"]["web_search"], answer["usage"]["reasoning"]) == (1, 512)
    assert answer["list_cost"] == "0.01828875"


def test_stdin_is_a_file_too(meter: Meter, monkeypatch: pytest.MonkeyPatch):
    one = recording("anthropic-messages-json-03b86c5e")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(one.body)))
    answer = meter("-", "--dialect", "anthropic-messages").json()
    assert (answer["list_cost"], answer["model"], answer["provider"]) == ("0.0024048", "claude-sonnet-4-5", "anthropic")
    assert answer["list_cost_without_cache"] == "0.005091"


def test_a_table_and_a_csv_say_the_same(meter: Meter):
    body = recording("anthropic-messages-json-03b86c5e").body
    table = meter(body, "--dialect", "anthropic-messages", fmt="table")
    assert "0.0024048" in table.out
    assert "cache_write_5m" in table.out
    csv = meter(body, "--dialect", "anthropic-messages", fmt="csv").out.splitlines()
    assert csv[0] == "model,unit,quantity,unit_price,usd_per_million,list_cost,sku_price_id"
    assert sum(Decimal(line.split(",")[5]) for line in csv[1:]) == Decimal("0.0024048")


def test_a_model_that_isnt_named_or_known_is_priced_as_the_one_asked_for(meter: Meter):
    body = b'{"model":"my-deployment","usage":{"prompt_tokens":1000000,"completion_tokens":0}}'
    unknown = meter(body, "--dialect", "openai-chat")
    assert (unknown.code, unknown.json()["list_cost"]) == (1, None)
    assert unknown.json()["usage"]["input"] == 1_000_000
    assert "my-deployment" in unknown.json()["notes"][0]
    asked = meter(body, "--dialect", "openai-chat", "--model", "gpt-4o")
    assert (asked.code, asked.json()["list_cost"], asked.json()["model"]) == (0, "2.5", "gpt-4o")
    nameless = meter(b'{"usage":{"prompt_tokens":10,"completion_tokens":1}}', "--dialect", "openai-chat")
    assert nameless.code == 1


def test_no_usage_is_unknown_and_not_free(meter: Meter):
    for id in ("openai-chat-stream-c64abc52", "azure-chat-json-2eb48b1d"):
        one = recording(id)
        ran = meter(one.body, *words_of(one))
        assert (ran.code, ran.json()["list_cost"], ran.json()["usage"]) == (1, None, None)
    assert "content_filter" in ran.json()["notes"][0]
    shown = meter(one.body, *words_of(one), fmt="table")
    assert (shown.code, shown.out) == (1, "")
    assert "no usage" in shown.err


def test_a_cut_stream_is_priced_as_an_estimate(meter: Meter):
    one = recording("anthropic-messages-stream-3b5efcdb")
    ran = meter(one.body[: one.body.rfind(b"event: message_delta")], *words_of(one))
    assert ran.code == 0
    assert (ran.json()["quality"], ran.json()["complete"]) == ("estimated", False)
    assert ran.json()["usage"]["output"] == 1


def test_an_advisers_pass_is_billed_at_its_own_models_price(meter: Meter):
    steps = [{"type": "advisor_message", "model": "claude-opus-4-5", "input_tokens": 1_000_000, "output_tokens": 0}]
    usage = {"input_tokens": 1_000_000, "output_tokens": 0, "iterations": steps}
    body = json.dumps({"model": "claude-sonnet-4-5", "usage": usage}).encode()
    answer = meter(body, "--dialect", "anthropic-messages", "--at", RECORDED_AT).json()
    assert [(line["model"], line["quantity"]) for line in answer["lines"]] == [
        ("claude-sonnet-4-5", 1_000_000),
        ("claude-opus-4-5", 1_000_000),
    ]
    parts = [Decimal(line["list_cost"]) for line in answer["lines"]]
    assert Decimal(answer["list_cost"]) == sum(parts)
    assert parts[0] != parts[1]


def test_counting_tokens_is_free(meter: Meter):
    ran = meter(b'{"input_tokens": 12}', "--dialect", "anthropic-count-tokens")
    assert (ran.code, ran.json()["list_cost"], ran.json()["quality"]) == (0, "0", "reported")


@pytest.mark.parametrize(
    ("body", "words", "told"),
    [
        (b"{}", ("--dialect", "nope"), "openai-chat"),
        (b"{}", ("--dialect", "openai-models"), "openai-chat"),
        (b"  ", ("--dialect", "openai-chat"), "empty"),
        (b"{}", ("--dialect", "openai-chat", "--at", "yesterday"), "2026-03-01"),
        (Path("/nowhere/at/all"), ("--dialect", "openai-chat"), "can't read"),
    ],
)
def test_wrong_usage_is_said_in_one_line(meter: Meter, body: bytes | Path, words: tuple[str, ...], told: str):
    ran = meter(body, *words)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_garbage_is_an_answer_without_usage(meter: Meter):
    for body in (b"{", b"\xff\xfe", b"<html>", b"data: {", b"[[[["):
        assert meter(body, "--dialect", "openai-chat").code == 1
