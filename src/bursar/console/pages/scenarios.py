"""Scenarios: what margin would be if usage, prices or models were otherwise, up to four beside what is."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from bursar.console.api.scenarios import scenarios_answer, scenarios_csv
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.costs import gateway_address
from bursar.console.pages.serving import Asked, answer, as_csv, as_json, fields_of, html, suffix_of
from bursar.console.scenario_chart import bars, fan
from bursar.console.scenario_form import FORMS, added, form_of
from bursar.console.simulating import AS_IS, PLACES, read_asked
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.calendar import month_on
from bursar.domain.errors import BadControl, BadRequest
from bursar.domain.money import plain
from bursar.finance.scenarios.book import Saved
from bursar.finance.scenarios.told import Comparison, ScenarioTold
from bursar.finance.scenarios.words import in_words
from bursar.finance.scenarios.written import read_steps, write_steps

TURNED_SHOWN = 15


class ShownStep(msgspec.Struct, frozen=True):
    """A step in words; href: the address without it."""

    words: str
    href: str


class ShownScenario(msgspec.Struct, frozen=True):
    """One that the address has. slot: its colour. notes: what it assumes. error: why it can't be tried. copy: the
    address with another one like it; "" where no place is free."""

    place: str
    slot: int
    name: str
    text: str
    steps: list[ShownStep]
    drop: str
    copy: str
    show: str
    is_shown: bool
    notes: Sequence[str]
    error: str


class ShownSaved(msgspec.Struct, frozen=True):
    """One that is kept. href: the address with it put beside; "" where no place is free."""

    one: Saved
    words: list[str]
    href: str


def scenarios_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads. What can't be read is told at its scenario, beside the others."""
    error: BadRequest | None = None
    found: Comparison | None = None
    places: tuple[str, ...] = ()
    try:
        asked = read_asked(view)
        places = asked.places
        found = context.finance().scenarios.compare(asked)
    except BadRequest as refused:
        error = refused
        rest = {name: value for name, value in view.extra.items() if name not in _wrong(refused)}
        asked = read_asked(msgspec.structs.replace(view, extra=rest))
        places = asked.places
        try:
            found = context.finance().scenarios.compare(asked)
        except BadRequest:  # it is the data that says no: all scenarios are left out
            bare = {name: value for name, value in rest.items() if name not in PLACES}
            places = ()
            found = context.finance().scenarios.compare(read_asked(msgspec.structs.replace(view, extra=bare)))
    shown = places.index(view.get("show")) + 1 if view.get("show") in places else min(len(places), 1)
    if view.get("show") == AS_IS:
        shown = 0
    runs: list[ScenarioTold] = [found.as_is, *found.scenarios]
    tried = dict(zip(places, runs[1:], strict=True))
    free = next((place for place in PLACES if not view.get(place)), "")
    saved = context.finance().scenarios.book.all()
    kind = view.get("add")
    return {
        "data": {
            "found": found,
            "runs": runs,
            "shown": runs[shown],
            "shown_at": shown,
            "slots": [0, *(PLACES.index(place) + 1 for place in places)],
            "shows": [(run.name, view.url(show=place), at == shown)
                      for at, (run, place) in enumerate(zip(runs, (AS_IS, *places), strict=True))],
            "scenarios": [_scenario(view, place, error, tried, shown) for place in PLACES if view.get(place)],
            "error": str(error) if error else "",
            "error_field": (error.field or "") if error else "",
            "fan": fan(found, shown, f.money_tick, _tell_past(f)) if found.customers or found.scenarios else None,
            "bars": bars(runs),
            "base": display.days(found.base[0], month_on(found.base[-1], 1) - timedelta(days=1)),
            "last": display.month(runs[0].months[-1].month),
            "month": display.month,
            "losing_href": _customers_href(view, (AS_IS, *places)[shown], "losing"),
            "turned_href": _customers_href(view, (AS_IS, *places)[shown], "turned"),
            "all_href": _customers_href(view, (AS_IS, *places)[shown], "all"),
            "turned_shown": TURNED_SHOWN,
            "free": free,
            "kinds": [(one.kind, one.title, f"{view.url(add=one.kind)}#add", one.kind == kind) for one in FORMS],
            "form": form_of(kind),
            "targets": [(place, view.get(f"{place}_name") or place.upper()) for place in PLACES if view.get(place)]
            + ([(free, f"a new one, {free.upper()}")] if free else []),
            "saved": [_saved(view, one, free, f) for one in saved],
            "plain": plain,
            "percent": _percent,
            "usage_words": _usage_words,
        },
        "csrf": context.csrf,
        "has_any": context.explorer.first_call_at() is not None,
        "gateway": gateway_address(context),
        "has_pickers": False,
    }  # fmt: skip


def change_scenarios(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Keep a scenario, or remove one; where it leads. Raises Forbidden, BadControl, BadScenario, NameTaken,
    UnknownScenario."""
    context.check_form(form)
    book = context.finance().scenarios.book
    match form.get("act", ""):
        case "save":
            book.save(form.get("name", ""), form.get("steps", ""), form.get("note", ""), actor=ACTOR)
        case "remove":
            book.remove(form.get("id", ""), actor=ACTOR)
        case act:
            raise BadControl(f"act is {act[:40]!r}; it is save or remove", field="act")
    back = form.get("back", "")
    return f"{back if back.startswith('/scenarios') else '/scenarios'}#saved"


@post("/scenarios/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """The form and the buttons of saved scenarios."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_scenarios, request.app.state.context, fields)
    return Redirect(target, status_code=303)


def serve(request: Asked) -> Response[Any]:
    """The page or a twin. A form that adds a step leads to the address with it."""
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        if suffix:
            told = scenarios_answer(context, view)
            return as_json(told) if suffix == "json" else as_csv(scenarios_csv(told))
        if (target := added(view)) is not None:
            return Redirect(target, status_code=303)
        return html(
            request, view, "scenarios.html", "scenarios", "Scenarios", lambda f: scenarios_page(context, view, f)
        )

    return answer(request, "/scenarios", suffix, build)


def _scenario(
    view: View, place: str, error: BadRequest | None, runs: Mapping[str, ScenarioTold], shown: int
) -> ShownScenario:
    """runs: those that were tried, by their place."""
    text, free = view.get(place), next((one for one in PLACES if not view.get(one)), "")
    wrong = error if error is not None and place in _wrong(error) else None
    if wrong is None and error is not None and place not in runs and not _wrong(error) & set(PLACES):
        wrong = error
    try:
        steps = read_steps(text)
    except BadRequest:
        steps = ()
    name = view.get(f"{place}_name")
    return ShownScenario(
        place=place,
        slot=PLACES.index(place) + 1,
        name=name or place.upper(),
        text=text,
        steps=[
            ShownStep(in_words(step, "USD"), view.url(**{place: write_steps(steps[:at] + steps[at + 1 :]) or None}))
            for at, step in enumerate(steps)
        ],
        drop=view.url(**{place: None, f"{place}_name": None, "show": None}),
        copy=view.url(**{free: text, f"{free}_name": f"{name or place.upper()} 2"}) if free else "",
        show=view.url(show=place),
        is_shown=place in runs and list(runs).index(place) + 1 == shown,
        notes=runs[place].notes if place in runs else (),
        error=str(wrong) if wrong else "",
    )  # fmt: skip


def _saved(view: View, one: Saved, free: str, f: Format) -> ShownSaved:
    words = [in_words(step, f.currency) for step in one.scenario.steps]
    href = view.url(**{free: one.text, f"{free}_name": one.name, "show": free}) if free else ""
    return ShownSaved(one, words, href)


def _wrong(error: BadRequest) -> set[str]:
    """What of the address is left out for the rest to be shown."""
    return {error.field} if error.field in (*PLACES, "months", "base", "seed") else set()


def _customers_href(view: View, place: str, which: str) -> str:
    given = {name: view.get(name) for name in (*PLACES, "months", "base")} | {"show": None, "add": None}
    names = {f"{one}_name": None for one in PLACES}
    of = None if place == AS_IS else place
    wanted = {"of": of, "which": which, "format": "csv"}
    return msgspec.structs.replace(view, path="/api/scenarios/customers").url(**(given | names | wanted))


def _tell_past(f: Format) -> Callable[[date, Decimal], str]:
    return lambda month, margin: f"{display.month(month)}: {f.plain_money(margin)}"


def _usage_words(usage: Decimal | None, why: str) -> str:
    """`× 1.73`; never rounded up, so that what it says is still no loss."""
    if usage is None:
        return why
    return f"× {usage.quantize(Decimal('0.01'), ROUND_DOWN)}"


def _percent(value: Decimal) -> str:
    """A percentage with two decimals at most."""
    return f"{plain(round(value, 2)).replace('-', display.MINUS)}{display.THIN}%"


def _handler() -> Callable[[Asked], Response[Any]]:
    """One for each path: see `routes._paths`."""

    def handle(request: Asked) -> Response[Any]:
        return serve(request)

    return handle


SCENARIO_PAGES = [
    change,
    *(
        get(path, include_in_schema=False, sync_to_thread=True)(_handler())
        for path in ("/scenarios", "/scenarios.json", "/scenarios.csv")
    ),
]
