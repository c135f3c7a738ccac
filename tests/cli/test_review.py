"""`bursar review`, on a directory whose console isn't running."""

import json
from datetime import UTC, datetime
from pathlib import Path


def test_a_week_is_told_in_words_json_and_as_a_pdf(bursar, filled, tmp_path: Path):
    data = ("--data", str(filled))
    today = datetime.now(UTC)
    shown = bursar("review", "--period", f"{today:%G-W%V}", "--links", *data)
    assert shown.code == 0
    assert "Weekly review" in shown.out
    assert "What to do" in shown.out
    assert "/explore?period=" in shown.out
    told = json.loads(bursar("review", "--format", "json", *data).out)
    assert told["kind"] == "weekly"
    target = tmp_path / "week.pdf"
    written = bursar("review", "--monthly", "--pdf", str(target), *data)
    assert (written.code, written.out) == (0, "")
    assert target.read_bytes().startswith(b"%PDF")


def test_two_reviews_at_once_and_one_that_is_none_are_wrong_usage(bursar, filled):
    data = ("--data", str(filled))
    both = bursar("review", "--weekly", "--monthly", *data)
    assert (both.code, "one of --weekly, --monthly and --period" in both.err) == (2, True)
    none = bursar("review", "--period", "someday", *data)
    assert (none.code, "2026-W47" in none.err) == (2, True)
