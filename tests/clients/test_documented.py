"""Every Python example of docs/clients.md runs as it stands."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.clients.conftest import Environments
from tests.clients.documented import examples
from tests.world import World

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

KEYS = {"OPENAI_API_KEY": "sk-own", "ANTHROPIC_API_KEY": "sk-ant-own", "GEMINI_API_KEY": "AIza-own"}


def test_the_examples_of_the_page_run(world: World, environments: Environments, tmp_path: Path):
    """One after the other in one program: to import these packages costs more than to use them."""
    program = "\n\n".join(examples("python", world.url))
    (tmp_path / "example.py").write_text(program, "utf-8")
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "True", **KEYS}
    done = subprocess.run(
        [str(environments.python), str(tmp_path / "example.py")], env=own, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert len(done.stdout.splitlines()) == program.count("print(")
    assert all(done.stdout.splitlines())
