"""Reviews: the list of weeks and months, and one of them: sentences ranked by money, each opening to its calls."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from bursar.console.api.answers import csv_bytes
from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.costs import gateway_address
from bursar.console.reviewing import KINDS, ReviewAnswer, kind_named, last_complete, make_review, review_answer
from bursar.console.view import View
from bursar.domain.periods import parse_period, previous, zone
from bursar.reviews.facts import Kind
from bursar.reviews.said import Said, Section

LISTED = 6  # of each kind
WORDS = {"weekly": "Week", "monthly": "Month"}
CSV_FIELDS = ("section", "text", "money", "tone", "url")


class ListedReview(msgspec.Struct, frozen=True):
    """A period that is over, and its review's address. period: "2026-W47". said_of: "16–22 Nov 2026"."""

    kind: str
    period: str
    said_of: str
    url: str


class ShownSaid(msgspec.Struct, frozen=True):
    """A sentence with its dot."""

    said: Said
    dot: str
    href: str


class ShownSection(msgspec.Struct, frozen=True):
    """A heading and its sentences."""

    section: Section
    rows: list[ShownSaid]


def listed(context: ConsoleContext, view: View) -> list[ListedReview]:
    """The last weeks, then the last months: the newest of each, and those before it that the books have calls of."""
    return [_listed(view, name) for kind in KINDS for name in _names(context, view, kind, LISTED)]


def reviews_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """The list: the two newest in a sentence each, those before by name."""
    rows = listed(context, view)
    newest = []
    for kind in KINDS:
        row = next(one for one in rows if one.kind == kind)
        review = make_review(context, kind, review_view(context, view, row.period)).review
        newest.append((row, review))
    return {
        "data": {
            "newest": newest,
            "running": [_listed(view, _name(kind, view.now.astimezone(zone(view.timezone)).date())) for kind in KINDS],
            "earlier": [(WORDS[kind], [one for one in rows if one.kind == kind][1:]) for kind in KINDS],
        },
        "has_any": context.explorer.first_call_at() is not None,
        "gateway": gateway_address(context),
        "has_pickers": False,
        "csrf": context.csrf,
    }


def review_page(context: ConsoleContext, view: View, f: Format, name: str) -> dict[str, Any]:
    """One review. Raises BadRequest for a name that is neither a week nor a month."""
    kind = kind_named(name)
    made = make_review(context, kind, review_view(context, view, name))
    earlier, later = neighbours(context, view, name)
    return {
        "data": {
            "review": made.review,
            "name": name,
            "word": WORDS[kind].lower(),
            "sections": [
                ShownSection(section, [ShownSaid(one, _dot(one), made.address(one.opens)) for one in section.said])
                for section in made.review.sections
            ],
            "earlier": _address(earlier) if earlier else "",
            "later": _address(later) if later else "",
            "pdf": f"{_address(name)}/print.pdf",
            "is_running": made.view.includes_now,
        },
        "has_pickers": False,
        "csrf": context.csrf,
    }


def review_figures(context: ConsoleContext, view: View, name: str) -> ReviewAnswer:
    """One review for programs."""
    made = make_review(context, kind_named(name), review_view(context, view, name))
    return review_answer(made)


def review_csv(answer: ReviewAnswer) -> bytes:
    """A row for each sentence."""
    return csv_bytes(
        CSV_FIELDS,
        (
            (section.title, one.text, one.money, one.tone, one.url)
            for section in answer.sections
            for one in section.said
        ),
    )


def reviews_csv(rows: list[ListedReview]) -> bytes:
    """A row for each review."""
    return csv_bytes(ListedReview.__struct_fields__, [msgspec.structs.astuple(one) for one in rows])


def review_view(context: ConsoleContext, view: View, name: str) -> View:
    """The view that a review's numbers open in. Raises BadPeriod."""
    return msgspec.structs.replace(
        context.view(f"/reviews/{name}", {"period": [name], "tz": [view.timezone]}), filters=view.filters
    )


def neighbours(context: ConsoleContext, view: View, name: str) -> tuple[str, str]:
    """The names of the review before and the one after; "" before the first call, and where neither is over yet."""
    kind = kind_named(name)
    period = parse_period(name, view.now, view.timezone)
    after = (period.end.astimezone(zone(view.timezone)) + timedelta(hours=12)).date()
    before = previous(period).start.astimezone(zone(view.timezone)).date()
    first_call = context.explorer.first_call_at()
    earlier = _name(kind, before) if first_call is not None and first_call < period.start else ""
    newest = parse_period(last_complete(kind, view.now, view.timezone), view.now, view.timezone)
    later = _name(kind, after) if period.start < newest.start else ""
    return earlier, later


def _names(context: ConsoleContext, view: View, kind: Kind, most: int) -> Iterator[str]:
    name = last_complete(kind, view.now, view.timezone)
    for _ in range(most):
        yield name
        name, _later = neighbours(context, view, name)
        if not name:
            return


def _name(kind: Kind, day: Any) -> str:
    if kind == "monthly":
        return f"{day:%Y-%m}"
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def _listed(view: View, name: str) -> ListedReview:
    days = msgspec.structs.replace(view, period=parse_period(name, view.now, view.timezone), period_name=name)
    return ListedReview(kind_named(name), name, days.days_label, _address(name))


def _address(name: str) -> str:
    return f"/reviews/{name}"


def _dot(one: Said) -> str:
    return {"bad": "danger", "good": "ok", "plain": "plain"}[one.tone]
