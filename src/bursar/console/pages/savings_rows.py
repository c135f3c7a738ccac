"""Rows of the Savings page: steps with their place on the waterfall, groups with a cell per lever; where each opens."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bursar.console.format import Format
from bursar.console.pages.costs import DRILL, NONE, bucket_column, bucket_period, next_dimension
from bursar.console.savings import Group, SavingsTable, Steps, saved_filters
from bursar.console.signed_charts import Span, waterfall
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.periods import Bucket, Grain, buckets
from bursar.explore.filters import Filter
from bursar.explore.vocabulary import is_grain

NOTES = {
    "routing": "to another model or provider than was asked for",
    "batch": "at the price of a batch, or of a tier that waits",
    "prompt_cache": "the provider's own cache, less what writing to it costs",
    "response_cache": "the answer was kept, so nothing was sent",
    "semantic_cache": "the answer to a request that means the same was kept",
}


class ShownLever(NamedTuple):
    """A lever that made a difference: a column of the table, a colour of the chart."""

    lever: str
    name: str
    slot: int


class ShownStep(msgspec.Struct, frozen=True):
    """A row of the waterfall. kind: "sum", "lever" or "discount". amount: a sum, or what a step took off.

    before: the same in the period before; None where nothing is compared, or nothing was known.
    """

    kind: str
    label: str
    note: str
    href: str
    slot: int
    amount: Decimal | None
    before: Decimal | None
    span: Span


class Cell(NamedTuple):
    """What a lever saved in a group, and the address of its calls."""

    amount: Decimal | None
    href: str


class ShownGroup(msgspec.Struct, frozen=True):
    """A row of the table. href: what is inside it; calls_href: all its calls; saved: by all levers."""

    label: str
    href: str
    calls_href: str
    steps: Steps
    cells: list[Cell]
    saved: Cell
    doubts: str
    muted: bool = False


def shown_steps(view: View, table: SavingsTable, levers: Sequence[ShownLever]) -> tuple[list[ShownStep], float]:
    """The rows of the waterfall, and where zero is on its axis, in per cent."""
    now, before = table.totals, table.before or Steps()
    calls = view.url("/calls", order="dearest")
    start, cost, level = now.counterfactual_cost or _NOTHING, now.effective_cost or _NOTHING, now.list_cost or _NOTHING
    rows = [_sum("Without any lever", "the model asked for, at list price, at once, uncached", calls, now, before,
                 "counterfactual_cost")]  # fmt: skip
    levels = [(_NOTHING, start)]
    for one in levers:
        amount = now.by(one.lever)
        href = calls_behind(view, saved_filters(one.lever))
        rows.append(_Row("lever", one.name, NOTES[one.lever], href, one.slot, amount, before.by(one.lever)))
        levels.append((start, start - (amount or _NOTHING)))
        start -= amount or _NOTHING
    rows += [
        _sum("List cost", "what was used, at public prices", calls, now, before, "list_cost"),
        _Row("discount", "Negotiated discounts", "agreed, not engineered: apart from the levers", calls, 0,
             now.discount_cost, before.discount_cost),
        _sum("Effective cost", "what it did cost", calls, now, before, "effective_cost"),
    ]  # fmt: skip
    levels += [(_NOTHING, level), (level, cost), (_NOTHING, cost)]
    drawn = waterfall(levels)
    return [ShownStep(*row, span=span) for row, span in zip(rows, drawn.spans, strict=True)], drawn.zero


def shown_groups(view: View, f: Format, table: SavingsTable, levers: Sequence[ShownLever]) -> list[ShownGroup]:
    """The rows of the table by group."""
    grain = next((name for name in table.dimensions if is_grain(name)), "")
    by_label = {bucket.label: bucket for bucket in _buckets(view, grain)}
    return [_group(view, f, table.dimensions, group, by_label, levers) for group in table.groups]


def sum_row(view: View, label: str, steps: Steps, levers: Sequence[ShownLever], *, opens: bool) -> ShownGroup:
    """All groups, or those that the table leaves out; the latter have no filter of their own and so open nothing."""
    cells = [Cell(steps.by(one.lever), calls_behind(view, saved_filters(one.lever)) if opens else "") for one in levers]
    saved = Cell(steps.saved_cost, calls_behind(view, saved_filters("")) if opens else "")
    calls = view.url("/calls", order="dearest") if opens else ""
    return ShownGroup(label, "", calls, steps, cells, saved, doubts_text(steps))


def calls_behind(view: View, filters: Sequence[Filter], **changes: str) -> str:
    """The calls behind a figure: those that the page's filters and its own let through."""
    kept = tuple(one for one in view.filters if one not in filters)
    return view.url("/calls", filters=(*kept, *filters), order="dearest", **changes)


def doubts_text(steps: Steps) -> str:
    """`3 unpriced, 12 est.`: what is in none of these sums, and what is in them by estimate."""
    counts = {"unpriced": steps.unpriced_count, "est.": steps.estimated_count + steps.assumed_count}
    return ", ".join(f"{display.count(number)} {word}" for word, number in counts.items() if number)


class _Row(NamedTuple):
    kind: str
    label: str
    note: str
    href: str
    slot: int
    amount: Decimal | None
    before: Decimal | None


def _sum(label: str, note: str, href: str, now: Steps, before: Steps, name: str) -> _Row:
    return _Row("sum", label, note, href, 0, getattr(now, name), getattr(before, name))


def _buckets(view: View, grain: str) -> list[Bucket]:
    return buckets(view.period, grain) if grain else []  # type: ignore[arg-type]  # `is_grain` has looked


def _group(
    view: View, f: Format, dimensions: Sequence[str], group: Group, by_label: dict[str, Bucket],
    levers: Sequence[ShownLever],
) -> ShownGroup:  # fmt: skip
    """One group: its values are filters, a stretch of time among them is a period."""
    inside, labels, changes, drill = view, [], {}, ""
    for name, value in zip(dimensions, group.keys, strict=True):
        if is_grain(name):
            grain: Grain = name  # type: ignore[assignment]
            labels.append(bucket_column(view, f, by_label[value], grain).title)
            changes["period"] = bucket_period(view, by_label[value], grain)
        else:
            inside = msgspec.structs.replace(inside, filters=inside.with_one(name, value))
            labels.append(value or NONE)
            drill = name
    by = next_dimension(inside, drill) if drill in DRILL else drill or "feature"
    href = inside.url("/savings", by=by, **{"and": None, "sort": None, "limit": None}, **changes)
    cells = [
        Cell(group.steps.by(one.lever), calls_behind(inside, saved_filters(one.lever), **changes)) for one in levers
    ]
    saved = Cell(group.steps.saved_cost, calls_behind(inside, saved_filters(""), **changes))
    return ShownGroup(
        " › ".join(labels), href, calls_behind(inside, (), **changes), group.steps, cells, saved,
        doubts_text(group.steps), muted=labels == [NONE],
    )  # fmt: skip


_NOTHING = Decimal(0)
