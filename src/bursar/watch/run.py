"""The watch at work: minutes as they end, hours and days when they are over, findings kept and followed to their end.

One watcher per ledger, in the console's process and never in the gateway's. It reads in a thread of its own, so that
the loader goes on beside it; what it has seen is written down in the data directory, so that a restart goes on there.
Detectors are handed in (`Detectors`): this module knows when to ask them and what to make of the answer.
"""

import fcntl
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import msgspec
import structlog

from bursar.domain.clock import Clock as WallClock
from bursar.domain.findings import Finding
from bursar.domain.watching import Bucket, Clock, Detection, Label, SeriesKey, Signal
from bursar.ledger.store import Ledger
from bursar.watch.buckets import STEP_US, WATCHED, minutes
from bursar.watch.dear import DearPairs, dear_pairs_of
from bursar.watch.episodes import Ended
from bursar.watch.findings import Investigator
from bursar.watch.following import (
    CALM_US,
    absorbed,
    is_again,
    is_all_in,
    is_calm,
    is_over,
    is_same,
    joined,
    owners_of,
    partly_over,
    renamed,
    when_over,
)
from bursar.watch.long_sums import Long, LongReader
from bursar.watch.spent import first_call_us

MINUTE_US, HOUR_US, DAY_US = STEP_US[Clock.MINUTE], STEP_US[Clock.HOUR], STEP_US[Clock.DAY]

SETTLED_US = 5_000_000  # after a minute's end: the loader takes half a second, and clocks of workers differ
LATE_US = {Clock.HOUR: 300_000_000, Clock.DAY: 1_800_000_000}  # after its end, for calls that run long
LEARN_US = DAY_US  # how far back a start reads, the first one and one after a long stop; nothing is learned before
CHUNK_US = 120 * MINUTE_US  # minutes that are read at a time while catching up
TOLD_WITHIN_US = {Clock.MINUTE: 2 * HOUR_US, Clock.HOUR: 3 * DAY_US, Clock.DAY: 60 * DAY_US}
"""What began longer ago isn't told any more: it was learned from, or somebody knows of it."""

HISTORY_US = {Clock.HOUR: 28 * DAY_US, Clock.DAY: 180 * DAY_US}
DEAR_US = 7 * DAY_US  # of calls that say which model is dear for what
EXPLAINED_AGAIN_US = HOUR_US  # a finding that goes on is explained anew so often at most
COUNTED_AGAIN = 20  # and its money counted whenever it has grown older by a twentieth
YOUNG_US = HOUR_US  # for so long a narrower series may still name it
OVER_KEPT_US, OVER_MAX = 2 * DAY_US, 2_000  # of episodes that ended while another one of their finding goes on
OPEN_MAX = 100  # findings that are followed; more at once aren't told one by one
STATE_FILE, STREAM_FILE, LOCK_FILE = "watch.json", "stream.bin", "lock"

log = structlog.get_logger(__name__)


class Stream(Protocol):
    """A detector of minutes as they come. It says once that something began, and once that it has ended."""

    def observe(self, minute_us: int, buckets: Mapping[SeriesKey, Bucket]) -> list[Detection]: ...

    def take_ended(self) -> Sequence[Ended]: ...

    def to_bytes(self) -> bytes: ...


class Detectors(Protocol):
    """What can tell that something is out of the ordinary."""

    def stream(self, state: bytes | None) -> Stream:
        """One that goes on from what `to_bytes` gave; None, or bytes of another version: a new one."""
        ...

    def long(self, clock: Clock, found: Long) -> list[Detection]:
        """What is odd in whole hours or days; the same again and again as long as it is in them."""
        ...


class Findings(Protocol):
    """Where findings are kept (`governance.findings.FindingBook`)."""

    def add(self, finding: Finding) -> None: ...

    def change(self, finding: Finding) -> None: ...

    def all(
        self, *, open_only: bool = False, since_us: int = 0, limit: int = 500, parts: bool = False
    ) -> list[Finding]: ...


class State(msgspec.Struct):
    """How far each clock was read, as the end of its last step; 0: nothing was. over: what ended lately."""

    minute_us: int = 0
    hour_us: int = 0
    day_us: int = 0
    over: list[Ended] = []


class Watcher:
    """Looks at one ledger. Not for several threads; a second one on the same directory raises BlockingIOError.

    loaded_us: up to when everything that ended is in the books; 0: nothing was loaded yet. It is waited for: what is
    half loaded looks like silence.
    shifts: how much surer each signal must be than it is by itself, by what people said of its findings.
    on_new: told of each new finding, once it is kept.
    """

    def __init__(
        self,
        ledger: Ledger,
        book: Findings,
        investigator: Investigator,
        detectors: Detectors,
        clock: WallClock,
        directory: Path,
        *,
        loaded_us: Callable[[], int],
        dimensions: Sequence[str] = WATCHED,
        shifts: Callable[[], Mapping[Signal, float]] = dict,
        on_new: Callable[[Finding], None] = lambda finding: None,
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._investigator = investigator
        self._detectors = detectors
        self._clock = clock
        self._directory = directory
        self._loaded_us = loaded_us
        self._dimensions = tuple(dimensions)
        self._long = LongReader(ledger.dialect, dimensions)
        self._shifts = shifts
        self._on_new = on_new
        self._dear: tuple[int, DearPairs] = (0, frozenset())
        self._explained: dict[str, int] = {}
        self._untold: list[Detection] = []  # the stream says each thing once, and the control store may be down
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(directory / LOCK_FILE)
        self._state = self._read_state()
        self._stream = detectors.stream(self._read_stream())

    def close(self) -> None:
        """Write down what was learned and let another one watch."""
        if not self._lock.closed:
            self._keep()
            self._lock.close()

    def look(self) -> list[Finding]:
        """Everything that is due: the findings that are new."""
        new: list[Finding] = []
        now_us = self._clock.now_us()
        looked = False
        while (until_us := self._next_minutes(now_us)) is not None:
            new += self._look_at_minutes(self._state.minute_us, until_us)
            self._state.minute_us = until_us
            looked = True
        for clock, done_us in ((Clock.HOUR, self._state.hour_us), (Clock.DAY, self._state.day_us)):
            step_us = STEP_US[clock]
            until_us = (min(now_us, self._loaded_us()) - LATE_US[clock]) // step_us * step_us
            if until_us > max(done_us, 0):
                new += self._look_at_long(clock, until_us)
                setattr(self._state, f"{clock.value}_us", until_us)
                looked = True
        if looked:
            self._follow(now_us, {one.finding_id for one in new})
            self._keep()
        return new

    def _next_minutes(self, now_us: int) -> int | None:
        """The end of the minutes to look at next; None while none is due."""
        due_us = min(self._loaded_us() - SETTLED_US, now_us) // MINUTE_US * MINUTE_US
        if due_us <= 0:
            return None  # nothing is loaded yet: what the books say now isn't all there is
        if not self._state.minute_us:
            with self._ledger.reading() as session:
                first_us = first_call_us(session)
            if first_us is None:
                return None
            self._state.minute_us = max(first_us // MINUTE_US * MINUTE_US, due_us - LEARN_US)
        elif due_us - self._state.minute_us > LEARN_US:
            self._state.minute_us = due_us - LEARN_US
        if due_us <= self._state.minute_us:
            return None
        return min(due_us, self._state.minute_us + CHUNK_US)

    def _look_at_minutes(self, start_us: int, until_us: int) -> list[Finding]:
        dear = self._dear_now(until_us)
        with self._ledger.reading() as session:
            found = minutes(session, self._ledger.dialect, start_us, until_us, dimensions=self._dimensions, dear=dear)
        for minute in found:
            self._untold += self._stream.observe(minute.start_us, minute.buckets)
        recent_us = self._clock.now_us() - OVER_KEPT_US
        over = [one for one in (*self._state.over, *self._stream.take_ended()) if one.ended_us > recent_us]
        self._state.over = over[-OVER_MAX:]
        new = self._tell(Clock.MINUTE, self._untold, until_us)
        self._untold = []
        return new

    def _look_at_long(self, clock: Clock, until_us: int) -> list[Finding]:
        step_us = STEP_US[clock]
        with self._ledger.reading() as session:
            first_us = first_call_us(session)
            if first_us is None:
                return []
            start_us = max(-(-first_us // step_us) * step_us, until_us - HISTORY_US[clock])  # whole steps only
            if start_us >= until_us:
                return []
            dear = self._dear_now(until_us)
            found = self._long.read(session, clock, start_us, until_us, dear)
        return self._tell(clock, self._detectors.long(clock, found), until_us)

    def _dear_now(self, until_us: int) -> DearPairs:
        """Once an hour: which models are dear for what."""
        read_us, pairs = self._dear
        if until_us - read_us >= HOUR_US:
            with self._ledger.reading() as session:
                pairs = dear_pairs_of(session, until_us - DEAR_US, until_us)
            self._dear = (until_us, pairs)
        return pairs

    def _tell(self, clock: Clock, detections: Sequence[Detection], until_us: int) -> list[Finding]:
        """Detections as findings: those of a known one go into it, the others become new ones."""
        shifts = self._shifts()
        oldest_us = until_us - TOLD_WITHIN_US[clock]
        sure = [one for one in detections if one.began_us >= oldest_us and one.surprise >= shifts.get(one.signal, 0.0)]
        if not sure:
            return []
        known = {one.finding_id: one for one in self._book.all(since_us=oldest_us - TOLD_WITHIN_US[clock], parts=True)}
        fresh = [one for one in sure if not self._goes_on(one, known.values()) and self._investigator.is_news(one)]
        if not fresh:
            return []
        now_us = self._clock.now_us()
        young = [one for one in known.values() if one.clock is clock and _is_young(one, now_us)]
        pool = list(dict.fromkeys([*fresh, *(each for one in young for each in one.detections)]))
        new: list[str] = []
        for group in self._investigator.groups(pool, until_us):
            owners = sorted(owners_of(group.detections, young), key=lambda one: one.found_us)
            if not any(one in fresh for one in group.detections) and len(owners) < 2:
                young = [one for one in young if one not in owners]
                continue
            told = self._investigator.finding(group, until_us, now_us)
            changed = self._changed(told, owners, known.values(), until_us, now_us)
            young = [one for one in young if one.finding_id not in {each.finding_id for each in changed}]
            if not changed and sum(one.is_open for one in known.values()) < OPEN_MAX:
                self._book.add(told)
                new.append(told.finding_id)
                known[told.finding_id] = told
                log.warning("anomaly", id=told.finding_id, series=told.series, signals=told.signals)
                self._on_new(told)
            for one in changed:
                self._book.change(one)
                known[one.finding_id] = one
        return [known[finding_id] for finding_id in new]

    def _changed(
        self, told: Finding, owners: Sequence[Finding], known: Iterable[Finding], until_us: int, now_us: int
    ) -> list[Finding]:
        """The known findings that a group is of, as they are from now on; none, if it is a new one.

        owners: young ones that have some of its detections. One thing is one finding: the others become parts of it.
        """
        same = [one for one in known if one.is_open and is_same(told, one)]
        if not owners:
            return [joined(same[0], told)] if same else []
        elder = next((one for one in same if one.series == told.series and one not in owners), None)
        if elder is not None:
            whole, parts = joined(elder, told), owners
        else:  # what was told a minute ago of everything is now known to be one feature's
            whole, parts = self._investigator.explained(renamed(owners[0], told), until_us), owners[1:]
        return [whole, *(absorbed(one, whole, now_us) for one in parts if is_all_in(one, told.detections))]

    def _goes_on(self, detection: Detection, known: Collection[Finding]) -> bool:
        """Whether it was told before, and its finding has heard of it now."""
        for one in known:
            if any(is_again(detection, before) for before in one.detections):
                if detection.seen_us > one.seen_us and one.is_open:
                    self._book.change(msgspec.structs.replace(one, seen_us=detection.seen_us))
                return True
        return False

    def _follow(self, now_us: int, fresh: Collection[str]) -> None:
        """Count what goes on up to now, explain it anew now and then, and end what is over."""
        for one in self._book.all(open_only=True):
            if one.finding_id in fresh:
                continue
            until_us = max(self._state.minute_us, one.until_us)
            excess = partial(self._excess, one)
            partly_us = partly_over(one, self._state.over)
            if (ended_us := when_over(one, self._state.over)) is not None:
                self._close(one, ended_us)
            elif one.label is Label.FALSE or is_over(one, now_us, excess):
                self._close(one, max(one.seen_us, one.began_us + 1))
            elif partly_us and until_us - partly_us >= CALM_US and is_calm(one, partly_us, until_us, excess):
                self._close(one, partly_us)
            elif until_us - self._explained.get(one.finding_id, one.found_us) >= max(
                EXPLAINED_AGAIN_US, (one.until_us - one.began_us) // COUNTED_AGAIN
            ):
                self._explained[one.finding_id] = until_us
                self._book.change(self._investigator.explained(one, until_us))
            elif until_us - one.until_us > (one.until_us - one.began_us) // COUNTED_AGAIN:
                self._book.change(self._investigator.counted(one, until_us))

    def _excess(self, finding: Finding, start_us: int, end_us: int) -> tuple[int, int]:
        """Pico USD: (expected, actual) of a part of its time."""
        one = self._investigator.measured(finding, start_us, end_us)
        return one.expected_pico, one.actual_pico

    def _close(self, finding: Finding, ended_us: int) -> None:
        explained = self._investigator.explained(finding, ended_us)
        self._explained.pop(finding.finding_id, None)
        self._book.change(msgspec.structs.replace(explained, ended_us=ended_us))

    def _read_state(self) -> State:
        with suppress(OSError, msgspec.MsgspecError):  # without it, or with half of it, the watch begins anew
            return msgspec.json.decode((self._directory / STATE_FILE).read_bytes(), type=State)
        return State()

    def _read_stream(self) -> bytes | None:
        try:
            return (self._directory / STREAM_FILE).read_bytes()
        except OSError:
            return None

    def _keep(self) -> None:
        """The detector first: one that is ahead drops minutes that it knows, one that is behind would miss some."""
        for name, content in ((STREAM_FILE, self._stream.to_bytes()), (STATE_FILE, msgspec.json.encode(self._state))):
            part = self._directory / f"{name}.part"
            part.write_bytes(content)
            part.replace(self._directory / name)


def _is_young(finding: Finding, now_us: int) -> bool:
    return finding.is_open and now_us - finding.found_us <= YOUNG_US


def _locked(path: Path) -> IO[str]:
    """The file, held until it is closed. Raises BlockingIOError when another watcher holds it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file
