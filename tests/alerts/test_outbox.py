"""Raised once, written down before it is sent, delivered however often a channel is down: none lost, none twice."""

import subprocess
import sys
import threading
from collections import Counter

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.alerts.conftest import HOUR, MINUTE, SECOND, T0, World

from bursar.alerts.facts import BudgetStanding, LoopCut
from bursar.alerts.rules import Budgets, Loops, Rule
from bursar.domain.alerts import Severity
from bursar.domain.errors import BadAlert, DeliveryFailed, UnknownAlert
from bursar.governance.alerts import Channel
from bursar.governance.outbox import AGE_MAX_S, CLAIM_S, backoff_s
from bursar.governance.store import ControlStore

DAY = 24 * HOUR


class Ways:
    """A way out that a test opens and closes; what it took, by channel."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.taken: list[tuple[str, str]] = []
        self.tries = 0

    def __call__(self, channel, message, env, now_s) -> None:
        self.tries += 1
        if channel.name in self.down:
            raise DeliveryFailed("no route to host")
        self.taken.append((channel.name, message.title))
        self.last = message


@pytest.fixture
def ways() -> Ways:
    return Ways()


def add_channel(world: World, name: str = "ops", **more) -> None:
    world.desk.put_channel(Channel(name, "apprise", f"env:BURSAR_ALERT_{name.upper()}", **more), actor="test")


def cut(world: World, name: str) -> None:
    world.told.the_loops = [*world.told.the_loops, LoopCut(name, T0, f"{name} was cut.")]


def test_the_rules_that_come_with_bursar_raise_nothing_on_a_usual_day(world: World):
    assert {rule.name for rule in world.desk.rules() if rule.is_on} == {
        "daily-spend", "budgets", "loops", "retry-cap", "approvals", "unpriced", "error-storm", "anomaly",
    }  # fmt: skip
    assert world.watch.look() == []
    assert world.watch.faults == {}


def test_an_alert_is_raised_once_however_often_it_is_looked_at(world: World, ways: Ways):
    add_channel(world)
    world.storm()
    assert [alert.rule for alert in world.watch.look()] == ["error-storm"]
    for _ in range(100):
        world.later(15 * SECOND)
        assert world.watch.look() == []
    assert world.desk.book.alerts()[0].seen_us >= T0 + 100 * 15 * SECOND - MINUTE
    deliverer = world.deliverer(ways)
    assert [deliverer.deliver() for _ in range(5)] == [1, 0, 0, 0, 0]
    assert len(ways.taken) == 1


def test_a_channel_that_is_down_gets_everything_when_it_is_up_and_once(world: World, ways: Ways):
    add_channel(world)
    add_channel(world, "pager")
    ways.down = {"ops"}
    deliverer = world.deliverer(ways)
    for number in range(5):
        cut(world, f"loop-{number}")
        world.watch.look()
        deliverer.deliver()
        world.later(10 * MINUTE)
    assert Counter(name for name, _ in ways.taken) == {"pager": 5}
    for _ in range(40):  # ten hours of trying, at growing distances
        world.later(15 * MINUTE)
        deliverer.deliver()
    assert {one.channel for one in world.desk.book.waiting()} == {"ops"}
    ways.down = set()
    for _ in range(3):
        world.later(15 * MINUTE)
        deliverer.deliver()
    assert Counter(name for name, _ in ways.taken) == {"pager": 5, "ops": 5}
    assert world.desk.book.waiting() == []
    results = Counter(entry.result for entry in world.desk.book.log(10_000))
    assert results["delivered"] == 10
    assert results["failed"] == ways.tries - 10


def test_a_channel_that_refused_is_left_alone_until_its_next_try_is_due(world: World, ways: Ways):
    add_channel(world)
    ways.down = {"ops"}
    cut(world, "loop")
    world.watch.look()
    deliverer = world.deliverer(ways)
    tried = []
    for _ in range(36):
        deliverer.deliver()
        tried.append(ways.tries)
        world.later(SECOND)
    assert [second for second in range(1, 36) if tried[second] > tried[second - 1]] == [5, 15, 35]


def test_a_digest_that_was_not_taken_all_day_is_part_of_the_next_nights(world: World, ways: Ways):
    add_channel(world, quiet="22:00-07:00")
    world.later(12 * HOUR)
    for night in range(2):
        cut(world, f"one-{night}")
        cut(world, f"two-{night}")
        world.watch.look()
        world.deliverer(ways).deliver()
        ways.down = set() if night else {"ops"}
        world.later(8 * HOUR)
        world.deliverer(ways).deliver()
        world.later(16 * HOUR)
    assert ways.taken == [("ops", "Warning: 4 alerts from quiet hours")]


def test_tries_are_further_and_further_apart_up_to_a_quarter_of_an_hour():
    assert [backoff_s(number) for number in range(1, 10)] == [5, 10, 20, 40, 80, 160, 320, 640, 900]
    assert backoff_s(10_000) == 900


def test_a_delivery_is_given_up_only_after_a_week_and_says_so(world: World, ways: Ways):
    add_channel(world)
    ways.down = {"ops"}
    cut(world, "loop")
    world.watch.look()
    deliverer = world.deliverer(ways)
    deliverer.deliver()
    world.later((AGE_MAX_S - 3600) * SECOND)
    world.desk.outbox.forget(world.clock.at_us)
    deliverer.deliver()
    assert len(world.desk.book.waiting()) == 1
    world.later(2 * HOUR)
    world.desk.outbox.forget(world.clock.at_us)
    assert world.desk.book.waiting() == []
    assert world.desk.book.log(1)[0].result == "given_up"


def test_two_processes_that_deliver_at_once_send_nothing_twice(world: World, ways: Ways):
    add_channel(world)
    for number in range(20):
        cut(world, f"loop-{number}")
    world.watch.look()
    deliverers = [world.deliverer(ways) for _ in range(6)]
    threads = [threading.Thread(target=deliverer.deliver) for deliverer in deliverers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ways.taken) == 20


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.alerts.conftest import World
from tests.alerts.test_outbox import add_channel, cut
world = World(Path(sys.argv[1]))
add_channel(world)
cut(world, "loop")
world.watch.look()
if sys.argv[2] == "accepted":
    def send(channel, message, env, now_s):
        Path(sys.argv[1], "accepted").write_text(message.message_id)
        os.kill(os.getpid(), signal.SIGKILL)
    world.deliverer(send).deliver()
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill(directory, when: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(directory), when], capture_output=True)
    assert done.returncode == -9, done.stderr.decode()


def test_a_process_killed_between_raise_and_delivery_loses_nothing(tmp_path, ways: Ways):
    kill(tmp_path, "raised")
    world = World(tmp_path)
    assert [alert.rule for alert in world.desk.book.alerts()] == ["loops"]
    cut(world, "loop")
    assert world.watch.look() == []  # its key is raised
    assert world.deliverer(ways).deliver() == 1
    assert world.deliverer(ways).deliver() == 0


def test_a_process_killed_between_acceptance_and_mark_sends_again_under_the_same_id(tmp_path, ways: Ways):
    kill(tmp_path, "accepted")
    world = World(tmp_path)
    assert world.deliverer(ways).deliver() == 0  # claimed; nobody knows yet that the claim's owner died
    world.desk.outbox.release(world.clock.at_us)  # the console does, when it starts
    assert world.deliverer(ways).deliver() == 1
    assert ways.last.message_id == (tmp_path / "accepted").read_text()
    assert ways.last.message_id in ways.last.text


def test_a_claim_whose_owner_died_is_due_again_by_itself(tmp_path, ways: Ways):
    kill(tmp_path, "accepted")
    world = World(tmp_path)
    world.later(CLAIM_S * SECOND)
    assert world.deliverer(ways).deliver() == 1


def test_a_raise_that_fails_half_way_leaves_nothing(world: World, monkeypatch):
    add_channel(world)
    cut(world, "loop")

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(world.desk.outbox, "_owe", broken)
    with pytest.raises(OSError, match="disk full"):
        world.watch.look()
    monkeypatch.undo()
    assert world.desk.book.alerts() == []
    assert len(world.watch.look()) == 1  # not marked as raised: found again


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.sampled_from("cdusf"), st.integers(0, 3)), min_size=5, max_size=40))
def test_whatever_happens_each_alert_reaches_each_channel_just_once(tmp_path_factory, steps):
    """c: something is found; d, u: a channel goes down or up; s: looked and delivered; f: the process starts anew."""
    directory = tmp_path_factory.mktemp("steps")
    world, ways = World(directory), Ways()
    for name in ("a", "b"):
        add_channel(world, name)
    cuts = set()
    for step, number in steps:
        match step:
            case "c":
                cut(world, f"loop-{number}")
                cuts.add(number)
            case "d":
                ways.down.add("ab"[number % 2])
            case "u":
                ways.down.discard("ab"[number % 2])
            case "s":
                world.watch.look()
                world.deliverer(ways).deliver()
                world.later(number * 7 * MINUTE)
            case "f":
                told, at_us = world.told, world.clock.at_us
                world = World(directory)
                world.told.the_loops, world.clock.at_us = told.the_loops, at_us
                world.desk.outbox.release(at_us)
    ways.down = set()
    for _ in range(4):
        world.watch.look()
        world.deliverer(ways).deliver()
        world.later(20 * MINUTE)
    assert Counter(name for name, _ in ways.taken) == {name: len(cuts) for name in ("a", "b") if cuts}


def test_what_quiet_hours_held_goes_out_when_they_are_taken_away(world: World, ways: Ways):
    add_channel(world, quiet="22:00-07:00")
    deliverer = world.deliverer(ways)
    world.later(12 * HOUR)  # 23:06
    cut(world, "loop")
    world.watch.look()
    deliverer.deliver()
    assert ways.taken == []
    add_channel(world, quiet="")
    world.later(1)
    deliverer.deliver()
    assert len(ways.taken) == 1
    deliverer.deliver()
    assert len(ways.taken) == 1


def test_quiet_hours_hold_back_what_can_wait_and_send_it_as_one(world: World, ways: Ways):
    add_channel(world, quiet="22:00-07:00")
    deliverer = world.deliverer(ways)
    world.later(12 * HOUR)  # 23:06
    for number in range(3):
        cut(world, f"loop-{number}")
        world.watch.look()
        deliverer.deliver()
    assert ways.taken == []
    world.storm()
    world.watch.look()
    deliverer.deliver()
    assert [title for _, title in ways.taken] == ["CRITICAL: openai fails 75.0\u202f% of attempts"]
    world.later(7 * HOUR + 50 * MINUTE)  # 06:56
    deliverer.deliver()
    assert len(ways.taken) == 1
    world.later(10 * MINUTE)
    deliverer.deliver()
    assert ways.taken[1:] == [("ops", "Warning: 3 alerts from quiet hours")]
    body = msgspec.json.decode(ways.last.body)
    assert (body["type"], len(body["alerts"])) == ("digest", 3)
    deliverer.deliver()
    assert len(ways.taken) == 2
    assert Counter(entry.result for entry in world.desk.book.log()) == {"held": 3, "delivered": 2}


@pytest.mark.parametrize("quiet", ["", "02:00-03:00", "09:00-23:10"])
def test_what_quiet_hours_held_comes_at_once_when_they_are_removed_or_changed(world: World, ways: Ways, quiet: str):
    add_channel(world, quiet="22:00-07:00")
    world.later(12 * HOUR)  # 23:06
    cut(world, "one")
    cut(world, "two")
    world.watch.look()
    world.deliverer(ways).deliver()
    assert ways.taken == []
    add_channel(world, quiet=quiet)
    world.deliverer(ways).deliver()
    if quiet == "09:00-23:10":  # quiet still, but only for four minutes more
        assert ways.taken == []
        world.later(4 * MINUTE)
        world.deliverer(ways).deliver()
    assert ways.taken == [("ops", "Warning: 2 alerts from quiet hours")]
    world.deliverer(ways).deliver()
    assert len(ways.taken) == 1


def test_a_digest_that_failed_waits_its_time_also_after_quiet_hours_are_removed(world: World, ways: Ways):
    add_channel(world, quiet="22:00-07:00")
    world.later(12 * HOUR)
    cut(world, "one")
    cut(world, "two")
    world.watch.look()
    world.deliverer(ways).deliver()
    add_channel(world, quiet="")
    ways.down = {"ops"}
    world.deliverer(ways).deliver()
    ways.down = set()
    assert world.deliverer(ways).deliver() == 0
    world.later(MINUTE)
    assert world.deliverer(ways).deliver() == 1


def test_a_digest_that_fails_is_sent_again_as_the_same_digest(world: World, ways: Ways):
    add_channel(world, quiet="22:00-07:00")
    world.later(12 * HOUR)
    cut(world, "one")
    cut(world, "two")
    world.watch.look()
    world.deliverer(ways).deliver()
    ways.down = {"ops"}
    world.later(8 * HOUR)
    world.deliverer(ways).deliver()
    (digest_id,) = {one.digest_id for one in world.desk.book.waiting()}
    ways.down = set()
    cut(world, "three")
    world.watch.look()
    world.later(MINUTE)
    assert world.deliverer(ways).deliver() == 2
    assert len(ways.taken) == 2
    assert {entry.message_id for entry in world.desk.book.log()} >= {digest_id}


def test_one_alert_that_was_held_back_comes_as_itself(world: World, ways: Ways):
    add_channel(world, quiet="22:00-07:00")
    world.later(12 * HOUR)
    cut(world, "one")
    world.watch.look()
    world.deliverer(ways).deliver()
    world.later(8 * HOUR)
    world.deliverer(ways).deliver()
    assert ways.taken == [("ops", "Warning: A loop was cut")]
    assert ways.last.message_id == world.desk.book.alerts()[0].alert_id


def test_what_nobody_acknowledges_goes_to_the_next_channel_once(world: World, ways: Ways):
    add_channel(world, "boss", takes_all=False)
    add_channel(world, escalate_to="boss", escalate_after_min=15)
    cut(world, "seen")
    cut(world, "unseen")
    world.watch.look()
    deliverer = world.deliverer(ways)
    deliverer.deliver()
    seen = next(alert for alert in world.desk.book.alerts() if "seen was" in alert.text and "unseen" not in alert.text)
    assert [one.alert_id for one in world.desk.acknowledge(seen.alert_id[-8:], actor="ann")] == [seen.alert_id]
    world.later(14 * MINUTE)
    deliverer.deliver()
    assert len(ways.taken) == 2
    for _ in range(10):
        world.later(MINUTE)
        deliverer.deliver()
    assert ways.taken[2:] == [("boss", "Warning: Not acknowledged: A loop was cut")]


def test_an_alert_escalates_also_when_the_first_channel_never_took_it(world: World, ways: Ways):
    add_channel(world, "boss", takes_all=False)
    add_channel(world, escalate_to="boss", escalate_after_min=15)
    ways.down = {"ops"}
    cut(world, "loop")
    world.watch.look()
    for _ in range(20):
        world.deliverer(ways).deliver()
        world.later(MINUTE)
    assert [name for name, _ in ways.taken] == ["boss"]


def test_what_quiet_hours_hold_is_not_escalated_meanwhile(world: World, ways: Ways):
    add_channel(world, "boss", takes_all=False)
    add_channel(world, escalate_to="boss", escalate_after_min=15, quiet="22:00-07:00")
    world.later(12 * HOUR)
    cut(world, "loop")
    world.watch.look()
    for _ in range(60):
        world.deliverer(ways).deliver()
        world.later(5 * MINUTE)
    assert ways.taken == []


def test_a_rule_that_names_channels_goes_to_those_alone(world: World, ways: Ways):
    add_channel(world)
    add_channel(world, "finance", takes_all=False)
    world.desk.put_rule(Rule("loops", Loops(), channels=("finance",)), actor="test")
    cut(world, "loop")
    world.storm()
    world.watch.look()
    world.deliverer(ways).deliver()
    assert sorted(name for name, _ in ways.taken) == ["finance", "ops"]


def test_without_a_channel_an_alert_waits_on_the_page(world: World, ways: Ways):
    cut(world, "loop")
    assert len(world.watch.look()) == 1
    add_channel(world)
    assert world.deliverer(ways).deliver() == 0
    assert world.desk.book.open_count() == 1
    assert [one.acknowledged_by for one in world.desk.book.alerts(every=True)] == [""]
    world.desk.acknowledge("all", actor="ann")
    assert world.desk.book.open_count() == 0
    assert [one.acknowledged_by for one in world.desk.book.alerts(every=True)] == ["ann"]


def test_budgets_raise_each_threshold_once_a_window(world: World):
    world.desk.put_rule(Rule("budgets", Budgets()), actor="test")
    titles = []
    for window in ("2026-11", "2026-12"):
        for spent in (10, 55, 60, 85, 85, 101, 120):
            world.told.the_budgets = [BudgetStanding("b", "team", "", window, 100 * 10**12, spent * 10**12, 0, None)]
            titles += [alert.title for alert in world.watch.look()]
    assert titles == ["Budget team is at 50 %", "Budget team is at 80 %", "Budget team is used up"] * 2


def test_one_rule_that_fails_stops_no_other(world: World, monkeypatch):
    monkeypatch.setattr(world.told, "days", lambda filters: 1 / 0)
    cut(world, "loop")
    assert [alert.rule for alert in world.watch.look()] == ["loops"]
    assert list(world.watch.faults) == ["daily-spend"]


def test_a_removed_channel_leaves_nothing_waiting(world: World):
    add_channel(world)
    cut(world, "loop")
    world.watch.look()
    world.desk.settings.remove_channel("ops", actor="test")
    assert world.desk.book.waiting() == []
    with pytest.raises(UnknownAlert):
        world.desk.channel("ops")


def test_an_id_that_could_be_two_alerts_is_not_guessed(world: World):
    with pytest.raises(UnknownAlert):
        world.desk.acknowledge("", actor="ann")
    for number in range(17):
        cut(world, f"loop-{number}")
    ends = Counter(alert.alert_id[-2:] for alert in world.watch.look())
    (end, number), *_ = ends.most_common(1)
    if number > 1:
        with pytest.raises(BadAlert):
            world.desk.acknowledge(end, actor="ann")
    with pytest.raises(UnknownAlert):
        world.desk.acknowledge("%", actor="ann")


def test_every_change_is_in_the_audit_log(world: World):
    from tests.alerts.conftest import SECRET

    from bursar.governance.audit import audit_entries, first_broken_entry

    add_channel(world)
    world.desk.set_on("rule", "unpriced", False, actor="ann")
    cut(world, "loop")
    world.watch.look()
    world.desk.acknowledge("all", actor="ann")
    world.desk.settings.remove_rule("loops", actor="ann")
    world.desk.settings.remove_channel("ops", actor="ann")
    with ControlStore(world.path).reading() as connection:
        entries = audit_entries(connection)
    assert [entry.action for entry in entries] == [
        "alert_channel.put", "alert_rule.put", "alert.acknowledge", "alert_rule.remove", "alert_channel.remove",
    ]  # fmt: skip
    assert first_broken_entry(entries, SECRET) is None


def test_the_log_stays_within_its_bound(world: World, ways: Ways, monkeypatch):
    monkeypatch.setattr("bursar.governance.outbox.LOG_ROWS_MAX", 5)
    add_channel(world)
    for number in range(12):
        cut(world, f"loop-{number}")
    world.watch.look()
    world.deliverer(ways).deliver()
    world.desk.outbox.forget(world.clock.at_us)
    assert len(world.desk.book.log(100)) == 5


def test_alerts_are_forgotten_after_longer_than_any_window(world: World, ways: Ways):
    add_channel(world)
    cut(world, "loop")
    world.watch.look()
    world.deliverer(ways).deliver()
    world.desk.outbox.forget(T0 + 399 * DAY)
    assert len(world.desk.book.alerts()) == 1
    world.desk.outbox.forget(T0 + 401 * DAY)
    assert world.desk.book.alerts() == []


def test_more_than_a_rounds_worth_goes_out_in_the_next_round(world: World, ways: Ways):
    add_channel(world)
    for number in range(45):
        cut(world, f"loop-{number}")
    world.watch.look()
    deliverer = world.deliverer(ways)
    assert [deliverer.deliver() for _ in range(4)] == [20, 20, 5, 0]


def test_severity_critical_is_not_held(world: World, ways: Ways):
    add_channel(world, quiet="00:00-24:00")
    world.desk.put_rule(Rule("loops", Loops(), Severity.CRITICAL), actor="test")
    cut(world, "loop")
    world.watch.look()
    assert world.deliverer(ways).deliver() == 1
