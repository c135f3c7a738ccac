"""The real Claude Code and Codex programs against the simulator, through the gateway: they work, and each call is
charged to its session, its agent and the kind of its request. The contract, byte by byte: tests/system/test_agents.py.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import Environments
from tests.clients.documented import claude_settings, examples
from tests.clients.programs.cases import DEMAND, OUTPUT_TOKENS, TEXT
from tests.world import World

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.money import usd_from_pico
from bursar.spool.records import Ended

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SECONDS_MAX = 240
CLAUDE_MODEL = "claude-sonnet-5"


def run(command: Sequence[str | Path], home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A program in a directory and with a home of its own, and nothing of this machine's settings."""
    work = home / "work"
    work.mkdir(parents=True, exist_ok=True)
    own = {"PATH": os.environ["PATH"], "HOME": str(home), **env}
    return subprocess.run(
        [str(part) for part in command], cwd=work, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=SECONDS_MAX,
    )  # fmt: skip


def claude(
    world: World, environments: Environments, home: Path, *arguments: str, headers: str = ""
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """`claude -p`, set up as docs/clients.md says; what it printed, line by line."""
    settings = claude_settings(world.url)
    tags = headers or settings.pop("ANTHROPIC_CUSTOM_HEADERS")
    program = environments.node_program("@anthropic-ai/claude-code", "claude")
    done = run(
        [program, "-p", "What is due?", "--model", CLAUDE_MODEL, "--output-format", "stream-json", "--verbose",
         *arguments],
        home,
        **settings
        | {"ANTHROPIC_API_KEY": "sk-ant-own", "ANTHROPIC_CUSTOM_HEADERS": f"{tags}\nx-sim: {json.dumps(DEMAND)}"},
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        CLAUDE_CODE_DISABLE_BACKGROUND_TASKS="1",  # a helper that ends later would be a new turn, with a new helper
        DISABLE_AUTOUPDATER="1",
    )  # fmt: skip
    return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def charges_of(world: World, session: str) -> list[dict[str, Any]]:
    """The charges of a session, each as the provider billed it."""
    world.settle_down()
    world.load()
    charges = world.rows("SELECT * FROM charges WHERE session = $session ORDER BY dispatched_at", session=session)
    for charge in charges:
        billed = [entry for entry in world.sim_log() if entry.answer_id == charge["upstream_id"]]
        assert [usd_from_pico(entry.cost_pico) for entry in billed if entry.cost_pico is not None] in (
            [charge["list_cost"]],
            [],  # a model that the simulator has no price of
        )
        assert charge["quality"] in ("reported", "unpriced")
    return charges


def test_claude_code_answers_and_its_call_is_charged(world: World, environments: Environments, tmp_path: Path):
    done, lines = claude(world, environments, tmp_path, "--tools", "")
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    result = lines[-1]
    assert (result["result"], result["usage"]["output_tokens"]) == (TEXT, OUTPUT_TOKENS)
    (charge,) = charges_of(world, result["session_id"])
    assert (charge["feature"], charge["team"]) == ("refactor", "core")
    assert (charge["request_type"], charge["model_asked"], charge["is_stream"]) == ("main", CLAUDE_MODEL, True)
    assert charge["output_tokens"] == OUTPUT_TOKENS
    (entry,) = [entry for entry in world.sim_log() if entry.answer_id == charge["upstream_id"]]
    assert {"anthropic-beta", "x-claude-code-session-id", "x-app"} <= set(entry.header_names)
    assert "x-bursar-tags" not in entry.header_names


def test_claude_codes_tools_go_there_and_back(world: World, environments: Environments, tmp_path: Path):
    done, lines = claude(world, environments, tmp_path, "--tools", "Read", "--max-turns", "4")
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    blocks = [block for line in lines if line["type"] == "assistant" for block in line["message"]["content"]]
    assert [block["name"] for block in blocks if block["type"] == "tool_use"] == ["Read"]
    assert lines[-1]["result"] == TEXT
    assert len(charges_of(world, lines[-1]["session_id"])) == 2


def test_a_sub_agent_of_claude_code_has_its_own_cost(world: World, environments: Environments, tmp_path: Path):
    done, lines = claude(world, environments, tmp_path, "--tools", "Agent", "--max-turns", "4")
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    charges = charges_of(world, lines[-1]["session_id"])
    main = [charge for charge in charges if charge["request_type"] == "main"]
    helpers = [charge for charge in charges if charge["request_type"] == "subagent"]
    assert len(charges) == len(main) + len(helpers)
    assert {charge["agent"] for charge in main} == {""}
    agents = {charge["agent"] for charge in helpers}
    assert agents - {""} == agents != set()
    parents = {dict(charge["tags"]).get("parent_agent") for charge in helpers}
    assert parents - {None} <= agents, "a helper's helper says whose it is"


def test_claude_code_shows_a_spent_budget_and_asks_no_second_time(
    world: World, environments: Environments, tmp_path: Path
):
    """`x-should-retry: false`: without it the program would try ten times."""
    budgets = world.site.budgets()
    budgets.create(
        Budget(budget_id="", name="spent", match={"feature": "spent"}, limit=LimitPlan(1),
               window=Schedule(parse_spec("lifetime"))),
        actor="test",
    )  # fmt: skip
    world.site.publish_budgets(budgets)
    world.until_known()
    done, lines = claude(world, environments, tmp_path, "--tools", "", headers="x-bursar-tags: feature=spent")
    assert done.returncode != 0
    assert lines[-1]["is_error"]
    assert "budget" in lines[-1]["result"]
    assert not charges_of(world, lines[-1]["session_id"])
    refused = [record for record in world.records() if isinstance(record, Ended)]
    assert [record.error_code for record in refused] == ["budget_exhausted"]


def codex(world: World, environments: Environments, home: Path, demand: dict[str, Any]) -> list[dict[str, Any]]:
    """`codex exec`, set up as docs/clients.md says; its events."""
    settings = home / ".codex" / "config.toml"
    settings.parent.mkdir(parents=True)
    (documented,) = examples("toml", world.url)
    demanded = f'http_headers = {{ "x-sim" = {json.dumps(json.dumps(demand))}, '
    settings.write_text(documented.replace("http_headers = { ", demanded), "utf-8")
    program = environments.node_program("@openai/codex", "codex")
    done = run([program, "exec", "--skip-git-repo-check", "--json", "What is due?"], home, OPENAI_API_KEY="sk-own")
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_codex_answers_with_its_tools_and_its_calls_are_charged(
    world: World, environments: Environments, tmp_path: Path
):
    events = codex(world, environments, tmp_path, DEMAND)
    said = [event["item"] for event in events if event["type"] == "item.completed"]
    assert [item["text"] for item in said if item["type"] == "agent_message"] == [TEXT]
    assert any(item["type"] == "command_execution" for item in said)
    thread = next(event["thread_id"] for event in events if event["type"] == "thread.started")
    charges = charges_of(world, thread)
    assert len(charges) == 2
    assert {(charge["feature"], charge["team"]) for charge in charges} == {("refactor", "core")}
    used = next(event["usage"] for event in events if event["type"] == "turn.completed")
    assert used["output_tokens"] == sum(charge["output_tokens"] for charge in charges)
    assert used["cached_input_tokens"] == sum(charge["cache_read_tokens"] for charge in charges)
