"""The API of alerts: read everything, and do what the page's forms do."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter

from bursar.alerts.answers import AlertsAnswer, ChannelAnswer, RuleAnswer, alerts_answer, channel_answers, rule_answer
from bursar.console import alerting
from bursar.console.alerting import ChannelWish, RuleWish
from bursar.console.api.parameters import PROBLEMS
from bursar.console.api.routes import Asked
from bursar.console.context import ACTOR, ConsoleContext

Every = Annotated[bool | None, QueryParameter(name="all", description="The acknowledged ones too. Default: false.")]
RESPONSES: dict[int, ResponseSpec] = {code: spec for code, spec in PROBLEMS.items() if code != 405}


class Acknowledge(msgspec.Struct):
    """An alert's id, the end of it, or `all`."""

    id: str


class TryChannel(msgspec.Struct):
    """The name of the channel to send a test to."""

    channel: str


class Remove(msgspec.Struct):
    """what: rule or channel."""

    what: str
    name: str


class Acknowledged(msgspec.Struct, frozen=True):
    """The alerts that were open until now."""

    ids: list[str]


class Tried(msgspec.Struct, frozen=True):
    """What became of a test. state: delivered, given_up (`error` says why) or sending: still on its way."""

    state: str
    error: str


class Removed(msgspec.Struct, frozen=True):
    what: str
    name: str


@get("/api/alerts", sync_to_thread=True, responses=PROBLEMS, summary="What is open, who watches, who is told")
def alerts(request: Asked, every: Every = None) -> AlertsAnswer:
    """Open alerts (or every one) with their deliveries, the rules, the channels, and the newest of the delivery log."""
    return alerts_answer(_context(request).desk(), every=bool(every))


@post("/api/alerts/ack", sync_to_thread=True, status_code=200, responses=RESPONSES, summary="Acknowledge alerts")
def acknowledge(request: Asked, data: JSONBody[Acknowledge]) -> Acknowledged:
    """Somebody has seen to it; it escalates no further. 404 `unknown_alert` where there is none of that id."""
    done = _context(request).desk().acknowledge(data.id, actor=ACTOR)
    return Acknowledged([alert.alert_id for alert in done])


@post("/api/alerts/test", sync_to_thread=True, status_code=200, responses=RESPONSES, summary="Try a channel out")
def try_channel(request: Asked, data: JSONBody[TryChannel]) -> Tried:
    """Send a test message now, quiet hours or not; waits a few seconds for what becomes of it."""
    outcome = alerting.try_channel(_context(request).desk(), data.channel)
    return Tried(outcome.state, outcome.error) if outcome else Tried("sending", "")


@post("/api/alerts/rules", sync_to_thread=True, status_code=200, responses=RESPONSES, summary="Put a rule")
def put_rule(request: Asked, data: JSONBody[RuleWish]) -> RuleAnswer:
    """Make a rule, or change the one of its name."""
    return rule_answer(alerting.put_rule(_context(request).desk(), data))


@post(
    "/api/alerts/channels",
    sync_to_thread=True,
    status_code=200,
    responses=RESPONSES,
    summary="Make or change a channel",
)
def put_channel(request: Asked, data: JSONBody[ChannelWish]) -> ChannelAnswer:
    """Make a channel, or change the one of its name. Secrets aren't taken: name the variable that has them."""
    desk = _context(request).desk()
    alerting.put_channel(desk, data)
    return next(one for one in channel_answers(desk) if one.name == data.name)


@post(
    "/api/alerts/remove", sync_to_thread=True, status_code=200, responses=RESPONSES, summary="Forget a rule or channel"
)
def remove(request: Asked, data: JSONBody[Remove]) -> Removed:
    """What a rule raised stays; what waits for a channel is given up."""
    alerting.remove(_context(request).desk(), data.what, data.name)
    return Removed(data.what, data.name)


def _context(request: Asked) -> ConsoleContext:
    context: Any = request.app.state.context
    return context  # type: ignore[no-any-return]


ALERT_API_HANDLERS = [alerts, acknowledge, try_channel, put_rule, put_channel, remove]
