"""All calls of a period as groups that are priced alike, with the sums of what they used: what a what-if is asked of.

A price is the same for every token of a unit within a model, tier, region and context band. So the cost of ten million
calls at other prices is that of a few hundred groups.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bursar.domain.periods import Period
from bursar.domain.usage import Usage
from bursar.explore import compile as sql
from bursar.explore.filters import Filter, as_filters
from bursar.ledger.calls import TOTAL_INPUT
from bursar.ledger.rollups import NEW
from bursar.ledger.schema import TOKEN_COLUMNS
from bursar.ledger.store import Session

_USAGE = {column.source.partition(".")[2]: column.name for column in TOKEN_COLUMNS}
_KEYS = ("provider", "model", "operation", "tier", "region", "is_stream", "quality")
CONTEXT_STEPS = (16_384, 32_768, 65_536, 131_072, 262_144, 524_288)
"""Sizes of a whole call in tokens, where context windows end: which calls would not fit a smaller one."""


class Group(msgspec.Struct, frozen=True):
    """Charges that are priced alike, corrections included.

    band_above: they have more input than this, -1: than nothing; size_to: input and output are at most so many tokens.
    tier: as served, else as asked. usage: sums of its counts. attempts: how many charges count.
    list_cost, effective_cost: USD; None: unpriced. text_bytes: of requests that carry text only; text_tokens: of those.
    """

    provider: str
    model: str
    operation: str
    tier: str
    region: str
    is_stream: bool
    quality: str
    band_above: int
    size_to: int
    attempts: int
    usage: Usage
    list_cost: Decimal | None
    effective_cost: Decimal | None
    saved_cost: Decimal
    text_bytes: int
    text_tokens: int


def portfolio(
    session: Session, dialect: str, period: Period, filters: Sequence[Filter | tuple[str, str]], bands: Sequence[int]
) -> list[Group]:
    """The groups of a period. bands: input sizes at which some model's price changes, in tokens."""
    wanted = as_filters(filters)
    where = ["received_at >= $start", "received_at < $end"]
    where += [one.sql(dialect=dialect) for one in sql.conditions(sql.filter_shapes(wanted))]
    params = {**sql.period_params(period, None), **sql.filter_params(wanted)}
    whole = "total_input + output_tokens + output_audio_tokens + output_image_tokens"
    rows = session.query(
        f"""
        SELECT {", ".join(_KEYS)}, {_step("abs(total_input)", sorted(bands), over=True)} AS band_above,
          {_step(f"abs({whole})", CONTEXT_STEPS, over=False)} AS size_to, SUM(weight)::BIGINT AS attempts,
          {", ".join(f"SUM({name})::BIGINT AS {name}" for name in _USAGE.values())},
          SUM(list_cost) AS list_cost, SUM(effective_cost) AS effective_cost,
          coalesce(SUM(counterfactual_cost - list_cost), 0) AS saved_cost,
          SUM(CASE WHEN is_text THEN request_bytes ELSE 0 END)::BIGINT AS text_bytes,
          SUM(CASE WHEN is_text THEN total_input ELSE 0 END)::BIGINT AS text_tokens
        FROM (
          SELECT *, CASE WHEN tier_served = '' THEN tier_asked ELSE tier_served END AS tier,
            {TOTAL_INPUT} AS total_input,
            input_audio_tokens = 0 AND input_image_tokens = 0 AND quality IN ('reported', 'reconciled') AS is_text
          FROM charges WHERE {" AND ".join(where)}
        )
        GROUP BY ALL HAVING SUM(weight) <> 0 OR SUM(list_cost) <> 0
        """,
        params,
    ).dicts()
    return [_group(row) for row in rows]


def models_called(session: Session, period: Period) -> list[tuple[str, str]]:
    """(provider, model) of a period's charges, from the sums kept ready: a slot more on each side does no harm."""
    within = "slot >= $start - INTERVAL 1 HOUR AND slot < $end"
    parts = [f"SELECT provider, model FROM {table} WHERE {within}" for table in ("rollup_model", NEW)]
    return [tuple(row) for row in session.query(" UNION ".join(parts), sql.period_params(period, None)).rows]


def _group(row: dict[str, object]) -> Group:
    usage = Usage(**{field: row[name] for field, name in _USAGE.items()})  # type: ignore[arg-type]  # counts
    own = {name: row[name] for name in Group.__struct_fields__ if name in row}
    return Group(**own, usage=usage)  # type: ignore[arg-type]  # as the query gives them


def _step(value: str, steps: Sequence[int], *, over: bool) -> str:
    """The largest step that a value is over (-1: none); or the smallest that it is not over (0: it is over all)."""
    if not steps:
        return "-1" if over else "0"
    if over:
        whens = " ".join(f"WHEN {value} > {step:d} THEN {step:d}" for step in reversed(steps))
        return f"CASE {whens} ELSE -1 END"
    whens = " ".join(f"WHEN {value} <= {step:d} THEN {step:d}" for step in steps)
    return f"CASE {whens} ELSE 0 END"
