"""What people do about alerts in the console: the same acts for the page's forms and for the API.

There is no login yet, so every act is the console's in the audit log; the guard lets only this console's own pages and
programs on this machine get here.
"""

import shlex
import time
from collections.abc import Mapping

import msgspec

from bursar.alerts.desk import AlertDesk
from bursar.alerts.rules import Rule, parameters_of
from bursar.console.context import ACTOR
from bursar.domain.alerts import Severity
from bursar.domain.errors import BadAlert
from bursar.governance.alert_rows import Delivery
from bursar.governance.alerts import Channel

TEST_WAIT_S = 5.0  # a page may wait so long for what became of a test; then the log tells
TEST_LOOK_EVERY_S = 0.1


class RuleWish(msgspec.Struct):
    """A rule as somebody wants it. severity "": each finding's own; no channels: all that take all."""

    name: str
    kind: str
    parameters: dict[str, str] = {}
    filters: list[str] = []
    severity: str = ""
    channels: list[str] = []
    is_on: bool = True


class ChannelWish(msgspec.Struct):
    """A channel as somebody wants it. `target`: env:VARIABLE, or a webhook's own address."""

    name: str
    target: str
    kind: str = "apprise"
    secret_env: str = ""
    quiet: str = ""
    escalate_to: str = ""
    escalate_after_min: int = 0
    takes_all: bool = True
    is_on: bool = True


def put_rule(desk: AlertDesk, wish: RuleWish) -> Rule:
    """Make or change a rule. Raises BadAlert, UnknownAlert."""
    if wish.severity not in ("", *Severity):
        raise BadAlert(f"a severity is one of {', '.join(Severity)}, or left out", field="severity")
    what = parameters_of(wish.kind, wish.parameters, tuple(wish.filters))
    severity = Severity(wish.severity) if wish.severity else None
    rule = Rule(wish.name.strip(), what, severity, tuple(wish.channels), wish.is_on)
    desk.put_rule(rule, actor=ACTOR)
    return rule


def put_channel(desk: AlertDesk, wish: ChannelWish) -> None:
    """Make or change a channel. Raises BadAlert, UnknownAlert."""
    desk.put_channel(Channel(**msgspec.structs.asdict(wish)), actor=ACTOR)


def remove(desk: AlertDesk, what: str, name: str) -> None:
    """Forget a rule or a channel. Raises BadAlert, UnknownAlert."""
    if what == "rule":
        desk.settings.remove_rule(name, actor=ACTOR)
    elif what == "channel":
        desk.settings.remove_channel(name, actor=ACTOR)
    else:
        raise BadAlert(f"what can be removed is a rule or a channel, not {what!r}", field="what")


def try_channel(desk: AlertDesk, name: str) -> Delivery | None:
    """Have a test message sent, and what became of it; None if it is still on its way after a while."""
    alert = desk.test(name, actor=ACTOR)
    deadline = time.monotonic() + TEST_WAIT_S
    while (outcome := desk.outcome(alert.alert_id)) is None and time.monotonic() < deadline:
        time.sleep(TEST_LOOK_EVERY_S)
    return outcome


def rule_from_form(form: Mapping[str, str]) -> RuleWish:
    """What a page's form says: parameters as `factor=3 least_usd=5`, filters and channels as words."""
    parameters = {}
    try:
        words = shlex.split(form.get("parameters", ""))
    except ValueError as error:
        raise BadAlert(f"parameters: {error}", field="parameters") from error
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise BadAlert(f"parameters: {word!r}; write them as name=value, parted by spaces", field="parameters")
        parameters[name] = value
    filters = [line.strip() for line in form.get("filters", "").split(";") if line.strip()]
    channels = form.get("channels", "").replace(",", " ").split()
    return RuleWish(
        form.get("name", ""), form.get("kind", ""), parameters, filters, form.get("severity", ""), channels,
        form.get("is_on", "") == "yes",
    )  # fmt: skip


def channel_from_form(form: Mapping[str, str]) -> ChannelWish:
    """What a page's form says."""
    minutes = form.get("escalate_after_min", "").strip() or "0"
    if not minutes.isdecimal():
        raise BadAlert(f"escalation comes after a whole number of minutes, not {minutes!r}", field="escalate_after_min")
    texts = {name: form.get(name, "").strip() for name in ("name", "target", "kind", "secret_env", "quiet")}
    return ChannelWish(
        **texts, escalate_to=form.get("escalate_to", "").strip(), escalate_after_min=int(minutes),
        takes_all=form.get("takes_all", "") == "yes", is_on=form.get("is_on", "") == "yes",
    )  # fmt: skip
