"""Whether a budget can be overspent: the same calls through Bursar and LiteLLM, each with a budget that pays for 50.

LiteLLM's keys and their budgets need PostgreSQL and Prisma's engine, a binary that no package registry has, so what is
asked here are its budgets per deployment, which it keeps in memory. What was spent is counted at the upstream.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import msgspec

from bursar.bench.comparison import OURS, Probe
from bursar.bench.environments import reason
from bursar.bench.installation import running
from bursar.bench.load import BENCH_KEY
from bursar.bench.nginx import free_port
from bursar.bench.peer import CHAT, READY_MAX_S, Ask, Launch, Upstreams, post, started
from bursar.bench.peers_litellm import LiteLLM, configuration
from bursar.bench.probes import kill9
from bursar.domain.errors import Unavailable

PAID, CALLS = 50, 200
ANSWER_S = 0.2
USAGE = {"prompt_tokens": 10_000, "completion_tokens": 1_000, "total_tokens": 11_000}
COST = {"gpt-4o": "0.035", "gpt-4.1": "0.028", "gpt-4o-2024-08-06": "0.035", "gpt-4o-2024-11-20": "0.035"}
"""What a call of USAGE costs at OpenAI's list prices: $2.50 and $10, or $2 and $8, per million tokens."""
RACE, HIDDEN, SEQUENCE, KILLED = COST
UNKNOWN, WARM = "mystery-large-1", "gpt-4o-mini"
BUDGETS = {model: Decimal(cost) * PAID for model, cost in COST.items()} | {UNKNOWN: Decimal("0.001")}
LONG = "one of ten thousand words, as it was said and sent in full to whom it concerned. " * 500
Answers = dict[str, str]
Send = Callable[[bytes], int]


def budgets_kept(data: Path, environment: Path | None) -> list[Probe]:
    """A probe each, with what a correct gateway does as its heading. environment: LiteLLM's; None: it isn't there."""
    data.mkdir()
    ours = _asked(lambda name, workers, served: _bursar(data / name, workers, served))
    theirs = _asked(lambda name, workers, served: _litellm(environment, data / f"{name}-peer", workers, served))
    return [
        Probe(question, correct, {OURS: ours[question], LiteLLM.name: theirs[question]})
        for question, correct in QUESTIONS.items()
    ]


QUESTIONS = {
    f"race: {CALLS} calls at once, budget for {PAID}": f"{PAID} at most",
    f"hidden input: {CALLS} at once, billed 9,900 tokens more than they show": f"{PAID} at most",
    f"sequence: {PAID + 10} calls without max_tokens, one after another": f"{PAID}, none refused before",
    "unknown model: 5 calls, budget of $0.001": "0",
    f"kill -9 after {PAID // 2} calls, started again, {PAID + 10} more": f"{PAID} in all",
    f"two workers: {CALLS} calls at once, budget for {PAID}": f"{PAID} at most",
}


class Served(ThreadingHTTPServer):
    """An upstream that takes ANSWER_S for an answer, bills USAGE and counts what it billed, by model."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.billed: Counter[str] = Counter()
        self.lock = Lock()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        model = msgspec.json.decode(self.rfile.read(int(self.headers["content-length"])))["model"]
        time.sleep(ANSWER_S)
        server: Any = self.server
        with server.lock:
            server.billed[model] += 1
            number = sum(server.billed.values())
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        body = msgspec.json.encode(
            {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1, "model": model,
             "choices": [choice], "usage": USAGE}
        )  # fmt: skip
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


Opening = Callable[[str, int, Served], contextlib.AbstractContextManager[tuple[Send, Callable[[], None]]]]


def _asked(opening: Opening) -> Answers:
    """What one gateway did, a sentence a question; where it could not be asked, why."""
    race, hidden, sequence, unknown, killed, workers = QUESTIONS
    told: Answers = {}
    with _upstream() as served:
        try:
            with opening("one", 1, served) as (send, kill):
                told[race] = _at_once(send, served, RACE, LONG)
                told[hidden] = _at_once(send, served, HIDDEN, "hello")
                statuses = [send(_body(SEQUENCE, LONG, None)) for _ in range(PAID + 10)]
                early = sum(status != 200 for status in statuses[: _last(statuses)])
                told[sequence] = f"{_billed(served, SEQUENCE)}; {early} refused before"
                for _ in range(5):
                    send(_body(UNKNOWN, "hello", 100))
                told[unknown] = f"{served.billed[UNKNOWN]} answered"
                for _ in range(PAID // 2):
                    send(_body(KILLED, LONG, 1_000))
                time.sleep(1.0)
                kill()
            with opening("one", 1, served) as (send, _):
                for _ in range(PAID + 10):
                    send(_body(KILLED, LONG, 1_000))
                told[killed] = _billed(served, KILLED)
            served.billed.clear()
            with opening("two", 2, served) as (send, _):
                told[workers] = _at_once(send, served, RACE, LONG)
        except Unavailable as error:
            told = dict.fromkeys(QUESTIONS, f"not measured: {reason(error.message)}") | told
    return told


def _at_once(send: Send, served: Served, model: str, text: str) -> str:
    with ThreadPoolExecutor(CALLS) as clients:
        list(clients.map(send, [_body(model, text, 1_000)] * CALLS))
    return _billed(served, model)


def _billed(served: Served, model: str) -> str:
    cost = served.billed[model] * Decimal(COST[model])
    return f"{served.billed[model]}: ${cost.normalize():f} of ${BUDGETS[model].normalize():f}"


def _last(statuses: list[int]) -> int:
    """How many calls there were up to the last that was answered."""
    return max((number for number, status in enumerate(statuses, 1) if status == 200), default=0)


def _body(model: str, text: str, max_tokens: int | None) -> bytes:
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": text}]}
    return msgspec.json.encode(body if max_tokens is None else body | {"max_tokens": max_tokens})


@contextlib.contextmanager
def _upstream() -> Iterator[Served]:
    served = Served()
    thread = Thread(target=served.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.shutdown()
        served.server_close()


@contextlib.contextmanager
def _bursar(data: Path, workers: int, served: Served) -> Iterator[tuple[Send, Callable[[], None]]]:
    if not data.exists():
        for model, limit in BUDGETS.items():
            command = [sys.executable, "-P", "-m", "bursar.cli.main", "budgets", "create", model, "--data", str(data)]
            command += ["--limit", str(limit), "--window", "lifetime", "--where", f"model={model}", "--no-opening"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Unavailable(f"no budget was made: {reason(done.stderr)}")
    with running(data, served.server_port, _body(WARM, "hello", 10), workers=workers) as installation:

        def send(body: bytes) -> int:
            return _status(Ask(installation.port, CHAT, {}, body))

        yield send, lambda: kill9(installation)


@contextlib.contextmanager
def _litellm(
    environment: Path | None, scratch: Path, workers: int, served: Served
) -> Iterator[tuple[Send, Callable[[], None]]]:
    if environment is None:
        raise Unavailable("LiteLLM isn't installed")
    scratch = scratch.with_name(f"{scratch.name}-{free_port()}")
    peer = _Budgeted(workers, served.server_port)
    with started(peer, environment, scratch, {"answer": served.server_port}, _body(WARM, "hello", 10)) as target:
        _await_workers(scratch / "log.txt", workers)

        def kill() -> None:
            for pid in target.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        yield lambda body: _status(target.ask("answer", body)), kill


def _status(ask: Ask) -> int:
    """0: no answer."""
    try:
        return post(ask, timeout_s=120.0)[0]
    except Unavailable:
        return 0


def _await_workers(log: Path, workers: int) -> None:
    """The first answer says that one worker is up; the others are when uvicorn has said so for each."""
    deadline = time.monotonic() + READY_MAX_S
    while log.read_text("utf-8", "replace").count("Application startup complete") < workers:
        if time.monotonic() > deadline:
            raise Unavailable(f"not all of its {workers} workers started")
        time.sleep(0.2)


class _Budgeted(LiteLLM):
    """LiteLLM with a budget a month on each model.

    uvicorn ends a worker that doesn't answer within five seconds, also while it still imports: on a busy machine
    LiteLLM's never get through that, so two workers are given more time. They say at level INFO that they are up.
    """

    def __init__(self, workers: int, port: int) -> None:
        self._workers = workers
        self._port = port

    def launch(self, environment: Path, scratch: Path, upstreams: Upstreams) -> Launch:
        launch = super().launch(environment, scratch, upstreams)
        config: dict[str, Any] = configuration(upstreams)
        for model, limit in BUDGETS.items():
            where = {"model": f"openai/{model}", "api_base": f"http://127.0.0.1:{self._port}/v1", "api_key": BENCH_KEY}
            budget = {"max_budget": float(limit), "budget_duration": "30d"}
            config["model_list"].append({"model_name": model, "litellm_params": where | budget})
        (scratch / "config.yaml").write_bytes(msgspec.json.format(msgspec.json.encode(config)))
        env = launch.env | {"LITELLM_LOG": "INFO", "TIMEOUT_WORKER_HEALTHCHECK": f"{READY_MAX_S:.0f}"}
        return launch._replace(command=[*launch.command[:-1], str(self._workers)], env=env)
