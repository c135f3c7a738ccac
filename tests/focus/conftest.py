"""The environment that the validator of the FinOps Foundation runs in, filled once for each lock file."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bursar.bench.environments import locked_python

HERE = Path(__file__).parent
NAMES = ("python3.14", "python3.13", "python3.12")
NEEDS = "import sys; sys.exit(sys.version_info < (3, 12))"


@pytest.fixture(scope="session")
def validator() -> Path:
    """The Python that has the validator, which needs 3.12: FOCUS_PYTHON, or one that is found."""
    python = next((found for found in _pythons() if _fits(found)), None)
    if python is None:
        pytest.skip("the validator needs Python 3.12 or later: make test-focus FOCUS_PYTHON=/path/to/python3.12")
    return locked_python("focus-validator", HERE / "requirements.lock", python=python) / "bin" / "python"


def _pythons() -> Iterator[str]:
    named = os.environ.get("FOCUS_PYTHON")
    if named:
        yield named
    yield from (found for name in NAMES if (found := shutil.which(name)))
    yield from (str(found) for found in sorted(Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python3"), reverse=True))


def _fits(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", NEEDS], check=False, capture_output=True).returncode == 0
    except OSError:
        return False
