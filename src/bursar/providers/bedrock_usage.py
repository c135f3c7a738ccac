"""Amazon Bedrock's usage, split into disjoint classes.

Converse's `inputTokens` leaves out both cache counts, `totalTokens` has them; `cacheDetails` splits the writes by how
long they live, and without it all are five-minute ones. Other models say their counts in an answer's headers or, in a
stream, in its last chunk (`amazon-bedrock-invocationMetrics`), each family in its body by names of its own.
Guardrails are billed beside the tokens, by units that only a trace tells.
Source: tests/golden/bedrock; the service model of bedrock-runtime, botocore 1.44.5; AWS's public pages on guardrails.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from bursar.domain.arns import id_of_arn
from bursar.domain.usage import Usage
from bursar.providers.values import COUNT_MAX, Count

HEADER_COUNTS = {
    b"x-amzn-bedrock-input-token-count": "input",
    b"x-amzn-bedrock-output-token-count": "output",
    b"x-amzn-bedrock-cache-read-input-token-count": "cache_read",
    b"x-amzn-bedrock-cache-write-input-token-count": "cache_write_5m",
}

GUARDRAIL_UNITS = {
    "contentPolicyUnits": "bedrock-guardrail-content",
    "contentPolicyImageUnits": "bedrock-guardrail-content-image",
    "topicPolicyUnits": "bedrock-guardrail-topic",
    "sensitiveInformationPolicyUnits": "bedrock-guardrail-pii",
    "contextualGroundingPolicyUnits": "bedrock-guardrail-grounding",
    "automatedReasoningPolicyUnits": "bedrock-guardrail-reasoning",
}
"""What a trace counts, and the model whose `request` price is that of one unit; words and patterns are free."""

_ASSESSMENTS_MAX = 1_000
_ONE_HOUR = "1h"


class CacheDetail(msgspec.Struct, gc=False, rename="camel"):
    ttl: str = ""
    input_tokens: Count | None = None


class TokenUsage(msgspec.Struct, rename="camel"):
    """`usage` of Converse, and of Nova's own answers. None: not said."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_write_input_tokens: Count | None = None
    cache_read_input_token_count: Count | None = None
    cache_write_input_token_count: Count | None = None
    cache_details: list[CacheDetail] | None = None
    server_tool_usage: dict[str, Any] | None = None


class InvocationMetrics(msgspec.Struct, gc=False, rename="camel"):
    """`amazon-bedrock-invocationMetrics` of a stream's last chunk."""

    input_token_count: Count | None = None
    output_token_count: Count | None = None
    cache_read_input_token_count: Count | None = None
    cache_write_input_token_count: Count | None = None


class _Router(msgspec.Struct, gc=False, rename="camel"):
    invoked_model_id: str | None = None


class Trace(msgspec.Struct, rename="camel"):
    """`trace`: what a guardrail looked at, and where a prompt router sent the call."""

    guardrail: Any = None
    prompt_router: _Router | None = None


def usage_of_converse(seen: TokenUsage | None) -> Usage | None:
    """Disjoint classes; None if nothing was reported, or only zeros. A total above its parts is billed as output."""
    if seen is None:
        return None
    read = seen.cache_read_input_tokens or seen.cache_read_input_token_count or 0
    write = seen.cache_write_input_tokens or seen.cache_write_input_token_count or 0
    details = seen.cache_details or ()
    hour = sum(one.input_tokens or 0 for one in details if one.ttl == _ONE_HOUR)
    write = max(write, sum(one.input_tokens or 0 for one in details))
    fresh, output = seen.input_tokens or 0, seen.output_tokens or 0
    output += max(0, (seen.total_tokens or 0) - fresh - read - write - output)
    if not (fresh or read or write or output):
        return None
    return Usage(
        input=fresh,
        cache_read=read,
        cache_write_5m=write - hour,
        cache_write_1h=hour,
        output=output,
    )


def usage_of_metrics(seen: InvocationMetrics | None) -> Usage | None:
    """The same of a stream's last chunk, whose input leaves out the cache as well."""
    if seen is None:
        return None
    return usage_of_converse(
        TokenUsage(
            input_tokens=seen.input_token_count,
            output_tokens=seen.output_token_count,
            cache_read_input_tokens=seen.cache_read_input_token_count,
            cache_write_input_tokens=seen.cache_write_input_token_count,
        )
    )


def usage_of_headers(headers: Sequence[tuple[bytes, bytes]]) -> Usage | None:
    """The counts of an answer's headers; None where it has none, or one that can't be."""
    counts = {}
    for name, value in headers:
        field = HEADER_COUNTS.get(name)
        if field is not None:
            if not value.isdigit() or len(value) > len(str(COUNT_MAX)):
                return None
            counts[field] = int(value)
    usage = Usage(**counts)
    return usage if size_of(usage) else None


def size_of(usage: Usage | None) -> int:
    """All tokens of a usage; -1 for an unknown one."""
    return -1 if usage is None else usage.total_input + usage.total_output


def billed_beside(trace: Trace | None, usage: TokenUsage | None) -> tuple[tuple[str, Usage], ...]:
    """What else an answer costs, (model, usage): units of guardrails, calls of the provider's own tools."""
    units: dict[str, int] = {}
    left = [trace.guardrail] if trace is not None else []
    for _ in range(_ASSESSMENTS_MAX):
        if not left:
            break
        seen = left.pop()
        if isinstance(seen, list):
            left += seen
        elif isinstance(seen, dict):
            counts = seen.get("usage")
            if isinstance(counts, dict) and "guardrailProcessingLatency" in seen:  # `invocationMetrics`
                for field, model in GUARDRAIL_UNITS.items():
                    units[model] = units.get(model, 0) + _count(counts.get(field))
            else:
                left += [value for value in seen.values() if isinstance(value, dict | list)]
    for tool, count in (usage.server_tool_usage or {}).items() if usage is not None else ():
        units[tool_price_name(tool)] = _count(count)
    return tuple((model, Usage(request=count)) for model, count in units.items() if count)


def tool_price_name(tool: str) -> str:
    """The model by whose price a call of one of Amazon's own tools is billed."""
    return f"bedrock-tool-{tool}"[:64]


def model_routed_to(trace: Trace | None) -> str:
    """The model that a prompt router chose; "" where none did."""
    named = trace.prompt_router.invoked_model_id if trace is not None and trace.prompt_router is not None else None
    return (id_of_arn(named) or named) if named else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value <= COUNT_MAX else 0
