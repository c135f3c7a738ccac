"""The judge of requests: features, training, the file of weights, and what is said of how good it is."""

import csv
import math
import random
import re
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.errors import BadGate
from bursar.domain.gates import QualityGate
from bursar.quality.chart import curve_chart
from bursar.quality.examples import Example, read_examples, split
from bursar.quality.features import BUCKETS, NAMES, TEXT_CHARS_MAX, features_of
from bursar.quality.judge import Verdict, judge
from bursar.quality.train import chances, matrix_of, train
from bursar.quality.weights import Weights, encode_weights, read_weights

ROUTELLM = Path(__file__).parents[2] / "docs" / "data" / "routellm-mmlu-gsm8k.csv.gz"


def made_up(rows: int, seed: int = 1, flip: float = 0.05) -> list[Example]:
    """Questions of which those with `integral` are hard for the cheap model."""
    random_ = random.Random(seed)
    words = ["river", "king", "planet", "color", "river bank", "city", "mother"]
    found = []
    for number in range(rows):
        is_hard = random_.random() < 0.4
        about = "integral of the function" if is_hard else random_.choice(words)
        cheap = is_hard == (random_.random() < flip)
        prompt = f"Question {number}: what is the {about} {random_.choice(words)}?"
        found.append(Example(prompt, cheap, True, f"g{number % 5}"))
    return found


@pytest.fixture(scope="module")
def learned() -> tuple[Weights, Verdict]:
    rest, back = split(made_up(1_200), 0.4, by_group=False)
    weights = train(rest, cheap_model="mini", dear_model="big")
    return weights, judge(weights, back, 0.1)


@given(text=st.text(max_size=300), more=st.text(max_size=50))
def test_any_text_has_its_features_and_those_behind_the_bound_are_not_looked_at(text: str, more: str) -> None:
    seen = features_of(text)
    assert len(seen.counts) == len(NAMES)
    assert all(-10 < count < 10 for count in seen.counts)
    assert all(0 <= bucket < BUCKETS for bucket in seen.buckets)
    long = text + "x" * TEXT_CHARS_MAX
    assert features_of(long) == features_of(long + more)


@given(text=st.text(max_size=200) | st.text("aB c0123=\n\u0130\u212a_-\ud800", max_size=60))
def test_words_fall_into_the_buckets_that_they_always_fell_into(text: str) -> None:
    """Weights that were trained are only true for these."""
    words = re.findall("[a-z]+|[0-9]+", text.lower())
    keys = [f"0{min(len(word), 8)}" if word.isdigit() else word for word in words]
    assert features_of(text).buckets == {crc32(key.encode()) % BUCKETS for key in keys}
    assert features_of(text).counts[2] == math.log1p(sum("0" <= char <= "9" for char in text)) / 4
    assert features_of(text).counts[6] == min(sum(char in "=+*^/<>" for char in text) / 10, 3.0)


def test_what_can_be_learned_is_learned_and_beats_a_lot(learned: tuple[Weights, Verdict]) -> None:
    weights, verdict = learned
    assert verdict.apgr.low > 0.7  # an oracle has 0.78
    assert verdict.auc.low > 0.85
    assert verdict.oracle_apgr >= verdict.apgr.value
    (at,) = [one for one in verdict.at if one.wanted == 0.9]
    assert at.kept.value > 0.9
    assert at.share > 0.5
    hard = "Question 999: what is the integral of the function king?"
    easy = "Question 999: what is the river bank city?"
    assert weights.score(hard)[0] > 0.5 > weights.score(easy)[0]
    assert weights.score(hard)[1] < 0.5 < weights.score(easy)[1]


def test_the_gateways_score_is_the_trainers(learned: tuple[Weights, Verdict]) -> None:
    """Plain Python and numpy say the same of each text."""
    examples = made_up(50, seed=9)
    misses = chances(learned[0].miss, matrix_of(examples))
    for example, miss in zip(examples, misses, strict=True):
        assert learned[0].score(example.prompt)[0] == pytest.approx(float(miss), abs=1e-9)


def test_where_nothing_can_be_learned_the_verdict_says_so() -> None:
    random_ = random.Random(3)
    alike = [
        Example(f"what about {random_.random()}?", random_.random() < 0.7, random_.random() < 0.85, "")
        for _ in range(900)
    ]
    rest, back = split(alike, 0.5, by_group=False)
    verdict = judge(train(rest), back, 0.1)
    assert verdict.apgr.low < 0.5 < verdict.apgr.high


def test_thresholds_keep_no_less_when_more_is_asked(learned: tuple[Weights, Verdict]) -> None:
    weights = learned[0]
    asked = [0.999, 0.98, 0.95, 0.9, 0.5]
    found = [weights.threshold_for(QualityGate(weights="x", accuracy_kept=kept)) or 0.0 for kept in asked]
    assert found == sorted(found)
    assert weights.threshold_for(QualityGate(weights="x", threshold=0.3)) == 0.3
    nothing = msgspec.structs.replace(weights, steps=())
    assert nothing.threshold_for(QualityGate(weights="x", accuracy_kept=0.9)) is None


def test_weights_survive_their_file_and_hold_no_word_of_the_examples(
    learned: tuple[Weights, Verdict], tmp_path: Path
) -> None:
    path = tmp_path / "chat.json"
    path.write_bytes(encode_weights(learned[0]))
    assert read_weights(path) == learned[0]
    assert b"integral" not in path.read_bytes()
    for broken in (b"", b"{}", b"[1]", encode_weights(msgspec.structs.replace(learned[0], version=0))):
        path.write_bytes(broken)
        with pytest.raises(BadGate, match=r"chat\.json"):
            read_weights(path)
    with pytest.raises(BadGate, match="bursar routes train"):
        read_weights(tmp_path / "none.json")


def test_bad_examples_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "examples.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "cheap_correct", "dear_correct"])
        writer.writerows([one.prompt, one.cheap, one.dear] for one in made_up(250))
        writer.writerow(["what?", "maybe", "true"])
        writer.writerow(["", "true", "true"])
    rows, faults = read_examples(path)
    assert len(rows) == 250
    assert [(fault.line, fault.what.split()[0]) for fault in faults] == [(252, "cheap_correct"), (253, "prompt")]
    path.write_text("prompt,cheap_correct\nx,true\n")
    with pytest.raises(BadGate, match="no column dear_correct"):
        read_examples(path)
    path.write_text("prompt,cheap_correct,dear_correct\nx,true,true\n")
    with pytest.raises(BadGate, match="1 examples; 200"):
        read_examples(path)


def test_groups_held_back_are_held_back_whole() -> None:
    rest, back = split(made_up(1_000), 0.4, by_group=True)
    assert {one.group for one in rest}.isdisjoint({one.group for one in back})
    assert len(back) >= 400
    with pytest.raises(BadGate, match="column group"):
        split([one._replace(group="") for one in made_up(1_000)], 0.4, by_group=True)


def test_the_curve_is_one_specification_in_both_themes(learned: tuple[Weights, Verdict]) -> None:
    for theme, paper in (("light", "#ffffff"), ("dark", "#0d1117")):
        chart = curve_chart(learned[1], "title", theme)  # type: ignore[arg-type]
        assert chart["background"] == paper
        assert {row["how"] for row in chart["layer"][0]["data"]["values"]} == {"gate", "length", "oracle", "random"}


@pytest.mark.slow
def test_what_the_docs_say_of_the_gate_is_what_comes_out() -> None:
    """The numbers of docs/quality-gate.md, on the data beside it."""
    examples, faults = read_examples(ROUTELLM)
    assert (len(examples), faults) == (7_295, [])
    page = (ROUTELLM.parents[1] / "quality-gate.md").read_text("utf-8")
    rest, back = split(examples, 0.4, by_group=False)
    verdict = judge(train(rest), back, 0.06)
    apgr, auc = verdict.apgr, verdict.auc
    assert apgr.low > 0.5
    assert f"AUC for the cheap model's being right {auc.value:.3f}" in page
    assert f"{apgr.value:.3f} ({apgr.low:.3f}–{apgr.high:.3f})" in page
    for at in verdict.at:
        assert f"| {at.share:.1%} | {at.cost_saved:.1%} |".replace("%", " %") in page
