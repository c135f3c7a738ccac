"""Advice: what would save money, by how much, how sure that is, and the change itself."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from bursar.advisor.advice import KINDS, Advice
from bursar.advisor.review import Ranked, Review
from bursar.console.advising import apply_advice, mark_of_change, monthly_spend, reviewed
from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.costs import gateway_address
from bursar.console.view import View, filter_text
from bursar.governance.drafts import KeptDraft, kept_drafts

PAGES_OF_DRAFTS = {"policy": "/controls#policies", "route": "/routes", "cache": "/caches#rules", "budget": "/budgets"}
WORDS = {"policy": "policy", "route": "route", "cache": "cache rule", "budget": "budget"}
ON = "in no total: what it saves shows in the calls since, and these are mostly from before"
SURE = {
    "measured": "all of it is in the ledger",
    "sampled": "measured on a part of the calls",
    "estimated": "something is assumed; see why it may be wrong",
}


class ShownAdvice(msgspec.Struct):
    """One advice. place: in the ranking. net_note: why it adds less than it saves; "" if it doesn't.

    draft: the word for what is kept; "" where only the caller can make the change. kept: if that is there already.
    mark: what the form says was seen.
    """

    advice: Advice
    place: int
    kind: str
    sure: str
    net: Decimal | None
    is_overlapped: bool
    calls_href: str
    examples: list[tuple[str, str]]
    draft: str
    kept: KeptDraft | None
    kept_href: str
    mark: str

    @property
    def is_on(self) -> bool:
        return self.kept is not None and self.kept.is_on


def advice_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    found = reviewed(context, view)
    budgets = context.budgets and context.budgets()
    drafts = {} if context.open_controls is None else kept_drafts(context.controls(), budgets)
    rows = [_shown(row, place, view, drafts) for place, row in enumerate(found.ranked, 1)]
    ready = [row for row in rows if row.net is not None]
    to_try = [row for row in rows if row.net is None and row.advice.saving is not None and not row.is_on]
    return {
        "data": {
            "lead": _lead(found, ready, f),
            "total": found.total,
            "spent": monthly_spend(found),
            "too_short": found.too_short,
            "groups": [
                (title, note, part)
                for title, note, part in (
                    ("Ready", "largest first; together each charge counts once", ready),
                    ("To be tried first", "in no total: what it saves isn't proven yet", to_try),
                    ("Switched on", ON, [row for row in rows if row.is_on and row.net is None]),
                    ("To talk about", "no figure is claimed", [row for row in rows if row.advice.saving is None]),
                )
                if part
            ],
            "ready": len(ready),
            "to_try": len(to_try),
        },
        "csrf": context.csrf,
        "has_any": bool(found.spent),
        "gateway": gateway_address(context),
        "state": [("period", view.period_name), ("tz", view.timezone)],
        "filter_texts": "\n".join(filter_text(one) for one in view.filters),
    }


def apply_from_page(context: ConsoleContext, form: Mapping[str, str]) -> KeptDraft:
    """What the button of an advice asks for. Raises as `apply_advice` does."""
    filters = [line for line in form.get("filters", "").splitlines() if line]
    query = {"period": [form.get("period", "")], "tz": [form.get("tz", "")], "filter": filters}
    return apply_advice(context, context.view("/advice", query), form.get("id", ""), form.get("seen", ""))


def _lead(found: Review, ready: list[ShownAdvice], f: Format) -> str:
    if found.too_short or not ready:
        return ""
    return f"{f.count(len(ready))} changes, {f.percent(found.total, monthly_spend(found))} of what is spent"


def _shown(row: Ranked, place: int, view: View, drafts: Mapping[tuple[str, str], KeptDraft]) -> ShownAdvice:
    one = row.advice
    kind = one.change.kind
    kept = drafts.get((kind, one.change.name))
    return ShownAdvice(
        advice=one, place=place, kind=KINDS[one.kind], sure=SURE[one.confidence], net=row.net,
        is_overlapped=row.net is not None and one.saving is not None and row.net < one.saving.expected,
        calls_href=view.url("/calls", filters=tuple(dict.fromkeys((*view.filters, *one.scope))), order="dearest"),
        examples=[(call, view.url(f"/calls/{call}")) for call in one.examples], draft=WORDS.get(kind, ""), kept=kept,
        kept_href=PAGES_OF_DRAFTS.get(kind, ""), mark=mark_of_change(one.change),
    )  # fmt: skip
