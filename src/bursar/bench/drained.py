"""A closed loop whose last calls are waited for, for gateways that are slow.

wrk stops with a call under way on each connection. To a gateway that answers 35 calls a second, 32 of them are a fifth
of a round: work that was paid and not counted. Here each connection finishes its last call before the CPU is read.
"""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor

from bursar.bench.load import BENCH_KEY, Served, cpu_s
from bursar.bench.peer import Ask
from bursar.domain.errors import Unavailable

CALL_MAX_S = 60.0


def drained(ask: Ask, pids: list[int], *, connections: int, seconds: float) -> Served:
    """As `load.wrk`, with every call answered. Raises Unavailable if any answer failed."""
    before = cpu_s(pids)
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(connections) as threads:
        counts = list(threads.map(lambda _: _calls(ask, deadline), range(connections)))
    return Served(sum(counts), cpu_s(pids) - before)


def _calls(ask: Ask, deadline: float) -> int:
    """Calls on one kept-alive connection, one after another, at least one."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {BENCH_KEY}"} | ask.headers
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=CALL_MAX_S)
    done = 0
    try:
        while not done or time.monotonic() < deadline:
            connection.request("POST", ask.path, ask.body, headers)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise Unavailable(f"HTTP {response.status}: {body[:100]!r}")
            done += 1
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"a connection broke: {error!r}") from error
    finally:
        connection.close()
    return done
