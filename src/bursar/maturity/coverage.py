"""Which charges budgets and policies are about: as one condition over the ledger, and as the address of the others.

What is in force now is held against what was spent lately: it shows what a budget made today would have held.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from bursar.explore.vocabulary import TAG_PREFIX, dimension

MATCHES_MAX = 20_000  # beyond these the share is a lower bound
FILTERS_MAX, FILTER_CHARS_MAX = 18, 512  # of an address, which takes 20; two are for whoever asks
SEPARATOR = "\x1f"  # between values that are compared together; no printable value has it


class Subject(NamedTuple):
    """What one budget or policy is about: dimension → value, and its `each`, which a call must have a value of."""

    match: Mapping[str, str]
    each: str = ""


class Covered(NamedTuple):
    """condition: SQL over `charges`, with params. others: filters of an address to all other calls; None: no filters
    say it. is_whole: every call is covered."""

    condition: str
    params: dict[str, Any]
    others: tuple[str, ...] | None
    is_whole: bool


def covered(subjects: Iterable[Subject], name: str, model: str) -> Covered:
    """The charges that at least one of the subjects is about.

    name: of the part, for the names of parameters. model: the dimension that they call `model`: a budget means the one
    asked for, a policy the one sent.
    """
    shapes: dict[tuple[tuple[str, ...], str], set[tuple[str, ...]]] = defaultdict(set)
    for number, one in enumerate(subjects):
        if number >= MATCHES_MAX:
            break
        names = tuple(sorted(one.match))
        shapes[names, one.each].add(tuple(one.match[part] for part in names))
    if ((), "") in shapes:
        return Covered("true", {}, (), is_whole=True)
    params: dict[str, Any] = {}
    conditions = []
    for number, ((names, each), values) in enumerate(shapes.items()):
        parts = []
        if names:
            columns = [_column(part, model, f"{name}{number}_{at}", params) for at, part in enumerate(names)]
            joined = f"concat_ws(chr(31), {', '.join(columns)})" if len(columns) > 1 else columns[0]
            params[f"{name}{number}"] = [SEPARATOR.join(value) for value in sorted(values)]
            parts.append(f"list_contains(${name}{number}, {joined})")
        if each:
            parts.append(f"{_column(each, model, f'{name}{number}_each', params)} <> ''")
        conditions.append(f"({' AND '.join(parts)})")
    return Covered(" OR ".join(conditions) or "false", params, _others(shapes, model), is_whole=False)


def _column(name: str, model: str, parameter: str, params: dict[str, Any]) -> str:
    found = dimension(model if name == "model" else name)
    if not name.startswith(TAG_PREFIX):
        return f"coalesce({found.column}, '')"
    params[parameter] = name.removeprefix(TAG_PREFIX)
    return f"coalesce({found.column}[${parameter}], '')"


def _others(shapes: Mapping[tuple[tuple[str, ...], str], set[tuple[str, ...]]], model: str) -> tuple[str, ...] | None:
    """Filters that are all true of what no subject is about: each subject must be one condition for that."""
    filters = []
    for (names, each), values in shapes.items():
        if len(names) + bool(each) != 1:
            return None
        name = names[0] if names else each
        field = model if name == "model" else name
        if set(field) & set("=!~^"):  # a tag of such a name can't be told from its value
            return None
        if each:
            filters.append(f"{field}=")
        else:
            filters += [f"{field}!={value}" for (value,) in sorted(values)]
    can_be_written = len(filters) <= FILTERS_MAX and all(len(one) <= FILTER_CHARS_MAX for one in filters)
    return tuple(filters) if can_be_written else None


def address(path: str, filters: Iterable[str] = (), **query: str) -> str:
    """A path of the console over the measured days, which are its default period."""
    pairs = [*query.items(), *(("filter", one) for one in filters)]
    return f"{path}?{urlencode(pairs, quote_via=quote, safe=':,')}" if pairs else path


def opens_without(*dimensions: str) -> str:
    """Where the calls open that say none of these."""
    return address("/explore", [f"{name}=" for name in dimensions])
