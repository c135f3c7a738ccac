"""A generated event as the request a client would send: path, headers, body."""

from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from bursar.domain.usage import Usage
from bursar.simulate.cast import CLIENTS
from bursar.simulate.generate import Event
from bursar.simulate.tokens import answer_text

PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "openai-embeddings": "/v1/embeddings",
    "anthropic-messages": "/v1/messages",
}
PROMPT_TOKENS_MAX = 150_000  # prompts are sent at their size, so that a gateway's bound is a bound; up to here
OUTPUT_LIMIT_LEAST = 1024


class Ready(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


def to_request(event: Event, *, key: str, label: str = "") -> Ready:
    """The request of an event; the simulator is told to bill exactly its usage."""
    ask = _body(event)
    control: dict[str, Any] = {"label": label} | usage_control(event.usage)
    if event.ending in ("no_usage", "provider_error", "truncated"):
        control["fault"] = {"no_usage": "no_usage", "provider_error": "529", "truncated": "truncate"}[event.ending]
    tags = {
        "feature": event.feature,
        "team": event.team,
        "customer": event.customer,
        "environment": event.environment,
        "request_type": event.request_type,
        "session": event.session,
        "agent": event.agent,
        "user": event.user,
        "plan": event.plan,
    }
    headers = {
        "content-type": "application/json",
        "user-agent": CLIENTS[event.provider],
        "x-bursar-tags": ",".join(f"{name}={quote(value)}" for name, value in tags.items() if value),
        "x-sim": msgspec.json.encode(control).decode(),
    }
    if event.provider == "anthropic":
        headers |= {"x-api-key": key, "anthropic-version": "2023-06-01"}
    else:
        headers["authorization"] = f"Bearer {key}"
    return Ready(PATHS[event.dialect], headers, msgspec.json.encode(ask))


def usage_control(usage: Usage) -> dict[str, int]:
    """What `x-sim` must say so that this usage is billed."""
    return {
        "input": usage.input,
        "cached": usage.cache_read,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning,
    }


def _body(event: Event) -> dict[str, Any]:
    prompt = answer_text(min(event.usage.total_input, PROMPT_TOKENS_MAX), event.request)
    limit = max(event.usage.output, OUTPUT_LIMIT_LEAST)
    messages = [{"role": "user", "content": prompt}]
    match event.dialect:
        case "openai-embeddings":
            return {"model": event.model, "input": prompt}
        case "openai-responses":
            return {"model": event.model, "input": prompt, "max_output_tokens": limit, "stream": event.stream}
        case "anthropic-messages":
            return {"model": event.model, "max_tokens": limit, "messages": messages, "stream": event.stream}
        case _:
            return {
                "model": event.model,
                "messages": messages,
                "max_completion_tokens": limit,
                "stream": event.stream,
            }
