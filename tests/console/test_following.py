"""Two nodes on one PostgreSQL server: what one changes reaches the other's workers within a second."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.postgres import postgresql

from bursar.config import load_config
from bursar.console.following import Following
from bursar.domain.controls import KillTerms
from bursar.domain.snapshot import Snapshot, read_snapshot
from bursar.site import Site

KNOWN_WITHIN_S = 0.75  # and a worker looks at its file every quarter of a second


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgresql() as address:
        yield address


def node(data: Path, address: str) -> Site:
    site = Site(load_config(overrides={"data": str(data), "control.url": address}, env={}))
    site.prepare()
    return site


def until(snapshot: Path, holds: Callable[[Snapshot], bool]) -> float:
    """Seconds until the published file says so."""
    began = time.monotonic()
    while not (snapshot.exists() and holds(read_snapshot(snapshot))):
        assert time.monotonic() < began + 40
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_kill_on_one_node_is_published_on_the_other(tmp_path: Path, address: str):
    here, there = node(tmp_path / "here", address), node(tmp_path / "there", address)
    stop = threading.Event()
    thread = threading.Thread(target=Following(there).run, args=(stop,))
    thread.start()
    try:
        until(there.paths.snapshot, lambda snapshot: snapshot.kills == [])

        def is_killed(told: Snapshot) -> bool:
            return [kill.name for kill in told.kills] == ["agent=crawler"]

        desk, killed, lifted = here.controls(), [], []
        for _ in range(5):  # the program keeps that promise, not a machine that is busy with other things
            desk.kills.create(KillTerms(match={"agent": "crawler"}, reason="loops"), actor="ada")
            killed.append(until(there.paths.snapshot, is_killed))
            desk.kills.lift("agent=crawler", actor="ada")
            lifted.append(until(there.paths.snapshot, lambda told: told.kills == []))
            if max(min(killed), min(lifted)) < KNOWN_WITHIN_S:
                break
        assert min(killed) < KNOWN_WITHIN_S
        assert min(lifted) < KNOWN_WITHIN_S
    finally:
        stop.set()
        thread.join()


def test_nothing_is_published_while_nothing_changes(tmp_path: Path, address: str):
    following = Following(node(tmp_path / "data", address))
    assert following.look()
    assert not following.look()
    following.close()


def test_a_store_that_does_not_answer_is_asked_again_and_what_was_published_holds(tmp_path: Path):
    site = node(tmp_path / "data", "postgresql+psycopg://bursar@127.0.0.1:1/none")
    stop = threading.Event()
    thread = threading.Thread(target=Following(site).run, args=(stop,))
    thread.start()
    stop.wait(0.5)
    assert thread.is_alive()
    stop.set()
    thread.join()
    assert not site.paths.snapshot.exists()
