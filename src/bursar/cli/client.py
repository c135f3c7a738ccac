"""Asks the console's JSON API: the running console's, or one that lives only for this question.

DuckDB gives a ledger to one process. While a console runs it is asked over HTTP on loopback; else a process is started
that opens the ledger, loads what waits in the spool, answers and ends. Either way the answer is the same bytes.
"""

import http.client
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from bursar.domain.errors import BursarError, Unavailable
from bursar.site import Site, command_name
from bursar.supervise import Running, find_running

TIMEOUT_S = 120.0
FILE_TIMEOUT_S = 1_800.0  # a file of ten million charges is made before its first byte goes out
COPIED_AT_ONCE = 1 << 20
PROBLEM_BYTES_MAX = 65_536
Parameters = Sequence[tuple[str, str | int | None]]
T = TypeVar("T")


class Refused(BursarError):
    """What the console's API answered instead: its own code, status and message."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class _Problem(msgspec.Struct):
    """What the API answers when it doesn't: RFC 9457, with a stable code."""

    code: str
    detail: str
    status: int


def ask(site: Site, path: str, parameters: Parameters, answer: type[T]) -> T:
    """GET `path` of the console's API as a typed answer; parameters that are None or empty are left out.

    Raises Refused with the console's own code and message, Unavailable when nothing can answer.
    """
    return decode(fetch(site, target(path, parameters)), answer)


def decode(body: bytes, answer: type[T]) -> T:
    """A typed answer. Raises Unavailable for what no console of this version says."""
    try:
        return msgspec.json.decode(body, type=answer)
    except msgspec.DecodeError as error:
        raise Unavailable(f"the console's answer can't be read: {error}") from error


def target(path: str, parameters: Parameters) -> str:
    """A path with its query."""
    query = urlencode([(name, value) for name, value in parameters if value not in (None, "")])
    return f"{path}?{query}" if query else path


def fetch(site: Site, address: str) -> bytes:
    """The body of one answer. Raises as `ask` does."""
    running = _running(site)
    return _over_http(running, address) if running is not None else _by_ourselves(site, address)


def download(site: Site, address: str, out: IO[bytes]) -> None:
    """The body of one answer, written as it comes: it may be larger than memory. Raises as `ask` does."""
    running = _running(site)
    if running is not None:
        _over_http(running, address, out=out)
        return
    done = subprocess.run(
        _command("--ask", address), input=msgspec.json.encode(site.config), stdout=out, stderr=subprocess.PIPE,
        check=False,
    )  # fmt: skip
    if done.returncode:
        out.seek(0)
        raise _refusal(out.read(PROBLEM_BYTES_MAX), done.stderr.decode("utf-8", "replace").strip())


def upload(site: Site, address: str, file: Path, kind: str) -> bytes:
    """POST a file as it is; the answer's body. kind: its media type. Raises as `ask` does."""
    running = _running(site)
    if running is not None:
        with file.open("rb") as opened:
            return _over_http(running, address, "POST", opened, kind=kind, length=file.stat().st_size)
    return _by_ourselves(site, address, "--send", str(file.resolve()), "--kind", kind)


def send(running: Running, method: str, address: str, body: bytes) -> bytes:
    """Ask a running console to change something, as JSON. Raises as `ask` does."""
    return _over_http(running, address, method, body)


def path_of(*parts: str) -> str:
    """A path with each part quoted: `path_of("api", "calls", id)`."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _running(site: Site) -> Running | None:
    """The console that runs; None: none does. Raises Unavailable where there is no data at all."""
    running = find_running(site.paths.data)
    if running is None and not site.exists():
        bursar = command_name()
        raise Unavailable(
            f"there is no Bursar data in {site.paths.data}; start with `{bursar} up` or `{bursar} demo`, or name the "
            "directory with --data"
        )
    return running


def _over_http(
    running: Running,
    target: str,
    method: str = "GET",
    body: bytes | IO[bytes] | None = None,
    *,
    kind: str = "application/json",
    length: int | None = None,
    out: IO[bytes] | None = None,
) -> bytes:
    """The answer's body, or b"" where it goes to `out`. length: of a body that is a file."""
    where = urlsplit(running.console)
    timeout_s = TIMEOUT_S if out is None and length is None else FILE_TIMEOUT_S
    connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=timeout_s)
    try:
        headers = {"accept": "application/json"} | ({"content-type": kind} if body is not None else {})
        headers |= {} if length is None else {"content-length": str(length)}
        connection.request(method, target, body=body, headers=headers)
        response = connection.getresponse()
        if out is not None and response.status < 400:
            shutil.copyfileobj(response, out, COPIED_AT_ONCE)
            return b""
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"the console at {running.console} doesn't answer ({error}); is it starting?") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise _refusal(answer, f"status {response.status}")
    return answer


def _by_ourselves(site: Site, target: str, *more: str) -> bytes:
    command = _command("--ask", target, *more)
    done = subprocess.run(command, input=msgspec.json.encode(site.config), capture_output=True, check=False)
    if done.returncode:
        raise _refusal(done.stdout, done.stderr.decode("utf-8", "replace").strip())
    return done.stdout


def _command(*options: str) -> list[str]:
    return [sys.executable, "-P", "-m", "bursar.console.main", "--site", "-", *options]


def _refusal(body: bytes, otherwise: str) -> BursarError:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        said = [line for line in otherwise.splitlines() if "Error" in line or "Exception" in line]
        return Unavailable(f"the console could not answer: {(said or otherwise.splitlines() or ['nothing'])[-1]}")
    return Refused(problem.code, problem.status, problem.detail)
