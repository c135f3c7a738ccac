"""The environments of real clients, filled once for each lock file, and one site that all of them call."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.world import World, gateway_world

from bursar.bench.environments import locked_node, locked_python

HERE = Path(__file__).parent


class Environments(NamedTuple):
    """Where the clients are. Waits while they are installed: up to two minutes, the first time."""

    python_root: Future[Path]
    node_root: Future[Path]

    @property
    def python(self) -> Path:
        return self.python_root.result() / "bin" / "python"

    def node_program(self, package: str, name: str) -> Path:
        """The program in a platform's package, which `npm` installs beside the one that is asked for."""
        modules = self.node_root.result() / "node_modules"
        found = sorted(path for path in modules.glob(f"{package}-linux-*/**/{name}") if path.is_file())
        assert found, f"no {name} below {modules}"
        return found[0]


@pytest.fixture(scope="session")
def environments() -> Iterator[Environments]:
    with ThreadPoolExecutor(2) as pool:
        yield Environments(
            pool.submit(locked_python, "clients-python", HERE / "requirements.lock"),
            pool.submit(locked_node, "clients-node", HERE / "package.json"),
        )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("clients") / "data") as world:
        yield world
