"""A real PostgreSQL server on a free port and in a directory of its own, stopped at the end."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.world import free_port

START_S = 30.0


def binaries() -> Path:
    """Where Debian keeps the server's programs: not on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    assert found, "no PostgreSQL server: tools/test-needs installs it"
    return found[-1].parent


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database. A server refuses to run as root, so it is another user's then."""
    programs, port = binaries(), free_port()
    directory = Path(tempfile.mkdtemp(prefix="bursar-pg-"))
    user = pwd.getpwnam("postgres").pw_uid if os.getuid() == 0 else os.getuid()
    os.chown(directory, user, -1)
    data = directory / "data"
    as_user = ["setpriv", f"--reuid={user}", "--clear-groups"] if os.getuid() == 0 else []

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, cwd=directory, stdout=subprocess.DEVNULL)

    run(str(programs / "initdb"), "-D", str(data), "-U", "bursar", "--auth=trust", "--no-sync")
    server = subprocess.Popen(
        [
            *as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(directory),
            "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200",
        ],
        cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + START_S
        while subprocess.run(
            [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"], check=False
        ).returncode:
            assert server.poll() is None, "the PostgreSQL server ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"postgresql+psycopg://bursar@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(directory, ignore_errors=True)
