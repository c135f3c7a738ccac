"""Calls: what is behind a figure, a page at a time."""

from typing import Any, get_args

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.costs import gateway_address
from bursar.console.pages.explore import read_choice, read_limit
from bursar.console.view import View
from bursar.domain.errors import BadQuery
from bursar.domain.savings import WORDS
from bursar.explore.calls import CallOrder, CallsPage, CallSummary
from bursar.explore.vocabulary import SAVED

PAGE_ROWS = 50
PAGE_ROWS_MAX = 1_000
ORDERS: dict[str, str] = {"newest": "Newest", "dearest": "Dearest", "slowest": "Slowest"}
QUICK: dict[str, tuple[str, str] | None] = {
    "All": None,
    "Failed": ("outcome", "provider_error"),
    "Truncated": ("outcome", "truncated"),
    "Unpriced": ("quality", "unpriced"),
    "Estimated": ("quality", "estimated"),
}


class ShownCall(msgspec.Struct, frozen=True):
    """One row: the call and the address of its receipt."""

    call: CallSummary
    href: str


def calls_page_of(context: ConsoleContext, view: View, *, rows: int = PAGE_ROWS) -> CallsPage:
    """The calls of an address, for the page, its twins and /api/calls alike."""
    order = read_choice(view, "order", get_args(CallOrder), "newest")
    try:
        return context.explorer.calls(
            view.period,
            filters=view.filters,
            order=order,  # type: ignore[arg-type]  # one of CallOrder's words, just checked
            cursor=view.get("cursor") or None,
            limit=read_limit(view, rows, PAGE_ROWS_MAX),
        )
    except BadQuery as error:
        if error.field == "cursor":
            error.status = 404  # any text may be a cursor: what is wrong is that there is no such page
        raise


def saved_heads(view: View) -> list[tuple[str, str]]:
    """(lever, head) of the columns that say each call's part of a saving: of the levers that the address names, or "",
    all together, where it only asks for any; none where it doesn't ask."""
    asked = [one for one in view.filters if one.field == SAVED]
    named = [value for one in asked if one.op == "is" for value in one.values if value]
    return [(lever, WORDS[lever]) for lever in dict.fromkeys(named)] or ([("", "Saved")] if asked else [])


def calls_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    page = calls_page_of(context, view)
    order = view.get("order", "newest")
    outcome_and_quality = {"outcome", "quality"}
    kept = tuple(one for one in view.filters if one.field not in outcome_and_quality)
    chosen = next((one for one in view.filters if one.field in outcome_and_quality), None)
    quick = []
    for name, pair in QUICK.items():
        href = (
            view.url(filters=kept) if pair is None else msgspec.structs.replace(view, filters=kept).with_filter(*pair)
        )
        quick.append((name, href, pair == ((chosen.field, chosen.values[0]) if chosen else None)))
    return {
        "has_any": bool(page.calls) or context.explorer.first_call_at() is not None,
        "gateway": gateway_address(context),
        "data": {
            "lead": f"received {view.days_label}",
            "rows": [ShownCall(call, view.url(f"/calls/{call.call_id}")) for call in page.calls],
            "first_href": view.url() if view.get("cursor") else "",
            "next_href": view.url(cursor=page.next_cursor) if page.next_cursor else "",
            "saved_heads": saved_heads(view),
            "apart": page.apart,
            "apart_href": view.url("/explore", filters=view.with_one("entry", "adjustment"), by="sku_id"),
            "size": f.count(read_limit(view, PAGE_ROWS, PAGE_ROWS_MAX)),
        },
        "quick_links": quick,
        "order_links": [
            (label, view.url(order=None if name == "newest" else name), name == order) for name, label in ORDERS.items()
        ],
    }
