"""Sections of a control file that say who is told of what: channels and rules of alerts."""

from decimal import Decimal
from typing import Any

import msgspec

from bursar.alerts.desk import AlertDesk
from bursar.alerts.rules import Rule, parameters_of, write_rule
from bursar.controlfile.document import Figure
from bursar.controlfile.sections import Entry, Item, convert
from bursar.domain.alerts import Severity
from bursar.domain.errors import BadControlFile
from bursar.domain.money import plain
from bursar.governance.alerts import Channel


class ChannelEntry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may stand under a channel's name. target: `env:NAME` of the variable that has the address."""

    kind: str
    target: str
    secret_env: str = ""
    quiet: str = ""
    escalate_to: str = ""
    escalate_after_min: int = 0
    takes_all: bool = True
    enabled: bool = True


class RuleHead(msgspec.Struct, kw_only=True):
    """What every rule may say; the rest is for its kind."""

    kind: str
    severity: Severity | None = None
    channels: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    enabled: bool = True


class ChannelSection:
    """Channels. Where one escalates to another of the file, that one must stand before it."""

    name, is_list = "alert_channels", False

    def __init__(self, desk: AlertDesk) -> None:
        self._desk = desk

    def in_force(self) -> list[Item]:
        channels = self._desk.settings.channels()
        return [self._item(one) for one in sorted(channels, key=lambda one: (bool(one.escalate_to), one.name))]

    def read(self, name: str, entry: Entry) -> Item:
        given = msgspec.structs.asdict(convert(entry, ChannelEntry))
        return self._item(Channel(name=name, is_on=given.pop("enabled"), **given))

    def create(self, item: Item, *, actor: str) -> None:
        self._desk.put_channel(item.value, actor=actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        self._desk.put_channel(new.value, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._desk.settings.remove_channel(old.name, actor=actor)

    def _item(self, channel: Channel) -> Item:
        told = {field.name: getattr(channel, field.name) for field in msgspec.structs.fields(Channel)[1:-2]
                if getattr(channel, field.name) != field.default}  # fmt: skip
        return Item(channel.name, channel, told | ({} if channel.is_on else {"enabled": False}))


class RuleSection:
    """Rules."""

    name, is_list = "alert_rules", False

    def __init__(self, desk: AlertDesk) -> None:
        self._desk = desk

    def in_force(self) -> list[Item]:
        return [self._item(one) for one in self._desk.rules()]

    def read(self, name: str, entry: Entry) -> Item:
        head = convert(entry, RuleHead)
        given = {field: value for field, value in entry.items() if field not in RuleHead.__struct_fields__}
        parameters = {field: _joined(field, value) for field, value in given.items()}
        rule = Rule(
            name, parameters_of(head.kind, parameters, head.filters), head.severity, head.channels, head.enabled
        )
        write_rule(rule)
        return self._item(rule)

    def create(self, item: Item, *, actor: str) -> None:
        self._desk.put_rule(item.value, actor=actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        self._desk.put_rule(new.value, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._desk.settings.remove_rule(old.name, actor=actor)

    def _item(self, rule: Rule) -> Item:
        told: Entry = {"kind": rule.kind}
        told |= {field: _plain(getattr(rule.what, field)) for field in rule.what.__struct_fields__}
        if not told.get("filters", True):
            del told["filters"]
        if rule.severity:
            told["severity"] = rule.severity.value
        if rule.channels:
            told["channels"] = list(rule.channels)
        return Item(rule.name, rule, told | ({} if rule.is_on else {"enabled": False}))


def _joined(field: str, value: Any) -> str:
    """A parameter as the command line writes it."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    if not isinstance(value, str):
        raise BadControlFile("a text, a number or a list of them", field=field)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Figure(plain(value))
    return list(value) if isinstance(value, tuple) else value
