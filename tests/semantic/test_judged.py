"""What the docs say of precision and recall is what comes out, on the data beside them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bursar.semantic.judge import DENIED, NUMBER, SAME, Case, Judged, denied, other_number, score, table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "semantic-cache.md").read_text("utf-8")


def judged(kind: str, similarity: float, refused: str = "") -> Judged:
    return Judged(Case("", kind, "", ""), similarity, refused)


def test_a_score_counts_what_it_says():
    seen = [judged(SAME, 0.99), judged(SAME, 0.95, "word"), judged(SAME, 0.5), judged("negation", 0.97, "polarity")]
    alone, guarded = (score(seen, 0.9, guarded=guarded) for guarded in (False, True))
    assert (alone.same, alone.others, alone.same_hits, alone.other_hits) == (3, 1, 2, 1)
    assert (guarded.same_hits, guarded.other_hits, guarded.precision) == (1, 0, 1.0)
    assert score(seen, 0.999, guarded=True).precision is None
    assert "| 0.90 | 66.7 % | 1 of 1 | 66.7 % | 33.3 % | 0 of 1 | 100.0 % |" in table(seen)


def test_texts_are_changed_in_one_place():
    assert other_number("from 3 to 9.") == "from 3 to 10."
    assert denied("It is so") == "It is not so"
    assert (other_number("none"), denied("Nothing here")) == ("", "")


@pytest.mark.slow
def test_what_the_docs_say_of_the_cache_is_what_comes_out():
    """In a process of its own: numpy may be loaded here already, with as many threads as there are cores."""
    command = [sys.executable, "-m", "bursar.cli.main", "bench", "semantic", "--markdown"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    tables = [block for block in told.split("\n\n") if block.startswith("|")]
    assert len(tables) == 6
    for one in tables:
        assert one in PAGE
    for kind in (NUMBER, DENIED):  # of those that are known to differ, none is a hit
        assert re.search(rf"^\| {kind} \| \d+ \| \d+ \| 0 \|$", PAGE, re.MULTILINE)
