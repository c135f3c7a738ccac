"""Alerts: what is open, who watches, who is told, and how delivery went; forms for all of it that need no script."""

import shlex
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from bursar.alerts import rules
from bursar.alerts.answers import AlertAnswer, AlertsAnswer, ChannelAnswer, RuleAnswer, alerts_answer, as_text
from bursar.alerts.desk import AlertDesk
from bursar.console import alerting
from bursar.console.api.answers import csv_bytes
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.serving import Asked, answer, as_csv, as_json, html, suffix_of
from bursar.console.render import Banner
from bursar.console.view import View
from bursar.domain.errors import BadAlert

Form = URLEncodedBody[dict[str, str]]

KIND_WORDS = {
    "daily_spend": "a day above the usual",
    "period_spend": "spend above an amount",
    "unpriced": "calls without a price",
    "estimated": "charges that aren't sure",
    "error_storm": "a provider that fails",
    "tag_coverage": "spend without a tag",
    "budgets": "budgets",
    "loops": "loops that were cut",
    "retry_cap": "retries past their hourly cap",
    "approvals": "calls that wait for an approval",
    "review": "the review of a week or month",
    "report": "the report of a month, with its files",
    "statement": "a statement of a month, with its files",
    "commitment": "credits and commitments of contracts",
    "maturity": "a step of maturity that was lost",
    "anomaly": "what is out of the ordinary, and costs",
}
DOTS = {"critical": "danger", "warning": "doubt", "info": "accent"}
RESULT_BADGES = {"delivered": "good", "failed": "doubtful", "given_up": "bad", "held": ""}
CSV_HEADS = (
    "id", "raised_at", "severity", "rule", "title", "text", "address", "acknowledged_at", "acknowledged_by", "told",
)  # fmt: skip


class AlertRow(msgspec.Struct, frozen=True):
    """One alert as the page lists it. told: "ops, 14 min ago", or why not yet."""

    alert: AlertAnswer
    dot: str
    told: list[tuple[str, str]]


class RuleRow(msgspec.Struct, frozen=True):
    rule: RuleAnswer
    words: str
    parameters: str
    change_href: str


class ChannelRow(msgspec.Struct, frozen=True):
    channel: ChannelAnswer
    change_href: str


class AlertsPage(msgspec.Struct, frozen=True):
    """Everything the template reads. rule, channel: what the forms are filled with."""

    lead: str
    watching: str
    open: list[AlertRow]
    every: bool
    open_href: str
    all_href: str
    rules: list[RuleRow]
    channels: list[ChannelRow]
    log: list[Any]
    rule: RuleRow
    rule_is_new: bool
    channel: ChannelAnswer
    channel_is_new: bool
    kinds: dict[str, str]
    defaults: list[tuple[str, str]]


NEW_RULE = RuleRow(RuleAnswer("", "daily_spend", True, None, [], [], {}), "", "", "")
NEW_CHANNEL = ChannelAnswer("", "apprise", "", "", True, True, "", "", 0, 0, "")


def alerts_page(view: View, f: Format, told: AlertsAnswer, look_every_s: int) -> AlertsPage:
    """The figures as the template prints them."""
    rule_rows = [
        RuleRow(one, KIND_WORDS.get(one.kind, one.kind), _words(one.parameters),
                f"{view.url('/alerts', rule=one.name)}#rule-form")
        for one in told.rules
    ]  # fmt: skip
    channel_rows = [ChannelRow(one, f"{view.url('/alerts', channel=one.name)}#channel-form") for one in told.channels]
    rule = next((row for row in rule_rows if row.rule.name == view.get("rule")), NEW_RULE)
    channel = next((one for one in told.channels if one.name == view.get("channel")), NEW_CHANNEL)
    on = sum(one.is_on for one in told.rules)
    shown = "" if view.get("show") == "all" else "open" if told.open_count else ""
    return AlertsPage(
        lead=f"{f.count(told.open_count)} {shown}" if shown else "",
        watching=f"{on} rule{'' if on == 1 else 's'} look at the books every "
        f"{f.count(look_every_s)} seconds."
        + (" Alerts show on this page alone until there is a channel:" if not told.channels else ""),
        open=[_row(f, one) for one in told.alerts],
        every=view.get("show") == "all",
        open_href=view.url("/alerts", show=None),
        all_href=view.url("/alerts", show="all"),
        rules=rule_rows,
        channels=channel_rows,
        log=[(one, RESULT_BADGES.get(one.result, "")) for one in told.log],
        rule=rule,
        rule_is_new=rule is NEW_RULE,
        channel=channel,
        channel_is_new=channel is NEW_CHANNEL,
        kinds=KIND_WORDS,
        defaults=[(kind, _defaults(kind)) for kind in rules.KINDS],
    )


def alerts(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        told = alerts_answer(context.desk(), every=view.get("show") == "all")
        if suffix == "json":
            return as_json(told)
        if suffix == "csv":
            return as_csv(csv_bytes(CSV_HEADS, [_csv_row(one) for one in told.alerts]))
        banners = _banners(context, view, told)
        every_s = round(context.config.alerts.look_every_s)
        return html(
            request, view, "alerts.html", "alerts", "Alerts",
lambda f: {"data": alerts_page(view, f, told, every_s), "csrf": context.csrf},
            banners=banners,
        )  # fmt: skip

    return answer(request, "/alerts", suffix, build)


def acknowledge(request: Asked, data: Form) -> Response[Any]:
    """Somebody has seen to it."""
    _desk(request, data).acknowledge(data.get("id", ""), actor=ACTOR)
    return _back()


def try_channel(request: Asked, data: Form) -> Response[Any]:
    """Send a test, and come back with what became of it."""
    name = data.get("channel", "")
    outcome = alerting.try_channel(_desk(request, data), name)
    return _back(f"?tried={outcome.number if outcome else 0}#log")


def save_rule(request: Asked, data: Form) -> Response[Any]:
    alerting.put_rule(_desk(request, data), alerting.rule_from_form(data))
    return _back("#rules")


def save_channel(request: Asked, data: Form) -> Response[Any]:
    alerting.put_channel(_desk(request, data), alerting.channel_from_form(data))
    return _back("#channels")


def switch(request: Asked, data: Form) -> Response[Any]:
    """Switch a rule or a channel on or off."""
    what = data.get("what", "")
    if what not in ("rule", "channel"):
        raise BadAlert(f"what can be switched is a rule or a channel, not {what!r}", field="what")
    _desk(request, data).set_on(what, data.get("name", ""), data.get("on") == "yes", actor=ACTOR)
    return _back(f"#{what}s")


def remove(request: Asked, data: Form) -> Response[Any]:
    alerting.remove(_desk(request, data), data.get("what", ""), data.get("name", ""))
    return _back()


def _desk(request: Asked, data: dict[str, str]) -> AlertDesk:
    """Where the form's wish is done. Raises Forbidden without the page's own token."""
    context: ConsoleContext = request.app.state.context
    context.check_form(data)
    return context.desk()


def _back(to: str = "") -> Response[Any]:
    return Redirect(f"/alerts{to}", status_code=303)


def _banners(context: ConsoleContext, view: View, told: AlertsAnswer) -> tuple[Banner, ...]:
    found = []
    if not context.config.alerts.enabled:
        found.append(Banner("Alerts are switched off", "alerts.enabled is false: nothing is looked for, nothing sent."))
    if (tried := view.get("tried")).isdecimal():
        found.append(_tried(context, int(tried)))
    stuck = [one for one in told.channels if one.waiting and one.error]
    found += [
        Banner(f"{one.name} doesn't take alerts", f"{one.waiting} wait for it and are tried again, for a week each: "
               f"{one.error}.", command=f"bursar alerts test {one.name}")
        for one in stuck
    ]  # fmt: skip
    return tuple(found)


def _tried(context: ConsoleContext, number: int) -> Banner:
    found = context.desk().book.delivery(number)
    if found is None or found.cause != "test":
        return Banner("The test is on its way", "Nothing came back yet; the log below tells what becomes of it.")
    if found.state == "delivered":
        return Banner(
            f"{found.channel} took the test", "Look for it there: alerts will reach you the same way.", "good"
        )
    return Banner(f"{found.channel} didn't take the test", f"{found.error}.", "bad")


def _row(f: Format, alert: AlertAnswer) -> AlertRow:
    told = []
    for one in alert.deliveries:
        state = {"waiting": "waits", "sending": "on its way", "given_up": "given up"}.get(one.state, "")
        told.append((one.channel, state or f.when(one.delivered_at)))
    return AlertRow(alert, DOTS.get(alert.severity, "accent"), told)


def _words(parameters: dict[str, str]) -> str:
    return shlex.join(f"{name}={value}" for name, value in parameters.items())


def _defaults(kind: str) -> str:
    """`factor=2 least_usd=1`, with a mark where something must be said."""
    told = []
    for field in msgspec.structs.fields(rules.KINDS[kind]):
        if field.name != "filters":
            default = "…" if field.default is msgspec.NODEFAULT else field.default
            told.append(f"{field.name}={as_text(default)}")
    return " ".join(told) or "nothing more"


def _csv_row(one: AlertAnswer) -> list[Any]:
    told = " ".join(f"{each.channel}:{each.state}" for each in one.deliveries)
    return [
        one.id, one.raised_at, one.severity, one.rule, one.title, one.text, one.address, one.acknowledged_at,
        one.acknowledged_by, told,
    ]  # fmt: skip


_POSTS: tuple[tuple[str, Callable[..., Response[Any]]], ...] = (
    ("/alerts/ack", acknowledge), ("/alerts/test", try_channel), ("/alerts/rule", save_rule),
    ("/alerts/channel", save_channel), ("/alerts/switch", switch), ("/alerts/remove", remove),
)  # fmt: skip
ALERT_HANDLERS = [
    *(get(path, include_in_schema=False, sync_to_thread=True)(alerts)
      for path in ("/alerts", "/alerts.json", "/alerts.csv")),
    *(post(path, include_in_schema=False, sync_to_thread=True, status_code=303)(act) for path, act in _POSTS),
]  # fmt: skip
