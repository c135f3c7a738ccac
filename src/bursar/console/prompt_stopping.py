"""Turns off prompt caching that costs more than it saves, as its workers' bills show, and says so in its rule."""

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from bursar.console.context import ACTOR
from bursar.domain.caching import CacheRule, CacheTerms
from bursar.domain.clock import Clock
from bursar.domain.errors import BursarError
from bursar.gateway.prompt_cache.news import read_told, stops
from bursar.governance.controls import Controls

LOOK_EVERY_S = 10.0

log = structlog.get_logger("bursar.console")


class PromptStopping:
    """Looks at what workers tell of their marks. Remembers since when each rule is as it is: what was counted before
    doesn't stop it again."""

    def __init__(self, run_dir: Path, controls: Callable[[], Controls], clock: Clock) -> None:
        self._run_dir = run_dir
        self._controls = controls
        self._clock = clock
        self._known: dict[str, tuple[CacheTerms, str]] = {}
        self._changed_us: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:  # the background supervisor: the next look comes
                log.error("prompt caches can't be looked at", error=f"{type(error).__name__}: {error}")

    def look(self) -> list[str]:
        """The names of the rules whose marks were turned off now."""
        if not any(self._run_dir.glob("prompt-cache-[0-9]*.json")):  # nothing was ever marked: no store is opened
            return []
        controls, now_us = self._controls(), self._clock.now_us()
        rules = {rule.rule_id: rule for rule in controls.caches.all()}
        self._note_changes(rules, now_us)
        stopped = []
        for rule_id, why in stops(read_told(self._run_dir), self._changed_us, now_us).items():
            rule = rules.get(rule_id)
            if rule is None or rule.stopped or rule.terms.prompt is None:
                continue
            try:
                controls.caches.stop(rule.name, why, actor=ACTOR)
            except BursarError as error:  # changed or removed meanwhile
                log.warning("a cache rule can't be stopped", rule=rule.name, error=str(error))
                continue
            log.warning("prompt caching is turned off: it costs more than it saves", rule=rule.name, why=why)
            stopped.append(rule.name)
        if stopped:
            controls.publish()
        return stopped

    def _note_changes(self, rules: dict[str, CacheRule], now_us: int) -> None:
        """One that is seen for the first time is as it was."""
        for rule_id, rule in rules.items():
            state = (rule.terms, rule.stopped)
            if self._known.get(rule_id, state) != state:
                self._changed_us[rule_id] = now_us
            self._known[rule_id] = state
