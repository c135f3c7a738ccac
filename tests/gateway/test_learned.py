"""What was learned of tokens per byte is there again after a restart, and never below what any worker knew."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.budgets.bounds import EVIDENCE_MIN, Learned, TokenCeilings
from bursar.gateway.learned import FILE_BYTES_MAX, MODELS_KEPT_MAX, WRITE_INTERVAL_US, LearnedFile, read_learned

REPORTS = st.lists(
    st.tuples(
        st.sampled_from(["m", "n", "ö"]),
        st.integers(1, 10**6),
        st.integers(0, 10**6),
        st.integers(0, 10**5),
        st.sampled_from([0, 0, 900]),
    ),
    max_size=60,
)


def taught(reports: list[tuple[str, int, int, int, int]]) -> TokenCeilings:
    ceilings = TokenCeilings()
    for report in reports:
        ceilings.learn(*report)
    return ceilings


def write(ceilings: TokenCeilings, directory: Path, slot: int = 0) -> Path:
    LearnedFile(ceilings, directory, slot).look(0, is_last=True)
    return directory / f"learned-{slot}.json"


def start(directory: Path, slot: int = 0) -> TokenCeilings:
    ceilings = TokenCeilings()
    LearnedFile(ceilings, directory, slot).begin()
    return ceilings


def test_a_restarted_worker_knows_what_it_knew(tmp_path: Path) -> None:
    before = taught([("m", 1_500, 375, 90, 0)] * EVIDENCE_MIN + [("m", 1_500, 5_000, 90, 1_000)])
    write(before, tmp_path)
    after = start(tmp_path)
    assert after.known() == before.known()
    assert after.input_tokens("m", 1_600) == 500
    assert after.usual_output_tokens("m", 4_096) == before.usual_output_tokens("m", 4_096) < 4_096


@given(REPORTS, REPORTS)
def test_two_workers_files_give_the_higher_of_both_ceilings_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    one: list[tuple[str, int, int, int, int]],
    other: list[tuple[str, int, int, int, int]],
) -> None:
    directory = tmp_path_factory.mktemp("run")
    first, second = taught(one), taught(other)
    write(first, directory, 0)
    write(second, directory, 1)
    both = start(directory, 2)
    turned = TokenCeilings()
    turned.take(second.known())
    turned.take(first.known())
    turned.take(first.known())  # twice is once
    assert turned.known() == both.known()
    for model, learned in both.known().items():
        for part in (first.known().get(model), second.known().get(model)):
            if part is not None:
                assert all(map(int.__ge__, learned.input, part.input))
                assert learned.media >= part.media


@pytest.mark.parametrize("size", [0, 1, 8, 9, 200, -1])
def test_a_torn_file_is_learned_anew_and_said(tmp_path: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(taught([("m", 1_500, 375, 90, 0)] * EVIDENCE_MIN), tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    assert start(tmp_path).known() == {}
    assert "learned anew" in capsys.readouterr().out
    write(taught([("m", 1_500, 375, 90, 0)]), tmp_path)  # and is replaced by the next
    assert start(tmp_path).known().keys() == {"m"}


def test_a_flipped_digit_is_not_believed(tmp_path: Path) -> None:
    path = write(taught([("m", 1_500, 375, 90, 0)] * EVIDENCE_MIN), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"250000", b"250"))
    assert start(tmp_path).known() == {}


def test_what_cannot_have_been_learned_is_left_out() -> None:
    ceilings = TokenCeilings()
    bad = {"a": Learned([1], [2], [3]), "b": Learned([-1] * 32, [0] * 32, [0] * 32), "c": Learned.nothing()}
    assert ceilings.take(bad) == 2
    assert ceilings.known().keys() == {"c"}


def test_a_file_stays_small_and_keeps_the_models_that_are_used(tmp_path: Path) -> None:
    reports = [(f"m{number}", 10**6, 10**6, 10**5, 0) for number in range(MODELS_KEPT_MAX * 2)]
    ceilings = taught([*reports, *reports[-5:]])
    path = write(ceilings, tmp_path)
    assert path.stat().st_size < FILE_BYTES_MAX // 2
    kept = read_learned(path)
    assert len(kept) == MODELS_KEPT_MAX
    assert kept.keys() >= {f"m{MODELS_KEPT_MAX * 2 - back}" for back in range(1, 6)}


def test_it_is_written_every_few_seconds_if_there_is_news(tmp_path: Path) -> None:
    ceilings = TokenCeilings()
    file = LearnedFile(ceilings, tmp_path, 0)
    path = tmp_path / "learned-0.json"
    file.look(WRITE_INTERVAL_US)
    assert not path.exists()  # nothing was learned
    ceilings.learn("m", 900, 300, 1)
    file.look(WRITE_INTERVAL_US)
    first = path.read_bytes()
    ceilings.learn("m", 900, 800, 1)
    file.look(WRITE_INTERVAL_US * 2 - 1)
    assert path.read_bytes() == first
    file.look(WRITE_INTERVAL_US * 2)
    assert path.read_bytes() != first
    (tmp_path / "gone").mkdir()
    ceilings.learn("m", 900, 900, 1)
    LearnedFile(ceilings, tmp_path / "not" / "there", 0).look(0, is_last=True)  # a disk that refuses stops nobody


def test_a_worker_hears_of_models_that_it_does_not_know_and_keeps_what_it_learned_itself(tmp_path: Path) -> None:
    mine = taught([("m", 900, 300, 1, 0)] * EVIDENCE_MIN)
    file = LearnedFile(mine, tmp_path, 0)
    before = mine.input_tokens("m", 900)
    write(taught([("m", 900, 90_000, 1, 0), ("new", 100, 5_100, 1, 0)]), tmp_path, 1)
    file.look(WRITE_INTERVAL_US)
    assert mine.input_tokens("m", 900) == before
    assert mine.input_tokens("new", 100) >= 5_100
    write(taught([("newer", 100, 25, 1, 0)]), tmp_path, 1)
    file.look(WRITE_INTERVAL_US + 1)  # it isn't time
    assert not mine.knows("newer")
    file.look(WRITE_INTERVAL_US * 2)
    assert mine.knows("newer")
