"""The watch's thread in the console: looks each few seconds whether a minute, an hour or a day is over, and acts.

One watcher per data directory, in the console's process alone. It reads the books in a thread of its own; the loader
isn't asked to wait for it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from bursar.alerts.dear_enough import tells_of
from bursar.alerts.rules import Anomaly, Rule
from bursar.config import Config
from bursar.console.acting import Acting, act_or_say_why
from bursar.console.anomalies import AnomalyBooks
from bursar.domain.errors import ConfigError
from bursar.domain.findings import Finding
from bursar.domain.watching import Signal
from bursar.ledger.loader import LoaderStatus
from bursar.ledger.store import Ledger
from bursar.site import Site
from bursar.watch.buckets import WATCHED
from bursar.watch.detectors import Detecting
from bursar.watch.findings import Investigator
from bursar.watch.free_days import FreeDays
from bursar.watch.run import Detectors, Watcher
from bursar.watch.settings import Sensitivity, WatchSettings

LOOK_EVERY_S = 5.0
ALERTED_US = 24 * 3_600 * 10**6  # what ended so long ago is news still
SHIFTS_AGAIN_US = 60_000_000

log = structlog.get_logger("bursar.console")


def anomalies_to_tell(books: AnomalyBooks, now_us: int) -> list[Finding]:
    """For the alerts: what goes on, and what ended within a day."""
    since_us = now_us - ALERTED_US
    found = books.findings.all(since_us=since_us)
    return [one for one in found if one.ended_us is None or one.ended_us >= since_us]


def detecting_of(config: Config) -> Detecting:
    """The detectors as the settings want them, in the console's time zone.

    Raises ConfigError for holidays that nobody knows: which places have some takes too long to ask in every process.
    """
    try:
        holidays = FreeDays(config.watch.holidays)
    except ValueError as error:
        raise ConfigError(f"watch.holidays: {error}", field="watch.holidays") from error
    watch = config.watch
    settings = WatchSettings(Sensitivity(watch.sensitivity), config.console.timezone, float(watch.new_spender_usd))
    return Detecting(settings, holidays)


class Watching:
    """Runs the watch. fault: why the last look failed, "" while none does.

    loaded: how the loader is doing. rules: the alert rules; those of anomalies may say what is to be done.
    """

    def __init__(
        self,
        site: Site,
        ledger: Ledger,
        detectors: Detectors,
        *,
        loaded: Callable[[], LoaderStatus],
        books: Callable[[], AnomalyBooks],
        rules: Callable[[], Sequence[Rule]],
        acting: Callable[[], Acting],
    ) -> None:
        self.fault = ""
        self._site = site
        self._ledger = ledger
        self._detectors = detectors
        self._loaded = loaded
        self._books = books
        self._rules = rules
        self._acting = acting
        self._watcher: Watcher | None = None
        self._shifts: tuple[int, dict[Signal, float]] = (0, {})

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; what was learned is written down then."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
                self.fault = ""
            except Exception as error:  # the background supervisor: the next look comes
                words = f"{type(error).__name__}: {error}"
                if words != self.fault:
                    log.error("the watch can't look", error=words)
                self.fault = words
        self.close()

    def look(self) -> list[Finding]:
        """What is new; and whatever rules say is to be done is done."""
        new = self._opened().look()
        self._act()
        return new

    def close(self) -> None:
        """Let another process watch."""
        if self._watcher is not None:
            try:
                self._watcher.close()
            except OSError as error:
                log.error("what the watch learned can't be kept", error=str(error))
            self._watcher = None

    def _opened(self) -> Watcher:
        if self._watcher is None:
            books = self._books()
            dimensions = (*WATCHED, *(f"tag:{name}" for name in self._site.config.watch.tags))
            self._watcher = Watcher(
                self._ledger,
                books.findings,
                Investigator(self._ledger, dimensions, books.markers.between),
                self._detectors,
                self._site.clock,
                self._site.paths.watch,
                loaded_us=self._loaded_until,
                dimensions=dimensions,
                shifts=self._shifts_now,
            )
        return self._watcher

    def _loaded_until(self) -> int:
        status = self._loaded()
        return status.loaded_us - status.lag_us

    def _shifts_now(self) -> Mapping[Signal, float]:
        now_us = self._site.clock.now_us()
        if now_us - self._shifts[0] > SHIFTS_AGAIN_US:
            self._shifts = (now_us, {one.signal: one.shift for one in self._books().findings.precisions()})
        return self._shifts[1]

    def _act(self) -> None:
        """By each rule at most once for each anomaly, also if it didn't work: a person is told, and can."""
        rules = [(rule, rule.what) for rule in self._rules() if rule.is_on and isinstance(rule.what, Anomaly)]
        rules = [(rule, what) for rule, what in rules if what.action != "none"]
        if not rules:
            return
        for finding in self._books().findings.all(open_only=True):
            for rule, what in rules:
                actor = f"rule {rule.name}"
                if tells_of(what, finding) and all(deed.by != actor for deed in finding.deeds):
                    done = act_or_say_why(self._acting(), finding, what.action, is_on=what.automatic, actor=actor)
                    log.warning("anomaly_acted", id=finding.finding_id, action=what.action, state=done.deeds[-1].state)
