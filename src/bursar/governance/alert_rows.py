"""The rows of the alerts' tables as values, and the few statements that outbox and book share."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, insert, select, update

from bursar.domain.alerts import Severity
from bursar.governance.schema import ALERT_DELIVERIES, ALERT_LOG, ALERTS

TEST_RULE = "test"


class Alert(msgspec.Struct, frozen=True):
    """What was raised. Times are microseconds, UTC; `seen_us`: when it was last found to be so."""

    alert_id: str
    dedup_key: str
    rule: str
    value: str
    window_key: str
    severity: Severity
    title: str
    text: str
    address: str
    raised_us: int
    seen_us: int
    acknowledged_us: int | None
    acknowledged_by: str

    @property
    def is_open(self) -> bool:
        return self.acknowledged_us is None and self.rule != TEST_RULE


class Delivery(msgspec.Struct, frozen=True):
    """One alert owed to one channel. state: waiting, sending, delivered, given_up; cause: raised, escalated, test."""

    number: int
    alert_id: str
    channel: str
    cause: str
    state: str
    digest_id: str
    is_held: bool
    attempts: int
    next_us: int
    created_us: int
    delivered_us: int | None
    error: str


class LogEntry(msgspec.Struct, frozen=True):
    """One try at one channel, or what became of it. result: delivered, failed, held or given_up."""

    number: int
    at_us: int
    message_id: str
    channel: str
    result: str
    detail: str


class Owed(msgspec.Struct, frozen=True):
    """A delivery with its alert."""

    delivery: Delivery
    alert: Alert


def joined(*conditions: Any) -> Select[Any]:
    """Deliveries with their alerts, in the order they came to be owed."""
    return (
        select(ALERT_DELIVERIES, ALERTS)
        .join(ALERTS, ALERTS.c.alert_id == ALERT_DELIVERIES.c.alert_id)
        .where(*conditions)
        .order_by(ALERT_DELIVERIES.c.number)
    )


def owed_of(connection: Connection, asked: Select[Any]) -> list[Owed]:
    """The answer to a `joined` question."""
    width = len(ALERT_DELIVERIES.columns)
    return [Owed(Delivery(*row[:width]), _alert(row[width:])) for row in connection.execute(asked)]


def set_all(connection: Connection, message: Sequence[Owed], **values: object) -> None:
    """Change every delivery of a message."""
    numbers = [owed.delivery.number for owed in message]
    connection.execute(update(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.number.in_(numbers)).values(**values))


def note(connection: Connection, at_us: int, message_id: str, channel: str, result: str, detail: str) -> None:
    """A line of the delivery log."""
    connection.execute(
        insert(ALERT_LOG).values(at_us=at_us, message_id=message_id, channel=channel, result=result, detail=detail)
    )


def alerts_of(connection: Connection, asked: Select[Any]) -> list[Alert]:
    """The answer to a question for whole alerts."""
    return [_alert(row) for row in connection.execute(asked)]


def _alert(row: Row[Any] | Sequence[Any]) -> Alert:
    values = list(row)
    values[5] = Severity(values[5])
    return Alert(*values)
