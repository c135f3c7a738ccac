"""Looks at the books by the rules, and raises what they find. Each rule by itself: one that fails stops no other."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from bursar.alerts.facts import Facts
from bursar.alerts.judge import UNPRICED_OVER, Episode, Episodes, judge
from bursar.alerts.rules import Rule, read_rule
from bursar.domain.alerts import Finding
from bursar.domain.clock import Clock, datetime_from_us
from bursar.governance.alert_book import AlertBook
from bursar.governance.alert_rows import Alert
from bursar.governance.alerts import AlertSettings, StoredRule, channels_for
from bursar.governance.outbox import Outbox

EPISODES_US = (UNPRICED_OVER + timedelta(days=1)) // timedelta(microseconds=1)

_log = structlog.get_logger(__name__)


class Watch:
    """Judges all rules that are on. faults: of each rule that couldn't be judged at the last look, why."""

    def __init__(self, outbox: Outbox, book: AlertBook, settings: AlertSettings, facts: Facts, clock: Clock) -> None:
        self.faults: dict[str, str] = {}
        self._outbox = outbox
        self._book = book
        self._settings = settings
        self._facts = facts
        self._clock = clock

    def look(self) -> list[Alert]:
        """Raise what is new; those alerts, written down with what they owe to each channel."""
        now_us = self._clock.now_us()
        episodes = {
            key: Episode(alert.window_key, datetime_from_us(alert.seen_us))
            for key, alert in self._book.episodes(now_us - EPISODES_US).items()
        }
        found: list[tuple[Finding, StoredRule]] = []
        faults: dict[str, str] = {}
        for stored in self._settings.rules():
            if not stored.is_on:
                continue
            try:
                found += [(finding, stored) for finding in self._judge(stored, episodes, now_us)]
            except Exception as error:  # a rule of this version's own making, or the ledger's fault: the others go on
                faults[stored.name] = f"{type(error).__name__}: {error}"
                if self.faults.get(stored.name) != faults[stored.name]:
                    _log.error("alert_rule_failed", rule=stored.name, error=faults[stored.name])
        self.faults = faults
        raised = self._outbox.raise_new(self._owed(found), now_us)
        for alert in raised:
            _log.warning("alert", id=alert.alert_id, rule=alert.rule, severity=alert.severity.value, title=alert.title)
        return raised

    def _owed(self, found: Sequence[tuple[Finding, StoredRule]]) -> list[tuple[Finding, Sequence[str]]]:
        """Each with the channels that it is for as they are now: judging takes seconds over large books, and who
        switches a channel on meanwhile is told of what is raised afterwards."""
        channels = self._settings.channels()
        return [(finding, [channel.name for channel in channels_for(stored, channels)]) for finding, stored in found]

    def _judge(self, stored: StoredRule, episodes: Episodes, now_us: int) -> list[Finding]:
        rule: Rule = read_rule(stored)
        return judge(rule, self._facts, episodes, datetime_from_us(now_us))
