"""Load from wrk, CPU time and memory from /proc: what the measured process spent, not what the clock said.

CPU per request holds on a noisy machine; wall-clock rates don't.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from bursar.domain.errors import Unavailable

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
BENCH_KEY = "sk-bench-0123456789abcdef0123456789abcdef"
SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer {key}"
{headers}
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


class Served(NamedTuple):
    """One round: requests answered, and the CPU seconds that the measured processes spent on them."""

    requests: int
    cpu_s: float

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.requests * 1e6


def need(program: str) -> str:
    """Path of a program, or Unavailable that says how to get it."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Unavailable(f"{program} is not installed: apt-get install {program}")
    return found


def wrk(
    url: str, body: Path, pids: list[int], *, connections: int, seconds: float, headers: dict[str, str] | None = None
) -> Served:
    """POST `body` to `url` in a closed loop, measuring processes meanwhile. Raises Unavailable if any answer failed."""
    script = body.with_suffix(".lua")
    more = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in (headers or {}).items())
    script.write_text(SCRIPT.format(body=body, key=BENCH_KEY, headers=more))
    before = cpu_s(pids)
    done = subprocess.run(
        [
            need("wrk"),
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "30s",
            "-s",
            str(script),
            url,
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    )
    spent = cpu_s(pids) - before
    found = re.search(r"RESULT (\d+) (\d+) (\d+)", done.stdout)
    if found is None:
        raise Unavailable(f"wrk said nothing usable: {done.stdout}{done.stderr}")
    requests, bad, broken = (int(group) for group in found.groups())
    if bad or broken or not requests:
        raise Unavailable(f"{url}: {bad} of {requests} answers were errors, {broken} connections broke")
    return Served(requests, spent)


def cpu_s(pids: list[int]) -> float:
    """User and system time of processes so far, all their threads."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_S


def memory_mb(pids: list[int]) -> float:
    """Proportional share of memory (PSS): what stopping these processes would give back."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        total += int(found[1]) if found else 0
    return total * 1024 / 1e6


def children(pid: int) -> list[int]:
    """Direct children of a process."""
    return [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]


def parent(pid: int) -> int:
    """Who started a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def family(pid: int) -> list[int]:
    """A process and all that descends from it."""
    return [pid, *(member for child in children(pid) for member in family(child))]


def command_line(pid: int) -> str:
    """A process's arguments, space-separated; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
