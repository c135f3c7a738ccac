"""Findings and markers in the control store: neither people nor the watch undoes what the other wrote."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.clock import FixedClock
from bursar.domain.controls import PolicyTerms
from bursar.domain.errors import BadMarker, UnknownAnomaly
from bursar.domain.findings import Cause, Deed, Evidence, Factor, Finding, Moved, Movement, Part, PerCall, ranked
from bursar.domain.watching import Change, Clock, Detection, Label, Marker, SeriesKey, Signal
from bursar.governance.audit import audit_entries, first_broken_entry
from bursar.governance.findings import SHIFT_MAX, FindingBook, threshold_shift
from bursar.governance.markers import MarkerBook
from bursar.governance.policies import Policies
from bursar.governance.store import ControlStore

T0 = 1_795_000_000_000_000
HOUR_US = 3_600_000_000
SECRET = b"s" * 32
SEARCH = SeriesKey("feature", "search")


def finding(number: int = 1, **changes: object) -> Finding:
    detection = Detection(
        SEARCH, Signal.COST, Clock.MINUTE, Change.SPIKE, T0 - HOUR_US, T0, 1.5, 9.25, 7.5
    )  # fmt: skip
    own = {
        "finding_id": f"an_{number:012d}",
        "series": SEARCH,
        "signals": (Signal.COST, Signal.CALLS),
        "change": Change.SPIKE,
        "clock": Clock.MINUTE,
        "began_us": T0 - HOUR_US,
        "seen_us": T0,
        "found_us": T0 + number,
        "until_us": T0,
        "surprise": 7.5,
        "expected_pico": 10**18 + 1,
        "actual_pico": 3 * 10**18 + 2,
        "detections": (detection,),
        "cause": Cause(
            (Part(Factor.CALLS, 2 * 10**18 + 1),),
            (Movement("customer", (Moved("acme", 1, 2), Moved("", 3, 4, is_rest=True)), 0.5, (SEARCH,)),),
            "customer",
            PerCall(1.5, 2.5, 0, 4.5, 5, (("gpt-5", 1.5),)),
        ),
        "evidence": Evidence(("a",), ("b",), "c", T0, ((T0, T0 + 1),), (Marker("mk_1", T0, "out", scope=SEARCH),)),
    }
    return Finding(**(own | changes))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(T0)


@pytest.fixture
def book(store: ControlStore, clock: FixedClock) -> FindingBook:
    return FindingBook(store, SECRET, clock)


def test_a_finding_comes_back_as_it_was_kept(book: FindingBook):
    book.add(finding())
    assert book.all() == [finding()]
    assert book.one("0001") == book.one("an_000000000001") == finding()


def test_labels_and_deeds_outlive_what_the_watch_writes_and_are_audited(book: FindingBook, store: ControlStore):
    book.add(finding())
    stale = book.one("0001")
    book.label("0001", Label.EXPECTED, actor="ada")
    book.note_deed("0001", Deed("throttle", "limit", "applied", "lm_1", T0, "ada"))
    book.change(msgspec.structs.replace(stale, ended_us=T0, actual_pico=5))
    one = book.one("0001")
    assert (one.label, one.labelled_by, one.labelled_us) == (Label.EXPECTED, "ada", T0)
    assert (one.deeds[0].control_id, one.ended_us, one.actual_pico) == ("lm_1", T0, 5)
    assert book.label("0001", None, actor="bob").label is None
    with store.reading() as connection:
        entries = audit_entries(connection)
    assert [entry.action for entry in entries] == ["anomaly.label", "anomaly.applied", "anomaly.label"]
    assert first_broken_entry(entries, SECRET) is None


def test_an_id_that_isn_t_there_or_is_of_several_is_refused(book: FindingBook):
    book.add(finding(1))
    book.add(finding(11))
    for wanted in ("zzz", "", "1", "%"):
        with pytest.raises(UnknownAnomaly):
            book.one(wanted)


def test_open_ones_are_listed_whenever_they_were_found(book: FindingBook):
    book.add(finding(1))
    book.add(finding(2, ended_us=T0))
    book.add(finding(3, ended_us=T0, found_us=T0 + HOUR_US))
    book.add(finding(4, ended_us=T0 + 2 * HOUR_US))
    assert [one.finding_id[-1] for one in book.all(open_only=True)] == ["1"]
    assert [one.finding_id[-1] for one in book.all(since_us=T0 + HOUR_US)] == ["3", "4", "1"], "4 ended since then"


def test_too_many_findings_go_the_oldest_ended_ones_first(book: FindingBook, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bursar.governance.findings.FINDINGS_MAX", 2)
    book.add(finding(1))
    book.add(finding(2, ended_us=T0))
    book.add(finding(3, ended_us=T0))
    book.label("an_000000000002", Label.TRUE, actor="ada")
    book.add(finding(4, ended_us=T0))
    book.add(finding(5, ended_us=T0))
    assert [one.finding_id[-1] for one in book.all()] == ["5", "4", "2", "1"]  # open, and labelled: these stay


def test_precision_is_of_the_signal_that_led(book: FindingBook):
    labels = [Label.FALSE] * 3 + [Label.TRUE, Label.EXPECTED]
    for number, label in enumerate(labels):
        book.add(finding(number))
        book.label(f"an_{number:012d}", label, actor="ada")
    book.add(finding(90, signals=(Signal.ERRORS,)))
    (one,) = book.precisions()
    assert (one.signal, one.true, one.false, one.expected, one.precision) == (Signal.COST, 1, 3, 1, 0.4)
    assert one.shift == math.log10(4 / 3)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_threshold_moves_within_its_bounds_and_only_up_for_false_ones(true, false, expected):
    counts = {Label.TRUE: true, Label.FALSE: false, Label.EXPECTED: expected}
    shift = threshold_shift(counts)
    assert 0 <= shift <= SHIFT_MAX
    assert threshold_shift(counts | {Label.FALSE: false + 1}) >= shift
    assert threshold_shift(counts | {Label.TRUE: true + 1}) <= shift


def test_what_goes_on_comes_first_by_what_a_month_of_it_costs():
    slow = finding(1, began_us=T0 - 100 * HOUR_US)
    fast, over = finding(2), finding(3, ended_us=T0, actual_pico=10**19)
    assert [one.finding_id[-1] for one in ranked([over, slow, fast])] == ["2", "1", "3"]
    assert fast.per_month_pico == fast.excess_pico * 730
    assert over.per_month_pico == 0


def test_markers_and_changes_of_settings_are_one_list(store: ControlStore, clock: FixedClock):
    markers = MarkerBook(store, SECRET, clock)
    made = markers.add("search 4.2", at_us=T0 - 5, scope=SEARCH, actor="ci")
    Policies(store, SECRET, clock).create("no-opus", PolicyTerms(deny_models=("opus",)), is_on=True, actor="ada")
    policy, told = markers.between(T0 - 10, T0 + 10)
    assert told == made == Marker(made.marker_id, T0 - 5, "search 4.2", scope=SEARCH)
    assert (policy.kind, policy.source, policy.title) == ("policy", "audit", "policy no-opus: created by ada")
    assert markers.between(T0, T0 + 10) == [policy]


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("title", {"title": " "}),
        ("title", {"title": "x" * 201}),
        ("kind", {"title": "x", "kind": ""}),
        ("at", {"title": "x", "at_us": T0 + 25 * HOUR_US}),
        ("scope", {"title": "x", "scope": SeriesKey("feature", "")}),
    ],
)
def test_a_marker_that_can_t_be_names_its_field(store: ControlStore, clock: FixedClock, field, given):
    with pytest.raises(BadMarker) as refused:
        MarkerBook(store, SECRET, clock).add(**given, actor="ci")
    assert refused.value.field == field


def test_a_part_of_another_is_in_no_list_but_under_its_own_id(book: FindingBook):
    book.add(finding(1))
    book.add(finding(2))
    book.change(finding(2, part_of=finding(1).finding_id, ended_us=T0 + 5))
    assert [one.finding_id for one in book.all()] == [finding(1).finding_id]
    assert len(book.all(parts=True)) == 2
    assert book.one("0002").part_of == finding(1).finding_id
