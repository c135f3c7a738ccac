"""The reference's worked examples, exact to the paisa and cent."""

import json
from pathlib import Path

import pytest

from bursar.finance.tax.compute import compute

GOLDEN = json.loads((Path(__file__).parent / "tax_golden.json").read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", GOLDEN, ids=[case["id"] for case in GOLDEN])
def test_a_worked_example_comes_out_exactly(case):
    found = compute(case)
    assert found.checked == {"matches": found.checked["matches"], "differ": {}, "missing": []}
    assert found.checked["matches"] >= 7


@pytest.mark.parametrize("case", GOLDEN, ids=[case["id"] for case in GOLDEN])
def test_every_rule_of_a_worked_example_is_named(case):
    assert set(case["rule_ids"]) <= set(compute(case).rule_ids)


@pytest.mark.parametrize("case", GOLDEN, ids=[case["id"] for case in GOLDEN])
def test_expected_figures_are_never_read_for_an_answer(case):
    alone = compute({name: value for name, value in case.items() if name != "expected"})
    asked = compute(case)
    assert alone.results == {key: asked.results[key] for key in alone.results}


def test_every_figure_carries_its_rules_and_how_sure_it_is():
    for figure in compute(GOLDEN[0]).figures:
        assert figure["rules"], figure
        assert figure["confidence"] in ("high", "medium", "low")
        assert figure["confirm"] == ("" if figure["confidence"] == "high" else "confirm with a professional")
    tax = next(one for one in compute(GOLDEN[0]).figures if one["key"] == "igst_rcm_inr")
    assert (tax["rate"], tax["rate_from"], tax["rules"]) == ("0.18", "2017-07-01", ["IN-GST-01"])
