"""What can be asked for, by name: dimensions to group and filter by, measures to add up. Nothing else reaches SQL."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from bursar.domain.errors import BadMarker, BadQuery
from bursar.domain.periods import Grain
from bursar.domain.savings import LEVERS
from bursar.domain.tags import TAG_KEY_CHARS_MAX
from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS
from bursar.domain.watching import SeriesKey
from bursar.ledger.rollups import MEASURES as SUMS

GRAINS: tuple[Grain, ...] = get_args(Grain)
TAG_PREFIX = "tag:"
SAVED = "saved"
"""A filter that is no dimension: `saved=prompt_cache` are the attempts to whose cost that lever made a difference, so
that what it saved opens to its calls. Several levers may have made one, so groups by it would not add up."""

SOURCE = "source"
"""The one dimension that imported bills are seen by: a question without it never sees them (`ledger/imported.py`)."""

Unit = Literal["usd", "count", "tokens", "bytes", "ms"]


class Dimension(NamedTuple):
    """A name that people use and the column behind it. `on_calls`: a call has it too, not only an attempt."""

    name: str
    column: str
    on_calls: bool = True
    is_text: bool = True


class Measure(NamedTuple):
    """A sum. `charges` and `rollup`: its SQL over either; rollup "" where only charges can tell (a quantile)."""

    name: str
    unit: Unit
    charges: str
    rollup: str

    @property
    def is_additive(self) -> bool:
        """Whether two groups' values add up to that of both."""
        return bool(self.rollup)


def _dimensions() -> dict[str, Dimension]:
    plain = (
        "feature team customer environment request_type session agent provider upstream dialect operation model "
        "model_asked organization scope_team project credential_id credential_kind outcome quality lever error_code "
        "client traffic"
    )
    of_attempts = (
        "model_sent model_served region tier_asked tier_served finish_reason retry_cause route sku_id sku_price_id "
        "entry source"
    )
    found = [Dimension(name, name) for name in plain.split()]
    found += [Dimension(name, name, on_calls=False) for name in of_attempts.split()]
    found += [
        Dimension("user", "consumer_id"),
        Dimension("credential", "credential_id"),
        Dimension("fingerprint", "request_fingerprint"),
        Dimension("stream", "is_stream", is_text=False),
        Dimension("http_status", "http_status", is_text=False),
        Dimension("client_retry", "client_retry", is_text=False),
        Dimension("attempt_number", "attempt_number", on_calls=False, is_text=False),
        Dimension("call_id", "call_id", is_text=False),
    ]
    return {dimension.name: dimension for dimension in found}


DIMENSIONS = _dimensions()
_SAVED = Dimension(SAVED, SAVED, on_calls=False)  # no table has the column: only charges can tell

_UNITS: dict[str, Unit] = {
    "request_bytes": "bytes",
    "response_bytes": "bytes",
    "duration_ms": "ms",
    "first_byte_ms": "ms",
}


def _unit(name: str) -> Unit:
    if name.endswith("_cost") or name.startswith("saved_"):
        return "usd"
    return "tokens" if name.endswith("_tokens") else _UNITS.get(name, "count")


def _total(columns: list[str]) -> str:
    """Added up within a row first: one sum per group instead of seven."""
    return f"SUM({' + '.join(columns)})"


def _measures() -> dict[str, Measure]:
    found = [Measure(name, _unit(name), f"SUM({part})", f"SUM({name})") for name, (_, part) in SUMS.items()]
    totals = {
        "total_input_tokens": [f"{unit}_tokens" for unit in INPUT_UNITS],
        "total_output_tokens": [f"{unit}_tokens" for unit in OUTPUT_UNITS],
    }
    found += [Measure(name, "tokens", _total(columns), _total(columns)) for name, columns in totals.items()]
    for name in ("duration_ms", "first_byte_ms"):
        for percent in (50, 95, 99):
            sql = f"quantile_disc({name}, 0.{percent}) FILTER (WHERE entry = 'usage')"
            found.append(Measure(f"{name}_p{percent}", "ms", sql, ""))
    return {measure.name: measure for measure in found}


MEASURES = _measures()

COST_MEASURES = (
    "effective_cost",
    "list_cost",
    "saved_cost",
    "retry_cost",
    "calls",
    "attempts",
    "total_input_tokens",
    "total_output_tokens",
    "cache_read_tokens",
    "unpriced_count",
    "estimated_count",
    "assumed_count",
    "errors",
    "retries",
)
"""What a table of costs shows; the three counts are always there, for a cost without them could hide something."""

DOUBTS = ("unpriced_count", "estimated_count", "assumed_count")


def dimension(name: str) -> Dimension:
    """The dimension of that name, or a tag: "tag:plan". Raises BadQuery that lists what there is."""
    if name.startswith(TAG_PREFIX):
        key = name.removeprefix(TAG_PREFIX)
        if not key or len(key) > TAG_KEY_CHARS_MAX:
            raise BadQuery(f"a tag's name has 1 to {TAG_KEY_CHARS_MAX} characters, as in tag:plan", field="dimension")
        return Dimension(name, "tags")
    found = DIMENSIONS.get(name)
    if found is None:
        raise BadQuery(
            f"there is no dimension {name!r}; there are {', '.join(DIMENSIONS)}, and any tag as tag:NAME",
            field="dimension",
        )
    return found


def marker_scope(name: str, value: str) -> SeriesKey:
    """Whom a marker is about; "" is everything. Raises BadMarker for a dimension that there isn't: no page would ever
    show such a marker."""
    try:
        return SeriesKey(dimension(name).name if name else "", value)
    except BadQuery as error:
        raise BadMarker(f"scope: {error}", field="scope") from error


def filterable(name: str) -> Dimension:
    """What a filter may be on: a dimension, a tag, or `saved`. Raises BadQuery."""
    return _SAVED if name == SAVED else dimension(name)


def check_saved(op: str, values: Sequence[str]) -> None:
    """Raises BadQuery for a filter on `saved` that could not mean anything."""
    if op in ("is", "not") and set(values) <= {*LEVERS, ""}:
        return
    raise BadQuery(
        f"{SAVED} is asked by a lever, as {SAVED}=prompt_cache or {SAVED}!=routing; there are {', '.join(LEVERS)}, and "
        "the empty text for none",
        field="filter",
    )


def measure(name: str) -> Measure:
    """The measure of that name. Raises BadQuery that lists what there is."""
    found = MEASURES.get(name)
    if found is None:
        raise BadQuery(f"there is no measure {name!r}; there are {', '.join(MEASURES)}", field="measure")
    return found


def is_grain(name: str) -> bool:
    return name in GRAINS
