"""What a request may be billed beside one answer of its model at the standard price: more answers than are shown, a
dearer speed or place, other models, a compaction. The bound that a strict budget holds has it all, in batches too."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bursar.domain.usage import Usage
from bursar.gateway.batch_bounds import bound_of_batch, models_of
from bursar.gateway.bound import bound_at, input_bound
from bursar.gateway.call import Worker
from bursar.gateway.meter import Meter
from bursar.gateway.route import Route
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.prices.rates import bound_pico
from bursar.providers.anthropic import MESSAGES
from bursar.providers.base import Answer, Asked, Dialect, read_asked
from bursar.providers.batches import ANTHROPIC_BATCH, OPENAI_BATCH
from bursar.providers.bedrock import BedrockConverse, BedrockInvoke
from bursar.providers.google import GeminiGenerate
from bursar.providers.openai_chat import CHAT, COMPLETIONS
from bursar.providers.openai_media import IMAGES
from bursar.providers.openai_responses import RESPONSES
from bursar.providers.registry import dialect_for
from bursar.translate.registry import TRANSLATED

AT_US = 1_790_000_000_000_000
INPUT, OUTPUT = 1_000, 500
SEARCH_PICO = 10**10
SONNET = {"model": "claude-sonnet-4-6", "max_tokens": OUTPUT, "messages": [{"role": "user", "content": "hi"}]}
GPT = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
LEGACY = {"model": "gpt-3.5-turbo-instruct", "max_tokens": OUTPUT}


@pytest.fixture(scope="module")
def worker() -> Worker:
    meter = Meter(PriceBook(compile_rows(None)[0]))
    return cast("Worker", SimpleNamespace(meter=meter, settings=SimpleNamespace(output_tokens_default=4_096)))


def at(provider: str) -> Route:
    return cast("Route", SimpleNamespace(name=provider, provider=provider, settings=SimpleNamespace(model_names={})))


def bound(worker: Worker, provider: str, dialect: Dialect, body: dict[str, Any]) -> int | None:
    asked = dialect.read_request(json.dumps(body).encode())
    return bound_at(worker, at(provider), asked, INPUT, OUTPUT * asked.choices, AT_US).pico


def of(worker: Worker, provider: str, model: str, tier: str = "", *, output: int = OUTPUT, region: str = "") -> int:
    """By the sheet alone, in pico-USD."""
    sheet = worker.meter.book.at(provider, model, AT_US, tier=tier, region=region)
    assert sheet is not None
    assert sheet.dearest_input is not None
    assert sheet.dearest_output is not None
    return -(-(INPUT * sheet.dearest_input + output * sheet.dearest_output) // 1_000)


@pytest.mark.parametrize(
    ("more", "answers"),
    [
        ({"prompt": "one"}, 1),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": ["one", "two", "three"]}, 3),
        ({"prompt": [[1, 2], [3]], "n": 2}, 4),
        ({"prompt": "one", "n": 2, "best_of": 20}, 20),
        ({"prompt": []}, 1),
    ],
)
def test_all_completions_of_all_prompts_are_held(worker: Worker, more: dict[str, Any], answers: int) -> None:
    found = bound(worker, "openai", COMPLETIONS, LEGACY | more)
    assert found == of(worker, "openai", LEGACY["model"], output=OUTPUT * answers)  # type: ignore[arg-type]


def test_fast_mode_and_a_place_that_costs_more_are_held(worker: Worker) -> None:
    model = next(
        name
        for name in worker.meter.book.models_of("anthropic")
        if "fast" in worker.meter.book.tiers("anthropic", name)
    )
    plain = of(worker, "anthropic", model)
    fast = bound(worker, "anthropic", MESSAGES, SONNET | {"model": model, "speed": "fast"})
    assert fast is not None
    assert fast == of(worker, "anthropic", model, "fast") > plain
    assert bound(worker, "anthropic", MESSAGES, SONNET | {"model": model, "speed": "standard"}) == plain
    us = bound(worker, "anthropic", MESSAGES, SONNET | {"inference_geo": "us"})
    assert us == of(worker, "anthropic", "claude-sonnet-4-6", region="us") > of(worker, "anthropic", SONNET["model"])  # type: ignore[arg-type]


def test_a_cheaper_tier_may_not_be_served(worker: Worker) -> None:
    standard = of(worker, "openai", "gpt-5")
    assert of(worker, "openai", "gpt-5", "flex") < standard
    assert bound(worker, "openai", CHAT, GPT | {"service_tier": "flex"}) == standard
    assert bound(worker, "openai", CHAT, GPT | {"service_tier": "priority"}) == of(
        worker, "openai", "gpt-5", "priority"
    )


def test_a_compaction_is_a_pass_more(worker: Worker) -> None:
    plain = of(worker, "anthropic", "claude-sonnet-4-6")
    compacts = {"context_management": {"edits": [{"type": "compact_20260112"}]}}
    assert bound(worker, "anthropic", MESSAGES, SONNET | compacts) == 2 * plain
    assert bound(worker, "openai", RESPONSES, {"model": "gpt-5", "input": "hi"}) == of(worker, "openai", "gpt-5")
    compacts_too = {"model": "gpt-5", "input": "hi", "context_management": [{"type": "compaction"}]}
    assert bound(worker, "openai", RESPONSES, compacts_too) == 2 * of(worker, "openai", "gpt-5")


def test_other_models_that_may_be_billed_are_held_at_their_own_price(worker: Worker) -> None:
    plain = of(worker, "anthropic", "claude-sonnet-4-6")
    dear = of(worker, "anthropic", "claude-opus-4-1")
    adviser = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-4-1", "max_uses": 3}
    advised = bound(worker, "anthropic", MESSAGES, SONNET | {"tools": [adviser]})
    assert advised is not None
    assert advised > plain + 3 * dear
    fallen_back = bound(worker, "anthropic", MESSAGES, SONNET | {"fallbacks": [{"model": "claude-opus-4-1"}]})
    assert fallen_back is not None
    assert fallen_back > plain + dear
    assert bound(worker, "anthropic", MESSAGES, SONNET | {"fallbacks": [{"model": "nobody-knows"}]}) is None
    routed = bound(
        worker,
        "openrouter",
        CHAT,
        GPT | {"model": "openai/gpt-5-nano", "models": ["openai/gpt-5", "openai/gpt-5-nano"]},
    )
    assert routed is not None
    assert routed > of(worker, "openrouter", "openai/gpt-5")


def test_searches_by_other_names_are_searches() -> None:
    def searches(dialect: Dialect, more: dict[str, Any]) -> int:
        return dialect.read_request(json.dumps(GPT | more).encode()).searches

    assert searches(CHAT, {"plugins": [{"id": "web", "max_results": 5}]}) == 10
    assert searches(CHAT, {"model": "openai/gpt-5:online"}) == 10
    assert searches(CHAT, {"tools": [{"type": "openrouter:web_search"}]}) == 10
    assert searches(CHAT, {"search_parameters": {"mode": "auto"}}) == 10
    assert searches(RESPONSES, {"input": "hi", "tools": [{"type": "x_search"}]}) == 10
    assert searches(CHAT, {"plugins": [{"id": "file-parser"}]}) == 0


def test_what_google_bills_by_the_answer_has_no_price_until_it_is_given_one(worker: Worker) -> None:
    body: dict[str, Any] = {"contents": [{"parts": [{"text": "hi"}]}]}
    dialect = GeminiGenerate("gemini", "gemini-2.5-pro")
    assert bound(worker, "google", dialect, body) is not None
    assert bound(worker, "google", dialect, body | {"tools": [{"googleMaps": {}}]}) is None
    assert bound(worker, "google", dialect, body | {"tools": [{"google_maps": {}}]}) is None
    reading = dialect.read_request(json.dumps(body | {"tools": [{"urlContext": {}}]}).encode())
    assert (reading.reads_more, reading.searches, reading.fees) == (True, 0, ())
    wide = dialect.read_request(json.dumps(body | {"tools": [{"enterpriseWebSearch": {}}]}).encode())
    assert wide.searches == 10


def test_what_a_provider_reads_by_itself_teaches_nothing_of_other_calls() -> None:
    fetches = SONNET | {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}
    assert MESSAGES.read_request(json.dumps(fetches).encode()).reads_more
    own = SONNET | {"tools": [{"name": "web_fetch", "input_schema": {"type": "object"}}]}
    assert not MESSAGES.read_request(json.dumps(own).encode()).reads_more


def test_a_batch_is_held_with_its_searches_its_place_and_what_else_its_lines_bring(worker: Worker) -> None:
    def of_batch(*bodies: dict[str, Any]) -> int | None:
        requests = [{"custom_id": str(at), "params": body} for at, body in enumerate(bodies)]
        models = models_of(ANTHROPIC_BATCH, json.dumps({"requests": requests}).encode())
        return bound_of_batch(worker, at("anthropic"), models, AT_US).pico

    plain = of_batch(SONNET)
    assert plain is not None
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 7}
    searching = of_batch(SONNET | {"tools": [tool]})
    assert searching is not None
    assert searching >= plain + 7 * SEARCH_PICO
    us = of_batch(SONNET | {"inference_geo": "us"})
    assert us is not None
    assert us * 10 >= plain * 11
    assert of_batch(SONNET, SONNET | {"fallbacks": [{"model": "claude-opus-4-1"}]}) is None


def test_a_line_without_a_bound_still_names_its_models() -> None:
    body = {"model": "gpt-5", "input": "and then?", "previous_response_id": "resp_1"}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": body}
    assert {"gpt-5", "?"} == set(models_of(OPENAI_BATCH, json.dumps(line).encode()))


def test_tools_that_are_billed_beside_tokens_are_never_silently_free(worker: Worker) -> None:
    body = {"model": "gpt-5", "input": "hi", "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}
    assert bound(worker, "openai", RESPONSES, body) is None
    items = [
        {"type": "file_search_call", "id": "fs_1"},
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
        {"type": "message", "content": []},
    ]
    used = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    said = {"id": "resp_1", "model": "gpt-5", "status": "completed", "output": items, "usage": used}
    beside = (("file-search", Usage(request=1)), ("code-interpreter", Usage(request=1)))
    plain = RESPONSES.read_answer(json.dumps(said).encode(), 200)
    assert plain.also == beside
    reader = RESPONSES.reader(Asked("gpt-5", stream=True), strip_usage=False)
    event = {"type": "response.completed", "response": said}
    reader.feed(b"event: response.completed\ndata: " + json.dumps(event).encode() + b"\n\n")
    reader.end()
    assert reader.answer().also == beside
    metered = worker.meter.answered(Asked("gpt-5"), plain, "chat", "openai", AT_US, 400, 40)
    assert (metered.list_pico, metered.quality) == (None, "unpriced")


def test_their_price_is_the_one_that_is_given(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nprovider = "openai"\nmodel = "file-search"\nrequest = 2_500\n')
    meter = Meter(PriceBook(compile_rows(prices)[0]))
    usage = Usage(input=100, output=10)
    fee = 2_500 * 10**6 * 2
    alone = meter.answered(Asked("gpt-5"), Answer(usage, complete=True), "chat", "openai", AT_US, 400, 40)
    also = (("file-search", Usage(request=2)),)
    both = meter.answered(Asked("gpt-5"), Answer(usage, complete=True, also=also), "chat", "openai", AT_US, 400, 40)
    assert alone.list_pico is not None
    assert both.list_pico == alone.list_pico + fee


def test_a_chat_model_that_always_searches_lacks_its_fee(worker: Worker) -> None:
    for model in ("gpt-4o-search-preview", "gpt-4o-mini-search-preview", "gpt-5-search-api"):
        assert bound(worker, "openai", CHAT, GPT | {"model": model}) is None
        answer = Answer(Usage(input=100, output=10), model, complete=True)
        assert worker.meter.answered(Asked(model), answer, "chat", "openai", AT_US, 400, 40).list_pico is None


def test_a_compaction_asked_for_has_no_limit_and_is_held_by_what_goes_in() -> None:
    found = dialect_for("POST", "/v1/responses/compact")
    assert found is not None
    dialect = found[0]
    body = json.dumps({"model": "gpt-5", "input": "x" * 9_000}).encode()
    assert dialect.read_request(body).max_output_tokens == len(body)
    assert dialect.with_output_limit(body, 100) is None
    assert dialect.name not in TRANSLATED


def test_what_headers_say_of_the_price_is_asked_for_like_what_the_body_says() -> None:
    dialect = BedrockInvoke("anthropic.claude-sonnet-4-5")
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31"} | SONNET).encode()
    tier, latency = (
        (b"x-amzn-bedrock-service-tier", b"priority"),
        (b"x-amzn-bedrock-performanceconfig-latency", b"optimized"),
    )
    assert read_asked(dialect, body, []).tier == ""
    assert read_asked(dialect, body, [tier]).tier == "priority"
    assert (
        read_asked(dialect, body, [latency, tier]).tier
        == read_asked(dialect, body, [tier, latency]).tier
        == "optimized"
    )


def test_googles_tier_is_read_in_either_spelling() -> None:
    dialect = GeminiGenerate("gemini", "gemini-2.5-pro")
    for field in ("serviceTier", "service_tier"):
        assert dialect.read_request(json.dumps({"contents": [], field: "PRIORITY"}).encode()).tier == "priority"


def test_amazons_own_tools_have_no_price_until_they_are_given_one() -> None:
    tools = [{"systemTool": {"name": "nova_grounding"}}, {"toolSpec": {"name": "systemTool"}}]
    body = json.dumps({"messages": [], "toolConfig": {"tools": tools}}).encode()
    assert BedrockConverse("amazon.nova-pro-v1:0").read_request(body).fees == (("bedrock-tool-nova_grounding", 10),)


def test_the_words_of_a_content_in_parts_are_counted_for_an_answer_that_is_cut() -> None:
    reader = CHAT.reader(Asked("magistral-medium-latest", stream=True), strip_usage=False)
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "x" * 500}]}
    chunk = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": {"content": [thought]}, "finish_reason": None}]}
    reader.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    assert reader.output_bytes >= 500


def test_images_are_held_by_their_number_however_it_is_written() -> None:
    def images(n: Any) -> int | None:
        sold = IMAGES.read_request(json.dumps({"model": "dall-e-2", "prompt": "a cat", "n": n}).encode()).sold
        return None if sold is None else sold.images

    assert (images(None), images(10), images(10.0), images("10"), images(" 10")) == (1, 10, 10, 10, None)


@pytest.mark.parametrize("uses", [500, 500.0, "500"])
def test_searches_are_as_many_as_a_provider_may_take_them_for(uses: Any) -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": uses}
    assert MESSAGES.read_request(json.dumps(SONNET | {"tools": [tool]}).encode()).searches == 500
    body = {"model": "gpt-5", "input": "hi", "tools": [{"type": "web_search"}], "max_tool_calls": uses}
    assert RESPONSES.read_request(json.dumps(body).encode()).searches == 500


def test_what_is_written_with_escapes_costs_the_same() -> None:
    def read(tool: bytes) -> Asked:
        return MESSAGES.read_request(b'{"model":"claude-sonnet-4-6","max_tokens":5,"messages":[],"tools":[%b]}' % tool)

    assert read(b'{"type":"web\\u005fsearch_20250305","name":"x"}').searches == 10
    assert read(b'{"type":"\\u0061dvisor_20260301","model":"claude-opus-4-1"}').also == (("claude-opus-4-1", 5),)
    assert read(b'{"type":"web\\u005ffetch_20250910","name":"x"}').reads
    video = b'{"contents":[{"parts":[{"file\\u0044ata":{"mimeType":"video/mp4","fileUri":"https://x/v"}}]}]}'
    assert len(GeminiGenerate("gemini", "gemini-2.5-pro").read_request(video).media) == 1
    film = b'{"messages":[{"content":[{"video":{"source":{"s3\\u004cocation":{"uri":"s3://a/b"}}}}]}]}'
    assert len(BedrockConverse("amazon.nova-pro-v1:0").read_request(film).media) == 1
    words = json.dumps({"contents": [{"parts": [{"text": 'caf\u00e9 \u20ac: "inline" \u00e9'}]}]}).encode()
    assert GeminiGenerate("gemini", "gemini-2.5-pro").read_request(words).media == ()


def test_an_item_that_a_request_only_names_is_held_as_what_the_provider_may_have_kept(worker: Worker) -> None:
    says: dict[str, Any] = {"type": "message", "role": "user", "content": "and then?"}
    for named in ({"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}, {"type": None, "id": "msg_1"}):
        body = {"model": "gpt-5", "input": [named, says]}
        asked = RESPONSES.read_request(json.dumps(body).encode())
        assert (asked.continues, asked.media) == ("kept", ())
    plain = RESPONSES.read_request(json.dumps({"model": "gpt-5", "input": [says]}).encode())
    assert (plain.continues, plain.media) == ("", ())
    window = worker.meter.book.context_tokens("openai", "gpt-5")
    assert window is not None
    assert input_bound(worker, "openai", asked, 200) > window
    held = bound_at(worker, at("openai"), asked, input_bound(worker, "openai", asked, 200), OUTPUT, AT_US).pico
    sheet = worker.meter.book.at("openai", "gpt-5", AT_US, input_tokens=window)
    assert sheet is not None
    assert held == bound_pico(sheet, window, OUTPUT)


def test_the_sound_of_an_earlier_answer_is_held_by_the_model_s_window() -> None:
    spoken = {"role": "assistant", "audio": {"id": "audio_1"}}
    silent = {"role": "assistant", "content": "hi", "audio": None}
    image = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    call = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"arguments": "{}"}}], "id": "x"}
    shown = {"role": "user", "content": [image, {"type": "text", "text": "look"}], "input": {"id": "7"}}
    for messages, kept in ([spoken], "kept"), ([silent], ""), ([shown, call], ""):
        body = {"model": "gpt-audio", "messages": messages}
        assert CHAT.read_request(json.dumps(body).encode()).continues == kept
