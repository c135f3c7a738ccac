"""Anomalies as the pages, the API and the command line tell them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from bursar.budgets.told import usd_text
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl
from bursar.domain.findings import Finding, Movement, PerCall, Precision, ranked
from bursar.domain.watching import Detection, Label, Marker, SeriesKey
from bursar.governance.findings import FindingBook
from bursar.governance.markers import MarkerBook
from bursar.governance.store import ControlStore
from bursar.site import Site
from bursar.watch.course import Course
from bursar.watch.offers import Offer, offers
from bursar.watch.telling import FACTORS, name_of, title_of, where_of, why_of


class AnomalyBooks(NamedTuple):
    """Where findings and markers are kept."""

    findings: FindingBook
    markers: MarkerBook


class PartTold(msgspec.Struct, frozen=True):
    """How much of the excess one factor is, USD; share of the excess, null where there is none."""

    factor: str
    words: str
    amount: str
    share: float | None


class MovedTold(msgspec.Struct, frozen=True):
    """One value of a dimension, or the rest of them. USD."""

    value: str
    is_rest: bool
    expected: str
    actual: str
    excess: str
    address: str


class MovementTold(msgspec.Struct, frozen=True):
    """Onto which values of a dimension the excess falls, inside of `within`; they add up."""

    dimension: str
    within: list[SeriesKey]
    score: float
    values: list[MovedTold]


class PerCallTold(msgspec.Struct, frozen=True):
    """What calls were like; cost and cost_per_call in USD, null without calls."""

    calls: float
    input_tokens_per_call: float | None
    output_tokens_per_call: float | None
    cache_read_share: float | None
    cost: str
    cost_per_call: str | None
    models: dict[str, float]


class MarkerTold(msgspec.Struct, frozen=True):
    """Something that happened. scope null: about everything."""

    marker_id: str
    at: datetime
    title: str
    kind: str
    scope: SeriesKey | None
    source: str


class DetectionTold(msgspec.Struct, frozen=True):
    """One signal of one series. expected, actual: in the signal's own unit, a cost in USD."""

    series: SeriesKey
    signal: str
    clock: str
    change: str
    began_at: datetime
    seen_at: datetime
    expected: float
    actual: float
    surprise: float


class DeedTold(msgspec.Struct, frozen=True):
    """What was done. state: draft, applied or failed."""

    offer: str
    kind: str
    state: str
    control_id: str
    at: datetime
    by: str
    detail: str


class AnomalyTold(msgspec.Struct, frozen=True, kw_only=True):
    """One anomaly. Money is decimal text in USD: `actual` is a sum of the ledger, `expected` an estimate from earlier
    calls, `excess` the difference. per_month: if it goes on at this pace; of one that has ended, 0.

    nested: the other series that showed it. part_of: the id of the anomaly that it turned out to be one with, "" for
    none; such a one is in no list. address: its page; explore: its calls' cost; both are paths of the console.
    """

    id: str
    title: str
    series: SeriesKey
    nested: list[SeriesKey]
    name: str
    status: str
    part_of: str
    signals: list[str]
    change: str
    clock: str
    began_at: datetime
    seen_at: datetime
    found_at: datetime
    counted_until: datetime
    ended_at: datetime | None
    expected: str
    actual: str
    excess: str
    excess_per_hour: str
    per_month: str
    times: float | None
    unpriced_count: int
    surprise: float
    why: str
    where: str
    label: str | None
    labelled_at: datetime | None
    labelled_by: str
    label_note: str
    address: str
    explore: str


class AnomalyDetail(AnomalyTold, frozen=True, kw_only=True):
    """One anomaly with its cause and evidence. `parts` add up to `excess`, and so does each movement within nothing.

    windows: the earlier times that `expected` is from. calls_*: ids of calls; first_bad: the first one out of the
    ordinary, "" where none is.
    """

    parts: list[PartTold]
    mixed_by: str
    movements: list[MovementTold]
    before: PerCallTold | None
    after: PerCallTold | None
    detections: list[DetectionTold]
    calls_before: list[str]
    calls_after: list[str]
    first_bad: str
    first_bad_at: datetime | None
    windows: list[tuple[datetime, datetime]]
    markers: list[MarkerTold]
    offers: list[Offer]
    deeds: list[DeedTold]


class StepTold(msgspec.Struct, frozen=True):
    """One step of the time around an anomaly; USD. is_inside: it is of the anomaly's own time.

    expected, and the lowest and highest of the earlier times: null where nothing is known of before.
    """

    start: datetime
    end: datetime
    expected: str | None
    actual: str
    low: str | None
    high: str | None
    is_inside: bool


class PrecisionTold(msgspec.Struct, frozen=True):
    """How often a detector was right, of its labelled anomalies; precision null: none is labelled.

    threshold_shift: powers of ten by which something must be rarer than it had to be without these labels.
    """

    signal: str
    true: int
    false: int
    expected: int
    precision: float | None
    threshold_shift: float


class AnomaliesTold(msgspec.Struct, frozen=True):
    """By money: what goes on first. per_hour, per_month: of all that goes on, USD."""

    open_count: int
    per_hour: str
    per_month: str
    anomalies: list[AnomalyTold]
    precision: list[PrecisionTold]


def open_anomalies(site: Site) -> AnomalyBooks:
    """Findings and markers of a site's control store, which is made and brought up to date."""
    site.prepare()
    parts = (ControlStore(site.control_location), site.secret(), site.clock)
    return AnomalyBooks(FindingBook(*parts), MarkerBook(*parts))


def anomalies_told(books: AnomalyBooks, *, open_only: bool = False, since_us: int = 0) -> AnomaliesTold:
    """All that the page of anomalies shows. since_us: found then or later, or going on still."""
    found = ranked(books.findings.all(open_only=open_only, since_us=since_us))
    going_on = [one for one in found if one.is_open]
    return AnomaliesTold(
        open_count=len(going_on),
        per_hour=usd_text(sum(one.excess_per_hour_pico for one in going_on)),
        per_month=usd_text(sum(one.per_month_pico for one in going_on)),
        anomalies=[AnomalyTold(**_head(one)) for one in found],
        precision=[precision_told(one) for one in books.findings.precisions()],
    )


def anomaly_told(books: AnomalyBooks, finding_id: str) -> AnomalyDetail:
    """One, by its id or the end of it. Raises UnknownAnomaly."""
    return detail_of(books.findings.one(finding_id))


def detail_of(one: Finding) -> AnomalyDetail:
    """A finding with all that is known of it."""
    cause, evidence = one.cause, one.evidence
    return AnomalyDetail(
        **_head(one),
        parts=[
            PartTold(
                part.factor.value, FACTORS[part.factor][part.pico < 0], usd_text(part.pico), _share(part.pico, one)
            )
            for part in cause.parts
        ],
        mixed_by=cause.mixed_by,
        movements=[_movement(each, one) for each in cause.movements],
        before=_per_call(cause.before),
        after=_per_call(cause.after),
        detections=[_detection(each) for each in one.detections],
        calls_before=list(evidence.before),
        calls_after=list(evidence.after),
        first_bad=evidence.first_bad,
        first_bad_at=datetime_from_us(evidence.first_bad_us) if evidence.first_bad else None,
        windows=[(datetime_from_us(start), datetime_from_us(end)) for start, end in evidence.windows_us],
        markers=[marker_told(each) for each in evidence.markers],
        offers=offers(one),
        deeds=[
            DeedTold(each.offer, each.kind, each.state, each.control_id, datetime_from_us(each.at_us), each.by,
                     each.detail)
            for each in one.deeds
        ],
    )  # fmt: skip


def course_told(course: Course) -> list[StepTold]:
    """What a chart of one anomaly draws."""
    return [
        StepTold(
            datetime_from_us(one.start_us), datetime_from_us(one.end_us), _known(one.expected_pico),
            usd_text(one.actual_pico), _known(one.low_pico), _known(one.high_pico), one.is_inside,
        )
        for one in course.steps
    ]  # fmt: skip


def marker_told(one: Marker) -> MarkerTold:
    scope = one.scope if one.scope.dimension else None
    return MarkerTold(one.marker_id, datetime_from_us(one.at_us), one.title, one.kind, scope, one.source)


def precision_told(one: Precision) -> PrecisionTold:
    return PrecisionTold(one.signal.value, one.true, one.false, one.expected, one.precision, round(one.shift, 3))


def read_label(text: str) -> Label | None:
    """A label as somebody typed it; none takes the word back. Raises BadControl."""
    if text in ("", "none"):
        return None
    if text not in list(Label):
        raise BadControl(f"label: one of {', '.join(Label)}, or none; not {text[:40]!r}", field="label")
    return Label(text)


def _head(one: Finding) -> dict[str, Any]:
    times = one.actual_pico / one.expected_pico if one.expected_pico > 0 else None
    return {
        "id": one.finding_id,
        "title": title_of(one),
        "series": one.series,
        "nested": list(one.nested),
        "name": name_of(one.series),
        "status": "open" if one.is_open else "ended",
        "part_of": one.part_of,
        "signals": [signal.value for signal in one.signals],
        "change": one.change.value,
        "clock": one.clock.value,
        "began_at": datetime_from_us(one.began_us),
        "seen_at": datetime_from_us(one.seen_us),
        "found_at": datetime_from_us(one.found_us),
        "counted_until": datetime_from_us(one.until_us),
        "ended_at": None if one.ended_us is None else datetime_from_us(one.ended_us),
        "expected": usd_text(one.expected_pico),
        "actual": usd_text(one.actual_pico),
        "excess": usd_text(one.excess_pico),
        "excess_per_hour": usd_text(one.excess_per_hour_pico),
        "per_month": usd_text(one.per_month_pico),
        "times": None if times is None else round(times, 3),
        "unpriced_count": one.unpriced,
        "surprise": round(one.surprise, 3),
        "why": why_of(one),
        "where": where_of(one),
        "label": one.label.value if one.label else None,
        "labelled_at": datetime_from_us(one.labelled_us) if one.label else None,
        "labelled_by": one.labelled_by if one.label else "",
        "label_note": one.label_note,
        "address": f"/anomalies/{one.finding_id}",
        "explore": explore_of(one, ()),
    }


def explore_of(one: Finding, inside: Sequence[SeriesKey]) -> str:
    """The page with the cost of its days by model, of its series and of values inside it."""
    first, last = (datetime_from_us(at).date() for at in (one.began_us, max(one.until_us - 1, one.began_us)))
    keys = [each for each in (one.series, *inside) if each.dimension]
    filters = [("filter", f"{each.dimension}={each.value}") for each in keys]
    return f"/explore?{urlencode([('period', f'{first}..{last}'), ('by', 'model'), *filters])}"


def _movement(each: Movement, one: Finding) -> MovementTold:
    return MovementTold(
        each.dimension, list(each.within), round(each.score, 4),
        [
            MovedTold(
                value.value, value.is_rest, usd_text(value.expected_pico), usd_text(value.actual_pico),
                usd_text(value.excess_pico),
                "" if value.is_rest else explore_of(one, (*each.within, SeriesKey(each.dimension, value.value))),
            )
            for value in each.values
        ],
    )  # fmt: skip


def _per_call(one: PerCall | None) -> PerCallTold | None:
    if one is None:
        return None
    calls, inputs = one.calls, one.input_tokens
    return PerCallTold(
        calls=round(calls, 3),
        input_tokens_per_call=round(inputs / calls, 2) if calls else None,
        output_tokens_per_call=round(one.output_tokens / calls, 2) if calls else None,
        cache_read_share=round(one.cache_read_tokens / inputs, 4) if inputs else None,
        cost=usd_text(one.cost_pico),
        cost_per_call=usd_text(round(one.cost_pico / Decimal(str(calls)))) if calls else None,
        models={model: round(number, 3) for model, number in one.models},
    )


def _detection(one: Detection) -> DetectionTold:
    return DetectionTold(
        one.series, one.signal.value, one.clock.value, one.change.value, datetime_from_us(one.began_us),
        datetime_from_us(one.seen_us), one.expected, one.actual, one.surprise,
    )  # fmt: skip


def _share(pico: int, one: Finding) -> float | None:
    return round(pico / one.excess_pico, 4) if one.excess_pico else None


def _known(pico: int | None) -> str | None:
    return None if pico is None else usd_text(pico)
