"""CSV as whole lines. The engine's own writer looks at each of seventy cells of a row: 10 µs a row, and a month of ten
million charges has millions. Here the cells that are alike from hour to hour are put together once for each kind of row
(`focus_kinds`), and a row is those pieces with its figures and times between them.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from bursar.finance.focus.columns import COSTS, FocusColumn
from bursar.finance.focus.statements import JOINED
from bursar.finance.focus.told import TIME_TEXTS, TIMES, figures, texts
from bursar.finance.focus.words import PURCHASE, UNUSED

RAW = "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER ''"
"""A file of one column, written as it is: what has to be quoted is quoted in the lines already."""

_COMMA = ", ',', "  # between two arguments of `concat`, which copies once where a chain of || copies for each
_TEXTS_OF_FIGURES = {
    "commitment_discount_quantity": (
        f"CASE WHEN class IN ('{PURCHASE}', '{UNUSED}') AND NOT is_late THEN priced_text END"
    ),
    "consumed_quantity": f"CASE WHEN class NOT IN ('{PURCHASE}', '{UNUSED}') THEN quantity_text END",
    "contracted_unit_price": "price_text",
    "list_unit_price": "price_text",
    "pricing_currency_contracted_unit_price": "price_text",
    "pricing_currency_effective_cost": "effective_cost_text",
    "pricing_currency_list_unit_price": "price_text",
    "pricing_quantity": "priced_text",
    "x_cache_read_tokens": "CASE WHEN class = 'cache_read' THEN quantity_text END",
    "x_charge_count": "charges || '.0'",
    **{cost: f"{cost}_text" for cost in COSTS},
}
"""Each figure is made text once, where several columns say it: that is what takes time."""


def head(columns: Sequence[FocusColumn]) -> bytes:
    """The first line."""
    return (",".join(column.name for column in columns) + "\n").encode()


def pieces_sql(columns: Sequence[FocusColumn]) -> str:
    """The columns of `focus_kinds`: neighbours that are alike from hour to hour, as one piece of a line each."""
    told = texts()
    return ", ".join(
        f"concat({_COMMA.join(_cell(told.get(column.ours, '')) for column in run)}) AS piece_{index}"
        for index, (is_alike, run) in enumerate(_runs(columns))
        if is_alike
    )


def lines_sql(columns: Sequence[FocusColumn]) -> str:
    """Whole lines, in the order of `focus_rows`, while the engine joins in the order that is written here."""
    parts = [
        f"piece_{index}" if is_alike else _COMMA.join(_figure(column) for column in run)
        for index, (is_alike, run) in enumerate(_runs(columns))
    ]
    same_as_list = ", ".join(
        f"CASE WHEN {cost} = list_cost THEN list_cost_text ELSE {_short(cost)} END AS {cost}_text"
        for cost in COSTS
        if cost != "list_cost"
    )
    told = figures()
    return f"""
        SELECT concat({_COMMA.join(parts)})
        FROM (SELECT *, {same_as_list} FROM (
          SELECT r.*, s.* EXCLUDE (pid, class), h.* EXCLUDE (start_at, billing_month), {_short("r.list_cost")}
            AS list_cost_text, {_short(told["list_unit_price"])} AS price_text,
            ({told["pricing_quantity"]})::VARCHAR AS priced_text, r.quantity || '.0' AS quantity_text
          FROM {JOINED})) AS r"""


def _runs(columns: Sequence[FocusColumn]) -> Iterator[tuple[bool, list[FocusColumn]]]:
    """Neighbours that are alike from hour to hour, and those that aren't, by turns."""
    differs = {*figures(), *TIMES}
    for is_alike, run in groupby(columns, lambda column: column.ours not in differs):
        yield is_alike, list(run)


def _cell(sql: str) -> str:
    """Text as a CSV writes it; NULL where there is none, which `concat` leaves out."""
    return f"'\"' || replace({sql}, '\"', '\"\"') || '\"'" if sql else "''"


def _short(sql: str) -> str:
    """An exact number without the zeros at its end, but one: a tenth of a file is those."""
    return f"rtrim(({sql})::VARCHAR, '0') || '0'"


def _figure(column: FocusColumn) -> str:
    if column.ours in TIMES:
        return TIME_TEXTS[TIMES[column.ours]]
    return _TEXTS_OF_FIGURES[column.ours]
