"""Where other gateways live: a directory for each pinned version in the user's cache, filled from the registries once.

Packages are asked for by name and version through pip and npm as the user has set them up, so no address is known here.
Nothing ever enters the environment that Bursar runs in.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from bursar.bench.load import need
from bursar.domain.errors import Unavailable

INSTALL_MAX_S = 900
REASON_CHARS_MAX = 160
_DONE = "installed.txt"  # written last: what was installed, with all versions; without it the place is filled again


def cache_root(env: Mapping[str, str] = os.environ) -> Path:
    """`~/.cache/bursar/bench-peers`, or below XDG_CACHE_HOME."""
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "bursar" / "bench-peers"


def python_environment(name: str, requirements: Sequence[str]) -> Path:
    """A virtual environment with `requirements`; its root. Raises Unavailable with pip's reason."""
    root = cache_root() / name
    if not (root / _DONE).exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", str(root)], root.parent)
        python = str(root / "bin" / "python")
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements], root)
        (root / _DONE).write_text(_run([python, "-m", "pip", "freeze"], root), "utf-8")
    return root


def node_environment(name: str, packages: Mapping[str, str]) -> Path:
    """A directory whose `node_modules` holds exactly these versions, wherever else they are asked for in the tree."""
    root = cache_root() / name
    if not (root / _DONE).exists():
        npm = need("npm")
        root.mkdir(parents=True, exist_ok=True)
        manifest = {"private": True, "dependencies": dict(packages), "overrides": dict(packages)}
        (root / "package.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        _run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], root)
        (root / _DONE).write_text(_run([npm, "ls", "--all"], root), "utf-8")
    return root


def locked_python(name: str, lock: Path, python: str = sys.executable) -> Path:
    """A virtual environment with exactly what a lock file with hashes says, a new one for each lock; its root.
    python: of which; a package may need a later one than Bursar. Raises Unavailable with pip's reason."""
    root = cache_root() / f"{name}-{_digest(lock)}"
    with _alone(root):
        if not (root / _DONE).exists():
            _run([python, "-m", "venv", "--clear", str(root)], root.parent)
            pip = [str(root / "bin" / "python"), "-m", "pip"]
            wanted = ["--require-hashes", "--requirement", str(lock.resolve())]
            _run([*pip, "install", "--quiet", "--no-compile", "--disable-pip-version-check", *wanted], root)
            (root / _DONE).write_text(_run([*pip, "freeze"], root), "utf-8")
    return root


def locked_node(name: str, manifest: Path) -> Path:
    """A directory whose `node_modules` holds exactly what the lock beside a package.json says; its root.

    No package's own script is run: what is needed of a program stands in the package of its platform.
    """
    lock = manifest.with_name("package-lock.json")
    root = cache_root() / f"{name}-{_digest(lock)}"
    with _alone(root):
        if not (root / _DONE).exists():
            npm = need("npm")
            root.mkdir(exist_ok=True)
            for path in (manifest, lock):
                shutil.copyfile(path, root / path.name)
            _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], root)
            (root / _DONE).write_text(_run([npm, "ls", "--all"], root), "utf-8")
    return root


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One process at a time fills a place; the others wait, and find it filled."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(root.name + ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def reason(text: str) -> str:
    """What an installer or a server said last, in one line, without any address: those may carry passwords."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = next(
        (line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "it said nothing"
    )
    return re.sub(r"\w+://\S+", "(address)", told)[:REASON_CHARS_MAX]


def _run(command: list[str], directory: Path) -> str:
    """Output of a command. Raises Unavailable when it fails, with what it said."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(
            command, cwd=directory, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=INSTALL_MAX_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{Path(command[0]).name} didn't finish: {reason(str(error))}") from error
    if done.returncode != 0:
        raise Unavailable(f"{Path(command[0]).name} failed: {reason(done.stderr or done.stdout)}")
    return done.stdout
