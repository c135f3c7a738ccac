"""Bursar, nginx and other gateways in front of the same upstreams, in one run and one table.

Rounds alternate between all of them, so that what else happens on the machine meets all alike. CPU per call is the
figure to compare: it holds on a busy machine, and includes everything that a gateway's own processes spend.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from bursar.bench import bodies
from bursar.bench.comparison import BASELINE, OURS, Case, Comparison, Gateway
from bursar.bench.control_probes import budgets_kept
from bursar.bench.drained import drained
from bursar.bench.environments import reason
from bursar.bench.figure import Options
from bursar.bench.gateway import RATIO_MAX
from bursar.bench.installation import running
from bursar.bench.load import Served, cpu_s, memory_mb, parent, wrk
from bursar.bench.nginx import plain_proxy, static_upstream
from bursar.bench.peer import CHAT, MODELS, Ask, Kind, Peer, Target, Upstreams, started
from bursar.bench.peers_litellm import LiteLLM
from bursar.bench.peers_portkey import Portkey
from bursar.bench.peers_tensorzero import TensorZero
from bursar.bench.probes import after_kill9, stated_costs
from bursar.domain.errors import Unavailable

PEERS: tuple[Peer, ...] = (TensorZero(), Portkey(), LiteLLM())
ROUND_S = 2.0
Tell = Callable[[str], None]


class Load(NamedTuple):
    """What is sent for one case."""

    case: Case
    kind: Kind
    body: bytes
    connections: int


PLAIN = bodies.chat_request(1_400)
LONG = bodies.chat_request(98_000)
STREAM = bodies.chat_request(1_400, stream=True)
LOADS = (
    Load(Case("c16", "CPU per unary request, 1.4 KB, 16 connections", "1.4 KB, 16"), "answer", PLAIN, 16),
    Load(Case("c32", "CPU per unary request, 1.4 KB, 32 connections", "1.4 KB, 32", RATIO_MAX), "answer", PLAIN, 32),
    Load(Case("big", "CPU per unary request, 98 KB, 32 connections", "98 KB, 32", RATIO_MAX), "answer", LONG, 32),
    Load(Case("burst", "CPU per stream in one burst, 32 connections", "stream, 32", RATIO_MAX), "burst", STREAM, 32),
)


def measure(options: Options, tell: Tell = lambda line: None) -> Comparison:
    """Everything, in some five minutes after the first installation. Raises Unavailable without nginx or wrk.

    A peer that can't be had or doesn't start is in the result with its reason; so is a case that a peer fails.
    """
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bursar-peers-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o755)
        upstreams = {kind: stack.enter_context(_upstream(directory / kind, kind)) for kind in MODELS}
        environments, absent = installed(tell)
        targets = [
            stack.enter_context(_nginx(directory / "nginx", upstreams)),
            stack.enter_context(_bursar(directory / "bursar", upstreams)),
        ]
        for peer, environment in environments:
            tell(f"starting {peer.name}")
            try:
                targets.append(stack.enter_context(started(peer, environment, directory / peer.name, upstreams, PLAIN)))
            except Unavailable as error:
                absent[peer.name] = str(error)
        gateways = [_gateway(target) for target in targets]
        for load in LOADS:
            tell(load.case.title)
            _rounds(load, targets, gateways, options, directory)
        for target, gateway in zip(targets, gateways, strict=True):
            with contextlib.suppress(OSError):  # it died under load, which its failed cases tell
                gateway.memory_mb = memory_mb(target.pids)
                gateway.beside_mb = memory_mb(target.beside) if target.beside else None
        tell("what they say of cost, and what is left after kill -9")
        probes = stated_costs(targets[1:], PLAIN)
        tell("whether a budget for 50 calls can be overspent")
        litellm = next((path for peer, path in environments if isinstance(peer, LiteLLM)), None)
        control = budgets_kept(directory / "control", litellm)
        measured = [peer.name for peer in PEERS if peer.name not in absent]
        probes.append(after_kill9(directory / "killed", upstreams["answer"], PLAIN, measured))
    gateways += [Gateway(peer.name, peer.version, absent=absent[peer.name]) for peer in PEERS if peer.name in absent]
    return Comparison([load.case for load in LOADS], gateways, probes, (load_before, os.getloadavg()[0]), control)


def installed(tell: Tell) -> tuple[list[tuple[Peer, Path]], dict[str, str]]:
    """Each peer with its environment; and by name, why one can't be had."""
    ready, absent = [], {}
    for peer in PEERS:
        tell(f"installing {peer.name} {peer.version}, unless it is there")
        try:
            ready.append((peer, peer.install()))
        except Unavailable as error:
            absent[peer.name] = str(error)
    return ready, absent


def _rounds(load: Load, targets: list[Target], gateways: list[Gateway], options: Options, directory: Path) -> None:
    """One case: the gateways take turns; the first turn, which opens connections and fills caches, isn't counted."""
    seconds = max(1.0, ROUND_S * options.scale)
    for number in range(options.rounds + 1):
        for target, gateway in zip(targets, gateways, strict=True):
            if load.case.key in gateway.failed:
                continue
            before = cpu_s(target.beside)
            try:
                served = _round(load, target, seconds if number else 1.0, directory / "body.json")
            except (Unavailable, OSError) as error:  # a wrong answer, or a process that is gone
                gateway.failed[load.case.key] = reason(str(error))
                gateway.cpu_us.pop(load.case.key, None)
                continue
            if number:
                gateway.cpu_us.setdefault(load.case.key, []).append(served.cpu_us)
            if number and target.beside:
                spent = (cpu_s(target.beside) - before) / served.requests * 1e6
                gateway.beside_us.setdefault(load.case.key, []).append(spent)


def _round(load: Load, target: Target, seconds: float, path: Path) -> Served:
    ask = target.ask(load.kind, load.body)
    if target.slow:
        return drained(ask, target.pids, connections=load.connections, seconds=seconds)
    path.write_bytes(ask.body)
    return wrk(ask.url, path, target.pids, connections=load.connections, seconds=seconds, headers=ask.headers)


def _gateway(target: Target) -> Gateway:
    peer = next((peer for peer in PEERS if peer.name == target.name), None)
    if peer is not None:
        return Gateway(peer.name, peer.version, peer.keeps, start_s=target.start_s)
    keeps = "every attempt, priced, in a journal and a ledger" if target.name == OURS else "nothing"
    return Gateway(target.name, keeps=keeps, start_s=target.start_s)


@contextlib.contextmanager
def _upstream(root: Path, kind: Kind) -> Iterator[int]:
    """An upstream that answers as its kind says."""
    if kind == "burst":
        name, body = "answer.sse", b"".join(bodies.stream_events())
    else:
        answer = msgspec.json.decode(bodies.chat_answer()) | ({} if kind == "answer" else {"model": MODELS[kind]})
        if kind == "silent":
            del answer["usage"]
        name, body = "answer.json", msgspec.json.encode(answer)
    with static_upstream(root, name, body) as nginx:
        yield nginx.port


@contextlib.contextmanager
def _nginx(root: Path, upstreams: Upstreams) -> Iterator[Target]:
    """nginx as a plain proxy: one for whole answers, one for streams, because it doesn't read the model's name."""
    root.mkdir()
    with (
        plain_proxy(root / "answer", upstreams["answer"]) as plain,
        plain_proxy(root / "burst", upstreams["burst"]) as burst,
    ):

        def ask(kind: Kind, body: bytes) -> Ask:
            return Ask(burst.port if kind == "burst" else plain.port, CHAT, {}, body)

        yield Target(BASELINE, ask, plain.pids + burst.pids, None, [])


@contextlib.contextmanager
def _bursar(data: Path, upstreams: Upstreams) -> Iterator[Target]:
    with running(data, upstreams["answer"], PLAIN, settings=settings(upstreams)) as installation:

        def ask(kind: Kind, body: bytes) -> Ask:
            return Ask(installation.port, CHAT, {}, body.replace(b'"gpt-4o-mini"', f'"{MODELS[kind]}"'.encode(), 1))

        start_s = installation.first_answer_s
        beside = [parent(installation.gateway_pids[0]), *installation.console_pids]
        yield Target(OURS, ask, installation.gateway_pids, start_s, beside)


def settings(upstreams: Upstreams) -> Mapping[str, str]:
    """Bursar's settings: an upstream for each kind of answer, chosen by the model's name, all at OpenAI's prices."""
    return {
        f"BURSAR_UPSTREAMS__{kind.upper()}": msgspec.json.encode(
            {"base_url": f"http://127.0.0.1:{port}", "models": [MODELS[kind]], "provider": "openai"}
        ).decode()
        for kind, port in upstreams.items()
        if kind != "answer"
    }
