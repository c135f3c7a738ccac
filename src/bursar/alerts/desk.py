"""Where people tend to alerts: rules and channels are checked before they are stored, and a channel can be tried out.

The console's pages, its API and the CLI all go through this.
"""

import msgspec

from bursar.alerts.channels import ENV, check_address
from bursar.alerts.quiet import parse_quiet
from bursar.alerts.rules import Rule, check_name, read_rule, write_rule
from bursar.domain.alerts import Finding, Severity
from bursar.domain.clock import Clock
from bursar.domain.errors import BadAlert, UnknownAlert
from bursar.governance.alert_book import AlertBook
from bursar.governance.alert_rows import TEST_RULE, Alert, Delivery
from bursar.governance.alerts import CHANNELS_MAX, RULES_MAX, AlertSettings, Channel
from bursar.governance.outbox import Outbox
from bursar.governance.store import ControlStore

KINDS = ("apprise", "webhook")
ESCALATE_MIN_MAX = 7 * 24 * 60


class AlertDesk:
    """Rules, channels and what was raised, of one installation. timezone: of quiet hours that name none."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock, timezone: str) -> None:
        self.settings = AlertSettings(store, secret, clock)
        self.outbox = Outbox(store)
        self.book = AlertBook(store, secret)
        self._clock = clock
        self._timezone = timezone

    def rules(self) -> list[Rule]:
        """All that can be read, by name; one of a newer version is left out here and told by the watch."""
        found = []
        for stored in self.settings.rules():
            try:
                found.append(read_rule(stored))
            except BadAlert:
                continue
        return found

    def rule(self, name: str) -> Rule:
        """Raises UnknownAlert."""
        found = next((rule for rule in self.rules() if rule.name == name), None)
        if found is None:
            raise UnknownAlert(f"there is no alert rule {name!r} (`bursar alerts rules`)", field="rule")
        return found

    def channel(self, name: str) -> Channel:
        """Raises UnknownAlert."""
        found = next((channel for channel in self.settings.channels() if channel.name == name), None)
        if found is None:
            raise UnknownAlert(f"there is no alert channel {name!r} (`bursar alerts channels`)", field="channel")
        return found

    def put_rule(self, rule: Rule, *, actor: str) -> None:
        """Store a rule, new or changed. Raises BadAlert that names what can't be, UnknownAlert for a channel."""
        stored = write_rule(rule)
        for name in rule.channels:
            self.channel(name)
        known = {one.name for one in self.settings.rules()}
        if rule.name not in known and len(known) >= RULES_MAX:
            raise BadAlert(f"there are {RULES_MAX} rules already, which is all there can be", field="name")
        self.settings.put_rule(stored, actor=actor)

    def put_channel(self, channel: Channel, *, actor: str) -> None:
        """Store a channel, new or changed. Raises BadAlert that names what can't be, UnknownAlert for a channel."""
        check_name(channel.name)
        if channel.kind not in KINDS:
            raise BadAlert(f"a channel is {' or '.join(KINDS)}, not {channel.kind!r}", field="kind")
        check_address(channel.kind, channel.target)
        if channel.kind == "webhook" and not channel.secret_env.isidentifier():
            raise BadAlert(
                "a webhook is signed: name the environment variable with its secret, as in BURSAR_ALERT_SECRET",
                field="secret_env",
            )
        parse_quiet(channel.quiet, self._timezone)
        if channel.escalate_to:
            if channel.escalate_to == channel.name:
                raise BadAlert("a channel can't escalate to itself", field="escalate_to")
            self.channel(channel.escalate_to)
            if not 1 <= channel.escalate_after_min <= ESCALATE_MIN_MAX:
                raise BadAlert(
                    f"escalation comes after 1 to {ESCALATE_MIN_MAX} minutes, not {channel.escalate_after_min}",
                    field="escalate_after",
                )
        known = {one.name for one in self.settings.channels()}
        if channel.name not in known and len(known) >= CHANNELS_MAX:
            raise BadAlert(f"there are {CHANNELS_MAX} channels already, which is all there can be", field="name")
        self.settings.put_channel(channel, actor=actor)

    def set_on(self, kind: str, name: str, is_on: bool, *, actor: str) -> None:
        """Switch a rule or a channel on or off. Raises UnknownAlert."""
        if kind == "rule":
            self.put_rule(msgspec.structs.replace(self.rule(name), is_on=is_on), actor=actor)
        else:
            self.put_channel(msgspec.structs.replace(self.channel(name), is_on=is_on), actor=actor)

    def acknowledge(self, alert_id: str, *, actor: str) -> list[Alert]:
        """Somebody has seen to it; nothing escalates any more. Raises UnknownAlert, BadAlert."""
        return self.book.acknowledge(alert_id, self._clock.now_us(), actor=actor)

    def test(self, name: str, *, actor: str) -> Alert:
        """Owe a test message to one channel; it is sent once, quiet hours or not. Raises UnknownAlert."""
        channel = self.channel(name)
        if not channel.is_on:
            raise BadAlert(f"the channel {name!r} is off; switch it on to try it", field="channel")
        now_us = self._clock.now_us()
        where = channel.target if channel.target.startswith(ENV) else channel.kind
        finding = Finding(
            TEST_RULE, f"{name} {now_us}", str(now_us), Severity.INFO, "A test of Bursar's alerts",
            f"{actor} tried out the channel {name} ({where}). If you read this, alerts will reach you here.",
            "/alerts",
        )  # fmt: skip
        raised = self.outbox.raise_new([(finding, [name])], now_us, "test")
        if not raised:
            raise BadAlert("this channel was tried out this very instant", field="channel")
        return raised[0]

    def outcome(self, alert_id: str) -> Delivery | None:
        """What became of a test so far: its delivery once it is delivered or given up, None while it is on its way."""
        found = self.book.deliveries([alert_id])
        return next((one for one in found if one.state in ("delivered", "given_up")), None)
