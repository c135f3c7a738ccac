"""Anthropic's cost report and messages usage report.

Amounts are decimal strings in cents: "123.45" is 1.2345 dollars. Source: the Admin API's documentation of
`/v1/organizations/cost_report` and `/v1/organizations/usage_report/messages`, 2026.
"""

from collections.abc import Iterator
from typing import Any

from bursar.domain.usage import Unit
from bursar.finance.reconcile.bill import BillLine, Fault, LineKind, Read, standard_tier
from bursar.finance.reconcile.readers.figures import Unreadable, day, decimal, maybe, objects, places, read_json, text
from bursar.finance.reconcile.readers.words import unit_of

PROVIDER = "anthropic"
TOKEN_TYPES = {
    "uncached_input_tokens": Unit.INPUT,
    "output_tokens": Unit.OUTPUT,
    "cache_read_input_tokens": Unit.CACHE_READ,
    "cache_creation.ephemeral_5m_input_tokens": Unit.CACHE_WRITE_5M,
    "cache_creation.ephemeral_1h_input_tokens": Unit.CACHE_WRITE_1H,
}


def looks_like(value: Any) -> bool:
    return isinstance(value, dict) and any("starting_at" in bucket for bucket in objects(value.get("data")))


def read(data: bytes) -> Read:
    """One page of either report."""
    value = read_json(data)
    if not looks_like(value):
        raise Unreadable("not a page of Anthropic's cost or usage report")
    lines: list[BillLine] = []
    faults: list[Fault] = []
    for number, bucket in enumerate(objects(value["data"]), 1):
        for result in objects(bucket.get("results")):
            try:
                lines += _lines(bucket, result)
            except Unreadable as error:
                faults.append(Fault(number, str(error)))
    return Read(lines, faults, text(value.get("next_page")) if value.get("has_more") else "")


def _lines(bucket: dict[str, Any], result: dict[str, Any]) -> Iterator[BillLine]:
    start = day(bucket.get("starting_at"), "starting_at")
    end = day(bucket.get("ending_at"), "ending_at")
    if end <= start:
        raise Unreadable("buckets shorter than a day can't be told by their day alone; ask for bucket_width=1d")
    own: dict[str, Any] = {
        "start": start,
        "end": end,
        "provider": PROVIDER,
        "key": text(result.get("api_key_id")),
        "project": text(result.get("workspace_id")),
        "model": text(result.get("model")),
        "tier": standard_tier(text(result["service_tier"])) if result.get("service_tier") else "",
        "where": " ".join(filter(None, (text(result.get("context_window")), text(result.get("inference_geo"))))),
    }
    if "amount" in result:
        yield _cost(own, result)
    else:
        yield from _usage(own, result)


def _cost(own: dict[str, Any], result: dict[str, Any]) -> BillLine:
    said = text(result.get("description"))
    amount = decimal(result.get("amount"), "amount").scaleb(-2)
    token_type = text(result.get("token_type"))
    kind_of = text(result.get("cost_type"))
    kind: LineKind = "tax" if kind_of == "tax" else "credit" if amount < 0 or kind_of == "credit" else "usage"
    if kind_of == "web_search":
        unit: str = Unit.WEB_SEARCH
    else:
        unit = TOKEN_TYPES[token_type].value if token_type in TOKEN_TYPES else unit_of(said)
    return BillLine(
        **own, kind=kind, unit=unit, amount=amount, places=places(amount), text=said,
        currency=text(result.get("currency")).upper() or "USD",
    )  # fmt: skip


def _usage(own: dict[str, Any], result: dict[str, Any]) -> Iterator[BillLine]:
    written = result.get("cache_creation") or {}
    searched = result.get("server_tool_use") or {}
    said = {
        Unit.INPUT: result.get("uncached_input_tokens"),
        Unit.CACHE_READ: result.get("cache_read_input_tokens"),
        Unit.CACHE_WRITE_5M: written.get("ephemeral_5m_input_tokens"),
        Unit.CACHE_WRITE_1H: written.get("ephemeral_1h_input_tokens"),
        Unit.OUTPUT: result.get("output_tokens"),
        Unit.WEB_SEARCH: searched.get("web_search_requests"),
    }
    for unit, value in said.items():
        quantity = maybe(value, unit)
        if quantity:
            yield BillLine(**own, unit=unit.value, quantity=quantity)
