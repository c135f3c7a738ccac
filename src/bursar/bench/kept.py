"""What a kept answer costs, beside a call that is asked anew: with a rule, which looks and keeps, and with none."""

import tempfile
import time
from pathlib import Path

from bursar.bench import bodies
from bursar.bench.figure import Figure, Options, against
from bursar.bench.gateway import CHAT, CONNECTIONS, ROUND_S
from bursar.bench.installation import running
from bursar.bench.load import wrk
from bursar.bench.nginx import static_upstream
from bursar.config import Config
from bursar.domain.caching import CacheTerms, ExactCaching
from bursar.site import Site

HIT_RATIO_MAX = 0.6
IN_FORCE_S = 2.0
KEPT = {"x-bursar-tags": "feature=kept"}
ANEW = KEPT | {"x-bursar-cache": "refresh"}
"""As a miss: its key is made, it goes to the provider, and its answer is kept."""


def measure(options: Options) -> list[Figure]:
    """CPU of a hit to that of a miss, and what a rule adds to a miss. Raises Unavailable as `bench gateway` does."""
    return [_hits(options, size) for size in (1_400, 98_000)]


def _hits(options: Options, size: int) -> Figure:
    body = bodies.chat_request(size)
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        site = Site(Config(data=str(directory / "data")))
        controls = site.controls()
        controls.caches.create(
            "kept", CacheTerms(match={"feature": "kept"}, exact=ExactCaching()), is_on=True, actor="bench"
        )
        controls.publish()
        path = directory / "body.json"
        path.write_bytes(body)
        with (
            static_upstream(directory / "answers", "answer.json", bodies.chat_answer()) as upstream,
            running(directory / "data", upstream.port, body) as bursar,
        ):
            time.sleep(IN_FORCE_S)
            url, seconds = f"http://127.0.0.1:{bursar.port}{CHAT}", ROUND_S * max(options.scale, 0.5)

            def round_of(headers: dict[str, str]) -> float:
                served = wrk(url, path, bursar.gateway_pids, connections=CONNECTIONS, seconds=seconds, headers=headers)
                return served.cpu_us

            hits, misses, plain = [], [], []
            for number in range(options.rounds + 1):
                measured = round_of(ANEW), round_of(KEPT), round_of({})
                if number:  # the first round opens connections and fills caches
                    misses.append(measured[0])
                    hits.append(measured[1])
                    plain.append(measured[2])
    figure = against(f"CPU of a kept answer, {size / 1_000:g} KB", "µs", hits, misses, HIT_RATIO_MAX, of="a miss")
    note = f"{figure.note}; without a rule {sorted(plain)[len(plain) // 2]:,.1f} µs"
    return Figure(
        figure.name, figure.value, figure.unit, figure.bound, ratio=figure.ratio, baseline=figure.baseline, note=note
    )
