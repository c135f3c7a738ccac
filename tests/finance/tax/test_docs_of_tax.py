"""docs/tax.md lists every input, and its example computes to what it says."""

import json
import re
from pathlib import Path

from bursar.finance.tax.compute import compute
from bursar.finance.tax.rules import read_rules, shipped_rules
from bursar.finance.tax.vocabulary import known_inputs

DOC = (Path(__file__).parents[3] / "docs" / "tax.md").read_text("utf-8")


def test_every_input_is_listed():
    listed = set(re.findall(r"^\| `([^`]+)` \| (?:money|rate|pct|flag|date|country|texts?|number|shares|lines) \|", DOC,
                            re.MULTILINE))  # fmt: skip
    assert listed == {one.name for one in known_inputs().values() if one.kind != "ignored"}


def test_the_case_shown_comes_out_as_it_says():
    found = re.search(r"```json\n(.*?)```", DOC, re.DOTALL)
    assert found
    assert compute(json.loads(found[1])).checked == {"matches": 3, "differ": {}, "missing": []}


def test_the_row_shown_is_a_treaty_without_a_line_of_code():
    found = re.search(r"```toml\n(.*?)```", DOC, re.DOTALL)
    assert found
    book = shipped_rules().with_more([read_rules(found[1], "docs")])
    case = {"jurisdiction": "IN", "inputs": {
        "amount_usd": "1000.00", "vendor_country": "ES", "tds_position": "royalty_or_fts", "credit_date": "2026-10-30",
        "fx_tds_ttbr": "90", "trc_on_file": True, "form41_on_file": True,
    }}  # fmt: skip
    assert compute(case, book).results["tds_inr"] == "9000.00"
    assert compute(case).results["tds_inr"] == "18720.00"
