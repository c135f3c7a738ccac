"""Anthropic's usage, split into disjoint classes.

`input_tokens` leaves out both cache counts, so the three are disjoint as they come. `cache_creation` splits the writes
by how long they live; without the split all of them are five-minute writes, the default. The top-level counts leave
out compaction passes, which are billed: `usage.iterations` has them. An adviser's pass is billed at its own model's
price.
Source: tests/golden/anthropic-*, Anthropic's published schema (BetaUsage, BetaIterationsUsage) and compaction page.
"""

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.values import Count, ModelName


class CacheCreation(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class ServerTools(msgspec.Struct, gc=False):
    web_search_requests: Count | None = None


class OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: Count | None = None


class Iteration(msgspec.Struct):
    """One sampling pass of several that made an answer."""

    type: str = ""
    model: ModelName | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None


class MessageUsage(msgspec.Struct):
    """`usage` of a message, of `message_start` and of `message_delta`. None: not said."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    server_tool_use: ServerTools | None = None
    output_tokens_details: OutputDetails | None = None
    iterations: list[Iteration] | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None


def merge_usage(seen: MessageUsage, report: MessageUsage) -> MessageUsage:
    """Two reports of one stream as one. Reports are cumulative, so nothing is ever added up.

    A field that a report leaves out keeps its value. The input side is taken whole from the report in which it is
    larger: some compatible vendors know the cache counts only at the end (and then `input_tokens` shrinks by them),
    others end with zeros. A report with `iterations` is the last word.
    """
    if report.iterations is None and _total_input(report, seen) < _total_input(seen, seen):
        inputs = seen
    else:
        inputs = report
    last_word = report.iterations is not None
    return MessageUsage(
        _first(inputs.input_tokens, seen.input_tokens),
        _first(report.output_tokens, seen.output_tokens)
        if last_word
        else _largest(seen.output_tokens, report.output_tokens),
        _first(inputs.cache_creation_input_tokens, seen.cache_creation_input_tokens),
        _first(inputs.cache_read_input_tokens, seen.cache_read_input_tokens),
        inputs.cache_creation or seen.cache_creation,
        report.server_tool_use or seen.server_tool_use,
        report.output_tokens_details or seen.output_tokens_details,
        report.iterations if last_word else seen.iterations,
        report.service_tier or seen.service_tier,
        report.inference_geo or seen.inference_geo,
        report.speed or seen.speed,
    )


def usage_of_message(seen: MessageUsage | None) -> Usage | None:
    """Disjoint classes, compaction passes included; None if nothing was reported, or only zeros."""
    if seen is None:
        return None
    write_5m, write_1h = _writes(seen.cache_creation_input_tokens, seen.cache_creation)
    fresh, read = seen.input_tokens or 0, seen.cache_read_input_tokens or 0
    output = seen.output_tokens or 0
    for step in seen.iterations or ():
        if step.type == "compaction":
            more_5m, more_1h = _writes(step.cache_creation_input_tokens, step.cache_creation)
            write_5m, write_1h = write_5m + more_5m, write_1h + more_1h
            fresh, read = fresh + (step.input_tokens or 0), read + (step.cache_read_input_tokens or 0)
            output += step.output_tokens or 0
    if not (fresh or read or write_5m or write_1h or output):
        return None
    thinking = seen.output_tokens_details.thinking_tokens if seen.output_tokens_details else None
    searches = seen.server_tool_use.web_search_requests if seen.server_tool_use else None
    return Usage(
        input=fresh,
        cache_read=read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output=output,
        web_search=searches or 0,
        reasoning=min(thinking or 0, output),
    )


def billed_beside(seen: MessageUsage | None) -> tuple[tuple[str, Usage], ...]:
    """What other models used for this answer, (model, usage): the adviser tool's passes, in no top-level count."""
    if seen is None or not seen.iterations:
        return ()
    beside = []
    for step in seen.iterations:
        if step.type == "advisor_message" and step.model:
            write_5m, write_1h = _writes(step.cache_creation_input_tokens, step.cache_creation)
            usage = Usage(
                input=step.input_tokens or 0,
                cache_read=step.cache_read_input_tokens or 0,
                cache_write_5m=write_5m,
                cache_write_1h=write_1h,
                output=step.output_tokens or 0,
            )
            beside.append((step.model, usage))
    return tuple(beside)


def _writes(total: int | None, split: CacheCreation | None) -> tuple[int, int]:
    """(5 minutes, 1 hour). What the split doesn't explain was written for five minutes."""
    if split is None:
        return total or 0, 0
    hour = split.ephemeral_1h_input_tokens or 0
    return max((total or 0) - hour, split.ephemeral_5m_input_tokens or 0), hour


def _total_input(report: MessageUsage, before: MessageUsage) -> int:
    """The input side of a report, what it leaves out taken from before."""
    return (
        (_first(report.input_tokens, before.input_tokens) or 0)
        + (_first(report.cache_creation_input_tokens, before.cache_creation_input_tokens) or 0)
        + (_first(report.cache_read_input_tokens, before.cache_read_input_tokens) or 0)
    )


def _first(value: int | None, other: int | None) -> int | None:
    return other if value is None else value


def _largest(value: int | None, other: int | None) -> int | None:
    return max(value or 0, other or 0) if value is not None or other is not None else None
