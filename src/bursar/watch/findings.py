"""From detections to findings: merged, measured in money, explained, with calls to look at.

Reads the ledger and writes nothing. What was to be expected is an estimate: the same time of earlier weeks (or days,
see `windows.py`), at the level of now. What was paid is exact.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import msgspec

from bursar.domain.factors import Cell, CellKey, decompose
from bursar.domain.findings import DETECTIONS_MAX, NESTED_MAX, Cause, Evidence, Factor, Finding, Movement, PerCall
from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS
from bursar.domain.watching import Change, Detection, Marker, SeriesKey
from bursar.ledger.store import Ledger, Session
from bursar.watch import spent
from bursar.watch.buckets import WATCHED
from bursar.watch.merge import Amount, Group, at_one_time, merged
from bursar.watch.moved import movements
from bursar.watch.windows import DAY_US, at_level, earlier_windows, level_windows

CALLS_SHOWN = 5
MODELS_SHOWN = 5
MARKERS_SHOWN = 5
MARKERS_BEFORE_US = 2 * 3_600_000_000  # a deploy so long before the first sign may be why
MARKERS_AFTER_US = 15 * 60_000_000  # clocks differ, and a step's first call isn't its start
MIX_VALUES = 8
KNOWN_US = 28 * DAY_US  # a spender that came so long ago is known
NEW_SINCE_US = 3_600_000_000  # before it was noticed: its own first calls don't make it known

MarkersOf = Callable[[int, int], Sequence[Marker]]
"""What happened in [start, end), microseconds."""


class Measured(msgspec.Struct):
    """What a series cost in a stretch of time, and what was to be expected; `asked` says of which times."""

    asked: spent.Asked
    expected_pico: int
    actual_pico: int
    unpriced: int


class Investigator:
    """Asks one ledger. dimensions: that an excess may fall on, the best words first. markers: what happened when."""

    def __init__(
        self, ledger: Ledger, dimensions: Sequence[str] = WATCHED, markers: MarkersOf = lambda start, end: ()
    ) -> None:
        self._ledger = ledger
        self._dimensions = tuple(dimensions)
        self._markers = markers

    def groups(self, detections: Sequence[Detection], until_us: int) -> list[Group]:
        """What belongs together, each detection once."""
        found: list[Group] = []
        for cluster in at_one_time(detections):
            began_us = min(one.began_us for one in cluster)
            series = sorted({one.series for one in cluster})
            names = sorted({one.dimension for one in series if one.dimension})
            with self._ledger.reading() as session:
                asked = self._asked(session, (), began_us, max(until_us, began_us + 1))
                amounts_of = _amounts(session, self._ledger.dialect, asked, names, series)
                found += merged(cluster, amounts_of)
        return found

    def is_news(self, detection: Detection) -> bool:
        """Whether what a detector takes for new is new to the books: it may have been there before it learned."""
        if detection.change is not Change.NEW or not detection.series.dimension:
            return True
        span = detection.began_us - KNOWN_US, detection.began_us - NEW_SINCE_US
        with self._ledger.reading() as session:
            return not spent.was_there(session, self._ledger.dialect, detection.series, span)

    def finding(self, group: Group, until_us: int, now_us: int) -> Finding:
        """A new finding of a group, measured up to `until_us` and explained."""
        first = group.detections[0]
        made = Finding(
            finding_id=f"an_{uuid.uuid4().hex[:12]}",
            series=group.series,
            signals=tuple(dict.fromkeys(one.signal for one in group.detections)),
            change=_change(group),
            clock=first.clock,
            began_us=began_of([one for one in group.detections if one.series == first.series]),
            seen_us=max(one.seen_us for one in group.detections),
            found_us=now_us,
            until_us=until_us,
            surprise=max(one.surprise for one in group.detections),
            nested=group.nested[:NESTED_MAX],
            detections=group.detections[:DETECTIONS_MAX],
        )
        return self.explained(made, until_us)

    def measured(self, finding: Finding, start_us: int, until_us: int) -> Measured:
        """What its series cost in a part of its time, and what was to be expected of that part."""
        with self._ledger.reading() as session:
            return self._measured(session, finding.series, start_us, until_us)

    def counted(self, finding: Finding, until_us: int) -> Finding:
        """The finding with its money counted up to `until_us`. Its cause is as old as it was."""
        with self._ledger.reading() as session:
            one = self._measured(session, finding.series, finding.began_us, max(until_us, finding.began_us + 1))
        return _with_money(finding, one, until_us)

    def explained(self, finding: Finding, until_us: int) -> Finding:
        """The finding with its money, cause and evidence as of `until_us`."""
        until_us = max(until_us, finding.began_us + 1)
        with self._ledger.reading() as session:
            one = self._measured(session, finding.series, finding.began_us, until_us)
            finding = _with_money(finding, one, until_us)
            moved = movements(self._sums_of(session, one.asked), one.asked.weights, finding.series, self._dimensions)
            cause = self._cause(session, one, finding, moved)
            evidence = self._evidence(session, one.asked, finding, cause)
        return msgspec.structs.replace(finding, cause=cause, evidence=evidence)

    def _asked(self, session: Session, inside: tuple[SeriesKey, ...], began_us: int, until_us: int) -> spent.Asked:
        first_us = spent.first_call_us(session)
        windows = earlier_windows(began_us, until_us, began_us if first_us is None else first_us)
        spans = level_windows(windows, began_us, until_us - began_us, first_us or 0)
        if spans:
            windows = at_level(windows, spent.costs_of_spans(session, self._ledger.dialect, spans, inside))
        return spent.Asked(
            (began_us, until_us),
            tuple((one.start_us, one.end_us) for one in windows),
            tuple(one.weight for one in windows),
            inside,
        )

    def _measured(self, session: Session, series: SeriesKey, began_us: int, until_us: int) -> Measured:
        inside = (series,) if series.dimension else ()
        asked = self._asked(session, inside, began_us, until_us)
        whole = spent.sums_by_value(session, self._ledger.dialect, asked, ())[SeriesKey()]
        unpriced = spent.sums_by_value(session, self._ledger.dialect, asked, (), measure="unpriced")[SeriesKey()]
        return Measured(asked, round(whole.expected(asked.weights)), whole.now, unpriced.now)

    def _sums_of(
        self, session: Session, asked: spent.Asked
    ) -> Callable[[tuple[SeriesKey, ...]], Mapping[SeriesKey, spent.Sums]]:
        def sums_of(inside: tuple[SeriesKey, ...]) -> Mapping[SeriesKey, spent.Sums]:
            taken = {one.dimension for one in inside}
            names = [name for name in self._dimensions if name not in taken]
            return spent.sums_by_value(session, self._ledger.dialect, asked._replace(inside=inside), names)

        return sums_of

    def _cause(self, session: Session, one: Measured, finding: Finding, moved: Sequence[Movement]) -> Cause:
        mixed = next((each for each in moved if each.dimension not in ("model", "provider")), None)
        values = [value.value for value in mixed.values if not value.is_rest][:MIX_VALUES] if mixed else []
        mixed_by = mixed.dimension if mixed else ""
        before, after = spent.cells(session, self._ledger.dialect, one.asked, mixed_by, values)
        return Cause(tuple(decompose(before, after)), tuple(moved), mixed_by, per_call(before), per_call(after))

    def _evidence(self, session: Session, asked: spent.Asked, finding: Finding, cause: Cause) -> Evidence:
        model = _new_model(cause) if cause.parts and cause.parts[0].factor is Factor.MODELS else ""
        before, after, first = spent.calls_to_look_at(
            session, self._ledger.dialect, asked, most=CALLS_SHOWN, model=model
        )
        return Evidence(tuple(before), tuple(after), *first, asked.before, self._nearby(finding, cause))

    def _nearby(self, finding: Finding, cause: Cause) -> tuple[Marker, ...]:
        """Those about the finding's series or a value that moved, then those about everything; of each the nearest to
        its first step first."""
        about = {SeriesKey(), finding.series, *finding.nested}
        about |= {SeriesKey(each.dimension, each.values[0].value) for each in cause.movements if each.values}
        found = self._markers(finding.began_us - MARKERS_BEFORE_US, finding.began_us + MARKERS_AFTER_US)
        near = [marker for marker in found if marker.scope in about]
        everything = SeriesKey()
        near.sort(key=lambda one: (one.scope == everything, abs(one.at_us - finding.began_us), one.marker_id))
        return tuple(near[:MARKERS_SHOWN])


def per_call(window: Mapping[CellKey, Cell]) -> PerCall:
    """The sums of a window, for people."""
    calls = sum((cell.calls for cell in window.values()), Fraction(0))
    models: dict[str, Fraction] = {}
    for (_, model), cell in window.items():
        models[model] = models.get(model, Fraction(0)) + cell.calls
    most = sorted(models, key=lambda model: (-models[model], model or ""))[:MODELS_SHOWN]
    return PerCall(
        calls=float(calls),
        input_tokens=_units(window, {unit.value for unit in INPUT_UNITS}),
        cache_read_tokens=_units(window, {"cache_read", "cache_read_audio"}),
        output_tokens=_units(window, {unit.value for unit in OUTPUT_UNITS}),
        cost_pico=round(sum((cell.cost for cell in window.values()), Fraction(0))),
        models=tuple((model or "", float(models[model])) for model in most if models[model]),
    )


def _units(window: Mapping[CellKey, Cell], units: set[str]) -> float:
    counts = (found[0] for cell in window.values() for unit, found in cell.units.items() if unit in units)
    return float(sum(counts, Fraction(0)))


def _with_money(finding: Finding, one: Measured, until_us: int) -> Finding:
    return msgspec.structs.replace(
        finding, expected_pico=one.expected_pico, actual_pico=one.actual_pico, unpriced=one.unpriced, until_us=until_us
    )


def _new_model(cause: Cause) -> str:
    """The model whose share of the calls grew most."""
    if cause.before is None or cause.after is None:
        return ""
    was = dict(cause.before.models)
    before, after = cause.before.calls or 1.0, cause.after.calls or 1.0
    grown = {model: calls / after - was.get(model, 0.0) / before for model, calls in cause.after.models}
    return max(grown, key=lambda model: (grown[model], model), default="")


def began_of(own: Sequence[Detection]) -> int:
    """When it began, by its clear signs: those at least half as surprising as the clearest one.

    A weak one may have risen for a while by chance before it joined them, and an incident of two minutes would be
    spread over twenty: a tenth of what it costs an hour.
    """
    clearest = max(one.surprise for one in own)
    return min(one.began_us for one in own if one.surprise * 2 >= clearest)


def _change(group: Group) -> Change:
    """What lasts is said before what passes: a series that is new isn't a spike."""
    order = (Change.NEW, Change.SILENCE, Change.GROWTH, Change.SHIFT, Change.SPIKE)
    own = {one.change for one in group.detections if one.series == group.series}
    return next(change for change in order if change in own)


def _amounts(
    session: Session, dialect: str, asked: spent.Asked, names: Sequence[str], series: Sequence[SeriesKey]
) -> Callable[[str, tuple[SeriesKey, ...]], Mapping[SeriesKey, Amount]]:
    def amounts_of(measure: str, outside: tuple[SeriesKey, ...]) -> Mapping[SeriesKey, Amount]:
        sums = spent.sums_by_value(
            session, dialect, asked._replace(outside=outside), names, measure=measure, wanted=series
        )
        return {key: Amount(one.expected(asked.weights), one.now) for key, one in sums.items()}

    return amounts_of
