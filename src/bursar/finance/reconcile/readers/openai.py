"""OpenAI's organization costs and usage pages.

Money is a JSON number in dollars, read as the decimal that is written. `input_tokens` includes cached and cache-write
tokens, so the classes are taken apart. Source: openai/openai-openapi (MIT), schemas CostsResult, UsageCompletionsResult
and their siblings, 2026.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bursar.domain.usage import Unit
from bursar.finance.reconcile.bill import BATCH, BillLine, Fault, LineKind, Read, day_after, standard_tier
from bursar.finance.reconcile.readers.figures import Unreadable, day, decimal, maybe, objects, places, read_json, text
from bursar.finance.reconcile.readers.words import unit_of

PROVIDER = "openai"
_UNITS = {"tokens": 1, "1000_tokens": 1000, "duration_seconds": 1, "images": 1, "characters": 1}
_SIMPLE = {
    "organization.usage.audio_speeches.result": ("characters", Unit.CHARACTERS),
    "organization.usage.audio_transcriptions.result": ("seconds", Unit.AUDIO_SECONDS),
    "organization.usage.images.result": ("images", Unit.IMAGES),
    "organization.usage.embeddings.result": ("input_tokens", Unit.INPUT),
    "organization.usage.moderations.result": ("input_tokens", Unit.INPUT),
    "organization.usage.web_searches.result": ("num_requests", Unit.WEB_SEARCH),
}
_NOT_CALLS = ("code_interpreter_sessions", "file_searches", "vector_stores")
"""Usage that no call of ours carries: told as a fault, since nothing here can be compared with it."""


def looks_like(value: Any) -> bool:
    return isinstance(value, dict) and value.get("object") == "page" and "data" in value


def read(data: bytes) -> Read:
    """One page, or its example as the specification prints it (`{"request", "response"}`)."""
    value = read_json(data)
    if isinstance(value, dict) and looks_like(value.get("response")):
        value = value["response"]
    if not looks_like(value):
        raise Unreadable("not a page of OpenAI's organization costs or usage")
    lines: list[BillLine] = []
    faults: list[Fault] = []
    for number, bucket in enumerate(objects(value["data"]), 1):
        for result in objects(bucket.get("results", bucket.get("result"))):
            try:
                lines += _lines(bucket, result)
            except Unreadable as error:
                faults.append(Fault(number, str(error)))
    return Read(lines, faults, text(value.get("next_page")) if value.get("has_more") else "")


def _lines(bucket: dict[str, Any], result: dict[str, Any]) -> Iterator[BillLine]:
    kind = text(result.get("object"))
    own: dict[str, Any] = {
        "start": day(bucket.get("start_time"), "start_time"),
        "end": day(bucket.get("end_time"), "end_time"),
        "provider": PROVIDER,
        "key": text(result.get("api_key_id")),
        "project": text(result.get("project_id")),
        "account": text(result.get("organization_id")),
    }
    if own["end"] <= own["start"]:  # an hour of a day
        own["end"] = day_after(own["start"])
    if kind == "organization.costs.result":
        yield _cost(own, result)
    elif kind == "organization.usage.completions.result":
        yield from _completions(own, result)
    elif kind in _SIMPLE:
        field, unit = _SIMPLE[kind]
        yield _usage(own, result, unit, decimal(result.get(field), field))
    elif any(word in kind for word in _NOT_CALLS):
        raise Unreadable(f"{kind.split('.')[-2]}: usage that calls don't carry; its cost is on the costs pages")
    else:
        raise Unreadable(f"{kind[:80]!r} is no result that is known here")


def _cost(own: dict[str, Any], result: dict[str, Any]) -> BillLine:
    """Source: the schema's `line_item`; names in bills are `MODEL, class` or `MODEL, tier, class`, else a class."""
    amount = result.get("amount") or {}
    value = decimal(amount.get("value"), "amount.value")
    said = text(result.get("line_item"))
    model, tier, unit = _line_item(said)
    quantity = maybe(result.get("quantity"), "quantity")
    scale = _UNITS.get(text(result.get("quantity_unit")) or "tokens")
    return BillLine(
        **own, kind=_kind(said, value), model=model, tier=tier, unit=unit, amount=value, places=places(value),
        quantity=None if quantity is None or scale is None else quantity * scale,
        currency=text(amount.get("currency")).upper() or "USD", text=said,
    )  # fmt: skip


def _line_item(said: str) -> tuple[str, str, str]:
    """`gpt-5.4-mini-2026-03-17, batch, cached input` as (model, tier, unit)."""
    parts = [part.strip() for part in said.split(",")]
    if len(parts) == 1:
        is_class = re.fullmatch(r"(input|output|cached|cache)[a-z_ ]*", parts[0]) is not None
        return ("" if is_class or not re.search(r"[-\d]", parts[0]) else parts[0]), "", unit_of(parts[0])
    tiers = [part for part in parts[1:-1] if part.lower() in (BATCH, "flex", "priority", "fast", "default", "standard")]
    return parts[0], standard_tier(tiers[0] if tiers else ""), unit_of(parts[-1])


def _kind(said: str, value: Decimal) -> LineKind:
    word = said.lower()
    if "tax" in word.split() or "vat" in word.split() or "gst" in word.split():
        return "tax"
    return "credit" if value < 0 or "credit" in word else "usage"


def _completions(own: dict[str, Any], result: dict[str, Any]) -> Iterator[BillLine]:
    """Disjoint classes. Where the text, audio and image parts are there they are taken, else the totals."""

    def count(field: str) -> Decimal:
        return maybe(result.get(field), field) or Decimal(0)

    cached, written = count("input_cached_tokens"), count("input_cache_write_tokens")
    cached_audio, cached_image = count("input_cached_audio_tokens"), count("input_cached_image_tokens")
    audio, image = count("input_audio_tokens"), count("input_image_tokens")
    out_audio, out_image = count("output_audio_tokens"), count("output_image_tokens")
    uncached = maybe(result.get("input_uncached_tokens"), "input_uncached_tokens")
    if uncached is None:
        uncached = count("input_tokens") - cached - written
    classes = {
        Unit.INPUT: uncached - audio - image,
        Unit.INPUT_AUDIO: audio,
        Unit.INPUT_IMAGE: image,
        Unit.CACHE_READ: cached - cached_audio,  # cached images are cached input: no catalogue prices them apart
        Unit.CACHE_READ_AUDIO: cached_audio,
        Unit.CACHE_WRITE_5M: written,
        Unit.OUTPUT: count("output_tokens") - out_audio - out_image,
        Unit.OUTPUT_AUDIO: out_audio,
        Unit.OUTPUT_IMAGE: out_image,
    }
    if cached_image > cached:
        raise Unreadable("more cached image tokens than cached tokens")
    for unit, quantity in classes.items():
        if quantity < 0:
            raise Unreadable(f"the parts of {unit} are more than their sum")
        if quantity:
            yield _usage(own, result, unit, quantity)


def _usage(own: dict[str, Any], result: dict[str, Any], unit: Unit, quantity: Decimal) -> BillLine:
    is_batch = result.get("batch")
    tier = BATCH if is_batch is True else text(result.get("service_tier"))
    is_said = is_batch is not None or tier
    return BillLine(
        **own, model=text(result.get("model")), unit=unit.value, tier=standard_tier(tier) if is_said else "",
        quantity=quantity,
    )  # fmt: skip
