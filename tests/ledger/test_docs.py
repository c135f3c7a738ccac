from pathlib import Path

import pytest

from bursar.domain.periods import PRESETS
from bursar.explore.vocabulary import DIMENSIONS, MEASURES
from bursar.ledger.rollups import DAY_ROLLUPS, ROLLUPS
from bursar.ledger.schema import CHARGE_COLUMNS, ENTRY_COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text("utf-8")
NAMES = {
    "column": [*(column.name for column in CHARGE_COLUMNS), *ENTRY_COLUMNS],
    "dimension": list(DIMENSIONS),
    "measure": list(MEASURES),
    "period": list(PRESETS),
    "rollup": [rollup.name for rollup in (*ROLLUPS, *DAY_ROLLUPS)],
}


@pytest.mark.parametrize("kind", NAMES)
def test_every_name_is_in_the_docs(kind: str) -> None:
    assert [name for name in NAMES[kind] if f"`{name}`" not in PAGE] == []
