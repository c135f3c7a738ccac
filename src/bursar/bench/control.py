"""What budgets cost a call: in memory, beside nginx, and at a worker's start with a hundred thousand of them."""

import asyncio
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

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
from bursar.budgets.holds import Touching, claims_of
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
VALUES = 1_000_000
ZIPF_ALPHA = 0.5  # of a hundred calls 29 are of the customer that calls most, five of one that never called before
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
        alike = asyncio.run(_hold_and_settle(directory / "alike", few, options, _one_subject, is_known=True))
        anew = asyncio.run(_hold_and_settle(directory / "few", few, options, _one_subject))
        of_many = asyncio.run(_hold_and_settle(directory / "many", many, options, _one_subject))
        each = [*few[:3], msgspec.structs.replace(_budget(3, {}), each="customer")]
        values = asyncio.run(_hold_and_settle(directory / "values", [*each, *many[4:]], options, _customers(options)))
        customers = f"of {round(VALUES * options.scale):,} customers"
        figures = [
            Figure("hold and settle, 4 budgets, calls alike", alike.cpu_us, "µs", FEW_MAX_US, note="CPU a call"),
            Figure("match, hold and settle, 4 budgets of 4", anew.cpu_us, "µs", FEW_MAX_US, note="CPU a call"),
            Figure(f"the same, 4 budgets of {len(many):,}", of_many.cpu_us, "µs", MANY_MAX_US, note="CPU a call"),
            Figure(f"the same, each {customers}", values.cpu_us, "µs", MANY_MAX_US, note="CPU a call, but of waiting"),
            Figure("calls that waited for the authority", anew.waited_percent, "%", REFILL_MAX_PERCENT),
            Figure(f"the same, each {customers}", values.waited_percent, "%", note="all first calls"),
        ]
        figures.append(_beside_nginx(directory, few, options))
        figures.append(_start(directory, many))
        return figures


class Held(NamedTuple):
    """cpu_us: a call, waiting left out, median of rounds. waited_percent: of the calls, for the authority."""

    cpu_us: float
    waited_percent: float


def _one_subject() -> Iterator[Subject]:
    return itertools.repeat(SUBJECT)


def _customers(options: Options) -> Callable[[], Iterator[Subject]]:
    """Calls of a million customers: few call often, most hardly ever (Zipf)."""

    def subjects() -> Iterator[Subject]:
        chance = random.Random(1)  # noqa: S311 - a load, the same at each run
        most = round(VALUES * options.scale)
        while True:
            customer = f"customer-{int(chance.paretovariate(ZIPF_ALPHA)) % most}"
            yield SUBJECT._replace(attribution=Attribution(feature="checkout", team="growth", customer=customer))

    return subjects


async def _hold_and_settle(
    directory: Path,
    budgets: Sequence[Budget],
    options: Options,
    subjects: Callable[[], Iterator[Subject]],
    *,
    is_known: bool = False,
) -> Held:
    """A real authority answers what isn't leased. is_known: calls alike, as a client's with one head are."""
    store = _store(directory, budgets)
    refills = Refills(Authority(store.deciding, store.reading), directory / "leases", "w0-bench", SystemClock())
    task = asyncio.create_task(refills.run())
    index, purse, asking = BudgetIndex(listed(budgets)), refills.purse, subjects()
    known = Touching(index.touching(SUBJECT))
    calls = max(1_000, round(CALLS * options.scale))
    per_call = []
    now_us = SystemClock().now_us()
    for _ in range(options.rounds):
        batch = list(itertools.islice(asking, calls))
        started, waited = time.process_time(), 0.0
        for number, subject in enumerate(batch):
            if not number % 256:
                now_us = SystemClock().now_us()
            touching = known if is_known else Touching(index.touching(subject))
            holding = purse.hold_again(touching, BOUND_PICO, BOUND_PICO, now_us)
            if holding is None:
                holding = purse.hold(claims_of(touching.budgets, BOUND_PICO, BOUND_PICO), now_us)
            if holding is None:
                before = time.process_time()
                holding = await refills.take(touching, BOUND_PICO, BOUND_PICO, now_us)
                waited += time.process_time() - before
            purse.settle(holding, COST_PICO)
        per_call.append((time.process_time() - started - waited) / calls * 1e6)
    asked = refills.asked / (calls * options.rounds) * 100
    task.cancel()
    await refills.close()
    return Held(median(per_call), asked)


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
