"""What the watch found, kept; what people said of it, and how often each detector was right by that."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from bursar.domain.clock import Clock
from bursar.domain.errors import BadAlert, BadControl, UnknownAnomaly
from bursar.domain.findings import Deed, Finding, Precision
from bursar.domain.watching import Label, Signal
from bursar.governance.audit import record_change
from bursar.governance.schema import FINDINGS
from bursar.governance.store import ControlStore

FINDINGS_MAX = 10_000  # the newest stay; a finding that somebody labelled stays as well
LISTED_MAX = 500
LABELLED_MAX = 5_000  # the newest labels that count
SHIFT_MAX = 3.0
DEEDS_MAX = 50

NOTE_CHARS_MAX = 500

_OF_OTHERS = {"label": None, "labelled_us": 0, "labelled_by": "", "label_note": "", "deeds": ()}
"""Fields that the watch doesn't write: they have columns of their own, so that neither undoes the other's."""


class FindingBook:
    """Findings of a site. secret: of the audit log, where labels and what was done are written down."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def add(self, finding: Finding) -> None:
        """Keep a new one; the oldest ended ones go when there are too many."""
        with self._store.writing() as connection:
            connection.execute(
                insert(FINDINGS).values(
                    **_values(finding), label="", labelled_us=0, labelled_by="", label_note="", deeds="[]",
                )
            )  # fmt: skip
            keep = select(FINDINGS.c.finding_id).order_by(FINDINGS.c.found_us.desc()).limit(FINDINGS_MAX)
            old = FINDINGS.c.ended_us.is_not(None) & (FINDINGS.c.label == "") & FINDINGS.c.finding_id.not_in(keep)
            connection.execute(delete(FINDINGS).where(old))

    def change(self, finding: Finding) -> None:
        """The same finding as the watch sees it now; label and deeds stay as people left them."""
        with self._store.deciding() as connection:
            values = _values(finding)
            connection.execute(update(FINDINGS).where(FINDINGS.c.finding_id == values.pop("finding_id")).values(values))

    def all(
        self, *, open_only: bool = False, since_us: int = 0, limit: int = LISTED_MAX, parts: bool = False
    ) -> list[Finding]:
        """The newest first. since_us: found or ended then or later, or still going on. parts: those too that turned
        out to be one with another."""
        asked = select(FINDINGS)
        if open_only:
            asked = asked.where(FINDINGS.c.ended_us.is_(None))
        elif since_us:
            is_over = FINDINGS.c.ended_us < since_us  # unknown, and so not true, while it goes on
            asked = asked.where((FINDINGS.c.found_us >= since_us) | FINDINGS.c.ended_us.is_(None) | ~is_over)
        with self._store.reading() as connection:
            rows = connection.execute(asked.order_by(FINDINGS.c.found_us.desc(), FINDINGS.c.finding_id).limit(limit))
            found = [_finding(row) for row in rows]
        return [one for one in found if parts or not one.part_of]

    def open_ones(self) -> list[Finding]:
        """Those that wait for somebody: they go on, and nobody said that they are false or wanted."""
        return [one for one in self.all(open_only=True) if one.label not in (Label.FALSE, Label.EXPECTED)]

    def one(self, finding_id: str) -> Finding:
        """By its id or the end of it. Raises UnknownAnomaly."""
        with self._store.reading() as connection:
            return _finding(_find(connection, finding_id))

    def label(self, finding_id: str, label: Label | None, *, actor: str, note: str = "") -> Finding:
        """Say what it was, and in a note why; None takes the word back. Audited. Raises UnknownAnomaly, BadControl."""
        note = " ".join(note.split())
        if len(note) > NOTE_CHARS_MAX:
            raise BadControl(f"note: at most {NOTE_CHARS_MAX} characters, not {len(note)}", field="note")
        with self._store.writing() as connection:
            found = _find(connection, finding_id)
            told = label.value if label else ""
            note = note if label else ""
            if (found.label, found.label_note) != (told, note):
                now_us = self._clock.now_us()
                values = {"label": told, "labelled_us": now_us, "labelled_by": actor, "label_note": note}
                connection.execute(update(FINDINGS).where(FINDINGS.c.finding_id == found.finding_id).values(values))
                detail = {"before": found.label, "label": told, "note": note}
                self._record(connection, now_us, actor, "label", found.finding_id, detail)
            return _finding(_find(connection, found.finding_id))

    def note_deed(self, finding_id: str, deed: Deed) -> Finding:
        """Write down what was done about it. Audited. Raises UnknownAnomaly, BadAlert past DEEDS_MAX."""
        with self._store.writing() as connection:
            found = _find(connection, finding_id)
            deeds = _deeds(found)
            if len(deeds) >= DEEDS_MAX:
                raise BadAlert(f"{DEEDS_MAX} things were done about it already, which is all there can be", field="id")
            text = msgspec.json.encode([*deeds, deed]).decode()
            one = FINDINGS.c.finding_id == found.finding_id
            connection.execute(update(FINDINGS).where(one).values(deeds=text))
            detail = {"offer": deed.offer, "state": deed.state, "control": deed.control_id, "detail": deed.detail}
            self._record(connection, self._clock.now_us(), deed.by, deed.state, found.finding_id, detail)
            return _finding(_find(connection, found.finding_id))

    def precisions(self) -> list[Precision]:
        """Of each signal whose findings somebody labelled, in the order of `Signal`."""
        labelled = select(FINDINGS).where(FINDINGS.c.label != "").order_by(FINDINGS.c.labelled_us.desc())
        with self._store.reading() as connection:
            return precisions(_finding(row) for row in connection.execute(labelled.limit(LABELLED_MAX)))

    def _record(
        self, connection: Connection, at_us: int, actor: str, act: str, subject: str, detail: dict[str, str]
    ) -> None:
        record_change(
            connection, self._secret, at_us=at_us, actor=actor, action=f"anomaly.{act}", subject=subject, detail=detail
        )


def precisions(found: Iterable[Finding]) -> list[Precision]:
    """How often each signal was right, by the labels of the findings that it led (the surest of each finding's)."""
    counts: dict[Signal, dict[Label, int]] = {}
    for one in found:
        if one.label is not None and one.signals:
            of_signal = counts.setdefault(one.signals[0], dict.fromkeys(Label, 0))
            of_signal[one.label] += 1
    return [
        Precision(signal, own[Label.TRUE], own[Label.FALSE], own[Label.EXPECTED], threshold_shift(own))
        for signal in Signal
        if (own := counts.get(signal))
    ]


def threshold_shift(labels: dict[Label, int]) -> float:
    """How much rarer (in powers of ten) something must be before it is told again: log10((false + 1) / (right + 1)).

    Nine false ones and none that was right: ten times. It is never below 0 (what is always right needs no more than is
    usual) and never above SHIFT_MAX, so that no label can blind a detector.
    """
    right = labels.get(Label.TRUE, 0) + labels.get(Label.EXPECTED, 0)
    return min(max(math.log10((labels.get(Label.FALSE, 0) + 1) / (right + 1)), 0.0), SHIFT_MAX)


def _values(finding: Finding) -> dict[str, Any]:
    told = msgspec.structs.replace(finding, **_OF_OTHERS)
    return {
        "finding_id": finding.finding_id,
        "began_us": finding.began_us,
        "found_us": finding.found_us,
        "ended_us": finding.ended_us,
        "told": msgspec.json.encode(told).decode(),
    }


def _finding(row: Row[Any]) -> Finding:
    told = msgspec.json.decode(row.told, type=Finding)
    return msgspec.structs.replace(
        told,
        label=Label(row.label) if row.label else None,
        labelled_us=row.labelled_us,
        labelled_by=row.labelled_by,
        label_note=row.label_note,
        deeds=tuple(_deeds(row)),
    )


def _deeds(row: Row[Any]) -> Sequence[Deed]:
    return msgspec.json.decode(row.deeds, type=list[Deed])


def _find(connection: Connection, finding_id: str) -> Row[Any]:
    wanted = finding_id.strip().lower()
    found = (
        connection.execute(
            select(FINDINGS).where(FINDINGS.c.finding_id.endswith(wanted, autoescape=True)).limit(2)
        ).all()
        if wanted
        else []
    )
    if len(found) != 1:
        several = "several anomalies have" if found else "no anomaly has"
        raise UnknownAnomaly(f"{several} the id {finding_id[:80]!r} (`bursar anomalies list`)", field="id")
    return found[0]
