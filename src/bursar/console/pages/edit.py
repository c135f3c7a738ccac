"""Forms with many fields: a budget, a policy, a limit, a cache rule; made or changed. They need no script.

A form that can't be saved comes back with what was typed and each mistake at its field; so does one that is tried.
"""

import asyncio
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from bursar.budgets.budget import DIMENSIONS as BUDGET_DIMENSIONS
from bursar.budgets.budget import Budget
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.told import usd_text
from bursar.budgets.windows import turn_text
from bursar.console import editing
from bursar.console.context import ConsoleContext
from bursar.console.editing import BUDGET, CACHE, KINDS, LIMIT, POLICY, Kind, Wish
from bursar.console.format import Format
from bursar.console.forms import budget as budget_form
from bursar.console.forms import caches as cache_form
from bursar.console.forms import window as window_form
from bursar.console.forms.fields import TAG, Fields, conditions_shown
from bursar.console.limit_trial import try_limit
from bursar.console.pages.serving import Asked, fields_of, html
from bursar.console.trial import PAGE_ROWS_MAX, try_policy
from bursar.console.view import View
from bursar.controlfile.state import Proposal
from bursar.domain.controls import MATCHED
from bursar.domain.errors import UnknownRoute

MONTHS = tuple(f"{date(2026, month, 1):%B}" for month in range(1, 13))
PERIODS = ("7d", "30d", "last-month", "90d")
TEMPLATES: Mapping[str, str] = {kind.noun: f"edit_{kind.noun}.html" for kind in KINDS.values()}
NAV = {BUDGET.noun: "budgets", POLICY.noun: "controls", LIMIT.noun: "controls", CACHE.noun: "caches"}
SAID = {CACHE.noun: "cache rule"}  # where people say more than the noun
CONTROL_DIMENSIONS = (*(name for name in MATCHED if name not in ("provider", "model")), "model", "provider")


class Start(msgspec.Struct, frozen=True):
    """How a budget would begin: what its window has cost already, of how much, and what that means.

    values: of its `each` that spent. full: of those, or the budget itself, how many have nothing left.
    """

    label: str
    resets: str
    spent: Decimal
    limit: Decimal
    unpriced: int
    values: int
    full: int
    in_force: bool
    anew: bool


class EditPage(msgspec.Struct, frozen=True):
    """What a form's template reads. old: the name of what is changed, "" for something new; seen: its mark.

    says_all: False where the thing says more than the form can, so that saving would lose it.
    """

    noun: str
    old: str
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    back: str
    conditions: int
    thresholds: int
    dimensions: list[tuple[str, str]]
    choices: Mapping[str, Any]
    opened: set[str]
    says_all: bool
    period: str
    notes: list[str] = []
    trial: Any = None
    days: str = ""
    start: Start | None = None


async def show(request: Asked, noun: FromPath[str]) -> Response[Any]:
    """The form of a new thing, or with `?of=NAME` of one in force. A coroutine: see `api/controls.py`."""
    return await asyncio.to_thread(_open, request, noun)


def _open(request: Asked, noun: str) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    kind = _kind(noun)
    view = context.view(f"/edit/{noun}", {name: [value] for name, value in request.query_params.items()})
    typed, item = editing.open_form(context, kind, view.get("of"))
    says_all = item is None or editing.can_say(context, kind, item)

    def data(f: Format) -> dict[str, Any]:
        return _data(context, f, kind, Wish(Fields(typed), item, None), says_all=says_all)

    return _page(request, view, kind, data)


async def send(request: Asked, noun: FromPath[str]) -> Response[Any]:
    """Save it, try it, or remove it, as the button says."""
    context: ConsoleContext = request.app.state.context
    kind = _kind(noun)
    typed = await fields_of(request)
    context.check_form(typed)
    return await asyncio.to_thread(_act, request, context, kind, typed)


def _act(request: Asked, context: ConsoleContext, kind: Kind, typed: dict[str, str]) -> Response[Any]:
    act, name = typed.get("act", "save"), typed.get("of", "")
    if act == "remove":
        editing.remove(context, kind, name)
        return Redirect(kind.back, status_code=303)
    wish = editing.read_form(context, kind, typed)
    if act == "save" and (saved := editing.save(context, kind, wish)) is not None:
        return Redirect(_after(kind, saved.value), status_code=303)
    period = typed.get("period") if typed.get("period") in PERIODS else "last-month"
    path = f"/edit/{kind.noun}"
    past = context.view(path, {"period": [period or ""]})

    def data(f: Format) -> dict[str, Any]:
        found = _data(context, f, kind, wish, period=past.period_name)
        return found if act != "try" else found | {"data": _tried(context, past, kind, wish, found["data"])}

    return _page(request, context.view(path, {"of": [name]}), kind, data, status=400 if wish.form.errors else 200)


def _tried(context: ConsoleContext, past: View, kind: Kind, wish: Wish, page: EditPage) -> EditPage:
    """The page with what the thing would have done. past: the period that it is tried against."""
    if wish.proposal is None or kind is CACHE:
        return page
    if kind is BUDGET:
        return msgspec.structs.replace(page, start=_start(context, wish.proposal))
    tried = wish.proposal.new.value
    trial = (
        try_policy(context, tried, past.period, rows_max=PAGE_ROWS_MAX)
        if kind is POLICY
        else try_limit(context, tried, past.period)
    )
    return msgspec.structs.replace(page, trial=trial, days=past.days_label)


def _start(context: ConsoleContext, proposal: Proposal) -> Start:
    budget: Budget = proposal.new.value
    now_us = context.clock.now_us()
    window = scheduled_window(budget.window, now_us)
    opening = editing.opening_here(context, proposal)
    sums: dict[str, int] = {}
    for one in opening.spent:
        sums[one.value] = sums.get(one.value, 0) + one.pico
    limit = budget.usd_pico(budget.limit.limit_pico)
    return Start(
        label=window.label, resets=turn_text(window), spent=Decimal(usd_text(opening.pico)),
        limit=Decimal(usd_text(limit)), unpriced=opening.unpriced, values=len(sums) if budget.each else 0,
        full=sum(pico >= limit for pico in (sums.values() if budget.each else [opening.pico])),
        in_force=window.in_force, anew=proposal.old is not None and proposal.begins is not None,
    )  # fmt: skip


def _data(
    context: ConsoleContext,
    f: Format,
    kind: Kind,
    wish: Wish,
    *,
    says_all: bool = True,
    period: str = "last-month",
) -> dict[str, Any]:
    names = BUDGET_DIMENSIONS if kind is BUDGET else CONTROL_DIMENSIONS
    typed, errors, old = wish.form.typed, wish.form.errors, wish.old.name if wish.old else ""
    page = EditPage(
        noun=kind.noun, old=old, typed=typed, errors=errors, back=_back(kind, old),
        conditions=conditions_shown(typed), thresholds=budget_form.thresholds_shown(typed),
        dimensions=[*((name, f.field(name)) for name in names), (TAG, "a tag…")], choices=_CHOICES,
        opened=_opened(typed, errors, bool(old)), says_all=says_all,
        period=period, notes=_notes(kind, wish),
    )  # fmt: skip
    return {"data": page, "csrf": context.csrf}


def _notes(kind: Kind, wish: Wish) -> list[str]:
    """What whoever changes it should know."""
    if wish.old is None:
        return []
    if kind is CACHE:
        return cache_form.notes_of(wish.old.value)
    return budget_form.notes_of(wish.old.told) if kind is BUDGET else []


def _opened(typed: Mapping[str, str], errors: Mapping[str, str], is_old: bool) -> set[str]:
    """What of a budget's form is unfolded: what is in use, and what is wrong."""
    opened = set()
    if is_old or any(name.startswith(("at_", "do_", "per_minute_", "models_")) for name in errors):
        opened.add("thresholds")
    if any(typed.get(name) for name in ("contact", "carry", "prorate")) or {"timezone", "carry_cap"} & errors.keys():
        opened.add("more")
    return opened


def _back(kind: Kind, old: str) -> str:
    """Where "Leave it" leads."""
    return f"/budgets/{quote(old, safe='')}" if kind is BUDGET and old else kind.back


def _after(kind: Kind, saved: Any) -> str:
    """Where a saved form leads: to what was made."""
    if kind is BUDGET:
        return f"/budgets/{saved.budget_id}"
    if kind is CACHE:
        return kind.back
    return f"/controls#{'policies' if kind is POLICY else 'limits'}"


def _page(request: Asked, view: View, kind: Kind, data: Any, *, status: int = 200) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    title = f"{'Change' if view.get('of') else 'New'} {SAID.get(kind.noun, kind.noun)}"
    return html(
        request, view, TEMPLATES[kind.noun], NAV[kind.noun], title, data, status=status, twins=False,
        has_pickers=False, tag_names=context.tag_names(view),
    )  # fmt: skip


def _kind(noun: str) -> Kind:
    if noun not in KINDS:
        raise UnknownRoute(f"there is no form for {noun[:40]!r}; there are {', '.join(KINDS)}")
    return KINDS[noun]


_CHOICES: Mapping[str, Any] = {
    "windows": window_form.KINDS, "units": window_form.UNITS, "grains": window_form.GRAINS,
    "modes": budget_form.MODES, "actions": budget_form.ACTIONS,
    "currencies": [(code, code) for code in budget_form.CURRENCIES],
    "months": [(str(number), name) for number, name in enumerate(MONTHS, 1)], "periods": PERIODS,
    "shares": list(cache_form.SHARES.items()),
}  # fmt: skip
EDIT_HANDLERS = [
    get("/edit/{noun:str}", include_in_schema=False)(show),
    post("/edit/{noun:str}", include_in_schema=False, status_code=200)(send),
]
