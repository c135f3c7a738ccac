"""The detectors that the console's watch is built with."""

from collections.abc import Container
from datetime import date

import structlog

from bursar.domain.watching import Clock, Detection
from bursar.watch.batch import BatchDetector
from bursar.watch.long_sums import Long
from bursar.watch.run import Stream
from bursar.watch.settings import WatchSettings
from bursar.watch.stream import StreamDetector

log = structlog.get_logger(__name__)


class Detecting:
    """`run.Detectors`: the minute clock's, and those of hours and days."""

    def __init__(self, settings: WatchSettings | None = None, holidays: Container[date] = frozenset()) -> None:
        """holidays: dates in the settings' zone."""
        self._settings = settings or WatchSettings()
        self._holidays = holidays
        self._batch = BatchDetector(self._settings, holidays)

    def stream(self, state: bytes | None) -> Stream:
        """Goes on from what it had learned; bytes that it can't read are dropped, and it learns again."""
        if state:
            try:
                return StreamDetector.from_bytes(state, self._settings, self._holidays)
            except ValueError as error:
                log.warning("the watch learns anew", why=str(error))
        return StreamDetector(self._settings, self._holidays)

    def long(self, clock: Clock, found: Long) -> list[Detection]:
        """What is odd in whole hours or days, the same again with each look while it is in them."""
        return self._batch.look(clock, found.starts_us, found.keys, found.counts)
