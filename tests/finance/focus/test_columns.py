"""The columns are FOCUS 1.2's, in its words; documented one by one."""

import json
import re
from pathlib import Path

from bursar.finance.focus.columns import COLUMNS, FOCUS_COLUMNS, OWN_COLUMNS, UNPRICED_COLUMNS, snake
from bursar.ledger.imported import OTHERS, ROW_COLUMNS

ROOT = Path(__file__).parents[3]
TYPES = {"String": {"text"}, "Decimal": {"money", "count"}, "Date/Time": {"time"}, "JSON": {"json"}}


def test_every_column_of_the_specification_is_there_with_its_type_and_level():
    told = json.loads((ROOT / "tests/golden/focus/columns-1.2.json").read_text("utf-8"))
    assert [column.name for column in FOCUS_COLUMNS] == [column["column"] for column in told]
    for column, spec in zip(FOCUS_COLUMNS, told, strict=True):
        assert column.kind in TYPES[spec["type"]], column.name
        assert (column.level, column.is_nullable) == (spec["level"].lower(), spec["nulls"]), column.name


def test_own_columns_come_last_and_say_that_they_are():
    assert all(re.fullmatch(r"x_[A-Z][A-Za-z]+", column.name) for column in OWN_COLUMNS)
    assert len({column.ours for column in COLUMNS}) == len(COLUMNS)
    assert {column.kind for column in COLUMNS} <= {"text", "money", "count", "time", "json"}
    assert snake("ChargePeriodStart") == "charge_period_start"
    assert snake("x_CacheReadTokens") == "x_cache_read_tokens"


def test_imported_rows_have_every_column_of_focus():
    assert {column.ours for column in FOCUS_COLUMNS} == set(ROW_COLUMNS) - {OTHERS}


def test_the_docs_list_every_column_with_what_it_says():
    page = (ROOT / "docs" / "focus.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(column.name, column.level, column.says) for column in COLUMNS]
    listed = re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", page[page.index("unpriced.csv` has") :], re.MULTILINE)
    assert listed == [(column.name, column.says) for column in UNPRICED_COLUMNS]
