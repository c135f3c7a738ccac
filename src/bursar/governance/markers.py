"""What happened when: deploys and launches that somebody told, and changes of settings out of the audit log."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, func, insert, select

from bursar.domain.clock import Clock
from bursar.domain.errors import BadMarker
from bursar.domain.ids import random_id
from bursar.domain.tags import TAG_VALUE_CHARS_MAX
from bursar.domain.watching import Marker, SeriesKey
from bursar.governance.audit import record_change
from bursar.governance.marker_scopes import scopes_of
from bursar.governance.schema import AUDIT_ENTRIES, MARKERS
from bursar.governance.store import ControlStore

MARKERS_MAX = 100_000
TITLE_CHARS_MAX = 200
KIND_CHARS_MAX = 32
LISTED_MAX = 500
AHEAD_US = 24 * 3_600 * 10**6  # clocks differ, and a launch may be told a day before
CHANGES = ("policy", "limit", "kill", "route", "cache", "budget", "key", "stopped_experiment")
"""What of the audit log changes what calls do: the part of an action before its dot."""
DONE = {
    "create": "created", "change": "changed", "remove": "removed", "revoke": "revoked", "approve": "approved",
    "limit": "limit changed", "thresholds": "thresholds changed",
}  # fmt: skip
"""The part after it, as a sentence has it; others stay as they are."""


class MarkerBook:
    """Markers of a site. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def add(
        self,
        title: str,
        *,
        actor: str,
        at_us: int | None = None,
        kind: str = "deploy",
        scope: SeriesKey = SeriesKey(),  # noqa: B008  a frozen value
        source: str = "api",
    ) -> Marker:
        """Say that something happened. at_us: None: now. Audited. Raises BadMarker that names the field."""
        now_us = self._clock.now_us()
        marker_id = random_id("mk_")
        marker = Marker(marker_id, now_us if at_us is None else at_us, title.strip(), kind.strip(), scope, source)
        _check(marker, now_us)
        with self._store.writing() as connection:
            if connection.execute(select(func.count()).select_from(MARKERS)).scalar_one() >= MARKERS_MAX:
                raise BadMarker(f"there are {MARKERS_MAX} markers already, which is all there can be", field="title")
            connection.execute(
                insert(MARKERS).values(
                    marker_id=marker.marker_id, at_us=marker.at_us, title=marker.title, kind=marker.kind,
                    dimension=scope.dimension, value=scope.value, source=source, created_us=now_us, created_by=actor,
                )
            )  # fmt: skip
            record_change(
                connection, self._secret, at_us=now_us, actor=actor, action="marker.create", subject=marker.marker_id,
                detail={"title": marker.title, "kind": marker.kind},
            )  # fmt: skip
        return marker

    def between(self, start_us: int, end_us: int, *, limit: int = LISTED_MAX) -> list[Marker]:
        """Those of [start, end), changes of settings among them, the newest first."""
        told = select(MARKERS).where(MARKERS.c.at_us >= start_us, MARKERS.c.at_us < end_us)
        changed = select(AUDIT_ENTRIES).where(AUDIT_ENTRIES.c.at_us >= start_us, AUDIT_ENTRIES.c.at_us < end_us)
        newest = AUDIT_ENTRIES.c.number.desc()
        with self._store.reading() as connection:
            found = [
                Marker(row.marker_id, row.at_us, row.title, row.kind, SeriesKey(row.dimension, row.value), row.source)
                for row in connection.execute(told.order_by(MARKERS.c.at_us.desc()).limit(limit))
            ]
            rows = connection.execute(changed.order_by(newest).limit(limit)).all()
            entries = [row for row in rows if row.action.partition(".")[0] in CHANGES]
            scopes = scopes_of(connection, entries)
        found += [_of_entry(row, scope) for row, scope in zip(entries, scopes, strict=True)]
        found.sort(key=lambda marker: (-marker.at_us, marker.marker_id))
        return found[:limit]


def _of_entry(row: Row[Any], scope: SeriesKey) -> Marker:
    """A change in the audit log as a marker."""
    noun, _, act = row.action.partition(".")
    detail = msgspec.json.decode(row.detail, type=dict[str, Any])
    name = detail.get("name") or row.subject
    done = DONE.get(act, act)
    return Marker(f"au_{row.number}", row.at_us, f"{noun} {name}: {done} by {row.actor}"[:TITLE_CHARS_MAX], noun,
                  scope, source="audit")  # fmt: skip


def _check(marker: Marker, now_us: int) -> None:
    checks: Sequence[tuple[str, bool, str]] = (
        ("title", _is_text(marker.title, TITLE_CHARS_MAX), f"1 to {TITLE_CHARS_MAX} printable characters"),
        ("kind", _is_text(marker.kind, KIND_CHARS_MAX), f"1 to {KIND_CHARS_MAX} printable characters, as in deploy"),
        ("at", 0 <= marker.at_us <= now_us + AHEAD_US, "a time, at most a day ahead"),
        ("scope", bool(marker.scope.dimension) == bool(marker.scope.value), "a dimension and a value, or neither"),
        ("scope", len(marker.scope.dimension) <= 80 and len(marker.scope.value) <= TAG_VALUE_CHARS_MAX,
         f"a value of at most {TAG_VALUE_CHARS_MAX} characters"),
    )  # fmt: skip
    for field, is_fine, wanted in checks:
        if not is_fine:
            raise BadMarker(f"{field}: {wanted}", field=field)


def _is_text(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text.isprintable()
