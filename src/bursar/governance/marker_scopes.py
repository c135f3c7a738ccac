"""What a change in the audit log is about: the one value that it names, so that it stands beside what it concerns."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from bursar.domain.watching import SeriesKey
from bursar.governance.register import CACHE, KILL, LIMIT, POLICY, ROUTE

KEY, BUDGET = "key", "budget"
TABLES = {kind.noun: kind.table for kind in (POLICY, LIMIT, KILL, ROUTE, CACHE)}
WORDS = ("feature", "agent", "credential", "customer", "team", "request_type", "model", "provider", "session")
"""Of several conditions the first of these says what a change is about; then any other."""

SERIES = {"credential": "credential_id"}  # what a match calls otherwise than the watch does
PATTERNS = frozenset("*?")


def scopes_of(connection: Connection, entries: Sequence[Row[Any]]) -> list[SeriesKey]:
    """Of each entry of the audit log. SeriesKey(): everything, or several values at once.

    What was removed or switched is about what its terms match as they stand: a row stays when its control has ended.
    """
    details = [msgspec.json.decode(entry.detail, type=dict[str, Any]) for entry in entries]
    kept = _terms_kept(connection, entries)
    return [
        _scope(_noun(entry), entry.subject, detail, kept.get(entry.subject, ""))
        for entry, detail in zip(entries, details, strict=True)
    ]


def scope_of_match(match: Mapping[str, str], *, of_patterns: bool = False) -> SeriesKey:
    """The narrowest word that a match says.

    >>> scope_of_match({"team": "web", "feature": "search"})
    SeriesKey(dimension='feature', value='search')
    """
    named = {name: value for name, value in match.items() if value and not (of_patterns and PATTERNS & set(value))}
    first = next((name for name in (*WORDS, *named) if name in named), None)
    return SeriesKey() if first is None else SeriesKey(SERIES.get(first, first), named[first])


def _scope(noun: str, subject: str, detail: Mapping[str, Any], terms: str) -> SeriesKey:
    if noun == KEY:
        return SeriesKey("credential_id", subject)
    if noun == BUDGET:
        return scope_of_match(detail.get("match", {}))
    said = msgspec.json.decode(detail.get("terms") or terms or "{}", type=dict[str, Any])
    return scope_of_match(said.get("match", {}), of_patterns=noun == ROUTE.noun)


def _terms_kept(connection: Connection, entries: Sequence[Row[Any]]) -> dict[str, str]:
    """Terms by the id of their control."""
    found: dict[str, str] = {}
    for noun, table in TABLES.items():
        ids = {entry.subject for entry in entries if _noun(entry) == noun}
        if ids:
            rows = connection.execute(select(table.c.id, table.c.terms).where(table.c.id.in_(ids)))
            found |= {row.id: row.terms for row in rows}
    return found


def _noun(entry: Row[Any]) -> str:
    noun: str = entry.action.partition(".")[0]
    return noun
