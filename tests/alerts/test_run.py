"""The console's two threads: a control store that isn't there yet is asked again, and stopping ends both."""

import threading
import time
from collections.abc import Callable

from tests.alerts.conftest import T0, World

from bursar.alerts.facts import LoopCut
from bursar.alerts.run import AlertThreads, Parts
from bursar.domain.errors import ConfigError
from bursar.governance.alerts import Channel


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def test_a_control_store_that_is_away_is_asked_again_and_the_reason_told(world: World):
    taken = []
    opened = threading.Event()

    def open_parts() -> Parts:
        if not opened.is_set():
            raise ConfigError("the control store can't be opened: connection refused", field="control.url")
        deliverer = world.deliverer(lambda channel, message, env, now_s: taken.append(message.title))
        return Parts(world.watch, deliverer, world.desk.outbox)

    world.desk.put_channel(Channel("ops", "apprise", "env:OPS"), actor="test")
    world.told.the_loops = [LoopCut("c", T0, "x")]
    threads = AlertThreads(open_parts, world.clock, look_every_s=0.05)
    threads.start()
    try:
        until(lambda: threads.error)
        assert "connection refused" in threads.error
        opened.set()
        until(lambda: taken)
        until(lambda: not threads.error)
    finally:
        threads.stop()
        threads.join()
    assert taken == ["Warning: A loop was cut"]


def test_a_rule_that_cannot_be_judged_is_told(world: World, monkeypatch):
    monkeypatch.setattr(world.told, "loops", lambda: 1 / 0)
    parts = Parts(world.watch, world.deliverer(), world.desk.outbox)
    threads = AlertThreads(lambda: parts, world.clock, look_every_s=0.05)
    threads.start()
    until(lambda: "rule loops: ZeroDivisionError" in threads.error)
    threads.stop()
    threads.join()


def test_threads_that_never_began_can_be_stopped(world: World):
    threads = AlertThreads(lambda: 1 / 0, world.clock, look_every_s=1)
    threads.stop()
    threads.join()


def test_a_channel_switched_on_while_rules_are_judged_is_told_of_what_they_find(world: World, monkeypatch):
    """Judging takes seconds over large books: an alert went to nobody where its channel came meanwhile."""
    cut = LoopCut("c", T0, "x")

    def found() -> list[LoopCut]:
        world.desk.put_channel(Channel("ops", "apprise", "env:OPS"), actor="test")
        return [cut]

    monkeypatch.setattr(world.told, "loops", found)
    taken = []
    assert [alert.rule for alert in world.watch.look()] == ["loops"]
    assert world.deliverer(lambda channel, message, env, now_s: taken.append(channel.name)).deliver() == 1
    assert taken == ["ops"]
