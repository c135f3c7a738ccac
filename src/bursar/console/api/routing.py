"""The JSON API of routes: reading, making, changing, and a table against the past.

Handlers that share a path are coroutines, as in `controls.py`.
"""

import asyncio
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from bursar.console.api.controls import Asked, Switch, as_csv, controls_of, listed
from bursar.console.api.parameters import PROBLEMS, Period, Shape, Zone
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.experiments import ExperimentAnswer, experiment_so_far
from bursar.console.replay import ReplayAnswer, replay, replay_csv
from bursar.console.shadows import ShadowAnswer, shadow_so_far
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl
from bursar.domain.routes import KeptRoute, RouteRule
from bursar.gateway.metrics import counts_in

ROUTES_CHARS_MAX = 60_000  # of a table in an address

Table = Annotated[
    str | None,
    QueryParameter(
        name="routes",
        description="A JSON list of routes in the place of those in force in the control store.",
        max_length=ROUTES_CHARS_MAX,
    ),
]


class RouteAnswer(msgspec.Struct, frozen=True):
    """A route of the control store; `route`: what it says, defaults left out. Listed as they are asked."""

    route_id: str
    name: str
    is_on: bool
    route: RouteRule
    created_at: datetime
    created_by: str


class NewRoute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A route to be made, or to take the place of the one of its name."""

    route: RouteRule
    is_on: bool = True


@get("/api/routes", responses=PROBLEMS, summary="Routes of the control store, on and off")
async def routes(request: Asked, format_: Shape = None) -> Response[list[RouteAnswer]]:
    """All that weren't removed, in the order in which they are asked; those of the settings file come after them."""
    found = await asyncio.to_thread(controls_of(request).routes.all)
    return listed([route_answer(one) for one in found], format_, RouteAnswer)


@post("/api/routes", responses=PROBLEMS, summary="Make or change a route")
async def set_route(request: Asked, data: JSONBody[NewRoute]) -> RouteAnswer:
    """In force on all workers within a second, unless it is off. 400 `bad_control`."""

    def make() -> RouteAnswer:
        controls = controls_of(request)
        made = controls.routes.set(data.route, is_on=data.is_on, actor=ACTOR)
        controls.publish()
        return route_answer(made)

    return await asyncio.to_thread(make)


@post("/api/routes/{name:str}/switch", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Switch a route on or off")  # fmt: skip
def switch_route(request: Asked, name: FromPath[str], data: JSONBody[Switch]) -> RouteAnswer:
    """By its name or id. 404 `unknown_control`."""
    controls = controls_of(request)
    route = controls.routes.switch(name, data.is_on, actor=ACTOR)
    controls.publish()
    return route_answer(route)


@delete("/api/routes/{name:str}", sync_to_thread=True, status_code=200, responses=PROBLEMS, summary="Remove a route")
def remove_route(request: Asked, name: FromPath[str]) -> RouteAnswer:
    """By its name or id. 404 `unknown_control`."""
    controls = controls_of(request)
    gone = controls.routes.remove(name, actor=ACTOR)
    controls.publish()
    return route_answer(gone)


@get("/api/route-replay", sync_to_thread=True, responses=PROBLEMS, summary="A route table against the past")
def replay_routes(
    request: Asked, table: Table = None, period: Period = None, tz: Zone = None, format_: Shape = None
) -> Response[ReplayAnswer]:
    """How many calls of a period would go elsewhere, and what they would cost there. It changes nothing."""
    context: ConsoleContext = request.app.state.context
    query = {key: [value] for key, value in (("period", period), ("tz", tz)) if value}
    view = context.view("/controls", query or {"period": ["last-month"]})
    answer = replay(context, view.period, None if table is None else _read_table(request, table))
    return as_csv(replay_csv(answer)) if format_ == "csv" else Response(answer)


@get("/api/experiments", sync_to_thread=True, responses=PROBLEMS, summary="Experiments of routes, so far")
def experiments(request: Asked) -> list[ExperimentAnswer]:
    """Of the control store's routes, then of the settings file's: what each arm showed, and whether one is worse."""
    context: ConsoleContext = request.app.state.context
    rules = [*(one.rule for one in context.controls().routes.all()), *context.filed_routes()]
    return [
        experiment_so_far(context.ledger, rule, rule.experiment, context.now())
        for rule in rules
        if rule.experiment is not None
    ]


@get("/api/shadows", sync_to_thread=True, responses=PROBLEMS, summary="Shadows of routes, so far")
def shadows(request: Asked) -> list[ShadowAnswer]:
    """Of the control store's routes, then of the settings file's: what candidates cost, and how far they agree."""
    context: ConsoleContext = request.app.state.context
    rules = [*(one.rule for one in context.controls().routes.all()), *context.filed_routes()]
    counts = counts_in(context.run_dir)
    return [
        shadow_so_far(context.ledger, rule, rule.shadow, context.now(), counts)
        for rule in rules
        if rule.shadow is not None
    ]


def route_answer(one: KeptRoute) -> RouteAnswer:
    return RouteAnswer(
        one.route_id, one.rule.name, one.is_on, one.rule, datetime_from_us(one.created_us), one.created_by
    )


def _read_table(request: Asked, text: str) -> list[RouteRule]:
    book = controls_of(request).routes
    try:
        rules = msgspec.json.decode(text, type=list[RouteRule])
    except msgspec.DecodeError as error:
        raise BadControl(f"routes: {error}", field="routes") from error
    return sorted((book.resolve(rule) for rule in rules), key=lambda rule: rule.position)


ROUTE_HANDLERS = [routes, set_route, switch_route, remove_route, replay_routes, experiments, shadows]
