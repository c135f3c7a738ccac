"""Lines of results: priced at the batch price or not at all, whatever they hold and however they are cut."""

import json
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.records import T0, call_facts
from tests.world import BOOKS, make_config

from bursar.domain.clock import FixedClock
from bursar.domain.jobs import Job, JobDetail
from bursar.gateway.batch_bounds import IN_DOUBT, NOT_BOUND, models_of, sole_model
from bursar.gateway.beside import file_in
from bursar.gateway.jobs import Jobs
from bursar.gateway.line_meter import LineReader
from bursar.gateway.meter import Meter
from bursar.prices.book import PriceBook
from bursar.providers.batches import ANTHROPIC_BATCH, OPENAI_BATCH, read_batch
from bursar.site import Site
from bursar.spool.records import Line, Record


class Kept:
    """A journal in memory, and what else a reader needs."""

    def __init__(self, book: PriceBook) -> None:
        self.meter, self.clock, self.jobs, self.records = Meter(book), FixedClock(T0), Jobs(""), list[Record]()
        self.recorder = self

    def write(self, record: Record) -> None:
        self.records.append(record)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    data: Path = tmp_path_factory.mktemp("lines") / "data"
    site = Site(make_config(data, "http://127.0.0.1:1"))
    site.prepare()
    BOOKS.put(site)
    return PriceBook.load(site.paths.price_book)


def job(kind: str = OPENAI_BATCH, provider: str = "openai") -> Job:
    detail = JobDetail("018bcfe5-6800-7abc-8def-0123456789a1", provider, "/v1/chat/completions")
    facts = msgspec.json.encode(call_facts()).decode()
    return Job("018bcfe5-6800-7abc-8def-0123456789a0", kind, "up", "o", facts, detail, T0, upstream_id="batch_1")


def chat_line(custom_id: str, model: str = "gpt-4o-mini-2024-07-18", **usage: int) -> bytes:
    body = {"id": "chatcmpl-1", "model": model, "choices": [{"finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1_000, "completion_tokens": 10, **usage}}  # fmt: skip
    return json.dumps({"custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None}).encode()


def read(book: PriceBook, of: Job, *pieces: bytes) -> list[Line]:
    kept = Kept(book)
    reader = LineReader(kept, of, "output")  # type: ignore[arg-type]  # a journal in memory
    for piece in pieces:
        reader.feed(piece)
    reader.end()
    lines = [record for record in kept.records if isinstance(record, Line)]
    assert reader.cost_pico == sum(line.settled.list_pico or 0 for line in lines)
    return lines


def test_a_line_costs_half_and_says_what_it_would_have_cost(book: PriceBook) -> None:
    [line] = read(book, job(), chat_line("a"))
    assert line.settled.list_pico == (1_000 * 75_000 + 10 * 300_000)
    assert line.settled.counterfactual_pico == 2 * line.settled.list_pico
    assert (line.settled.lever, line.settled.quality, line.settled.tier_served) == ("batch", "reported", "batch")
    assert line.dispatched.call.attribution.tags["batch_custom_id"] == "a"


def test_without_a_batch_price_a_line_is_unpriced_and_keeps_its_usage(book: PriceBook) -> None:
    assert book.at("mistral", "mistral-large-latest", T0) is not None
    for model, provider in (("nobody-1", "openai"), ("mistral-large-latest", "mistral")):
        [line] = read(book, job(provider=provider), chat_line("a", model))
        assert (line.settled.list_pico, line.settled.quality) == (None, "unpriced")
        assert line.settled.usage.input == 1_000


def test_what_can_t_be_read_is_unpriced_and_what_failed_costs_nothing(book: PriceBook) -> None:
    failed = b'{"custom_id":"f","response":{"status_code":429,"body":{"error":{"code":"rate"}}},"error":null}'
    expired = b'{"custom_id":"e","response":null,"error":{"code":"batch_expired","message":"m"}}'
    broken = b'{"custom_id":"b","response":{"status_code":"'
    lines = read(book, job(), b"\n".join([failed, expired, b"", broken]))
    seen = {line.dispatched.call.attribution.tags["batch_custom_id"]: line.settled for line in lines}
    assert (seen["f"].list_pico, seen["f"].outcome, seen["f"].http_status) == (0, "client_error", 429)
    assert (seen["e"].list_pico, seen["e"].outcome, seen["e"].error_code) == (0, "timeout", "batch_expired")
    assert (seen["b"].list_pico, seen["b"].quality) == (None, "unpriced")


@given(cuts=st.lists(st.integers(0, 1_500), max_size=6), ids=st.lists(st.sampled_from("abc"), min_size=1, max_size=5))
def test_however_results_are_cut_each_line_has_one_id_of_its_own_and_always_the_same(
    book: PriceBook, cuts: list[int], ids: list[str]
) -> None:
    whole = b"".join(chat_line(name) + b"\n" for name in ids)
    places = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(places)]
    cut = [line.dispatched.attempt_id for line in read(book, job(), *pieces)]
    assert cut == [line.dispatched.attempt_id for line in read(book, job(), whole)]
    assert len(set(cut)) == len(ids)


def test_what_a_batch_asks_for_is_counted_by_model_without_its_text() -> None:
    request = {
        "custom_id": "a",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "max_tokens": 7, "n": 2, "messages": []},
    }
    content = b"\n".join(
        [json.dumps(request).encode(), b"not json", json.dumps({**request, "url": "/v1/none"}).encode()]
    )
    found = models_of(OPENAI_BATCH, content)
    assert (set(found), found[NOT_BOUND].requests) == ({"m", NOT_BOUND}, 2), "what can't be read may be billed"
    model, asks = "m", found["m"]
    assert (model, asks.requests, asks.output_tokens, asks.unlimited) == ("m", 1, 14, 0)
    params = {"model": "c", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    inline = json.dumps({"requests": [{"custom_id": "a", "params": params}] * 2}).encode()
    assert models_of(ANTHROPIC_BATCH, inline)["c"].output_tokens == 10


def test_a_batch_s_request_that_gives_a_field_twice_is_known_as_one_in_doubt() -> None:
    body = b'{"model":"dear","model":"cheap","max_tokens":5,"messages":[]}'
    content = b'{"custom_id":"a","url":"/v1/chat/completions","body":' + body + b"}"
    found = models_of(OPENAI_BATCH, content)
    assert (found[IN_DOUBT].requests, found["cheap"].output_tokens, sole_model(found)) == (1, 5, "cheap")


def test_a_batch_is_over_when_its_provider_says_so() -> None:
    def state(**said: object) -> tuple[bool, str]:
        seen = read_batch(json.dumps({"id": "b", **said}).encode())
        assert seen is not None
        return seen.is_over, seen.output_id

    assert state(status="in_progress") == (False, "")
    assert state(status="completed", output_file_id="file-1") == (True, "file-1")
    assert state(status="expired", output_file_id=None, error_file_id="file-2") == (True, "")
    assert state(processing_status="ended", results_url="https://x/y") == (True, "b")
    assert state(processing_status="canceling") == (False, "")
    assert read_batch(b'{"id":"file-1","object":"file"}') is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"url":"/v1/chat/completions","body":{"model":"m","max_tokens":1e5,"messages":[]}}',
        b'{"url":"/v1/videos","body":{"model":"m"}}',
        b'\xef\xbb\xbf{"url":"/v1/chat/completions","body":{"model":"m","messages":[]}}',
        b'{"url":"/v1/chat/completions","body":{"model":"m"}}\r{"url":"/v1/chat/completions","body":{"model":"m"}}',
        b'{"url":"/v1/chat/completions","body":{"model":"dear"},"body":{"model":"cheap"}}',
    ],
)
def test_a_line_that_we_cant_read_may_be_billed_all_the_same(line: bytes) -> None:
    assert models_of(OPENAI_BATCH, line)[NOT_BOUND].requests == 1


def test_a_request_of_anthropics_that_we_cant_read_may_be_billed_too() -> None:
    for params in (b'{"model":"m","max_tokens":64000.0}', b'{"model":"m"},"params":{"model":"cheap"}'):
        body = b'{"requests":[{"custom_id":"a","params":%b}]}' % params
        assert models_of(ANTHROPIC_BATCH, body)[NOT_BOUND].requests == 1


def test_of_several_files_in_one_upload_all_count() -> None:
    line = b'{"url":"/v1/chat/completions","body":{"model":"%b","max_tokens":5,"messages":[]}}\n'
    part = b'--b\r\nContent-Disposition: form-data; name="file"; %b="a"\r\n\r\n%b\r\n'
    body = part % (b"filename", line % b"small") + part % (b"Filename", line % b"large") + b"--b--\r\n"
    assert set(models_of(OPENAI_BATCH, file_in(body))) == {"small", "large"}
