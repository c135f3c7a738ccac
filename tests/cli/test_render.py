import csv
import io
import json
from contextlib import redirect_stdout
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bursar.cli.render import (
    BAR_CELLS,
    count_column,
    money_column,
    print_csv,
    print_json,
    print_table,
    share_bar,
    share_column,
    text_column,
)


@given(st.floats(-1, 2))
def test_a_share_bar_always_has_the_same_width(share):
    assert cell_len(share_bar(share)) == BAR_CELLS


@given(st.floats(1e-9, 1))
def test_what_is_there_is_never_an_empty_bar(share):
    assert share_bar(share).strip()


def test_nothing_is_an_empty_bar_and_all_is_a_full_one():
    assert share_bar(0) == " " * BAR_CELLS
    assert share_bar(1) == "█" * BAR_CELLS


@given(st.lists(st.decimals(0, 10**6, places=12), min_size=1, max_size=5))
def test_json_and_csv_carry_every_digit_and_never_an_exponent(amounts):
    with redirect_stdout(io.StringIO()) as out:
        print_json({"amounts": amounts})
    text = out.getvalue()
    assert [Decimal(amount) for amount in json.loads(text)["amounts"]] == amounts
    assert "E" not in text


def test_csv_defuses_what_a_spreadsheet_would_run(capsys):
    print_csv(["name", "cost"], [["=HYPERLINK(1)", Decimal("-1.50")], ["@x", None], ["-3.5", "plain"]])
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[1:] == [["'=HYPERLINK(1)", "-1.5"], ["'@x", ""], ["-3.5", "plain"]]


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


COLUMNS = [
    text_column("id", "id"),
    text_column("name", "name", grow=True),
    money_column("cost", "cost"),
    share_column("share", "share", Decimal(100), Decimal(100)),
    count_column("calls", "calls"),
]


def test_a_table_aligns_its_figures_and_ends_with_the_total(capsys):
    rows = [
        {"id": "a" * 36, "name": "x" * 400, "cost": "99.5", "share": "99.5", "calls": 1234567},
        {"id": "b" * 36, "name": "", "cost": None, "share": None, "calls": 0},
    ]
    print_table(COLUMNS, rows, title="T", totals={"id": "total", "cost": "99.5", "calls": 1234567}, notes=["a note"])
    text = capsys.readouterr().out
    assert "a" * 36 in text  # an id is never cut, or nobody could copy it
    assert "…" in text  # the long name is
    assert "(none)" in text
    assert "unpriced" in text
    assert "\x1b[" not in text  # no colour where it is not a terminal
    lines = rows_of(text)
    first, total = next(line for line in lines if "aaaa" in line), next(line for line in lines if "total" in line)
    assert first.index("$99.50") == total.index("$99.50")
    assert first.index("1,234,567") == total.index("1,234,567")


def test_a_hostile_name_is_shown_and_not_obeyed(capsys):
    print_table([text_column("name", "name")], [{"name": "[bold red]x[/] :smile:"}])
    assert "[bold red]x[/] :smile:" in capsys.readouterr().out
