"""How fast attempts become charges: the real way, from journal files to committed rows."""

import shutil
import tempfile
import threading
import time
from pathlib import Path

from bursar.bench.figure import Figure, Options, median
from bursar.domain.clock import SystemClock
from bursar.domain.ids import Ids
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loaded, Loader
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal
from bursar.spool.records import CallFacts, Dispatched, Settled

ATTEMPTS = 120_000
ATTEMPTS_PER_S_MIN = 30_000.0
LIVE_RATE = 1_000  # attempts a second
LIVE_S = 10.0
LAG_S_MAX = 2.0
TICK_S = 0.01


def measure(options: Options) -> list[Figure]:
    """Attempts per second of one core's time, because that holds on a noisy machine, and by the clock; then the lag."""
    attempts = max(int(ATTEMPTS * options.scale), 2_000)
    runs = [_fill(attempts) for _ in range(max(min(options.rounds, 5), 1))]
    by_core, by_clock = median([run[0] for run in runs]), median([run[1] for run in runs])
    lag_s, late = _live(max(LIVE_S * options.scale, 2.0))
    note = f"{attempts:,} attempts, {len(runs)} rounds, one DuckDB thread"
    return [
        Figure("loader, attempts per second of one core", by_core, "1/s", ATTEMPTS_PER_S_MIN, "at least", note=note),
        Figure("loader, attempts per second by the clock", by_clock, "1/s", note=note),
        Figure(f"lag at {LIVE_RATE:,} attempts/s, largest", lag_s, "s", LAG_S_MAX, note=late),
    ]


def _fill(attempts: int) -> tuple[float, float]:
    """(attempts per CPU second, attempts per second) for a spool that waits to be loaded."""
    directory = Path(tempfile.mkdtemp(prefix="bursar-bench-"))
    try:
        journal = Journal(directory / "spool", "w0-bench", sync=False)
        start_us = SystemClock().now_us() - attempts * 1_000
        for number in range(attempts):
            for record in attempt(number, start_us + number * 1_000):
                journal.append(record)
        ledger = open_ledger(directory / "ledger.duckdb", threads=1)
        loader = Loader(ledger, directory / "spool")
        cpu, clock = time.process_time(), time.perf_counter()
        loaded = loader.load_all()
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
        journal.close()
        ledger.close()
        if loaded.attempts != attempts:
            raise RuntimeError(f"{loaded.attempts} of {attempts} attempts were loaded")
        return attempts / cpu, attempts / clock
    finally:
        shutil.rmtree(directory)


def _live(seconds: float) -> tuple[float, str]:
    """The largest lag while a worker writes at LIVE_RATE, and a note on what was loaded; the laws are proved after."""
    directory = Path(tempfile.mkdtemp(prefix="bursar-bench-"))
    ledger = open_ledger(directory / "ledger.duckdb")
    loader = _Watched(ledger, directory / "spool")
    stop = threading.Event()
    thread = threading.Thread(target=loader.run, args=(stop,), name="loader")
    journal = Journal(directory / "spool", "w0-bench", sync=False)
    try:
        thread.start()
        written = _write_at_rate(journal, seconds)
        journal.close()
        deadline = time.perf_counter() + 10
        while loader.attempts < written and time.perf_counter() < deadline:
            time.sleep(TICK_S)
        stop.set()
        thread.join()
        broken = [finding.name for finding in verify(ledger, directory / "spool") if not finding.ok]
        if broken or loader.attempts != written:
            raise RuntimeError(f"{loader.attempts} of {written} attempts were loaded; broken laws: {broken}")
        return loader.lag_us_max / 1e6, f"{written:,} attempts in {loader.batches} batches, all laws hold"
    finally:
        stop.set()
        ledger.close()
        shutil.rmtree(directory)


class _Watched(Loader):
    """Keeps the largest lag of its batches."""

    lag_us_max = 0
    attempts = 0
    batches = 0

    def load_once(self) -> Loaded:
        loaded = super().load_once()
        self.lag_us_max = max(self.lag_us_max, loaded.lag_us)
        self.attempts += loaded.attempts
        self.batches += bool(loaded.records)
        return loaded


def _write_at_rate(journal: Journal, seconds: float) -> int:
    clock = SystemClock()
    begin = time.perf_counter()
    written = 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        while written < elapsed * LIVE_RATE:
            now_us = clock.now_us()
            dispatched, settled = attempt(written, now_us - 900_100)
            journal.append(dispatched)
            journal.append(settled)
            written += 1
        time.sleep(TICK_S)
    return written


_IDS = Ids()


def attempt(number: int, at_us: int) -> tuple[Dispatched, Settled]:
    """One answered attempt received at `at_us`, with tags and a cached prompt; who and what varies with its number."""
    call = CallFacts(
        call_id=_IDS.new(at_us),
        received_us=at_us,
        dialect="openai-chat",
        operation="chat",
        scope=Scope("acme", f"team-{number % 5}", "shop"),
        credential_id=f"vk_{number % 50}",
        credential_kind="virtual",
        model_asked="gpt-5",
        stream=number % 2 == 0,
        request_bytes=1_400 + number % 977,
        fingerprint=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        attribution=Attribution(
            feature=f"feature-{number % 30}",
            team=f"team-{number % 5}",
            customer=f"customer-{number * 31 % 2_000}",
            environment="production",
            request_type="chat",
            session=f"session-{number // 10}",
            tags={"plan": "pro", "release": "2026-11"},
        ),
        client="openai-python/2.7",
    )
    dispatched = Dispatched(
        seq=number + 1,
        attempt_id=_IDS.new(at_us),
        attempt_number=1,
        dispatched_us=at_us + 100,
        provider="openai",
        upstream="openai",
        model_sent="gpt-5",
        region="",
        tier_asked="",
        retry_cause="",
        bound_pico=40_000_000_000,
        sku_price_id="openai/gpt-5@2026-01-01",
        call=call,
    )
    tokens, cached, output = 1_000 + number % 313, number % 3 * 500, 50 + number % 411
    femto = tokens * 1_250_000_000 + cached * 125_000_000 + output * 10_000_000_000
    settled = Settled(
        attempt_id=dispatched.attempt_id,
        first_byte_us=at_us + 300_000,
        ended_us=at_us + 900_000,
        http_status=200,
        outcome="ok",
        quality="reported",
        error_code="",
        finish_reason="stop",
        model_served="gpt-5-2026-01-01",
        tier_served="default",
        upstream_id=f"chatcmpl-{number:024x}",
        usage=Usage(input=tokens, cache_read=cached, output=output),
        lines=[
            ("input", tokens, 1_250_000_000),
            *([("cache_read", cached, 125_000_000)] if cached else []),
            ("output", output, 10_000_000_000),
        ],
        list_pico=femto // 1_000,
        counterfactual_pico=femto // 1_000 + cached * 1_125_000,
        lever="prompt_cache" if cached else "",
        sku_id="openai/gpt-5",
        sku_price_id="openai/gpt-5@2026-01-01",
        provider_cost_pico=None,
        response_bytes=3_000 + number % 501,
        final=True,
        call_outcome="ok",
        client_status=200,
    )
    return dispatched, settled
