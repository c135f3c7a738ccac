"""What translation costs: OpenAI's dialect asked, Anthropic's provider, beside the same call passed through.

Rounds alternate between the two calls at one gateway, so that what else happens on the machine meets both.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bursar.bench import bodies
from bursar.bench.figure import Figure, Options, against, median
from bursar.bench.installation import Installation, running
from bursar.bench.load import wrk
from bursar.bench.nginx import free_port, static_upstream, wait_for_port
from bursar.domain.errors import Unavailable
from bursar.translate.chat import CHAT
from bursar.translate.codec import Codec
from bursar.translate.conversation import Conversation
from bursar.translate.messages import MESSAGES

CONNECTIONS = 32
ROUND_S = 2.0
STREAMS = 2_000
UNARY_RATIO_MAX, EVENT_MAX_US = 2.5, 25.0
CLAUDE = "anthropic/claude-haiku-4-5"
KEY_SEEN_S = 1.0  # workers look for changed keys every quarter of a second


class Rig(NamedTuple):
    """A gateway with a provider of each dialect behind it. key: one of Bursar's own."""

    bursar: Installation
    key: str
    directory: Path


def measure(options: Options) -> list[Figure]:
    """Medians. Raises Unavailable when nginx or wrk is missing, or an answer was wrong."""
    figures = [
        _codec_figure("codecs alone, per event: Anthropic's stream in OpenAI's words", MESSAGES, CHAT, options),
        _codec_figure("codecs alone, per event: OpenAI's stream in Anthropic's words", CHAT, MESSAGES, options),
    ]
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with contextlib.ExitStack() as stack:
            chat = stack.enter_context(static_upstream(directory / "chat", "answer.json", bodies.chat_answer()))
            claude = stack.enter_context(static_upstream(directory / "claude", "answer.json", bodies.message_answer()))
            rig = stack.enter_context(_rig(directory / "plain", chat.port, claude.port))
            for size, told in ((1_400, "1.4 KB"), (98_000, "98 KB")):
                ours, theirs = _rounds(rig, options, size)
                name = f"CPU per translated unary request, {told}"
                figures.append(against(name, "µs", ours, theirs, UNARY_RATIO_MAX, of="passed through"))
        with contextlib.ExitStack() as stack:
            ports = [stack.enter_context(_paced(*argument)) for argument in ((), ("anthropic",))]
            rig = stack.enter_context(_rig(directory / "paced", *ports))
            ours, theirs = _rounds(rig, options, 1_400, stream=True)
            per_event = [sample / bodies.EVENTS for sample in ours]
            base = median(theirs) / bodies.EVENTS
            note = f"{len(ours)} rounds, {min(per_event):.1f}–{max(per_event):.1f}; passed through {base:.1f}"
            name = "CPU per event, translated paced stream"
            figures.append(Figure(name, median(per_event), "µs", EVENT_MAX_US, note=note))
    return figures


def _codec_figure(name: str, other: Codec, caller: Codec, options: Options) -> Figure:
    """CPU of one event on its way through a reader and a writer, without a gateway around them."""
    events = bodies.message_events() if other is MESSAGES else bodies.stream_events()
    asked = Conversation(model="m", messages=(), stream=True)
    streams = max(20, round(STREAMS * options.scale))
    samples = []
    for _ in range(options.rounds):
        started = time.process_time()
        for _ in range(streams):
            reader, writer = other.reader(), caller.writer(asked, "call")
            for event in events:
                writer.write(reader.feed(event))
            writer.write(reader.end())
        samples.append((time.process_time() - started) / streams / len(events) * 1e6)
    return Figure(name, median(samples), "µs", note=f"{options.rounds} rounds, {min(samples):.1f}–{max(samples):.1f}")


def _rounds(rig: Rig, options: Options, size: int, *, stream: bool = False) -> tuple[list[float], list[float]]:
    """CPU µs of a call, translated and passed through."""
    translated, passed = rig.directory / "translated.json", rig.directory / "passed.json"
    translated.write_bytes(bodies.chat_request(size, stream=stream, model=CLAUDE))
    passed.write_bytes(bodies.chat_request(size, stream=stream))
    url = f"http://127.0.0.1:{rig.bursar.port}/v1/chat/completions"
    seconds = ROUND_S * max(options.scale, 0.5)
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(options.rounds + 1):
        for body, samples in ((passed, theirs), (translated, ours)):
            served = wrk(
                url,
                body,
                rig.bursar.gateway_pids,
                connections=CONNECTIONS,
                seconds=seconds,
                headers={"authorization": f"Bearer {rig.key}"},
            )
            if number:  # the first round opens connections and fills caches
                samples.append(served.cpu_us)
    return ours, theirs


@contextlib.contextmanager
def _rig(directory: Path, chat_port: int, claude_port: int) -> Iterator[Rig]:
    directory.mkdir()
    settings = {
        "BURSAR_UPSTREAMS__ANTHROPIC__BASE_URL": f"http://127.0.0.1:{claude_port}",
        "ANTHROPIC_API_KEY": "sk-ant-bench",
        "OPENAI_API_KEY": "sk-bench",
    }
    data = directory / "data"
    with running(data, chat_port, bodies.chat_request(1_400), settings=settings) as bursar:
        yield Rig(bursar, _key(data), directory)


def _key(data: Path) -> str:
    """A key of this installation."""
    command = [sys.executable, "-P", "-m", "bursar.cli.main", "keys", "create", "bench", "--data", str(data)]
    done = subprocess.run([*command, "--format", "json"], check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Unavailable(f"no key could be made: {done.stderr}")
    time.sleep(KEY_SEEN_S)
    return str(json.loads(done.stdout)["key"])


@contextlib.contextmanager
def _paced(*arguments: str) -> Iterator[int]:
    """A provider that streams; the port it listens on."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-P", "-m", "bursar.bench.paced", str(port), *arguments])
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)
