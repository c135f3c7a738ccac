"""Alerts as people look at them: which are open, what became of each, and who has seen to it."""

from collections.abc import Sequence

from sqlalchemy import func, select, update

from bursar.domain.errors import BadAlert, UnknownAlert
from bursar.governance.alert_rows import TEST_RULE, Alert, Delivery, LogEntry, alerts_of
from bursar.governance.audit import record_change
from bursar.governance.schema import ALERT_DELIVERIES, ALERT_LOG, ALERTS
from bursar.governance.store import ControlStore

LISTED_MAX = 500


class AlertBook:
    """What was raised and what became of it."""

    def __init__(self, store: ControlStore, secret: bytes) -> None:
        self._store = store
        self._secret = secret

    def acknowledge(self, alert_id: str, now_us: int, *, actor: str) -> list[Alert]:
        """Say that somebody has seen to it: one alert, by its id or the end of it, or `all` open ones. Audited.

        Raises UnknownAlert when there is none, BadAlert when the end of an id is that of several.
        """
        with self._store.writing() as connection:
            open_ones = select(ALERTS).where(ALERTS.c.acknowledged_us.is_(None), ALERTS.c.rule != TEST_RULE)
            if alert_id != "all":
                wanted = alert_id.strip().lower()
                found = select(ALERTS).where(ALERTS.c.alert_id.endswith(wanted, autoescape=True)) if wanted else None
                several = [] if found is None else alerts_of(connection, found)
                if not several:
                    raise UnknownAlert(f"no alert has the id {alert_id!r} (`bursar alerts list --all`)", field="id")
                if len(several) > 1:
                    raise BadAlert(f"{len(several)} alerts have ids ending in {alert_id!r}; write more", field="id")
                open_ones = open_ones.where(ALERTS.c.alert_id == several[0].alert_id)
            done = alerts_of(connection, open_ones)
            for alert in done:
                connection.execute(
                    update(ALERTS)
                    .where(ALERTS.c.alert_id == alert.alert_id)
                    .values(acknowledged_us=now_us, acknowledged_by=actor)
                )
                record_change(
                    connection, self._secret, at_us=now_us, actor=actor, action="alert.acknowledge",
                    subject=alert.alert_id, detail={"rule": alert.rule, "title": alert.title},
                )  # fmt: skip
        return done

    def alerts(self, *, every: bool = False, limit: int = LISTED_MAX) -> list[Alert]:
        """The newest first: open ones, or every one there is."""
        asked = select(ALERTS).where(ALERTS.c.rule != TEST_RULE)
        if not every:
            asked = asked.where(ALERTS.c.acknowledged_us.is_(None))
        with self._store.reading() as connection:
            return alerts_of(
                connection, asked.order_by(ALERTS.c.raised_us.desc(), ALERTS.c.alert_id.desc()).limit(limit)
            )

    def open_count(self) -> int:
        """How many alerts wait for somebody."""
        asked = select(func.count()).where(ALERTS.c.acknowledged_us.is_(None), ALERTS.c.rule != TEST_RULE)
        with self._store.reading() as connection:
            return int(connection.execute(asked).scalar_one() or 0)

    def episodes(self, since_us: int) -> dict[tuple[str, str], Alert]:
        """Of each rule and value, the newest alert that was still found to be so since then."""
        asked = select(ALERTS).where(ALERTS.c.seen_us >= since_us).order_by(ALERTS.c.raised_us, ALERTS.c.alert_id)
        with self._store.reading() as connection:
            return {(alert.rule, alert.value): alert for alert in alerts_of(connection, asked)}

    def deliveries(self, alert_ids: Sequence[str]) -> list[Delivery]:
        """What these alerts owe and owed, oldest first."""
        asked = select(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.alert_id.in_(alert_ids))
        with self._store.reading() as connection:
            return [Delivery(*row) for row in connection.execute(asked.order_by(ALERT_DELIVERIES.c.number))]

    def delivery(self, number: int) -> Delivery | None:
        """One delivery by its number."""
        with self._store.reading() as connection:
            found = connection.execute(select(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.number == number)).first()
        return Delivery(*found) if found else None

    def waiting(self) -> list[Delivery]:
        """Deliveries that are still owed."""
        asked = select(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.state.in_(("waiting", "sending")))
        with self._store.reading() as connection:
            return [Delivery(*row) for row in connection.execute(asked.order_by(ALERT_DELIVERIES.c.number))]

    def log(self, limit: int = 100) -> list[LogEntry]:
        """Tries at channels, newest first."""
        asked = select(ALERT_LOG).order_by(ALERT_LOG.c.number.desc()).limit(limit)
        with self._store.reading() as connection:
            return [LogEntry(*row) for row in connection.execute(asked)]
