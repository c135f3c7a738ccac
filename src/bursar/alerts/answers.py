"""Alerts as the API and the CLI tell them: times in RFC 3339 (UTC), parameters as text, never a secret."""

from datetime import datetime

import msgspec

from bursar.alerts.desk import AlertDesk
from bursar.alerts.rules import Rule
from bursar.domain.clock import datetime_from_us
from bursar.governance.alert_rows import Alert, Delivery, LogEntry
from bursar.governance.alerts import Channel

LOG_SHOWN = 50
ALERTS_SHOWN = 100


class RuleAnswer(msgspec.Struct, frozen=True):
    """One rule. `severity` null: each finding's own; no `channels`: every channel that takes all."""

    name: str
    kind: str
    is_on: bool
    severity: str | None
    channels: list[str]
    filters: list[str]
    parameters: dict[str, str]


class ChannelAnswer(msgspec.Struct, frozen=True):
    """One channel. `target` names the variable with its address, or is a webhook's own; `waiting`: deliveries owed."""

    name: str
    kind: str
    target: str
    secret_env: str
    is_on: bool
    takes_all: bool
    quiet: str
    escalate_to: str
    escalate_after_min: int
    waiting: int
    error: str


class DeliveryAnswer(msgspec.Struct, frozen=True):
    """What one channel was owed of an alert, and what became of it."""

    channel: str
    cause: str
    state: str
    attempts: int
    delivered_at: datetime | None
    error: str


class AlertAnswer(msgspec.Struct, frozen=True):
    """One alert. `address` is the page of the console that opens it; `last_seen_at`: when it was last so."""

    id: str
    severity: str
    rule: str
    title: str
    text: str
    address: str
    raised_at: datetime
    last_seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str
    deliveries: list[DeliveryAnswer]


class LogAnswer(msgspec.Struct, frozen=True):
    """One try at a channel. result: delivered, failed, held (by quiet hours) or given_up."""

    at: datetime
    channel: str
    result: str
    message_id: str
    detail: str


class AlertsAnswer(msgspec.Struct, frozen=True):
    """Everything about alerts: what is open (or every one), who watches, who is told, and how delivery went."""

    open_count: int
    alerts: list[AlertAnswer]
    rules: list[RuleAnswer]
    channels: list[ChannelAnswer]
    log: list[LogAnswer]


def rule_answer(rule: Rule) -> RuleAnswer:
    told = msgspec.to_builtins(rule.what, enc_hook=str)
    parameters = {name: as_text(value) for name, value in told.items() if name not in ("kind", "filters")}
    severity = rule.severity.value if rule.severity else None
    filters = list(told.get("filters", ()))
    return RuleAnswer(rule.name, rule.kind, rule.is_on, severity, list(rule.channels), filters, parameters)


def channel_answers(desk: AlertDesk) -> list[ChannelAnswer]:
    """Channels by name, with what waits for each and why."""
    waiting = desk.book.waiting()
    return [_channel(channel, [one for one in waiting if one.channel == channel.name])
            for channel in desk.settings.channels()]  # fmt: skip


def alert_answers(desk: AlertDesk, *, every: bool = False, limit: int = ALERTS_SHOWN) -> list[AlertAnswer]:
    """Open alerts, or every one, newest first, with their deliveries."""
    alerts = desk.book.alerts(every=every, limit=limit)
    owed: dict[str, list[Delivery]] = {}
    for one in desk.book.deliveries([alert.alert_id for alert in alerts]):
        owed.setdefault(one.alert_id, []).append(one)
    return [_alert(alert, owed.get(alert.alert_id, [])) for alert in alerts]


def log_answer(entry: LogEntry) -> LogAnswer:
    return LogAnswer(datetime_from_us(entry.at_us), entry.channel, entry.result, entry.message_id, entry.detail)


def alerts_answer(desk: AlertDesk, *, every: bool = False) -> AlertsAnswer:
    """All of it, for the page and the API."""
    return AlertsAnswer(
        open_count=desk.book.open_count(),
        alerts=alert_answers(desk, every=every),
        rules=[rule_answer(rule) for rule in desk.rules()],
        channels=channel_answers(desk),
        log=[log_answer(entry) for entry in desk.book.log(LOG_SHOWN)],
    )


def _channel(channel: Channel, waiting: list[Delivery]) -> ChannelAnswer:
    return ChannelAnswer(
        channel.name, channel.kind, channel.target, channel.secret_env, channel.is_on, channel.takes_all, channel.quiet,
        channel.escalate_to, channel.escalate_after_min, len(waiting), next((w.error for w in waiting if w.error), ""),
    )  # fmt: skip


def _alert(alert: Alert, owed: list[Delivery]) -> AlertAnswer:
    return AlertAnswer(
        alert.alert_id, alert.severity.value, alert.rule, alert.title, alert.text, alert.address,
        datetime_from_us(alert.raised_us), datetime_from_us(alert.seen_us), _time(alert.acknowledged_us),
        alert.acknowledged_by,
        [DeliveryAnswer(one.channel, one.cause, one.state, one.attempts, _time(one.delivered_us), one.error)
         for one in owed],
    )  # fmt: skip


def _time(at_us: int | None) -> datetime | None:
    return None if at_us is None else datetime_from_us(at_us)


def as_text(value: object) -> str:
    """A parameter as it is typed: `50,80,100`, `true`, `2`."""
    if isinstance(value, list | tuple):
        return ",".join(str(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
