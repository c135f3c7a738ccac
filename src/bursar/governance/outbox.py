"""The outbox of alerts: what was raised, and each delivery that is owed for it.

An alert and what it owes are written in one transaction, before anything is sent: killed at any instant, the process
finds them here again. The row of an alert is also the mark that its key was raised: neither is there without the other.
A delivery is claimed before it is sent (`sending`, due again after CLAIM_S) and marked after: only a process killed
between a provider's acceptance and our mark sends twice, and both messages carry the same id.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, delete, func, insert, or_, select, update

from bursar.domain.alerts import Finding, Severity
from bursar.domain.ids import Ids
from bursar.governance.alert_rows import Alert, Owed, joined, note, owed_of, set_all
from bursar.governance.schema import ALERT_DELIVERIES, ALERT_LOG, ALERTS
from bursar.governance.store import ControlStore

CLAIM_S = 120  # longer than any channel may take; a claim older than that belonged to a process that died
BACKOFF_FIRST_S, BACKOFF_MAX_S = 5, 900
AGE_MAX_S = 7 * 86_400  # after a week of refusals a delivery is given up, and says so
KEEP_S = 400 * 86_400  # alerts, longer than any window of a rule; then they are forgotten
LOG_ROWS_MAX = 10_000
SEEN_EVERY_S = 60
MESSAGES_MAX = 20  # to one channel at once; the others are next
_US = 1_000_000


class Outbox:
    """Alerts and deliveries in the control store. Safe for several processes: each claim is taken once."""

    def __init__(self, store: ControlStore) -> None:
        self._store = store
        self._ids = Ids()

    def raise_new(
        self, findings: Sequence[tuple[Finding, Sequence[str]]], now_us: int, cause: str = "raised"
    ) -> list[Alert]:
        """Write down what isn't raised yet, with a delivery to each of its channels; returns those alerts.

        What is raised already is noted as seen again, once a minute.
        """
        findings = list({finding.key: (finding, channels) for finding, channels in findings}.values())
        with self._store.reading() as connection:  # nearly always there is nothing to write, and no lock to take
            news = self._news(connection, findings, now_us)
        if not news:
            return []
        raised = []
        with self._store.writing() as connection:
            for finding, channels in self._news(connection, news, now_us):
                known = connection.execute(
                    update(ALERTS).where(ALERTS.c.dedup_key == finding.key).values(seen_us=now_us)
                ).rowcount
                if not known:
                    raised.append(self._raise(connection, finding, channels, now_us, cause))
        return raised

    def claim(self, held: Mapping[str, int], on: Sequence[str], now_us: int, alert_id: str = "") -> list[list[Owed]]:
        """What is to be sent now, a list per message: one alert, or the alerts of a digest.

        held: channels in their quiet hours now, with the instant those end. What isn't critical waits until then, or
        until the hours are changed, and goes out as one digest. on: the channels that are switched on. alert_id: only
        this one's.
        """
        due = _due(on, held, now_us, alert_id)
        with self._store.reading() as connection:
            if not connection.execute(due.limit(1)).first():
                return []
        with self._store.writing() as connection:
            messages: dict[tuple[str, str], list[Owed]] = {}
            late: dict[str, list[Owed]] = {}
            taken: Counter[str] = Counter()
            for owed in owed_of(connection, due):
                one = owed.delivery
                is_urgent = owed.alert.severity is Severity.CRITICAL or one.cause == "test"
                if one.channel in held and not is_urgent:
                    self._hold(connection, owed, held[one.channel], now_us)
                elif one.is_held and not one.digest_id:
                    late.setdefault(one.channel, []).append(owed)
                elif one.digest_id or taken[one.channel] < MESSAGES_MAX:
                    taken[one.channel] += 1
                    messages.setdefault((one.channel, one.digest_id or one.alert_id), []).append(owed)
            for channel, together in late.items():
                digest_id = self._ids.new(now_us) if len(together) > 1 else together[0].alert.alert_id
                set_all(connection, together, digest_id=digest_id)
                messages[channel, digest_id] = together
            for together in messages.values():
                first = together[0].delivery
                set_all(
                    connection, together, state="sending", attempts=first.attempts + 1, next_us=now_us + CLAIM_S * _US
                )
        return [list(_claimed(key, together)) for key, together in messages.items()]

    def settle(self, message: Sequence[Owed], now_us: int, error: str) -> None:
        """Mark what came of a claimed message: delivered (error ""), or to be tried again later, or given up."""
        first = message[0].delivery
        message_id = first.digest_id or first.alert_id
        with self._store.writing() as connection:
            if not error:
                set_all(connection, message, state="delivered", delivered_us=now_us, error="")
                note(connection, now_us, message_id, first.channel, "delivered", f"attempt {first.attempts}")
                return
            oldest = min(owed.delivery.created_us for owed in message)
            if first.cause == "test" or now_us - oldest > AGE_MAX_S * _US:
                set_all(connection, message, state="given_up", error=error)
                note(connection, now_us, message_id, first.channel, "given_up", error)
                return
            set_all(connection, message, state="waiting", next_us=now_us + backoff_s(first.attempts) * _US, error=error)
            note(connection, now_us, message_id, first.channel, "failed", error)

    def escalate(self, after_us: Mapping[str, tuple[str, int]], now_us: int) -> int:
        """Owe to the next channel what nobody acknowledged in time; how many.

        after_us: of each channel that escalates, the next channel and how long it waits. Counted from the delivery, or
        from when it was owed where the channel doesn't take it; not while quiet hours hold it.
        """
        if not after_us:
            return 0
        late = joined(
            ALERT_DELIVERIES.c.channel.in_(after_us),
            ALERT_DELIVERIES.c.cause != "test",
            ALERT_DELIVERIES.c.created_us > now_us - AGE_MAX_S * _US,
            or_(ALERT_DELIVERIES.c.delivered_us.is_not(None), ALERT_DELIVERIES.c.is_held.is_(False)),
            ALERTS.c.acknowledged_us.is_(None),
            ALERTS.c.severity != Severity.INFO.value,
        )
        with self._store.reading() as connection:
            found = self._unescalated(connection, late, after_us, now_us)
        if not found:
            return 0
        with self._store.writing() as connection:
            found = self._unescalated(connection, late, after_us, now_us)
            for alert_id, channel in found:
                self._owe(connection, alert_id, channel, "escalated", now_us)
        return len(found)

    def release(self, now_us: int) -> int:
        """Make due what a process that died had claimed; for the one process that delivers, when it starts."""
        left = (ALERT_DELIVERIES.c.state == "sending", ALERT_DELIVERIES.c.cause != "test")
        with self._store.writing() as connection:
            released: int = connection.execute(update(ALERT_DELIVERIES).where(*left).values(next_us=now_us)).rowcount
        return released

    def forget(self, now_us: int) -> None:
        """Give up what is too old, and drop what nobody will ask for: bounds what this store holds."""
        with self._store.writing() as connection:
            given_up = (
                ALERT_DELIVERIES.c.state.in_(("waiting", "sending")),
                ALERT_DELIVERIES.c.created_us < now_us - AGE_MAX_S * _US,
            )
            for one in connection.execute(select(ALERT_DELIVERIES).where(*given_up)).all():
                note(connection, now_us, one.alert_id, one.channel, "given_up", one.error or "not sent for a week")
            connection.execute(update(ALERT_DELIVERIES).where(*given_up).values(state="given_up"))
            old = select(ALERTS.c.alert_id).where(ALERTS.c.seen_us < now_us - KEEP_S * _US)
            connection.execute(delete(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.alert_id.in_(old)))
            connection.execute(delete(ALERTS).where(ALERTS.c.seen_us < now_us - KEEP_S * _US))
            newest = connection.execute(select(func.max(ALERT_LOG.c.number))).scalar() or 0
            connection.execute(delete(ALERT_LOG).where(ALERT_LOG.c.number <= newest - LOG_ROWS_MAX))

    def _news(
        self, connection: Connection, findings: Sequence[tuple[Finding, Sequence[str]]], now_us: int
    ) -> list[tuple[Finding, Sequence[str]]]:
        keys = [finding.key for finding, _ in findings]
        asked = select(ALERTS.c.dedup_key).where(
            ALERTS.c.dedup_key.in_(keys), ALERTS.c.seen_us > now_us - SEEN_EVERY_S * _US
        )
        seen = set(connection.execute(asked).scalars())
        return [(finding, channels) for finding, channels in findings if finding.key not in seen]

    def _raise(
        self, connection: Connection, finding: Finding, channels: Sequence[str], now_us: int, cause: str
    ) -> Alert:
        alert = Alert(
            self._ids.new(now_us), finding.key, finding.rule, finding.value, finding.window, finding.severity,
            finding.title, finding.text, finding.address, now_us, now_us, None, "",
        )  # fmt: skip
        connection.execute(insert(ALERTS).values(msgspec.structs.asdict(alert) | {"severity": finding.severity.value}))
        for channel in dict.fromkeys(channels):
            self._owe(connection, alert.alert_id, channel, cause, now_us)
        return alert

    def _owe(self, connection: Connection, alert_id: str, channel: str, cause: str, now_us: int) -> None:
        connection.execute(
            insert(ALERT_DELIVERIES).values(
                alert_id=alert_id, channel=channel, cause=cause, state="waiting", digest_id="", is_held=False,
                attempts=0, next_us=now_us, created_us=now_us, delivered_us=None, error="",
            )
        )  # fmt: skip

    def _hold(self, connection: Connection, owed: Owed, until_us: int, now_us: int) -> None:
        set_all(connection, [owed], is_held=True, state="waiting", next_us=until_us, digest_id="")
        if not owed.delivery.is_held:
            note(connection, now_us, owed.alert.alert_id, owed.delivery.channel, "held", "quiet hours")

    def _unescalated(
        self, connection: Connection, late: Select[Any], after_us: Mapping[str, tuple[str, int]], now_us: int
    ) -> list[tuple[str, str]]:
        owed = owed_of(connection, late)
        told = {
            (row.alert_id, row.channel)
            for row in connection.execute(
                select(ALERT_DELIVERIES.c.alert_id, ALERT_DELIVERIES.c.channel).where(
                    ALERT_DELIVERIES.c.alert_id.in_([one.alert.alert_id for one in owed])
                )
            )
        }
        found: dict[tuple[str, str], None] = {}
        for one in owed:
            channel, wait_us = after_us[one.delivery.channel]
            since = one.delivery.delivered_us or one.delivery.created_us
            if since + wait_us <= now_us and (one.alert.alert_id, channel) not in told:
                found[one.alert.alert_id, channel] = None
        return list(found)


def backoff_s(attempts: int) -> int:
    """How long to wait after so many tries: 5 s, then twice as long each time, a quarter of an hour at most."""
    return min(BACKOFF_FIRST_S << min(max(attempts - 1, 0), 16), BACKOFF_MAX_S)


def _due(on: Sequence[str], held: Mapping[str, int], now_us: int, alert_id: str) -> Select[Any]:
    """Its time has come, or the quiet hours that it was held for are no longer the channel's."""
    is_released = and_(
        ALERT_DELIVERIES.c.is_held.is_(True),
        ALERT_DELIVERIES.c.state == "waiting",
        ALERT_DELIVERIES.c.digest_id == "",
        ALERT_DELIVERIES.c.channel.not_in(list(held)),
    )
    conditions = [
        ALERT_DELIVERIES.c.state.in_(("waiting", "sending")),
        or_(ALERT_DELIVERIES.c.next_us <= now_us, is_released),
        ALERT_DELIVERIES.c.channel.in_(on),
    ]
    if alert_id:
        conditions.append(ALERT_DELIVERIES.c.alert_id == alert_id)
    return joined(*conditions)


def _claimed(key: tuple[str, str], together: Sequence[Owed]) -> list[Owed]:
    """As they stand in the store now: with this attempt counted and the digest they are part of."""
    digest_id = key[1] if together[0].delivery.is_held else ""
    attempts = together[0].delivery.attempts + 1
    return [
        Owed(msgspec.structs.replace(owed.delivery, digest_id=digest_id, attempts=attempts), owed.alert)
        for owed in together
    ]
