"""Every surface × {plain, stream} × every way a call can go: one call row, the right attempts, and the provider's bill.

All cells run at once through one gateway; then each is looked at. What the simulator billed is compared to the pico
with what the ledger says it was `reported`; whatever isn't reported is flagged, and is never less than the bill.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

from bursar.domain.money import usd_from_pico
from bursar.gateway.tag_grammar import format_tags
from bursar.simulate.billing import LogEntry

TIMEOUT_S = 6.0  # of the gateway; long enough that no other cell meets it on a busy machine
TEXT = "Say something about the price of a cup of tea, at some length, please. " * 3

SURFACES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (
        "/v1/chat/completions",
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": TEXT}], "max_tokens": 200},
    ),
    "responses": ("/v1/responses", {"model": "gpt-4.1-mini", "input": TEXT, "max_output_tokens": 200}),
    "embeddings": ("/v1/embeddings", {"model": "text-embedding-3-small", "input": TEXT}),
    "messages": (
        "/v1/messages",
        {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": TEXT}], "max_tokens": 200},
    ),
    "count_tokens": (
        "/v1/messages/count_tokens",
        {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": TEXT}]},
    ),
    "gemini": (
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": TEXT}]}], "generationConfig": {"maxOutputTokens": 200}},
    ),
    "gemini_array": (
        "/v1beta/models/gemini-2.5-pro:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": TEXT}]}], "generationConfig": {"maxOutputTokens": 200}},
    ),
    "gemini_embed": ("/v1beta/models/gemini-embedding-001:embedContent", {"content": {"parts": [{"text": TEXT}]}}),
    "gemini_count": ("/v1beta/models/gemini-2.5-flash:countTokens", {"contents": [{"parts": [{"text": TEXT}]}]}),
}
STREAMING = ("chat", "responses", "messages", "gemini", "gemini_array")
BILLED = ("chat", "responses", "embeddings", "messages", "gemini", "gemini_embed")
ALL = tuple(SURFACES)

# what        | mode   | surfaces  | simulator does                     | n | st. | call           | quality   | client
TABLE = """
ok            | plain  | all       | {}                                 | 1 | 200 | ok             | reported  |
ok            | stream | streaming | {}                                 | 1 | 200 | ok             | reported  |
truncated     | plain  | text      | {"fault":"truncate"}               | 1 | 200 | truncated      | reported  |
truncated     | stream | streaming | {"fault":"truncate"}               | 1 | 200 | truncated      | reported  |
error 500     | plain  | all       | {"fault":"500"}                    | 3 | 500 | provider_error | reported  |
error 500     | stream | streaming | {"fault":"500"}                    | 3 | 500 | provider_error | reported  |
error once    | plain  | all       | {"fault":"529","times":1}          | 2 | 200 | ok             | reported  |
error once    | stream | streaming | {"fault":"529","times":1}          | 2 | 200 | ok             | reported  |
error 429     | plain  | all       | {"fault":"429","retry_after":7}    | 1 | 429 | client_error   | reported  |
error 429     | stream | streaming | {"fault":"429","retry_after":7}    | 1 | 429 | client_error   | reported  |
no quota|plain|openai|{"fault":"429","retry_after":1,"code":"insufficient_quota"}|1|429|client_error|reported|
limited once  | plain  | all       | {"fault":"429","retry_after":1,"times":1} | 2 | 200 | ok     | reported  |
limited once  | stream | streaming | {"fault":"429","retry_after":1,"times":1} | 2 | 200 | ok     | reported  |
no time said  | plain  | all       | {"fault":"429"}                    | 1 | 429 | client_error   | reported  |
gone at 0 %   | plain  | billed    | {"delay_ms":4000}                  | 1 | 0   | aborted        | reported  | 2 s
gone at 0 %   | stream | streaming | {"delay_ms":4000}                  | 1 | 0   | aborted        | reported  | 2 s
gone at 50 %  | plain  | billed    | {}                                 | 1 | 200 | ok             | reported  | 60 B
gone at 50 %  | stream | streaming | {"interval_ms":40,"chunks":20}     | 1 | 200 | aborted        | reported  | 900 B
gone at 100 % | plain  | all       | {}                                 | 1 | 200 | ok             | reported  | end
gone at 100 % | stream | streaming | {}                                 | 1 | 200 | ok             | reported  | end
time-out      | plain  | billed    | {"delay_ms":60000}                 | 1 | 504 | timeout        | assumed   |
time-out      | stream | streaming | {"delay_ms":60000}                 | 1 | 504 | timeout        | assumed   |
stalled       | plain  | billed    | {"fault":"stall"}                  | 1 | 504 | timeout        | assumed   |
stalled       | stream | streaming | {"fault":"stall"}                  | 1 | 200 | timeout        | estimated |
cut           | plain  | billed    | {"fault":"cut"}                    | 1 | 502 | provider_error | assumed   |
cut           | stream | streaming | {"fault":"cut"}                    | 1 | 200 | provider_error | estimated |
too short     | plain  | billed    | {"fault":"wrong_length"}           | 1 | 502 | provider_error | assumed   |
no usage      | plain  | billed    | {"fault":"no_usage"}               | 1 | 200 | ok             | estimated |
no usage      | stream | streaming | {"fault":"no_usage"}               | 1 | 200 | ok             | estimated |
says it fails | stream | streaming | {"fault":"error_event"}            | 1 | 200 | provider_error | estimated |
reset         | plain  | all       | {"fault":"reset"}                  | 1 | 502 | provider_error | assumed   |
reset         | stream | streaming | {"fault":"reset"}                  | 1 | 502 | provider_error | assumed   |
dripping      | plain  | billed    | {"fault":"drip"}                   | 1 | 200 | ok             | reported  |
dripping      | stream | streaming | {"fault":"drip"}                   | 1 | 200 | ok             | reported  |
until close   | plain  | billed    | {"fault":"until_close"}            | 1 | 200 | ok             | reported  |
until close   | stream | streaming | {"fault":"until_close"}            | 1 | 200 | ok             | reported  |
"""
GROUPS = {"all": ALL, "streaming": STREAMING, "billed": BILLED, "text": STREAMING, "openai": ("chat", "responses")}


@dataclass
class Cell:
    """One call of the matrix: what is demanded, what is expected, and what came of it."""

    name: str
    surface: str
    stream: bool
    control: dict[str, Any]
    attempts: int
    status: int
    outcome: str
    quality: str
    client: str
    answer: Answer = field(default_factory=Answer)
    seen: list[LogEntry] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    charges: list[dict[str, Any]] = field(default_factory=list)


def cells() -> Iterator[Cell]:
    for row in TABLE.strip().splitlines():
        what, mode, group, control, attempts, status, outcome, quality, client = (
            part.strip() for part in row.split("|")
        )
        demand = json.loads(control)
        for surface in GROUPS[group]:
            name = f"{surface}, {mode}, {what}"
            stream = mode == "stream"
            yield Cell(name, surface, stream, demand, int(attempts), int(status), outcome, quality, client)


CELLS = {cell.name: cell for cell in cells()}


async def play(port: int, cell: Cell) -> None:
    path, body = SURFACES[cell.surface]
    gemini = cell.surface.startswith("gemini")
    if cell.stream and gemini:
        path = path.replace(":generate", ":streamGenerate") + ("" if cell.surface == "gemini_array" else "?alt=sse")
    elif cell.stream:
        body = {**body, "stream": True}
    headers = {
        "content-type": "application/json",
        "x-sim": json.dumps({"output": 60, **cell.control, "label": cell.name}),
        "x-bursar-tags": format_tags({"cell": cell.name}),
    }
    if cell.surface in ("messages", "count_tokens"):
        headers |= {"x-api-key": "sk-ant-client", "anthropic-version": "2023-06-01"}
    elif gemini:
        headers["x-goog-api-key"] = "AIza-client"
    else:
        headers["authorization"] = "Bearer sk-client"
    request = request_bytes(path, json.dumps(body).encode(), headers)
    amount, _, unit = cell.client.partition(" ")
    cell.answer = await exchange(
        port,
        request,
        leave_after_s=float(amount) if unit == "s" else None,
        leave_after_bytes=int(amount) if unit == "B" else (10**9 if amount == "end" else None),
    )


async def play_all(port: int) -> None:
    async with asyncio.TaskGroup() as group:
        for cell in CELLS.values():
            group.create_task(play(port, cell))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data = tmp_path_factory.mktemp("matrix") / "data"
    with gateway_world(data, first_byte_timeout_s=TIMEOUT_S, idle_timeout_s=TIMEOUT_S) as world:
        asyncio.run(play_all(world.port))
        world.settle_down()
        world.load()
        wanted, deadline = sum(cell.attempts for cell in CELLS.values()), time.monotonic() + 60
        while len(world.sim_log()) < wanted and time.monotonic() < deadline:  # what broke off is in it soon
            time.sleep(0.05)
        for cell in CELLS.values():
            cell.seen = world.sim_log(cell.name)
            cell.charges = world.rows(
                "SELECT * FROM charges WHERE tags['cell'] = $cell ORDER BY attempt_number", cell=cell.name
            )
            cell.calls = world.rows("SELECT * FROM calls WHERE tags['cell'] = $cell", cell=cell.name)
        yield world


@pytest.mark.parametrize("name", CELLS)
def test_one_call_its_attempts_its_outcome_and_the_providers_bill(name: str, world: World) -> None:
    cell = CELLS[name]
    assert len(cell.calls) == 1, world.logs()
    call = cell.calls[0]
    numbers = [charge["attempt_number"] for charge in cell.charges]
    assert numbers == list(range(1, cell.attempts + 1))
    assert len(cell.seen) == cell.attempts, "what the provider saw"
    assert [charge["is_final"] for charge in cell.charges] == [False] * (cell.attempts - 1) + [True]
    assert call["attempts"] == cell.attempts
    assert (call["outcome"], call["quality"]) == (cell.outcome, cell.quality)
    assert cell.answer.status == cell.status
    assert call["is_stream"] is cell.stream

    billed = usd_from_pico(sum(entry.cost_pico or 0 for entry in cell.seen if entry.billed))
    if cell.quality == "reported":
        assert call["list_cost"] == billed
        assert sum(charge["list_cost"] for charge in cell.charges) == billed
    elif cell.quality == "assumed":
        assert call["list_cost"] >= billed, "a bound that is less than the bill is no bound"
    else:
        assert call["list_cost"] > 0, "an estimate of nothing is a claim that it was free"


@pytest.mark.parametrize("name", [name for name, cell in CELLS.items() if cell.status and not cell.client])
def test_the_client_gets_a_whole_answer_that_names_its_call(name: str, world: World) -> None:
    cell = CELLS[name]
    assert cell.answer.whole
    assert cell.answer.call_id == str(cell.calls[0]["call_id"])
    if cell.status >= 400:
        error = json.loads(cell.answer.body)
        if cell.surface in ("messages", "count_tokens"):
            assert error["type"] == "error"
        assert error["error"]["message"]
        if cell.surface.startswith("gemini"):
            assert error["error"]["status"]


PLAIN_ANSWERS = [name for name, cell in CELLS.items() if not cell.stream and cell.status == 200 and not cell.client]


@pytest.mark.parametrize("name", PLAIN_ANSWERS)
def test_a_plain_answers_header_says_what_the_ledger_says(name: str, world: World) -> None:
    cell = CELLS[name]
    assert cell.answer.headers["x-bursar-cost-quality"] == cell.quality
    assert Decimal(cell.answer.headers["x-bursar-cost"]) == cell.calls[0]["list_cost"]


def test_the_whole_ledger_equals_the_whole_bill_where_it_was_reported(world: World) -> None:
    reported = {name for name, cell in CELLS.items() if cell.quality == "reported"}
    billed = sum(entry.cost_pico or 0 for entry in world.sim_log() if entry.label in reported and entry.billed)
    posted = world.rows("SELECT sum(list_cost) AS total, count(*) AS n FROM charges WHERE quality = 'reported'")[0]
    assert posted["total"] == usd_from_pico(billed)
    flagged = world.rows("SELECT count(*) AS n FROM calls WHERE quality <> 'reported'")[0]["n"]
    assert flagged == len(CELLS) - len(reported)


def test_the_journal_has_no_gap_and_no_double(world: World) -> None:
    seqs = [row["seq"] for row in world.rows("SELECT seq FROM charges ORDER BY seq")]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(world.sim_log()) == len(seqs)
