import contextlib
import signal
import subprocess
import sys
from pathlib import Path

from bursar.budgets.counters import SLOTS_MAX, Counters, recover_dead

DIES = """
import os, signal, sys
from pathlib import Path
from bursar.budgets.counters import HELD, SPENT, Counters
counters = Counters(Path(sys.argv[1]), "w0-dies")
(first, _), (second, _) = counters.take(), counters.take()
counters.slots[first + HELD], counters.slots[first + SPENT] = 70, 260
counters.slots[second + SPENT] = 5
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def recovered(directory: Path) -> dict[str, dict[str, tuple[int, int]]]:
    found = {}
    recover_dead(directory, lambda holder, counters: found.update({holder: counters}))
    return found


def test_what_a_killed_worker_held_and_spent_is_there_for_who_comes_next(tmp_path):
    child = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], stdout=subprocess.PIPE, check=False)
    assert child.returncode == -signal.SIGKILL
    assert recovered(tmp_path) == {"w0-dies": {"w0-dies/1": (70, 260), "w0-dies/2": (0, 5)}}
    assert recovered(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_living_workers_counters_are_left_alone(tmp_path):
    mine = Counters(tmp_path, "w0-lives")
    assert recovered(tmp_path) == {}
    mine.close(remove=False)
    assert recovered(tmp_path) == {"w0-lives": {}}


def test_when_the_authority_cant_be_reached_the_file_stays_for_the_next_try(tmp_path):
    Counters(tmp_path, "w0-gone").close(remove=False)

    def fails(holder: str, counters: object) -> None:
        raise OSError("no store")

    with contextlib.suppress(OSError):
        recover_dead(tmp_path, fails)
    assert recovered(tmp_path) == {"w0-gone": {}}


def test_slots_are_reused_and_bounded_and_a_number_never_comes_twice(tmp_path):
    counters = Counters(tmp_path, "w0-full")
    taken = [counters.take() for _ in range(SLOTS_MAX)]
    assert counters.take() is None
    counters.give_back(taken[3][0])
    slot, number = counters.take()
    assert (slot, number) == (taken[3][0], SLOTS_MAX + 1)
    assert (tmp_path / "w0-full.leases").stat().st_size == SLOTS_MAX * 24
    counters.close(remove=True)
    assert list(tmp_path.iterdir()) == []
