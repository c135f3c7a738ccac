"""What is watched and who is told: the rules and channels of alerts, as stored. Each change is in the audit log.

A rule's parameters are JSON here; what they may say is for `bursar.alerts` to know. No secret is stored: an address
that holds one is named by the environment variable that has it.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from bursar.domain.alerts import Severity
from bursar.domain.clock import Clock
from bursar.domain.errors import UnknownAlert
from bursar.governance.audit import record_change
from bursar.governance.schema import ALERT_CHANNELS, ALERT_DELIVERIES, ALERT_RULES
from bursar.governance.store import ControlStore

RULES_MAX = 200
CHANNELS_MAX = 50


class StoredRule(msgspec.Struct, frozen=True):
    """One rule. parameters: JSON with its `kind`. severity "": the kind's own. channels (): all that take all."""

    name: str
    parameters: str
    severity: Severity | None = None
    channels: tuple[str, ...] = ()
    is_on: bool = True
    changed_us: int = 0


class Channel(msgspec.Struct, frozen=True):
    """Where alerts go.

    kind:       "apprise" (Slack, e-mail, PagerDuty …) or "webhook" (ours, signed).
    target:     `env:NAME` of the variable that has the address; a webhook's may stand here itself.
    secret_env: the variable with a webhook's signing secret.
    quiet:      `22:00-07:00 mon-fri Europe/Berlin`; several after `;`.
    escalate_to: the channel that is told after so many minutes without an acknowledgement.
    takes_all:  whether it gets the alerts of rules that name no channel.
    """

    name: str
    kind: str
    target: str
    secret_env: str = ""
    quiet: str = ""
    escalate_to: str = ""
    escalate_after_min: int = 0
    takes_all: bool = True
    is_on: bool = True
    changed_us: int = 0


class AlertSettings:
    """Rules and channels in the control store. Values come in checked: see `bursar.alerts.desk`."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def rules(self) -> list[StoredRule]:
        """All rules by name, those that are off too."""
        with self._store.reading() as connection:
            rows = connection.execute(select(ALERT_RULES).order_by(ALERT_RULES.c.name)).all()
        return [_rule(row) for row in rows]

    def channels(self) -> list[Channel]:
        """All channels by name."""
        with self._store.reading() as connection:
            rows = connection.execute(select(ALERT_CHANNELS).order_by(ALERT_CHANNELS.c.name)).all()
        return [Channel(*row) for row in rows]

    def put_rule(self, rule: StoredRule, *, actor: str) -> StoredRule:
        """Store a rule in place of the one of its name, if there is one."""
        rule = msgspec.structs.replace(rule, changed_us=self._clock.now_us())
        values = msgspec.structs.asdict(rule) | {
            "channels": msgspec.json.encode(rule.channels).decode(),
            "severity": rule.severity.value if rule.severity else "",
        }
        said = {"parameters": rule.parameters, "on": str(rule.is_on), "channels": ",".join(rule.channels)}
        with self._store.writing() as connection:
            _upsert(connection, ALERT_RULES, values)
            self._record(connection, actor, "alert_rule.put", rule.name, said | {"severity": values["severity"]})
        return rule

    def put_channel(self, channel: Channel, *, actor: str) -> Channel:
        """Store a channel in place of the one of its name, if there is one."""
        channel = msgspec.structs.replace(channel, changed_us=self._clock.now_us())
        values = msgspec.structs.asdict(channel)
        said = {name: str(value) for name, value in values.items() if name not in ("name", "changed_us")}
        with self._store.writing() as connection:
            _upsert(connection, ALERT_CHANNELS, values)
            self._record(connection, actor, "alert_channel.put", channel.name, said)
        return channel

    def remove_rule(self, name: str, *, actor: str) -> None:
        """Forget a rule; what it raised stays. Raises UnknownAlert."""
        with self._store.writing() as connection:
            if not connection.execute(delete(ALERT_RULES).where(ALERT_RULES.c.name == name)).rowcount:
                raise UnknownAlert(f"there is no alert rule {name!r} (`bursar alerts rules`)", field="rule")
            self._record(connection, actor, "alert_rule.remove", name, {})

    def remove_channel(self, name: str, *, actor: str) -> None:
        """Forget a channel; what still waited for it is given up, and says so. Raises UnknownAlert."""
        with self._store.writing() as connection:
            if not connection.execute(delete(ALERT_CHANNELS).where(ALERT_CHANNELS.c.name == name)).rowcount:
                raise UnknownAlert(f"there is no alert channel {name!r} (`bursar alerts channels`)", field="channel")
            waiting = ALERT_DELIVERIES.c.state.in_(("waiting", "sending"))
            connection.execute(
                update(ALERT_DELIVERIES)
                .where(waiting, ALERT_DELIVERIES.c.channel == name)
                .values(state="given_up", error="the channel was removed")
            )
            self._record(connection, actor, "alert_channel.remove", name, {})

    def _record(self, connection: Connection, actor: str, action: str, subject: str, detail: dict[str, str]) -> None:
        record_change(
            connection, self._secret, at_us=self._clock.now_us(), actor=actor, action=action, subject=subject,
            detail=detail,
        )  # fmt: skip


def channels_for(rule: StoredRule, channels: Sequence[Channel]) -> list[Channel]:
    """The channels that an alert of this rule goes to: those it names, else all that take all; none that is off."""
    return [one for one in channels if one.is_on and (one.name in rule.channels if rule.channels else one.takes_all)]


def _upsert(connection: Connection, table: Table, values: dict[str, object]) -> None:
    connection.execute(delete(table).where(table.c.name == values["name"]))
    connection.execute(insert(table).values(**values))


def _rule(row: Row[tuple[object, ...]]) -> StoredRule:
    return StoredRule(
        row.name,
        row.parameters,
        Severity(row.severity) if row.severity else None,
        msgspec.json.decode(row.channels, type=tuple[str, ...]),
        row.is_on,
        row.changed_us,
    )
