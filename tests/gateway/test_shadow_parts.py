"""What shadows are made of: how answers are compared, kept and refused, and how much may wait."""

import asyncio
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.routes import Receipt, RouteRule, Shadow, Target, faults_of, receipt_words
from bursar.domain.savings import Saved
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.gateway.agreement import Said, arguments_mark, compare, word_overlap
from bursar.gateway.arms import draw
from bursar.gateway.background import Background
from bursar.gateway.heard import HEARD_BYTES_MAX, Heard
from bursar.gateway.meter import Metered
from bursar.gateway.relay import cost_of_lever
from bursar.gateway.route_table import usable
from bursar.gateway.shadow_fits import BODY_BYTES_MAX, keeps_from_shadow
from bursar.providers.base import Asked
from bursar.translate.chat import CHAT
from bursar.translate.messages import MESSAGES


def tool(name: str, arguments: str) -> tuple[str, bytes]:
    return name, arguments_mark(arguments)


@pytest.mark.parametrize(
    ("one", "other", "wants_json", "seen"),
    [
        # the two answers                                                  finish names  calls  json   text   agreement
        (Said("end", "Yes."), Said("end", "  YES.\n"), False, (True, None, None, None, True, 1.0)),
        (Said("end", "a b"), Said("length", "a b c"), False, (False, None, None, None, False, 0.8)),
        (Said("end", '{"a":1}'), Said("end", '{ "a": 1.0 }'), True, (True, None, None, True, False, 1.0)),
        (Said("end", '{"a":1}'), Said("end", '{"a":2}'), True, (True, None, None, False, False, 0.0)),
        (Said("end", "no json"), Said("end", "no json"), True, (True, None, None, False, True, 0.0)),
        (Said("end", ""), Said("end", ""), False, (True, None, None, None, None, 1.0)),
        (Said("end", ""), Said("length", ""), False, (False, None, None, None, None, 0.0)),
        (
            Said("tool_use", "", (tool("f", '{"a":1,"b":2}'),)),
            Said("tool_use", "I look", (tool("f", '{"b": 2, "a": 1}'),)),
            True,
            (True, True, True, None, False, 1.0),
        ),
        (
            Said("tool_use", "", (tool("f", "{}"), tool("f", "{}"))),
            Said("tool_use", "", (tool("f", "{}"),)),
            False,
            (True, False, False, None, None, 0.0),
        ),
        (
            Said("tool_use", "", (tool("f", '{"a":1}'),)),
            Said("tool_use", "", (tool("f", '{"a":2}'),)),
            False,
            (True, True, False, None, None, 0.0),
        ),
    ],
)
def test_two_answers_agree_as_far_as_the_table_says(one, other, wants_json, seen):
    found = compare(one, other, wants_json=wants_json)
    shown = (found.finish, found.tool_names, found.tool_calls, found.json, found.text, found.agreement)
    assert shown == pytest.approx(seen)


TEXTS = st.text(max_size=60)


@given(one=TEXTS, other=TEXTS, wants_json=st.booleans())
def test_agreement_is_even_handed_bounded_and_whole_with_oneself(one, other, wants_json):
    here, there = Said("end", one), Said("end", other)
    assert compare(here, there, wants_json=wants_json) == compare(there, here, wants_json=wants_json)
    assert 0 <= compare(here, there, wants_json=wants_json).agreement <= 1
    assert compare(here, here, wants_json=False).agreement == 1
    assert word_overlap(one, one) == 1


CHAT_ANSWER = {
    "id": "x", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "one two"}}],
}  # fmt: skip


def chat_stream(end: bool = True) -> bytes:
    def chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        event = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(event).encode() + b"\n\n"

    parts = [chunk({"role": "assistant", "content": "one "}), chunk({"content": "two"})]
    return b"".join([*parts, chunk({}, "stop"), b"data: [DONE]\n\n"] if end else parts)


def heard(*chunks: bytes, streams: bool = False) -> Heard:
    kept = Heard(streams=streams)
    for chunk in chunks:
        kept.keep(chunk)
    return kept


def test_a_plain_answer_and_the_same_as_a_stream_said_the_same():
    body, stream = json.dumps(CHAT_ANSWER).encode(), chat_stream()
    whole = Said("end", "one two")
    assert asyncio.run(heard(body).said(CHAT)) == whole
    assert asyncio.run(heard(stream, streams=True).said(CHAT)) == whole
    assert (
        asyncio.run(heard(*(stream[at : at + 7] for at in range(0, len(stream), 7)), streams=True).said(CHAT)) == whole
    )


def test_what_is_cut_unreadable_or_nothing_said_nothing():
    assert asyncio.run(heard(chat_stream(end=False), streams=True).said(CHAT)) is None
    assert asyncio.run(heard(b"<html>").said(CHAT)) is None
    assert asyncio.run(heard(b"\xff\x00", streams=True).said(MESSAGES)) is None
    assert asyncio.run(heard().said(CHAT)) is None


def test_memory_for_one_answer_is_bounded():
    kept = heard(b"x" * HEARD_BYTES_MAX, b"y")
    assert (kept.overflowed, kept.chunks) == (True, [])
    kept.keep(b"z")
    assert kept.chunks == []


def test_no_more_is_held_than_there_is_room_for_and_what_waits_has_its_turn():
    async def run() -> None:
        background, done = Background(at_once=2, held_max=4), []
        gate, last = asyncio.Event(), asyncio.Event()

        async def work(number: int) -> None:
            await gate.wait()
            done.append(number)
            if number == 2:
                last.set()
            if number == 1:
                raise ValueError("a mistake of ours")

        assert [background.enter() for _ in range(5)] == [True] * 4 + [False]
        for number in range(3):
            background.start(lambda number=number: work(number))  # type: ignore[misc]
        background.leave()
        assert background.held == 3
        gate.set()
        async with asyncio.timeout(5):
            await last.wait()
        await asyncio.sleep(0)
        assert background.held == 0
        assert sorted(done) == [0, 1, 2]

    asyncio.run(run())


def test_at_the_end_what_waits_is_dropped_and_what_runs_is_cancelled():
    async def run() -> None:
        background, ended = Background(at_once=1), []

        async def work(number: int) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(number)

        for number in range(2):
            assert background.enter()
            background.start(lambda number=number: work(number))  # type: ignore[misc]
        await asyncio.sleep(0)
        await background.close(0.01)
        assert (ended, background.held, background.enter()) == ([0], 0, False)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("dialect", "body", "why"),
    [
        ("openai-chat", {"messages": []}, ""),
        ("openai-chat", {"tools": [{"type": "function", "function": {"name": "pay"}}]}, ""),
        ("openai-chat", {"store": True}, "stateful"),
        ("openai-responses", {"input": "x"}, ""),
        ("openai-responses", {"store": False}, ""),
        ("openai-responses", {"background": True}, "stateful"),
        ("openai-responses", {"previous_response_id": "resp_1"}, "stateful"),
        ("openai-responses", {"conversation": {"id": "conv_1"}}, "stateful"),
        ("openai-responses", {"tools": [{"type": "mcp", "server_url": "https://x"}]}, "stateful"),
        ("openai-responses", {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "stateful"),
        ("openai-responses", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, ""),
        ("anthropic-messages", {"mcp_servers": [{"url": "https://x"}]}, "stateful"),
        ("anthropic-messages", {"container": "c_1"}, "stateful"),
        ("openai-embeddings", {"input": "x"}, "kind"),
        ("openai-chat", {"messages": "x" * BODY_BYTES_MAX}, "large"),
    ],
)  # fmt: skip
def test_a_call_that_leaves_something_at_its_provider_has_no_shadow(dialect, body, why):
    assert keeps_from_shadow(dialect, Asked(model="m"), json.dumps(body).encode()) == why


def test_a_shadow_is_what_looking_for_a_cheaper_route_costs_whatever_cache_it_hit():
    hit = Metered(Usage(), [], 5, 9, "prompt_cache", "reported", "", "", Saved(prompt_cache=4))
    cost = cost_of_lever(hit, "shadow")
    assert (cost.list_pico, cost.counterfactual_pico, cost.lever, cost.saved) == (5, 0, "routing", Saved(routing=-5))
    embedding = cost_of_lever(hit, "cache_embedding")
    assert (embedding.counterfactual_pico, embedding.saved) == (0, Saved(semantic_cache=-5))
    unpriced = Metered(Usage(), [], None, None, "", "unpriced", "", "")
    assert cost_of_lever(unpriced, "cache_embedding") is unpriced


def test_the_sample_is_stable_by_session_and_keeps_its_share():
    sessions = [Attribution(session=f"s{number}") for number in range(4_000)]
    drawn = [draw("chat", "try", one, "a call") for one in sessions]
    assert drawn == [draw("chat", "try", one, "another") for one in sessions]
    assert sum(one < 0.1 for one in drawn) / len(drawn) == pytest.approx(0.1, abs=0.02)
    assert drawn != [draw("chat", "another try", one, "a call") for one in sessions]


def test_a_shadow_that_can_not_be_is_refused_and_one_to_nowhere_is_left_out():
    rule = RouteRule(name="chat", targets=(Target("openai"),), shadow=Shadow("try", Target("groq", "llama"), 10.0))
    assert faults_of(rule, {"openai"}) == [("shadow.candidate.upstream", "there is no upstream 'groq'")]
    for wrong in (
        Shadow("", Target("openai"), 10.0),
        Shadow("try", Target("openai"), 0),
        Shadow("t", Target("openai"), 101),
    ):
        assert [field for field, _ in faults_of(msgspec.structs.replace(rule, shadow=wrong), None)] == ["shadow"]
    (left,) = usable([rule], {"openai"})
    assert (left.targets, left.shadow) == (rule.targets, None)
    told = receipt_words(Receipt("chat", "ordered", [], None, "try", "shadow", shadow_of="018b"), "groq", "llama")
    assert told == "route 'chat': shadow 'try' of the call 018b"
