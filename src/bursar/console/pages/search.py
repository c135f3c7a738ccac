"""Search: a call by its id, or any value of the main dimensions by a part of its name."""

from typing import Any

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.figures import Amounts, cost_table
from bursar.console.view import View
from bursar.domain.errors import BadRequest
from bursar.explore.filters import Filter

DIMENSIONS = ("feature", "customer", "model", "team", "environment", "credential_id", "user", "agent")
QUERY_CHARS_MAX = 200
HITS_PER_DIMENSION = 8


class Hit(msgspec.Struct, frozen=True):
    dimension: str
    value: str
    href: str
    now: Amounts


def search_page(context: ConsoleContext, view: View) -> dict[str, Any]:
    """Everything the template reads. An id leads to its call at once; see `looks_like_call`."""
    text = read_query(view)
    hits: list[Hit] = []
    for dimension in DIMENSIONS if text else ():
        only = msgspec.structs.replace(
            view, filters=(*view.filters, Filter(dimension, (text,), "contains")), before=None
        )
        hits += [
            Hit(dimension, row.keys[0], view.with_filter(dimension, row.keys[0], "/explore"), row.now)
            for row in cost_table(context.explorer, only, (dimension,), HITS_PER_DIMENSION).rows
            if row.keys[0]
        ]
    hits.sort(key=lambda hit: -hit.now.cost)
    title = "Nothing found" if text else "Search"
    hint = (
        f"Nothing in {view.days_label} has “{text}” in its name. A longer period may."
        if text
        else "Type a part of a feature's, customer's or model's name, or a whole call id."
    )
    return {
        "data": {"rows": hits, "lead": f"“{text}” in {view.days_label}" if text else "", "title": title, "text": hint},
        "query": text,
    }


def read_query(view: View) -> str:
    text = view.get("q").strip()
    if len(text) > QUERY_CHARS_MAX:
        raise BadRequest(f"q is {len(text)} characters long; at most {QUERY_CHARS_MAX} are read", field="q")
    return text


def looks_like_call(text: str) -> bool:
    """Whether a text is a whole call id: a UUID, with or without its dashes."""
    bare = text.replace("-", "").lower()
    return len(bare) == 32 and all(c in "0123456789abcdef" for c in bare)
