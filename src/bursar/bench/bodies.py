"""What is sent and answered in the benchmarks: an ordinary chat of 1.4 KB, a long agent conversation, a stream."""

import msgspec

EVENTS = 52
EVENT_INTERVAL_S = 0.004
_WORDS = "the purse is kept by one who counts every coin twice and writes it down before it is spent "


def chat_request(size: int, *, stream: bool = False, model: str = "gpt-4o-mini") -> bytes:
    """A chat completion request of about `size` bytes, in turns of 600 characters."""
    turns = [{"role": "system", "content": "You are a careful assistant for a checkout team."}]
    body: dict[str, object] = {"model": model, "messages": turns, "max_tokens": 200, "temperature": 0.2}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    encoded = msgspec.json.encode(body)
    while (room := size - len(encoded)) > 60:
        text = (_WORDS * 7)[: min(600, room - 40)]
        turns.append({"role": "user" if len(turns) % 2 else "assistant", "content": text})
        encoded = msgspec.json.encode(body)
    return encoded


def chat_answer() -> bytes:
    """A whole answer of about 1 KB, with usage."""
    return msgspec.json.encode(
        {
            "id": "chatcmpl-BenchBenchBenchBenchBenchBen",
            "object": "chat.completion",
            "created": 1760000000,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": (_WORDS * 5)[:400], "refusal": None, "annotations": []},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 312,
                "completion_tokens": 96,
                "total_tokens": 408,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
            },
            "service_tier": "default",
            "system_fingerprint": "fp_bench",
        }
    )


def stream_events() -> list[bytes]:
    """EVENTS server-sent events of about 290 bytes, the last two with usage and `[DONE]`."""
    head = {
        "id": "chatcmpl-BenchBenchBenchBenchBenchBen",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    }
    events = [
        head | {"choices": [{"index": 0, "delta": {"content": _WORDS[:60]}, "logprobs": None, "finish_reason": None}]}
        for _ in range(EVENTS - 3)
    ]
    events.append(head | {"choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 312, "completion_tokens": 96, "total_tokens": 408}
    events.append(head | {"choices": [], "usage": usage})
    return [b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]


_MESSAGE = {
    "id": "msg_01BenchBenchBenchBenchBench",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "stop_sequence": None,
}
_GIVEN = {"input_tokens": 312, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def message_answer() -> bytes:
    """The same answer as Anthropic gives it."""
    text = [{"type": "text", "text": (_WORDS * 5)[:400]}]
    more = {"content": text, "stop_reason": "end_turn", "usage": {**_GIVEN, "output_tokens": 96}}
    return msgspec.json.encode(_MESSAGE | more)


def message_events() -> list[bytes]:
    """The same stream as Anthropic gives it: EVENTS events, as many of them with text but two."""
    empty: dict[str, object] = {"content": [], "stop_reason": None, "usage": {**_GIVEN, "output_tokens": 1}}
    ended = {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 96}}
    piece = {"index": 0, "delta": {"type": "text_delta", "text": _WORDS[:60]}}
    events: list[tuple[str, dict[str, object]]] = [
        ("message_start", {"message": _MESSAGE | empty}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *[("content_block_delta", piece)] * (EVENTS - 5),
        ("content_block_stop", {"index": 0}),
        ("message_delta", ended),
        ("message_stop", {}),
    ]
    return [
        b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))
        for kind, fields in events
    ]
