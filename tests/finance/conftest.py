"""An empty control store, for each test that asks for one."""

from pathlib import Path

import pytest

from bursar.governance.store import ControlStore


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    return ControlStore(tmp_path / "control.sqlite")
