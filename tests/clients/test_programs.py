"""Real client packages against the simulator, through the gateway: what they parse is what was said and charged.

Each program of `programs/` runs in the environment of the lock file, as a user's would, and prints what its client saw.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import HERE, Environments
from tests.clients.programs.cases import OUTPUT_TOKENS, TEXT
from tests.world import World

from bursar.domain.money import usd_from_pico

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

PROGRAMS = sorted(path.stem for path in (HERE / "programs").glob("*_client.py"))
SECONDS_MAX = 240


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_real_client_reads_answers_streams_and_tools_and_each_call_is_charged(
    world: World, environments: Environments, program: str, tmp_path: Path
):
    command = [str(environments.python), str(HERE / "programs" / f"{program}.py"), world.url, "sk-the-clients-own"]
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=SECONDS_MAX)
    assert done.returncode == 0, done.stderr[-3_000:]
    seen: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    assert len(seen) >= 3
    world.settle_down()
    world.load()
    for name, case in seen.items():
        assert "error" not in case, f"{name}\n{case['error']}"
        check(world, name, case)


def check(world: World, name: str, case: dict[str, Any]) -> None:
    """One case of a program: what it read, and the charges of its session."""
    charges = world.rows("SELECT * FROM charges WHERE session = $name ORDER BY dispatched_at", name=name)
    assert len(charges) == case.get("calls", 1), name
    for charge in charges:
        assert (charge["feature"], charge["quality"]) == ("clients", "reported"), name
        billed = [entry for entry in world.sim_log() if entry.answer_id == charge["upstream_id"]]
        assert [usd_from_pico(entry.cost_pico or 0) for entry in billed] == [charge["list_cost"]], name
    if "text" in case:
        assert case["text"] == TEXT, name
        assert charges[-1]["output_tokens"] == OUTPUT_TOKENS, name
    if "output" in case:
        assert case["output"] == OUTPUT_TOKENS, name
    if "tool" in case:
        assert case["tool"] in ("weather", "Weather"), name
        assert case["arguments"] == {"city": "sample", "days": 1}, name
