"""What events of a realtime session say of money."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.errors import BadRequest, BudgetExhausted, MissingField
from bursar.domain.usage import Usage
from bursar.providers.openai_realtime import (
    OUTPUT_TOKENS_MAX,
    REALTIME,
    RealtimeUsage,
    error_event,
    output_limit_of,
    read_client_event,
    read_done,
    read_error,
    read_server_event,
    read_session,
    sound_bytes,
    usage_of_realtime,
    with_model_in_query,
)

# OpenAPI 2.3.0, the example of response.done; its details contradict its totals (384 cached of 127)
SYNTHETIC_DONE = {
    "type": "response.done",
    "response": {
        "id": "resp_001",
        "status": "completed",
        "conversation_id": "conv_1",
        "usage": {
            "total_tokens": 275,
            "input_tokens": 127,
            "output_tokens": 148,
            "input_token_details": {
                "cached_tokens": 384,
                "text_tokens": 119,
                "audio_tokens": 8,
                "cached_tokens_details": {"text_tokens": 128, "audio_tokens": 256},
            },
            "output_token_details": {"text_tokens": 36, "audio_tokens": 112},
        },
    },
}


def done(**changes: Any) -> Any:
    response = SYNTHETIC_DONE["response"] | changes  # type: ignore[operator]
    return read_done(read_server_event(json.dumps(SYNTHETIC_DONE | {"response": response}).encode()))


def test_a_response_in_disjoint_classes():
    seen = done()
    assert seen.answer.usage == Usage(cache_read=119, cache_read_audio=8, output=36, output_audio=112)
    assert (seen.response_id, seen.is_free, seen.is_aside) == ("resp_001", False, False)


COUNTS = st.none() | st.integers(0, 5000)
DETAILS = st.fixed_dictionaries(
    dict.fromkeys(("cached_tokens", "text_tokens", "audio_tokens", "image_tokens"), COUNTS)
    | {
        "cached_tokens_details": st.none()
        | st.fixed_dictionaries(dict.fromkeys(("text_tokens", "audio_tokens", "image_tokens"), COUNTS))
    }
)


@given(
    total=COUNTS,
    out=COUNTS,
    given_details=st.none() | DETAILS,
    made=st.none() | st.fixed_dictionaries({"text_tokens": COUNTS, "audio_tokens": COUNTS}),
)
def test_classes_add_up_to_the_totals_whatever_the_details_say(total: Any, out: Any, given_details: Any, made: Any):
    told = {
        "input_tokens": total,
        "output_tokens": out,
        "input_token_details": given_details,
        "output_token_details": made,
    }
    usage = usage_of_realtime(msgspec.convert(told, RealtimeUsage))
    if not total and not out:
        assert usage is None
        return
    assert usage is not None
    assert (usage.total_input, usage.total_output) == (total or 0, out or 0)
    assert min(msgspec.structs.astuple(usage)) >= 0


def test_zero_is_believed_of_a_response_that_never_was_and_of_no_other():
    nothing = {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}
    assert done(status="cancelled", usage=nothing).is_free
    assert not done(status="completed", usage=nothing).is_free
    assert not done(status="cancelled", usage=None).is_free
    assert done(status="failed", status_details={"error": {"code": "server_error"}}).answer.error_code == "server_error"
    assert done(conversation_id=None).is_aside


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"type":7}', b'"x"', b"\xff", b"[" * 10_000])
def test_what_cannot_be_read_means_nothing(text: bytes):
    assert read_client_event(text).type is None
    assert read_server_event(text).type is None


def test_an_end_whose_usage_cannot_be_read_is_still_the_end_of_its_response():
    seen = done(usage={"input_tokens": -1})
    assert (seen.response_id, seen.answer.usage, seen.is_free) == ("resp_001", None, False)


@pytest.mark.parametrize("response", ["null", "7", '{"id":7}', '{"usage":{"input_tokens":-1}}', "{}"])
def test_an_end_that_cannot_be_read_is_an_end_without_usage(response: str):
    seen = read_done(read_server_event(b'{"type":"response.done","response":%b}' % response.encode()))
    assert (seen.answer.usage, seen.is_free) == (None, False)


def test_settings_of_both_interfaces():
    ga = {
        "model": "gpt-realtime-2025-08-28",
        "max_output_tokens": 700,
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "gpt-4o-transcribe"},
                "turn_detection": {"type": "server_vad", "create_response": False, "idle_timeout_ms": 6000},
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}},
        },
    }
    facts = read_session(msgspec.Raw(json.dumps(ga).encode()))
    assert facts == ("gpt-realtime-2025-08-28", False, True, "gpt-4o-transcribe", 700, False, True)
    beta = {
        "turn_detection": {"type": "semantic_vad"},
        "input_audio_transcription": None,
        "max_response_output_tokens": "inf",
        "input_audio_format": "pcm16",
        "output_audio_format": "g711_ulaw",
    }
    facts = read_session(msgspec.Raw(json.dumps(beta).encode()))
    assert facts == ("", True, False, "", OUTPUT_TOKENS_MAX, True, False)
    assert read_session(msgspec.Raw(b"{}")) == ("", None, None, None, None, None, None)
    off = {"audio": {"input": {"turn_detection": None}}}
    assert read_session(msgspec.Raw(json.dumps(off).encode())).answers_by_itself is False


def test_the_limit_of_a_response():
    for said, limit in ((12, 12), ("inf", OUTPUT_TOKENS_MAX), (10**9, OUTPUT_TOKENS_MAX), (True, None), (None, None)):
        text = json.dumps({"type": "response.create", "response": {"max_output_tokens": said}}).encode()
        assert output_limit_of(read_client_event(text)) == limit
    assert output_limit_of(read_client_event(b'{"type":"response.create"}')) is None


def test_sound_is_counted_without_being_decoded():
    event = read_client_event(b'{"type":"input_audio_buffer.append","audio":"' + b"A" * 6400 + b'"}')
    assert sound_bytes(event.audio) == 4800


def test_an_error_says_which_event_it_is_about():
    text = b'{"type":"error","error":{"type":"x","code":"c","event_id":"evt_1","message":""}}'
    assert read_error(read_server_event(text)) == ("c", "evt_1")
    assert read_error(read_server_event(b'{"type":"error","error":null}')) == ("", "")
    ours = json.loads(error_event(BudgetExhausted("no", field="budget"), "event_1", ""))
    assert ours["type"] == "error"
    assert ours["error"] == {
        "message": "no",
        "type": "insufficient_quota",
        "param": "budget",
        "code": "budget_exhausted",
        "event_id": None,
    }


def test_the_query_says_what_is_asked():
    asked = REALTIME.read_query(b"model=openai%2Fgpt-realtime&x=1")
    assert (asked.model, asked.stream, asked.model_in_path) == ("openai/gpt-realtime", True, True)
    assert with_model_in_query(b"a=b&model=x", "my model&") == b"model=my%20model%26&a=b"
    for query in (b"", b"model="):
        with pytest.raises(MissingField):
            REALTIME.read_query(query)
    for query in (b"intent=transcription", b"call_id=1&model=x", b"model=" + b"x" * 300):
        with pytest.raises(BadRequest):
            REALTIME.read_query(query)
