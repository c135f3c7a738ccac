"""What a channel is handed: one alert, or what quiet hours held back, as words and as JSON.

Every message says the alert's id, so that one that came twice is seen to be the same.
"""

from collections.abc import Sequence

import msgspec

from bursar.domain.alerts import Severity
from bursar.domain.clock import datetime_from_us
from bursar.governance.alert_rows import Alert, Owed

DIGEST_LISTED_MAX = 50
GRAVITY = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
MARKS = {Severity.INFO: "", Severity.WARNING: "Warning: ", Severity.CRITICAL: "CRITICAL: "}


class AlertTold(msgspec.Struct, frozen=True):
    """One alert for programs; times are RFC 3339, UTC; `url` opens it in the console."""

    id: str
    rule: str
    severity: str
    title: str
    text: str
    url: str
    raised_at: str


class Body(msgspec.Struct, frozen=True):
    """The JSON of a webhook. type: alert, digest, escalation or test; a digest has several alerts."""

    id: str
    type: str
    severity: str
    title: str
    organization: str
    alerts: list[AlertTold]


class Attached(msgspec.Struct, frozen=True):
    """A file that goes with a message, by ways that carry files (e-mail, Slack …)."""

    name: str
    media_type: str
    content: bytes


class Message(msgspec.Struct, frozen=True):
    """One thing to deliver. message_id: the alert's id, or the digest's; the same at every try."""

    message_id: str
    severity: Severity
    title: str
    text: str
    body: bytes
    files: tuple[Attached, ...] = ()


def compose(owed: Sequence[Owed], console_url: str, organization: str, files: Sequence[Attached] = ()) -> Message:
    """The message for what was claimed together; the same bytes at each try."""
    first = owed[0]
    alerts = [one.alert for one in owed]
    gravest = max((alert.severity for alert in alerts), key=GRAVITY.__getitem__)
    kind = {"test": "test", "escalated": "escalation"}.get(first.delivery.cause, "alert")
    if len(alerts) == 1:
        title = f"{'Not acknowledged: ' if kind == 'escalation' else ''}{alerts[0].title}"
        text = _words(alerts[0], console_url)
        message_id = alerts[0].alert_id
    else:
        kind, message_id = "digest", first.delivery.digest_id
        title = f"{len(alerts)} alerts from quiet hours"
        text = "\n\n".join(
            f"{MARKS[a.severity]}{a.title}\n{_words(a, console_url)}" for a in alerts[:DIGEST_LISTED_MAX]
        )
        if len(alerts) > DIGEST_LISTED_MAX:
            text += f"\n\nand {len(alerts) - DIGEST_LISTED_MAX} more: {console_url}/alerts"
    told = [_told(alert, console_url) for alert in alerts]
    body = msgspec.json.encode(Body(message_id, kind, gravest.value, title, organization, told))
    return Message(message_id, gravest, f"{MARKS[gravest]}{title}", text, body, tuple(files))


def _words(alert: Alert, console_url: str) -> str:
    at = datetime_from_us(alert.raised_us)
    return (
        f"{alert.text}\n\nOpen: {console_url}{alert.address}\n"
        f"Seen to it: bursar alerts ack {alert.alert_id[-12:]}\n"
        f"Alert {alert.alert_id} of rule {alert.rule}, raised {at:%Y-%m-%d %H:%M:%S} UTC"
    )


def _told(alert: Alert, console_url: str) -> AlertTold:
    return AlertTold(
        alert.alert_id, alert.rule, alert.severity.value, alert.title, alert.text, f"{console_url}{alert.address}",
        datetime_from_us(alert.raised_us).isoformat(),
    )  # fmt: skip
