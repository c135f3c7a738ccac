"""What gateways say a call cost, and what is left of their books after kill -9. Cheap to ask, and needs no database."""

import contextlib
import os
import signal
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from bursar.bench.comparison import OURS, Probe, stated_cost
from bursar.bench.environments import reason
from bursar.bench.installation import Installation, running
from bursar.bench.load import command_line, parent
from bursar.bench.peer import CHAT, Ask, Kind, Target, post
from bursar.domain.errors import Unavailable

CALLS = 200
CLIENTS = 8
FEATURE = "kill9"
CAUGHT_UP_MAX_S = 20.0
QUESTIONS: tuple[tuple[Kind, str, str], ...] = (
    ("answer", "cost it states of a call of $0.0001044", "a call of $0.0001044"),
    ("unknown", "cost it states of a model in no price list", "unknown model"),
    ("silent", "cost it states where the answer has no usage", "answer without usage"),
)


def stated_costs(targets: list[Target], body: bytes) -> list[Probe]:
    """One call a question and gateway."""
    return [
        Probe(question, heading, {target.name: _stated(target.ask(kind, body)) for target in targets})
        for kind, question, heading in QUESTIONS
    ]


def _stated(ask: Ask) -> str:
    try:
        status, headers, answer = post(ask)
    except Unavailable as error:
        return reason(error.message)
    return stated_cost(headers, answer) if status == 200 else f"HTTP {status}"


def after_kill9(data: Path, upstream: int, body: bytes, peers: list[str]) -> Probe:
    """All of Bursar is killed when it has answered CALLS calls, and started again: how many are in its ledger?

    `peers` aren't killed: as they are run here none of them keeps a record of a call.
    """
    try:
        ours = _kept(data, upstream, body)
    except Unavailable as error:
        ours = f"not measured: {reason(error.message)}"
    question = f"calls left after kill -9 of everything, {CALLS} answered"
    return Probe(question, f"left of {CALLS} after kill -9", {OURS: ours} | dict.fromkeys(peers, "keeps nothing"))


def _kept(data: Path, upstream: int, body: bytes) -> str:
    with running(data, upstream, body) as installation, ThreadPoolExecutor(CLIENTS) as clients:
        ask = Ask(installation.port, CHAT, {}, body)
        statuses = list(clients.map(lambda _: post(ask, tags=f"feature={FEATURE}")[0], range(CALLS)))
        kill9(installation)
    answered = statuses.count(200)
    with running(data, upstream, body) as installation:
        kept, cost = _in_the_ledger(installation.console_port, answered)
    return f"{kept} of {answered}, {cost}"


def kill9(installation: Installation) -> None:
    """The supervisor first: it would start the others again."""
    supervisor = parent(installation.gateway_pids[0])
    if "bursar" not in command_line(supervisor):
        raise Unavailable("bursar up is already gone")
    for pid in (supervisor, *installation.gateway_pids, *installation.console_pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _in_the_ledger(console_port: int, wanted: int) -> tuple[int, str]:
    """Calls of FEATURE and their cost once the ledger holds `wanted`, or what it holds when patience ends.

    Raises Unavailable if the console never answered: not to know isn't zero.
    """
    url = f"http://127.0.0.1:{console_port}/api/costs?by=feature&period=7d&filter=feature%3D{FEATURE}"
    deadline = time.monotonic() + CAUGHT_UP_MAX_S
    calls, cost, trouble = None, "no cost", "it was never asked"
    while time.monotonic() < deadline and (calls is None or calls < wanted):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                totals = msgspec.json.decode(answer.read())["totals"]
            calls, cost = totals["calls"], f"${totals['list_cost']}" if totals["list_cost"] else "no cost"
        except OSError as error:  # HTTP errors are such too
            trouble = str(error)
        time.sleep(0.1)
    if calls is None:
        raise Unavailable(f"the console didn't say: {trouble}")
    return calls, cost
