"""A provider to run against: OpenAI's, Anthropic's, Google's and Bedrock's wire formats, own prices, faults on demand.

`python -m bursar.simulate.provider --port 0 --log FILE` prints one JSON line, {"port": N}, when it is ready.
Besides the providers' endpoints it has /sim/log?after=SEQ, /sim/bill, /sim/caches, POST /sim/reset and /healthz.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import Coroutine
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import uvloop

from bursar.domain.clock import Clock, SystemClock
from bursar.domain.usage import Usage
from bursar.simulate import (
    aws_signature,
    realtime,
    wire_anthropic,
    wire_bedrock,
    wire_google,
    wire_google_caches,
    wire_media,
    wire_openai,
    wire_responses,
)
from bursar.simulate.billing import BATCH, Bill, LogEntry, Model, batch_cost_pico, load_models
from bursar.simulate.endpoints import DEFAULT_MODELS, target_of
from bursar.simulate.exchange import Dialect, Exchange
from bursar.simulate.faults import BadControl, Control, FaultPlan, parse_shares, read_control
from bursar.simulate.heads import error_of, headers_of, key_of
from bursar.simulate.http import Connection, Request
from bursar.simulate.jobs import Jobs
from bursar.simulate.plan import Ask, Plan, decide
from bursar.simulate.tokens import PrefixCache, tokens_in

HEADER_SETS_MAX = 1000
MESSAGES = {429: "Rate limit reached for requests", 529: "Overloaded"}
_PREFIXES = {
    "openai-chat": "chatcmpl-",
    "openai-responses": "resp_",
    "openai-completions": "cmpl-",
    "anthropic-messages": "msg_01",
    "gemini-generate": "gen_",
    "bedrock-converse": "amzn-",
    "bedrock-invoke": "msg_bdrk_01",
    "bedrock-embed": "amzn-",
}
_COUNTERS = {
    "anthropic-count-tokens": wire_anthropic.count_tokens,
    "gemini-count-tokens": wire_google.count_tokens,
    "bedrock-count-tokens": wire_bedrock.count_tokens,
}
_ASK = msgspec.json.Decoder(Ask)


class Options(msgspec.Struct, frozen=True):
    """How a provider behaves when a request demands nothing."""

    seed: int = 0
    faults: dict[str, float] = {}
    delay_ms: int = 0  # before the first byte
    interval_ms: int = 0  # between the events of a stream; 0: as fast as they are taken
    chunks: int | None = None
    log: str = ""  # a JSONL file that gets each entry before its answer's last byte
    job_ms: int = 0  # what batches and responses in the background take


DEFAULTS = Options()
SYSTEM_CLOCK = SystemClock()


class Provider:
    """The server. Start it on a running loop; `bill` is its log and its totals."""

    def __init__(self, options: Options = DEFAULTS, clock: Clock = SYSTEM_CLOCK) -> None:
        self.options = options
        self._clock = clock
        self.models = load_models()
        self.bill = Bill(Path(options.log) if options.log else None)
        self._faults = FaultPlan(options.faults, options.seed)
        self._random = random.Random(options.seed)
        self._cache = PrefixCache(clock)
        self._connections: set[Connection] = set()
        self._seq = 0
        self._jobs = Jobs(self._line, self._clock, options.job_ms)
        self._caches = wire_google_caches.Caches(clock)
        self._header_names: dict[tuple[str, ...], list[str]] = {}
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self.handle, self.early, self._connections), host, port, backlog=1024
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        await asyncio.sleep(0)
        self.bill.close()

    def handle(self, connection: Connection, request: Request) -> Coroutine[Any, Any, None] | None:
        """Answer one request: at once where nothing takes time, else with a coroutine."""
        dialect, deployment = target_of(request)
        if dialect is None:
            if request.path == realtime.PATH and request.headers.get("upgrade", "").lower() == "websocket":
                realtime.open_session(connection, request, self.models, self._exchange)
            else:
                self._beside(connection, request)
            return None
        exchange = self._exchange(connection, request, dialect)
        if request.method != "POST":
            self._refuse(exchange, dialect, 405, "Method not allowed")
            return None
        if not key_of(request):
            self._refuse(exchange, dialect, 401, "Incorrect API key provided")
            return None
        if aws_signature.signed_by(request) and (wrong := aws_signature.fault_of(request)):
            self._refuse(exchange, dialect, 403, wrong)
            return None
        try:
            ask, control = self._read(request, deployment)
        except (msgspec.DecodeError, BadControl) as error:
            self._refuse(exchange, dialect, 400, f"We could not parse the body of your request: {error}")
            return None
        entry = exchange.entry
        entry.stream, entry.model_asked, entry.label = ask.stream, ask.model, control.label
        if self._faults.wears_off(control):
            control = msgspec.structs.replace(control, fault="")
        if not control.fault:
            control = msgspec.structs.replace(control, fault=self._faults.draw())
        entry.fault = control.fault
        if control.fault == "reset":
            exchange.post(status=0, completed=False, billed=False)
            connection.reset()
            return None
        if control.status:
            return self._fail(exchange, dialect, control)
        if dialect.name in _COUNTERS:
            counted = control.input if control.input is not None else tokens_in(len(ask.prompt_bytes))
            exchange.refuse(200, _COUNTERS[dialect.name](counted), self._headers(entry.request_id, dialect))
            return None
        return self._answer(exchange, dialect, ask, control)

    def early(self, connection: Connection, request: Request) -> bool:
        """A refusal before the body was read, if the header demands it."""
        dialect, _ = target_of(request)
        if dialect is None or '"early"' not in request.headers.get("x-sim", ""):
            return False
        exchange = self._exchange(connection, request, dialect)
        exchange.entry.fault = "early"
        with contextlib.suppress(BadControl):
            exchange.entry.label = read_control(request.headers["x-sim"], None, "", "").label
        headers = [*self._headers(exchange.entry.request_id, dialect, 413), ("connection", "close")]
        exchange.refuse(413, error_of(dialect, 413, "Request too large", exchange.entry.request_id), headers)
        connection.close()
        return True

    def _answer(
        self, exchange: Exchange, dialect: Dialect, ask: Ask, control: Control
    ) -> Coroutine[Any, Any, None] | None:
        entry = exchange.entry
        model = self.models.get(ask.model)
        served = self.models.get(control.served) if control.served else model
        plan = self._plan(entry, dialect, ask, served, control)
        entry.answer_id, entry.model_served, entry.tier = plan.answer_id, plan.model_served, plan.tier
        headers = self._headers(plan.answer_id if dialect.is_bedrock else plan.request_id, dialect)
        if dialect.counts is not None:
            headers += dialect.counts(plan)
        if dialect.name == "gemini-cache":
            self._caches.keep(dialect.body(plan))
        if ask.background and not ask.stream and dialect.name == "openai-responses":
            self._jobs.keep_response(plan)
            dialect = dialect._replace(body=wire_responses.queued)
        if control.delay_ms is None and self.options.delay_ms:
            control = msgspec.structs.replace(control, delay_ms=self.options.delay_ms)
        if control.interval_ms is None:
            control = msgspec.structs.replace(control, interval_ms=self.options.interval_ms)
        quiet = control.fault in ("", "truncate", "no_usage")
        streams = ask.stream and dialect.events is not None
        if quiet and not streams and not control.delay_ms and not control.gzip:
            exchange.respond(dialect, plan, served, headers)
            return None
        return exchange.perform(dialect, plan, served, control, headers)

    def _line(self, number: int, path: str, body: bytes, key: str) -> tuple[int, bytes]:
        """One line of a batch: answered as its own request would be, and billed at the batch price."""
        request = Request("POST", path, "", {"authorization": f"Bearer {key}"}, body)
        dialect, deployment = target_of(request)
        if dialect is None:
            return 404, wire_openai.error(404, f"Unknown request URL: POST {path}.", code="unknown_url")
        entry = self._entry(request, dialect)
        try:
            ask, control = self._read(request, deployment)
        except (msgspec.DecodeError, BadControl) as error:
            return 400, error_of(dialect, 400, str(error), entry.request_id)
        entry.model_asked, entry.label, entry.fault = ask.model, control.label, control.fault
        model = self.models.get(ask.model)
        status = control.status or (200 if model is not None else 404)
        plan = self._plan(entry, dialect, ask, model, control)
        if status == 200 and model is not None:
            entry.answer_id, entry.model_served, entry.tier = plan.answer_id, plan.model_served, BATCH
            entry.billed, entry.usage, entry.cost_pico = True, plan.usage, batch_cost_pico(model, plan.usage)
        entry.status, entry.completed, entry.ended_us = status, True, self._clock.now_us()
        self.bill.post(entry)
        if status != 200:
            return status, error_of(dialect, status, MESSAGES.get(status, f"line {number} fails"), entry.request_id)
        return 200, dialect.body(plan)

    def _plan(self, entry: LogEntry, dialect: Dialect, ask: Ask, model: Model | None, control: Control) -> Plan:
        prefix = _PREFIXES.get(dialect.name)  # embeddings have no id on the wire
        answer_id = prefix + _unique(self.options.seed, entry.seq, "answer") if prefix else ""
        return decide(
            ask,
            model,
            control if control.chunks is not None else msgspec.structs.replace(control, chunks=self.options.chunks),
            self._cache,
            dialect=dialect.name,
            namespace=f"{entry.key_sha256}/{ask.model}",
            ids=(answer_id, entry.request_id),
            created_s=entry.received_us // 1_000_000,
            draw=self._random.getrandbits(32),
        )

    def _exchange(self, connection: Connection, request: Request, dialect: Dialect) -> Exchange:
        return Exchange(connection, request, self._entry(request, dialect), self.bill, self._clock)

    def _entry(self, request: Request, dialect: Dialect) -> LogEntry:
        self._seq += 1
        headers = request.headers
        return LogEntry(
            seq=self._seq,
            request_id="req_" + _unique(self.options.seed, self._seq, "request"),
            answer_id="",
            received_us=self._clock.now_us(),
            ended_us=0,
            path=request.path,
            dialect=dialect.name,
            stream=False,
            model_asked="",
            model_served="",
            tier="",
            status=0,
            usage=Usage(),
            cost_pico=0,
            billed=False,
            completed=False,
            attempt=headers.get("x-bursar-attempt-id", ""),
            key_sha256=sha256(key_of(request).encode()).hexdigest()[:16],
            body_sha256=sha256(request.body).hexdigest()[:16],
            header_names=self._names_of(headers),
        )

    def _names_of(self, headers: dict[str, str]) -> list[str]:
        """The names in order; equal sets share one list, since a long log has few of them."""
        key = tuple(headers)
        names = self._header_names.get(key)
        if names is None:
            names = sorted(headers)
            if len(self._header_names) < HEADER_SETS_MAX:
                self._header_names[key] = names
        return names

    def _read(self, request: Request, deployment: str) -> tuple[Ask, Control]:
        content_type, body = request.headers.get("content-type", ""), request.body
        if content_type.startswith("multipart/"):
            body = wire_media.form(content_type, body)
        if named := deployment or DEFAULT_MODELS.get(request.path):
            body = msgspec.json.encode({"model": named} | msgspec.json.decode(body))
        google, bedrock = wire_google.target_of(request.path), wire_bedrock.target_of(request.path)
        if google is not None:
            ask = wire_google.ask_of(google, body)
        elif bedrock is not None:
            ask = wire_bedrock.ask_of(bedrock, body)
        else:
            ask = _ASK.decode(body)
        ask.model = deployment or ask.model
        ask.stream = ask.stream or ask.stream_format == "sse"
        ask.model, _, suffix = ask.model.partition("~")
        return ask, read_control(request.headers.get("x-sim", ""), ask.metadata, ask.user or "", suffix)

    def _refuse(self, exchange: Exchange, dialect: Dialect, status: int, message: str) -> None:
        request_id = exchange.entry.request_id
        headers = self._headers(request_id, dialect, status)
        exchange.refuse(status, error_of(dialect, status, message, request_id), headers)

    def _fail(self, exchange: Exchange, dialect: Dialect, control: Control) -> Coroutine[Any, Any, None] | None:
        """The status that was demanded, with the headers that go with it."""
        status, request_id = control.status, exchange.entry.request_id
        message = MESSAGES.get(status, "The simulator was told to fail")
        body = error_of(dialect, status, message, request_id, control.code)
        headers = self._headers(request_id, dialect, status)
        if control.retry_after is not None:
            headers.append(("retry-after", str(control.retry_after)))
        if not control.delay_ms:
            exchange.refuse(status, body, headers)
            return None
        return _later(control.delay_ms / 1000, exchange, status, body, headers)

    def _headers(self, request_id: str, dialect: Dialect, status: int = 200) -> list[tuple[str, str]]:
        return headers_of(dialect, request_id, status, self._seq)

    def _beside(self, connection: Connection, request: Request) -> None:
        """Everything that isn't a call: models, health, the simulator's own log."""
        status, body = self._page(request)
        if request.method == "HEAD":
            body = b""
        connection.write(connection.head(status, [], length=len(body)) + body)
        connection.finish()

    def _page(self, request: Request) -> tuple[int, bytes]:
        if request.path == "/v1beta/models" or (request.path == "/v1/models" and "x-goog-api-key" in request.headers):
            return 200, wire_google.models([name for name, one in self.models.items() if one.provider == "google"])
        if request.path == "/v1/models":
            anthropic = "anthropic-version" in request.headers
            wanted = "anthropic" if anthropic else "openai"
            names = [name for name, model in self.models.items() if model.provider == wanted]
            return 200, (wire_anthropic if anthropic else wire_openai).models(names)
        if (answered := self._jobs.answer(request, key_of(request))) is not None:
            return answered
        if (cached := self._caches.answer(request)) is not None:
            return cached
        if request.path in ("/healthz", "/api/hello"):
            return 200, b'{"ok":true}'
        if request.path == "/sim/bill":
            return 200, msgspec.json.encode(self.bill.summary() | {"open_connections": len(self._connections)})
        if request.path == "/sim/log":
            after = int(parse_qs(request.query).get("after", ["0"])[0])
            return 200, msgspec.json.encode([entry for entry in self.bill.entries if entry.seq > after])
        if request.path == "/sim/reset" and request.method == "POST":
            self.bill.close()
            self.bill = Bill(Path(self.options.log) if self.options.log else None)
            return 200, b'{"ok":true}'
        return 404, wire_openai.error(404, f"Unknown request URL: {request.method} {request.path}.", code="unknown_url")


async def _later(delay_s: float, exchange: Exchange, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
    try:
        await asyncio.sleep(delay_s)
        exchange.refuse(status, body, headers)
    finally:
        exchange.post(status=0, completed=False, billed=False)


def _unique(seed: int, seq: int, kind: str) -> str:
    return blake2b(f"{seed}/{seq}/{kind}".encode(), digest_size=16).hexdigest()


async def serve(options: Options, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT; say the port on standard output when ready."""
    provider = Provider(options)
    bound = await provider.start(host, port)
    sys.stdout.write(msgspec.json.encode({"port": bound}).decode() + "\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await provider.stop()


def main(arguments: list[str] | None = None) -> int:
    """The command line of `python -m bursar.simulate.provider`; `bursar simulate provider` takes the same options."""
    parser = argparse.ArgumentParser(prog="bursar.simulate.provider", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", default="", help="shares, such as 429=0.02,cut=0.01")
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--interval-ms", type=int, default=0)
    parser.add_argument("--job-ms", type=int, default=0, help="what batches and background responses take")
    parser.add_argument("--chunks", type=int, default=None)
    asked = parser.parse_args(arguments)
    try:
        shares = parse_shares(asked.faults)
        options = Options(asked.seed, shares, asked.delay_ms, asked.interval_ms, asked.chunks, asked.log, asked.job_ms)
        uvloop.run(serve(options, asked.host, asked.port))
    except BadControl as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
