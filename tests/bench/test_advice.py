"""The tables of docs/advice.md are what the command makes, and every promise in them holds."""

import re
from pathlib import Path

import pytest

from bursar.bench.advice import SEEDS, documented_of, figures, run_world

PAGE = Path(__file__).parents[2] / "docs" / "advice.md"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tables_in_the_docs_are_what_the_command_makes_and_its_promises_hold():
    worlds = [run_world(seed) for seed in range(SEEDS)]
    shown = re.search(r"<!-- advice: begin -->\n(.*?)\n<!-- advice: end -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert shown
    assert shown[1].strip() == documented_of(worlds)
    assert [figure.name for figure in figures(worlds) if not figure.ok] == []
