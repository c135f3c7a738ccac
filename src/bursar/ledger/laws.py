"""The laws of the books as queries: each gives what must be, what is, and where to look when they differ."""

from collections.abc import Iterable
from typing import NamedTuple

from bursar.ledger.calls import TOTAL_INPUT, TOTAL_OUTPUT
from bursar.ledger.rollups import COST, DAY_ROLLUPS, MEASURES, ROLLUPS, SAVED_COLUMNS, Rollup


class Law(NamedTuple):
    """`law`: its number in DESIGN.md. `sql` answers one row: expected, actual, detail ('' when they are equal)."""

    law: int
    name: str
    sql: str


def _none(problem: str, detail: str) -> str:
    """A law that no row may break: 0 expected; `problem` is a query for offenders, `detail` one of their columns."""
    shown = f"string_agg({detail}::VARCHAR, ', ' ORDER BY {detail}) FILTER (WHERE place <= 5)"
    return (
        f"SELECT 0, count(*), coalesce({shown}, '') "
        f"FROM (SELECT *, row_number() OVER (ORDER BY {detail}) AS place FROM ({problem}))"
    )


_ATTEMPTS = Law(
    2,
    "attempts in the journal = charges + in flight",
    """
    WITH journal AS (SELECT writer, SUM(dispatched) AS n FROM segments GROUP BY writer),
    books AS (
      SELECT writer, count(*) AS n FROM (
        SELECT writer FROM charges WHERE entry = 'usage' AND seq > 0 UNION ALL SELECT writer FROM pending
      ) GROUP BY writer
    ),
    side_by_side AS (
      SELECT writer, coalesce(journal.n, 0) AS journal, coalesce(books.n, 0) AS books
      FROM journal FULL JOIN books USING (writer)
    )
    SELECT SUM(journal)::BIGINT, SUM(books)::BIGINT,
      coalesce(string_agg(format('{}: {} in the journal, {} in the books', writer, journal, books), '; ')
               FILTER (WHERE journal <> books), '')
    FROM side_by_side
    """,
)
_SETTLEMENTS = Law(
    3,
    "settlements in the journal + assumed = charges",
    """
    SELECT
      ((SELECT coalesce(SUM(settled), 0) FROM segments) + (SELECT coalesce(SUM(assumed), 0) FROM writers)
       - (SELECT count(*) FROM loader_faults WHERE code IN ('settled_unknown', 'settled_twice'))
       - (SELECT count(*) FROM charges WHERE entry = 'correction' AND reason = 'settled late'))::BIGINT,
      (SELECT count(*) FROM charges WHERE entry = 'usage' AND seq > 0),
      ''
    """,
)
_BATCH_LINES = Law(
    2,
    "batch lines in the journal, without copies = their charges",
    """
    SELECT
      ((SELECT coalesce(SUM(lines), 0) FROM segments) - (SELECT coalesce(SUM(copies), 0) FROM line_copies))::BIGINT,
      (SELECT count(*) FROM charges WHERE entry = 'usage' AND seq = 0), ''
    """,
)
_TWICE = Law(
    2,
    "one charge for each attempt",
    _none("SELECT attempt_id FROM charges WHERE entry = 'usage' GROUP BY attempt_id HAVING count(*) > 1", "attempt_id"),
)
_SEQUENCE = Law(
    3,
    "no gap in any worker's sequence",
    """
    WITH numbers AS (
      SELECT writer, seq FROM charges WHERE entry = 'usage' AND seq > 0 UNION ALL SELECT writer, seq FROM pending
    ),
    writers AS (
      SELECT writer, max(seq) AS last, count(DISTINCT seq) AS n, min(seq) AS first FROM numbers GROUP BY writer
    )
    SELECT coalesce(SUM(last), 0)::BIGINT, coalesce(SUM(CASE WHEN first >= 1 THEN n ELSE -1 END), 0)::BIGINT,
      coalesce(string_agg(format('{}: {} of {}', writer, n, last), '; ') FILTER (WHERE last <> n OR first < 1), '')
    FROM writers
    """,
)
_CALL_ROWS = Law(
    2,
    "one row and one outcome for each call",
    _none(
        """
        SELECT call_id FROM calls GROUP BY call_id HAVING count(*) > 1 OR min(outcome) = ''
        UNION ALL
        SELECT DISTINCT call_id FROM charges WHERE entry <> 'adjustment' AND call_id NOT IN (SELECT call_id FROM calls)
          AND call_id NOT IN (SELECT call_id FROM open_calls) AND call_id NOT IN (SELECT call_id FROM pending)
        UNION ALL
        SELECT call_id FROM charges WHERE is_final GROUP BY call_id
        HAVING SUM(CASE WHEN entry = 'usage' THEN 1 ELSE 0 END) > 1
        """,
        "call_id",
    ),
)
_CALL_SUMS = Law(
    1,
    "each call = its charges",
    _none(
        f"""
        SELECT coalesce(calls.call_id, sums.call_id) AS call_id FROM (SELECT * FROM calls WHERE attempts > 0) AS calls
        FULL JOIN (
          SELECT call_id, SUM(weight) AS attempts, SUM(list_cost) AS list_cost, SUM(effective_cost) AS effective_cost,
            SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END) AS unpriced_count,
            SUM({TOTAL_INPUT}) AS total_input, SUM({TOTAL_OUTPUT}) AS total_output
          FROM charges WHERE entry <> 'adjustment' GROUP BY call_id HAVING SUM(weight) > 0
        ) AS sums USING (call_id)
        WHERE coalesce(calls.call_id, sums.call_id) NOT IN (SELECT call_id FROM open_calls)
          AND coalesce(calls.call_id, sums.call_id) NOT IN (SELECT call_id FROM pending)
          AND (calls.attempts, calls.list_cost, calls.effective_cost, calls.unpriced_count, calls.total_input_tokens,
               calls.total_output_tokens)
            IS DISTINCT FROM (sums.attempts, sums.list_cost, sums.effective_cost, sums.unpriced_count, sums.total_input,
               sums.total_output)
        """,
        "call_id",
    ),
)
_FEMTO = "list_sum(list_transform(lines, lambda line: line.quantity * (line.unit_price * 1000000000000000)::HUGEINT))"
_LINES = Law(
    1,
    "lines of a charge, rounded once = its list cost",
    _none(  # half-even: off by less than half a pico, or by half of one and even; said so that it is computed once
        f"""
        SELECT attempt_id
        FROM (SELECT attempt_id, lines, (list_cost * 1000000000000)::HUGEINT AS pico
              FROM charges WHERE len(lines) > 0 AND list_cost IS NOT NULL)
        WHERE abs({_FEMTO} - pico * 1000) * 2 + abs(pico % 2) > 1000
        """,
        "attempt_id",
    ),
)
_DAYS = Law(
    1,
    "the days add up to the whole",
    """
    SELECT (SELECT coalesce(SUM(list_cost), 0) FROM charges)::VARCHAR,
      (SELECT coalesce(SUM(cost), 0)
       FROM (SELECT SUM(list_cost) AS cost FROM charges GROUP BY received_at::DATE))::VARCHAR,
      ''
    """,
)
_CALLS_TOTAL = Law(
    1,
    "all calls add up to all charges",
    """
    SELECT coalesce(SUM(effective_cost), 0)::VARCHAR,
      (SELECT coalesce(SUM(effective_cost), 0) FROM calls WHERE attempts > 0)::VARCHAR, ''
    FROM charges WHERE entry <> 'adjustment' AND call_id NOT IN (SELECT call_id FROM open_calls)
      AND call_id NOT IN (SELECT call_id FROM pending WHERE call_id NOT IN (SELECT call_id FROM calls))
    """,
)
_UNKNOWN = Law(
    5,
    "unpriced means no cost, and no cost means unpriced",
    _none(
        """
        SELECT attempt_id FROM charges
        WHERE (quality = 'unpriced') <> (list_cost IS NULL) OR (list_cost IS NULL) <> (effective_cost IS NULL)
        """,
        "attempt_id",
    ),
)
_SAVED = Law(
    8,
    "each charge: its cost and what each lever saved = its counterfactual",
    _none(
        f"""
        SELECT attempt_id FROM charges
        WHERE list_cost IS NOT NULL
          AND coalesce(counterfactual_cost, list_cost) <> list_cost + {" + ".join(SAVED_COLUMNS)}
        """,
        "attempt_id",
    ),
)
_REVERSALS = Law(
    7,
    "a reversal is the exact opposite of what it reverses",
    _none(
        f"""
        SELECT undo.attempt_id FROM charges AS undo
        LEFT JOIN charges AS was ON was.attempt_id = undo.attempt_id
          AND coalesce(was.entry_id, was.attempt_id) = undo.reverses
        WHERE undo.entry = 'reversal' AND (was.attempt_id IS NULL
          OR (was.weight + undo.weight, coalesce(was.list_cost + undo.list_cost, 0),
              coalesce(was.effective_cost + undo.effective_cost, 0), was.input_tokens + undo.input_tokens,
              was.output_tokens + undo.output_tokens, coalesce(was.counterfactual_cost + undo.counterfactual_cost, 0))
             <> (0, 0, 0, 0, 0, 0)
          OR {" OR ".join(f"coalesce(was.{name} + undo.{name}, 0) <> 0" for name in SAVED_COLUMNS)}
          OR (was.list_cost IS NULL) <> (undo.list_cost IS NULL))
        """,
        "attempt_id",
    ),
)
_ENTRIES = Law(
    7,
    "no entry is posted or reversed twice",
    _none(
        """
        SELECT entry_id AS id FROM charges WHERE entry_id IS NOT NULL GROUP BY entry_id HAVING count(*) > 1
        UNION ALL SELECT reverses FROM charges WHERE reverses IS NOT NULL GROUP BY reverses HAVING count(*) > 1
        """,
        "id",
    ),
)
_ADJUSTMENTS = Law(
    7,
    "an adjusting entry changes nothing but money, and stands for an attempt of the books or for none",
    _none(
        f"""
        SELECT entry_id FROM charges WHERE entry = 'adjustment'
          AND (weight <> 0 OR entry_id IS NULL OR writer = '' OR {TOTAL_INPUT} + {TOTAL_OUTPUT} <> 0)
        UNION ALL
        SELECT entry_id FROM charges WHERE entry = 'adjustment' AND attempt_id IS NOT NULL
          AND attempt_id NOT IN (SELECT attempt_id FROM charges WHERE entry = 'usage')
        """,
        "entry_id",
    ),
)
_IN_FLIGHT = Law(
    3,
    "what is in flight is in no charge and has a living worker",
    _none(
        """
        SELECT attempt_id FROM pending WHERE attempt_id IN (SELECT attempt_id FROM charges)
        UNION ALL SELECT attempt_id FROM pending WHERE writer IN (SELECT writer FROM writers)
        UNION ALL SELECT attempt_id FROM pending GROUP BY attempt_id HAVING count(*) > 1
        """,
        "attempt_id",
    ),
)
_FAULTS = Law(
    3,
    "all of the journal could be read",
    "SELECT 0, count(*), coalesce(string_agg(code || ': ' || detail, '; ' ORDER BY seen_at), '') FROM loader_faults",
)


_KNOWABLE = [name for name, (kind, _) in MEASURES.items() if kind == COST or name == "first_byte_ms"]
"""Measures whose sum is NULL where nothing of it is known; the others count."""


def _known(parts: Iterable[str]) -> str:
    """Which of the parts are known, as bits."""
    return " + ".join(f"CASE WHEN ({part}) IS NULL THEN 0 ELSE {1 << at} END" for at, part in enumerate(parts))


def _rollup_law(rollup: Rollup) -> Law:
    """Every measure, of every slot and combination of dimensions.

    Charges less sums is nothing: added up side by side in one pass, where a join of both held 6 GB of ten million.
    A combination goes by its hash: of 64 bits and within one slot, so two never meet by chance.
    """
    keys = f"hash({', '.join(rollup.dimensions)}) AS combination"
    is_day = rollup in DAY_ROLLUPS
    sums = rollup.name if is_day else f"({rollup.whole})"
    charges = "charges WHERE received_at < (SELECT max(until) FROM rollup_days)" if is_day else "charges"
    booked = ", ".join(f"{part} AS {name}" for name, (_, part) in MEASURES.items())
    summed = ", ".join(f"-{name} AS {name}" for name in MEASURES)
    both = (
        f"SELECT {rollup.slot} AS slot, {keys}, {booked}, "
        f"{_known(MEASURES[name][1] for name in _KNOWABLE)} AS booked, 0 AS summed FROM {charges} UNION ALL "
        f"SELECT slot, {keys}, {summed}, 0 AS booked, {_known(_KNOWABLE)} AS summed FROM {sums}"
    )
    differs = " OR ".join([f"SUM({name}) <> 0" for name in MEASURES] + ["bit_or(booked) <> bit_or(summed)"])
    return Law(
        8,
        f"{rollup.name} = charges",
        _none(f"SELECT slot FROM ({both}) GROUP BY slot, combination HAVING {differs}", "slot"),
    )


LAWS: tuple[Law, ...] = (
    _ATTEMPTS,
    _SETTLEMENTS,
    _BATCH_LINES,
    _TWICE,
    _SEQUENCE,
    _CALL_ROWS,
    _CALL_SUMS,
    _CALLS_TOTAL,
    _LINES,
    _DAYS,
    _UNKNOWN,
    _SAVED,
    _REVERSALS,
    _ENTRIES,
    _ADJUSTMENTS,
    *(_rollup_law(rollup) for rollup in (*ROLLUPS, *DAY_ROLLUPS)),
    _IN_FLIGHT,
    _FAULTS,
)
