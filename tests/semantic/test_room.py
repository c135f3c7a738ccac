"""Who was asked before: nearest first, guards behind, nothing old, nothing of others, within bounds."""

import random

import numpy as np
import pytest

from bursar.semantic import room as rooms
from bursar.semantic.marks import marks_of
from bursar.semantic.minilm import DIMENSIONS, MiniLM
from bursar.semantic.room import Looked, Room


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


@pytest.fixture
def room(model: MiniLM) -> Room[str]:
    return Room(model)


def keep(room: Room[str], key: bytes, text: str, value: str, *, until_us: int = 1_000, size: int = 10) -> None:
    room.keep(key, room.look(key, text, 0.9, 0), value, size, until_us)


def test_the_same_meaning_meets_and_only_in_its_own_place(room: Room[str]):
    keep(room, b"a", "How do I reset my password?", "settings")
    keep(room, b"a", "How do I cook rice?", "water")
    near = room.look(b"a", "What is the way to reset my password?", 0.9, 5).near
    assert near is not None
    assert near.value == "settings"
    assert 0.9 <= near.similarity <= 1
    assert room.look(b"b", "How do I reset my password?", 0.9, 5).near is None
    assert room.look(b"a", "How do I not reset my password?", 0.5, 5).near is None
    assert room.look(b"a", "What is the way to reset my password?", 0.99, 5).near is None
    assert room.look(b"a", "How do I reset my password?", 0.9, 1_000).near is None  # its time is up


def test_a_text_that_is_too_long_is_never_kept_nor_found(room: Room[str]):
    keep(room, b"a", "word " * 300, "long")
    assert len(room) == 0
    assert room.look(b"a", "word " * 300, 0.5, 5) == Looked(None, None)


def test_what_begins_otherwise_is_forgotten_and_gives_its_room_back(room: Room[str]):
    for key in (b"old-1", b"old-2", b"new-1"):
        keep(room, key, "How do I reset my password?", "settings")
    one = room.bytes // 3
    room.keep_only(frozenset({b"new-"}))
    assert (len(room), room.bytes) == (1, one)
    assert room.look(b"old-1", "How do I reset my password?", 0.9, 5).near is None
    assert room.look(b"new-1", "How do I reset my password?", 0.9, 5).near is not None
    room.keep_only(frozenset())
    assert (len(room), room.bytes) == (0, 0)


def test_behind_a_refused_neighbour_the_next_one_is_found(room: Room[str]):
    keep(room, b"a", "How do I disable logging?", "off")
    keep(room, b"a", "How can I turn on logging?", "on")
    near = room.look(b"a", "How do I enable logging?", 0.8, 5).near
    assert near is not None
    assert near.value == "on"


def test_old_answers_to_a_question_dont_hide_its_new_one(room: Room[str]):
    """Its rows are kept until others need their place: more of them than are shown to the guards."""
    for day in range(30):
        keep(room, b"a", "How do I reset my password?", f"day {day}", until_us=10 * (day + 1))
    near = room.look(b"a", "How can I reset my password?", 0.9, 295).near
    assert near is not None
    assert near.value == "day 29"


@pytest.mark.parametrize("seed", range(5))
def test_memory_stays_within_its_bound(model: MiniLM, monkeypatch: pytest.MonkeyPatch, seed: int):
    monkeypatch.setattr(rooms, "ROWS_MAX", 6)
    chance, bound = random.Random(seed), 200_000
    room: Room[int] = Room(model, bound)
    marks = marks_of("x")
    for number in range(200):
        vector = np.random.default_rng(number).normal(size=DIMENSIONS).astype(np.float32)
        room.keep(b"%d" % chance.randrange(12), Looked(vector, marks), number, chance.randrange(60_000), 10)
        assert room.bytes == sum(one.bytes for one in room._partitions.values()) <= bound
        assert all(len(one) <= 6 for one in room._partitions.values())
    room.keep(b"large", Looked(vector, marks), 0, bound + 1, 10)
    assert b"large" not in room._partitions


def test_vectors_that_are_given_need_no_model_and_those_of_another_length_meet_nothing():
    room: Room[str] = Room()
    north, east = np.array([1, 0], np.float32), np.array([0.8, 0.6], np.float32)
    asked, again = "How do I reset my password?", "How can I reset my password?"
    room.keep(b"a", room.look(b"a", asked, 0.7, 0, north), "settings", 10, 1_000)
    near = room.look(b"a", again, 0.7, 5, east).near
    assert near is not None
    assert (near.value, near.similarity) == ("settings", pytest.approx(0.8))
    longer = np.array([1, 0, 0], np.float32)
    looked = room.look(b"a", again, 0.5, 5, longer)
    assert looked.near is None
    room.keep(b"a", looked, "anew", 10, 1_000)  # the upstream's model is another now
    assert (len(room), room.bytes) == (1, sum(one.bytes for one in room._partitions.values()))
    assert room.look(b"a", again, 0.7, 5, longer).near is not None
    assert room.look(b"a", asked, 0.5, 5) == Looked(None, None)  # nobody makes its vector
