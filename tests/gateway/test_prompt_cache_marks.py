"""Marks in a body's bytes: what changes, what stays as it came, and what is left alone."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bursar.domain.cacheable import cacheable
from bursar.domain.caching import PromptCaching
from bursar.domain.usage import Usage
from bursar.gateway.prompt_cache.account import ADVANCE_SHARE, ADVANCE_TOKENS
from bursar.gateway.prompt_cache.agents import is_coding_agent
from bursar.gateway.prompt_cache.caching import CallOf, Marked, PromptCaches, Ruled
from bursar.gateway.prompt_cache.marks import has_marks, with_marks
from bursar.gateway.prompt_cache.pieces import SHAPES, read_pieces
from bursar.gateway.prompt_cache.policy import Mark
from bursar.gateway.prompt_cache.prices import CachePrices
from bursar.providers.registry import DIALECTS

SONNET = CachePrices(3_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000)
RULE = Ruled("ca_000000000001", PromptCaching(), SONNET)
SECOND = 1_000_000
LONG = "Answer in the words of the handbook. " * 200

text_value = st.text(max_size=30)
block = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": text_value}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": text_value}),
    st.fixed_dictionaries({"type": st.just("tool_use"), "id": text_value, "name": text_value, "input": st.just({})}),
    st.fixed_dictionaries({"type": st.just("tool_result"), "tool_use_id": text_value, "content": text_value}),
)
message = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant"]),
        "content": st.one_of(text_value, st.lists(block, max_size=3)),
    }
)
tool = st.fixed_dictionaries({"name": text_value, "input_schema": st.just({"type": "object"})})
request = st.fixed_dictionaries(
    {"model": st.just("claude-sonnet-4-5"), "messages": st.lists(message, max_size=5)},
    optional={
        "system": st.one_of(text_value, st.lists(block, max_size=2), st.none()),
        "tools": st.lists(tool, max_size=3),
        "metadata": st.dictionaries(text_value, text_value, max_size=2),
    },
)


def call_of(dialect: str = "anthropic-messages", model: str = "claude-sonnet-4-5", client: str = "") -> CallOf:
    provider = dialect.partition("-")[0]
    return CallOf(
        dialect=dialect,
        model=model,
        provider=provider,
        account="main",
        credential_id="vk_1",
        feature="f",
        client=client,
    )


def without_marks(value: Any) -> Any:
    """A body as the client meant it: no marks, and blocks of one text as the string that they stand for."""
    if isinstance(value, dict):
        return {key: without_marks(inner) for key, inner in value.items() if key != "cache_control"}
    if isinstance(value, list):
        kept = [without_marks(inner) for inner in value if not (isinstance(inner, dict) and "cachePoint" in inner)]
        if len(kept) == 1 and isinstance(kept[0], dict) and set(kept[0]) == {"type", "text"}:
            return kept[0]["text"]
        return kept
    return value


def talk(caches: PromptCaches, bodies: list[bytes], call: CallOf, rule: Ruled = RULE) -> list[Marked | None]:
    """Calls ten seconds apart, each billed as if all its prompt had been read."""
    found = []
    for number, body in enumerate(bodies):
        now_us = 10**15 + number * 10 * SECOND
        marked = caches.mark(call, rule, body, now_us)
        if marked is not None and marked.ticket is not None:
            caches.billed(marked.ticket, Usage(input=10, cache_read=2_000), now_us + SECOND)
        found.append(marked)
    return found


def questions(count: int = 12, **more: Any) -> list[bytes]:
    """Calls with one long system prompt and a new question each."""
    return [
        json.dumps(
            {
                "model": "claude-sonnet-4-5",
                "system": LONG,
                "messages": [{"role": "user", "content": f"Question {number}"}],
                **more,
            }
        ).encode()
        for number in range(count)
    ]


@given(request=request, indent=st.sampled_from([None, 1]), hours=st.integers(0, 40))
def test_a_marked_body_says_the_same_and_only_its_marks_are_new(request, indent, hours):
    body = json.dumps(request, indent=indent, ensure_ascii=False).encode()
    pieces = read_pieces(body, SHAPES["anthropic-messages"], 7)
    assert pieces is not None
    marks = [Mark(index, index < hours) for index in range(len(pieces))]
    changed, done = with_marks(body, pieces, marks, is_converse=False)
    assert without_marks(json.loads(changed)) == without_marks(request)
    assert changed.count(b'"cache_control":{') == len(done)
    assert set(done) <= set(marks)


@given(request=request)
def test_pieces_are_in_order_and_equal_beginnings_have_equal_hashes(request):
    body = json.dumps(request).encode()
    longer = json.dumps(request | {"messages": [*request["messages"], {"role": "user", "content": "more"}]}).encode()
    pieces, more = (read_pieces(one, SHAPES["anthropic-messages"], 7) for one in (body, longer))
    assert pieces is not None
    assert more is not None
    in_order = sorted(pieces, key=lambda piece: min(2, piece.kind))
    assert in_order == pieces
    assert all(json.loads(body[piece.start : piece.end]) is not Ellipsis for piece in pieces)
    assert len(more) == len(pieces) + 1
    for piece, same in zip(pieces[:-1], more, strict=False):
        assert (piece.own, piece.prefix) == (same.own, same.prefix)


@given(st.binary(max_size=200), st.sampled_from(sorted(SHAPES)))
def test_any_bytes_are_no_prompt_or_one_that_can_be_read(body, shape):
    read_pieces(body, SHAPES[shape], 7)


@pytest.mark.parametrize("name", sorted({*SHAPES, "vertex-anthropic", "bedrock-invoke", "vertex-generate"}))
def test_every_dialect_named_here_exists(name):
    assert name in DIALECTS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"messages":',
        b'{"messages":[{"role":"user","content":"a"}],"messages":[]}',
        b'{"messages":{"role":"user"}}',
        b'{"messages":[1,null,"x"],"system":7,"tools":{}}',
        b'{"system":"' + b"x" * 9_000 + b'"}',
        b'{"messages":[' + b"[" * 5_000,
    ],
)
def test_odd_bodies_go_out_as_they_came(body):
    caches = PromptCaches(b"s" * 32)
    for dialect in SHAPES:
        for padded in (body, body + b" " * 3_000):
            assert caches.mark(call_of(dialect), RULE, padded, 10**15) is None


def test_a_system_prompt_that_comes_again_is_marked_and_its_first_call_is_not():
    marked = talk(PromptCaches(b"s" * 32), questions(), call_of())
    assert marked[0] is None
    assert marked[-1] is not None
    said = json.loads(marked[-1].body)
    assert said["system"] == [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    assert said["messages"] == [{"role": "user", "content": "Question 11"}]
    assert marked[-1].note == "cache_control"


def test_a_conversation_is_marked_where_its_next_turn_will_find_it():
    turns: list[dict[str, Any]] = []
    bodies = []
    for turn in range(14):
        turns = [*turns, {"role": "user", "content": f"{turn} {LONG}"}]
        bodies.append(json.dumps({"model": "claude-sonnet-4-5", "messages": turns}).encode())
        turns = [*turns, {"role": "assistant", "content": f"answer {turn}"}]
    marked = talk(PromptCaches(b"s" * 32), bodies, call_of())
    last = marked[-1]
    assert last is not None
    at = [index for index, one in enumerate(json.loads(last.body)["messages"]) if isinstance(one["content"], list)]
    assert 24 in at or 26 in at  # the last question, or what was read up to
    assert all(body is None or body.body.count(b'"cache_control":{') <= 4 for body in marked)


def test_what_a_refused_call_marked_is_not_believed_to_be_kept():
    caches = PromptCaches(b"s" * 32)
    bodies = questions(40)
    sent = [
        caches.mark(call_of(), RULE, body, 10**15 + number * 10 * SECOND) for number, body in enumerate(bodies[:20])
    ]
    for marked in sent:
        if marked is not None and marked.ticket is not None:
            held = marked.ticket.series.account.held
            caches.unbilled(marked.ticket)
            assert marked.ticket.series.account.held <= held
    last = sent[-1]
    assert last is not None
    assert last.ticket is not None
    assert abs(last.ticket.series.account.held) < 1e-6
    assert last.ticket.series.account.paid == 0
    again = caches.mark(call_of(), RULE, bodies[30], 10**15 + 210 * SECOND)
    assert again is not None
    assert again.ticket is not None
    assert again.ticket.plan.premium > 0  # it is written, and not taken for something to be read


def test_series_without_end_share_one_advance():
    """A feature of its own for each pair of calls: every second call could be written, and none is read."""
    caches = PromptCaches(b"s" * 32)
    paid = sent = 0.0
    for number in range(400):
        body = json.dumps({"system": f"{number // 2} {LONG}", "messages": [{"role": "user", "content": "q"}]}).encode()
        call = structs.replace(call_of(), feature=f"f{number // 2}")
        sent += len(body) / 4
        marked = caches.mark(call, RULE, body, 10**15 + number * 10 * SECOND)
        if marked is not None and marked.ticket is not None:
            paid += marked.ticket.plan.premium
            caches.billed(marked.ticket, Usage(cache_write_5m=round(marked.ticket.plan.premium * 4)), 10**15)
    assert 0 < paid <= ADVANCE_SHARE * sent + ADVANCE_TOKENS


def test_converse_has_points_behind_its_blocks():
    body = {
        "system": [{"text": LONG}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "a", "inputSchema": {"json": {}}}}]},
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
    }
    bodies = [json.dumps(body | {"additionalModelRequestFields": {"n": n}}).encode() for n in range(12)]
    marked = talk(PromptCaches(b"s" * 32), bodies, call_of("bedrock-converse", "us.anthropic.claude-sonnet-4-5-v1:0"))
    last = marked[-1]
    assert last is not None
    said = json.loads(last.body)
    points = last.body.count(b'{"cachePoint":{"type":"default"}}')
    assert 1 <= points <= 4
    assert without_marks(said)["messages"] == without_marks(body)["messages"]
    assert last.body.replace(b',{"cachePoint":{"type":"default"}}', b"") == bodies[-1]


@pytest.mark.parametrize(
    ("dialect", "model"),
    [
        ("bedrock-converse", "meta.llama3-70b-instruct-v1:0"),
        ("bedrock-converse", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"),
        ("anthropic-messages", "kimi-k2"),
        ("gemini-generate", "gemini-3-pro"),
        ("bedrock-invoke", "us.anthropic.claude-sonnet-4-5-v1:0"),  # without anthropic_version it is another's body
    ],
)
def test_models_that_might_refuse_a_mark_get_none(dialect, model):
    assert not any(talk(PromptCaches(b"s" * 32), questions(), call_of(dialect, model)))


def test_marks_of_the_client_are_left_alone():
    mine = questions(metadata={"x": 1}, cache_control={"type": "ephemeral"})
    assert not any(talk(PromptCaches(b"s" * 32), mine, call_of()))
    assert has_marks(b'{"cache\\u005fcontrol":{}}', is_converse=False)


def test_coding_agents_are_left_alone_unless_the_rule_says_so():
    agent = call_of(client="claude-cli/2.1.3")
    assert not any(talk(PromptCaches(b"s" * 32), questions(), agent))
    also = Ruled("ca_2", PromptCaching(agents=True), SONNET)
    assert any(talk(PromptCaches(b"s" * 32), questions(), agent, also))
    billed = questions(
        system=[{"type": "text", "text": "x-anthropic-billing-header: cc_version=2"}, {"type": "text", "text": LONG}]
    )
    assert not any(talk(PromptCaches(b"s" * 32), billed, call_of()))
    assert [is_coding_agent(name) for name in ("codex_cli_rs/0.5", "codex-tui/1", "Cursor/1.0", "cursory/1")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_without_a_price_for_the_cache_nothing_is_marked():
    assert not any(talk(PromptCaches(b"s" * 32), questions(), call_of(), Ruled("ca_3", PromptCaching(), None)))


def test_an_hour_is_asked_for_by_the_rule_or_by_long_gaps():
    hour = Ruled("ca_4", PromptCaching(ttl="1h"), SONNET)
    marked = talk(PromptCaches(b"s" * 32), questions(60), call_of(), hour)
    assert marked[-1] is not None
    assert b'"ttl":"1h"' in marked[-1].body
    caches = PromptCaches(b"s" * 32)
    found = None
    for number, body in enumerate(questions(40)):
        now_us = 10**15 + number * 900 * SECOND
        found = caches.mark(call_of(), RULE, body, now_us)
        if found is not None and found.ticket is not None:
            caches.billed(found.ticket, Usage(input=10, cache_read=2_000), now_us)
    assert found is not None
    assert b'"ttl":"1h"' in found.body


def test_an_hour_never_stands_behind_five_minutes():
    body = json.dumps(
        {"tools": [{"name": "a"}], "system": LONG, "messages": [{"role": "user", "content": "q"}]}
    ).encode()
    pieces = read_pieces(body, SHAPES["anthropic-messages"], 7)
    assert pieces is not None
    changed, _ = with_marks(body, pieces, [Mark(0, is_1h=True), Mark(1)], is_converse=False)
    assert changed.index(b'"ttl":"1h"') < changed.index(b'"system"')


def test_openai_gets_a_key_of_the_beginning_and_nothing_else():
    caches = PromptCaches(b"s" * 32)
    call = call_of("openai-chat", "gpt-5.4")

    def body(system: str, question: str) -> bytes:
        said = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        return json.dumps({"model": "gpt-5.4", "messages": said}).encode()

    one, same, other = (
        caches.mark(call, RULE, sent, 10**15) for sent in (body(LONG, "a"), body(LONG, "b"), body(LONG + "!", "a"))
    )
    assert one is not None
    assert same is not None
    assert other is not None
    key = json.loads(one.body)["prompt_cache_key"]
    assert len(key) == 32
    assert json.loads(same.body)["prompt_cache_key"] == key
    assert json.loads(other.body)["prompt_cache_key"] != key
    assert one.body.replace(b'"prompt_cache_key":"%b",' % key.encode(), b"") == body(LONG, "a")
    assert caches.mark(call, RULE, one.body, 10**15) is None  # the client's own key stays
    assert PromptCaches(b"t" * 32).mark(call, RULE, body(LONG, "a"), 10**15) != one
    elsewhere = CallOf(dialect="openai-chat", model="gpt-5.4", provider="groq", account="main", credential_id="vk_1")
    assert caches.mark(elsewhere, RULE, body(LONG, "a"), 10**15) is None


def test_a_beginning_with_many_calls_a_minute_is_split_by_conversation():
    caches = PromptCaches(b"s" * 32)
    call = call_of("openai-responses", "gpt-5.4")
    keys = set()
    for number in range(200):
        body = json.dumps({"model": "gpt-5.4", "instructions": LONG, "input": f"question {number}"}).encode()
        marked = caches.mark(call, RULE, body, 10**15 + number)
        assert marked is not None
        keys.add(json.loads(marked.body)["prompt_cache_key"])
    assert 4 <= len(keys) <= 64


def test_marks_have_the_order_that_the_api_asks_for():
    body = questions(1, tools=[{"name": "a"}, {"name": "b"}])[0]
    pieces = read_pieces(body, SHAPES["anthropic-messages"], 7)
    assert pieces is not None
    assert all(one.prefix != other.prefix for one, other in pairwise(pieces))
    assert [body[piece.start : piece.start + 3] for piece in pieces[:2]] == [b'{"n', b'{"n']


@pytest.mark.parametrize(
    ("model", "minimum"),
    [
        ("claude-opus-5-5", 512),
        ("claude-sonnet-5", 1_024),
        ("claude-opus-4-6", 4_096),
        ("claude-3-5-haiku-20241022", 2_048),
        ("claude-sonnet-4-20250514", 1_024),
        ("claude-haiku-5-5", 4_096),  # not in the table: the largest
        ("claude-nouveau", 4_096),
    ],
)
def test_the_shortest_prefix_is_the_models_own(model, minimum):
    found = cacheable(model, at_bedrock=False)
    assert found is not None
    assert found.minimum == minimum


@given(request=request, cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 255))))
def test_whatever_is_sent_comes_out_the_same_but_for_its_marks(request, cut, flips):
    """Eight calls of one body, damaged at will: marked where that can be done, and nothing raises."""
    sent = json.dumps(request | {"system": [{"type": "text", "text": LONG}]}).encode()
    damaged = bytearray(sent[: len(sent) - cut] if cut < 20 else sent)
    for at, byte in flips[:2]:
        damaged[at % len(damaged)] = byte
    body = bytes(damaged)
    for dialect in ("anthropic-messages", "bedrock-converse", "openai-chat", "openai-responses", "gemini-generate"):
        caches = PromptCaches(b"s" * 32)
        model = "us.anthropic.claude-sonnet-4-5-v1:0" if "bedrock" in dialect else "claude-sonnet-4-5"
        for number in range(8):
            marked = caches.mark(call_of(dialect, model), RULE, body, 10**15 + number * 10 * SECOND)
            if marked is None:
                continue
            try:
                meant = json.loads(body.decode("utf-8", "replace"))
            except ValueError:  # damaged within a text that nobody reads here: the provider will say so
                meant = None
            if meant is not None:
                said = json.loads(marked.body.decode("utf-8", "replace"))
                said.pop("prompt_cache_key", None)
                assert without_marks(said) == without_marks(meant)
            assert marked.body.count(b'"cache_control":{') + marked.body.count(b'"cachePoint":{') <= 4
            if marked.ticket is not None:
                caches.unbilled(marked.ticket)
