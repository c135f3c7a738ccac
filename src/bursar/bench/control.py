"""What budgets cost a call: in memory, beside nginx, and at a worker's start with a hundred thousand of them."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import insert

from bursar.bench import bodies
from bursar.bench.figure import Figure, Options, against, median
from bursar.bench.gateway import CHAT, CONNECTIONS, ROUND_S
from bursar.bench.installation import running
from bursar.bench.load import wrk
from bursar.bench.nginx import plain_proxy, static_upstream
from bursar.budgets.authority import Authority
from bursar.budgets.budget import Budget
from bursar.budgets.holds import claims_of
from bursar.budgets.limits import LimitPlan
from bursar.budgets.listing import encode_budgets, listed
from bursar.budgets.matching import BudgetIndex, Subject
from bursar.budgets.refills import Refills
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.budgets.tables import BUDGETS
from bursar.config import Config
from bursar.domain.clock import SystemClock
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.governance.store import ControlStore
from bursar.site import Site

CALLS = 50_000
MANY = 100_000
BOUND_PICO = 600_000_000
COST_PICO = 200_000_000
LIMIT_PICO = 10**18
FEW_MAX_US, MANY_MAX_US, REFILL_MAX_PERCENT, START_MAX_S, RATIO_MAX = 12.0, 15.0, 1.0, 3.0, 5.0

SUBJECT = Subject(
    Scope("default"),
    "vk_bench",
    "virtual",
    "openai",
    "openai",
    "gpt-4o-mini",
    "chat",
    Attribution(feature="checkout", team="growth", customer="acme"),
)
TOUCHING: tuple[dict[str, str], ...] = ({}, {"feature": "checkout"}, {"team": "growth"}, {"model": "gpt-4o-mini"})


def measure(options: Options) -> list[Figure]:
    """All figures of budgets. Raises Unavailable when nginx or wrk is missing."""
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        few = [_budget(number, match) for number, match in enumerate(TOUCHING)]
        many = [
            *few,
            *(_budget(number, {"customer": f"c{number}"}) for number in range(4, round(MANY * options.scale))),
        ]
        in_memory, asked = asyncio.run(_hold_and_settle(directory / "few", few, options))
        in_memory_many, _ = asyncio.run(_hold_and_settle(directory / "many", many, options))
        figures = [
            Figure("match, hold and settle, 4 budgets of 4", in_memory, "µs", FEW_MAX_US, note="CPU a call"),
            Figure(f"the same, 4 budgets of {len(many):,}", in_memory_many, "µs", MANY_MAX_US, note="CPU a call"),
            Figure("calls that waited for the authority", asked, "%", REFILL_MAX_PERCENT),
        ]
        figures.append(_beside_nginx(directory, few, options))
        figures.append(_start(directory, many))
        return figures


async def _hold_and_settle(directory: Path, budgets: Sequence[Budget], options: Options) -> tuple[float, float]:
    """(CPU µs a call, percent of calls that waited), median of rounds; a real authority answers what isn't leased."""
    store = _store(directory, budgets)
    refills = Refills(Authority(store.deciding, store.reading), directory / "leases", "w0-bench", SystemClock())
    task = asyncio.create_task(refills.run())
    index, purse = BudgetIndex(listed(budgets)), refills.purse
    calls = max(1_000, round(CALLS * options.scale))
    per_call = []
    now_us = SystemClock().now_us()
    for _ in range(options.rounds):
        started, waited = time.process_time(), 0.0
        for number in range(calls):
            if not number % 256:
                now_us = SystemClock().now_us()
            claims = claims_of(index.touching(SUBJECT), BOUND_PICO, BOUND_PICO)
            holding = purse.hold(claims, now_us)
            if holding is None:
                before = time.process_time()
                holding = await refills.hold(claims)
                waited += time.process_time() - before
            purse.settle(holding, COST_PICO)
        per_call.append((time.process_time() - started - waited) / calls * 1e6)
    asked = refills.asked / (calls * options.rounds) * 100
    task.cancel()
    await refills.close()
    return median(per_call), asked


def _beside_nginx(directory: Path, budgets: Sequence[Budget], options: Options) -> Figure:
    """CPU of a unary request that touches four budgets, alternating with nginx."""
    path = directory / "body.json"
    path.write_bytes(bodies.chat_request(1_400))
    data = directory / "ratio"
    _site(data, [msgspec.structs.replace(budget, match={}) for budget in budgets])
    seconds = ROUND_S * max(options.scale, 0.5)
    ours, theirs = [], []
    with (
        static_upstream(directory / "answers", "answer.json", bodies.chat_answer()) as upstream,
        plain_proxy(directory / "nginx", upstream.port) as nginx,
        running(data, upstream.port, bodies.chat_request(1_400)) as bursar,
    ):
        for number in range(options.rounds + 1):
            plain = wrk(
                f"http://127.0.0.1:{nginx.port}{CHAT}", path, nginx.pids, connections=CONNECTIONS, seconds=seconds
            )
            held = wrk(
                f"http://127.0.0.1:{bursar.port}{CHAT}",
                path,
                bursar.gateway_pids,
                connections=CONNECTIONS,
                seconds=seconds,
            )
            if number:
                theirs.append(plain.cpu_us)
                ours.append(held.cpu_us)
    return against("CPU per unary request, 4 budgets touched", "µs", ours, theirs, RATIO_MAX)


def _start(directory: Path, budgets: Sequence[Budget]) -> Figure:
    data = directory / "start"
    _site(data, budgets)
    with (
        static_upstream(directory / "starts", "answer.json", bodies.chat_answer()) as upstream,
        running(data, upstream.port, bodies.chat_request(1_400)) as installation,
    ):
        took = installation.first_answer_s
    return Figure(f"start to first answered call, {len(budgets):,} budgets", took, "s", START_MAX_S)


def _site(data: Path, budgets: Sequence[Budget]) -> None:
    """A data directory with these budgets, ready to be started."""
    site = Site(Config(data=str(data)))
    site.prepare()
    _fill(ControlStore(site.paths.control), budgets)
    site.paths.budgets.write_bytes(encode_budgets(list(budgets)))


def _store(directory: Path, budgets: Sequence[Budget]) -> ControlStore:
    directory.mkdir()
    store = ControlStore(directory / "control.sqlite", pooled=True)
    _fill(store, budgets)
    return store


def _fill(store: ControlStore, budgets: Sequence[Budget]) -> None:
    encode: Callable[[Budget], bytes] = msgspec.json.encode
    with store.writing() as connection:
        connection.execute(
            insert(BUDGETS),
            [
                {
                    "budget_id": budget.budget_id,
                    "name": budget.name,
                    "revision": 1,
                    "definition": encode(budget).decode(),
                    "removed_us": None,
                }
                for budget in budgets
            ],
        )


def _budget(number: int, match: dict[str, str]) -> Budget:
    return Budget(
        budget_id=f"bg_{number}",
        name=f"budget {number}",
        limit=LimitPlan(LIMIT_PICO),
        window=Schedule(parse_spec("month")),
        match=match,
    )
