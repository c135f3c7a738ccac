"""nginx twice: as the provider that answers at once, and as the plain proxy that everything is compared with."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bursar.bench.load import children, need
from bursar.domain.errors import Unavailable

CONFIG = """
worker_processes 1;
daemon off;
master_process on;
pid {root}/nginx.pid;
error_log {root}/error.log crit;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_max_body_size 32m;
  client_body_buffer_size 256k;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  keepalive_requests 100000000;
  default_type application/json;
  types {{ text/event-stream sse; application/json json; }}
  {servers}
}}
"""
STATIC = """
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    root {root}/answers;
    location / {{ error_page 405 =200 /{name}; return 405; }}
    location = /{name} {{ }}
  }}
"""
PROXY = """
  upstream behind_{port} {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass http://behind_{port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
"""


class Nginx(NamedTuple):
    """A running nginx: the port it answers on, and the processes to measure."""

    port: int
    pids: list[int]


@contextlib.contextmanager
def static_upstream(root: Path, name: str, body: bytes) -> Iterator[Nginx]:
    """Answers any request with one body; the name says its type: `answer.json`, `answer.sse`."""
    (root / "answers").mkdir(parents=True)
    (root / "answers" / name).write_bytes(body)
    port = free_port()
    with _running(root, STATIC.format(root=root, port=port, name=name), port) as nginx:
        yield nginx


@contextlib.contextmanager
def plain_proxy(root: Path, upstream: int) -> Iterator[Nginx]:
    """A reverse proxy with kept-alive upstream connections and no log."""
    root.mkdir(parents=True)
    port = free_port()
    with _running(root, PROXY.format(port=port, upstream=upstream), port) as nginx:
        yield nginx


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 10.0) -> None:
    """Return when something listens there. Raises Unavailable if nothing does in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise Unavailable(f"nothing listens on 127.0.0.1:{port} after {seconds:.0f} s")


@contextlib.contextmanager
def _running(root: Path, servers: str, port: int) -> Iterator[Nginx]:
    config = root / "nginx.conf"
    config.write_text(CONFIG.format(root=root, servers=servers))
    for path in (root, *root.rglob("*")):  # nginx's worker drops root's rights where it has them
        path.chmod(0o755 if path.is_dir() else 0o644)
    process = subprocess.Popen([need("nginx"), "-e", str(root / "error.log"), "-p", str(root), "-c", str(config)])
    try:
        wait_for_port(port)
        while not (workers := children(process.pid)):  # the master listens before it has one
            time.sleep(0.01)
        yield Nginx(port, workers)
    finally:
        process.terminate()
        process.wait(10)
