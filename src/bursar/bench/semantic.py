"""The local semantic cache: how often two texts that mean the same are one, how often two that don't are, and its CPU.

Judged on pairs of which it is known (`data/SOURCES.md`), by the cosine and the guards that the gateway asks.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bursar.bench.figure import Figure, Options, median
from bursar.domain.errors import Unavailable
from bursar.semantic.judge import Judged, Vector, judge, kinds_table, read_cases, read_pairs, score, table
from bursar.semantic.minilm import MiniLM
from bursar.semantic.weights import NoWeights

DATA = Path(__file__).parent / "data"
SIMILARITY_MIN = 0.90
PARTS = (("pairs", "held"), ("questions", "seen"), ("questions", "fresh"))
NAMES = {"held": "paraphrased sentences", "seen": "short questions", "fresh": "short questions, the later ones"}
PRECISION_MIN = 95.0
EMBED_MS_MAX = 20.0
TEXT = "What is the way to reset the password of my account for the shop?"  # 15 tokens
EMBEDS = 40


def measure(options: Options) -> list[Figure]:
    """Precision and recall at a cosine of SIMILARITY_MIN behind the guards, and the CPU of one vector. Raises
    Unavailable where the weights aren't installed."""
    found = []
    for name, part, judged in judged_parts():
        got = score(judged, SIMILARITY_MIN, guarded=True)
        about, note = NAMES[part], f"cosine from {SIMILARITY_MIN:g}, with the guards"
        if name == "questions":
            wrong = f"wrong hits, {about}"
            found.append(Figure(wrong, got.other_hits, "pairs", 0, note=f"of {got.others}; {note}"))
        else:
            precision = 100 * (got.precision or 0.0)
            found.append(Figure(f"precision, {about}", precision, "%", PRECISION_MIN, "at least", note=note))
        found.append(Figure(f"recall, {about}", 100 * got.same_hits / got.same, "%", note=f"of {got.same} pairs"))
    found.append(_cpu(options))
    return found


def documented() -> str:
    """The tables of docs/semantic-cache.md, two for each set. Raises Unavailable."""
    blocks = []
    for name, part, judged in judged_parts():
        blocks += [f"## {name}: {part}", table(judged), kinds_table(judged, SIMILARITY_MIN)]
    return "\n\n".join(blocks)


def judged_parts() -> Iterator[tuple[str, str, list[Judged]]]:
    """(file, part, what was judged) of the sets. Raises Unavailable."""
    model, known = _model(), dict[str, Vector | None]()

    def embed(texts: Sequence[str]) -> list[Vector | None]:
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(fresh, model.embed(fresh), strict=True))
        return [known[text] for text in texts]

    cases = {
        "pairs": read_pairs(DATA / "gptcache-pairs.csv", embed),
        "questions": read_cases(DATA / "semantic-questions.csv"),
    }
    for name, part in PARTS:
        yield name, part, judge([case for case in cases[name] if case.part == part], embed)


def _cpu(options: Options) -> Figure:
    model, rounds = _model(), []
    for number in range(options.rounds + 1):
        started = time.process_time()
        for _ in range(EMBEDS):
            model.embed([TEXT])
        if number:  # the first round maps the weights
            rounds.append((time.process_time() - started) / EMBEDS * 1_000)
    note = f"{len(rounds)} rounds, {min(rounds):.3g}–{max(rounds):.3g}"
    return Figure("CPU of a text's vector", median(rounds), "ms", EMBED_MS_MAX, note=note)


def _model() -> MiniLM:
    try:
        return MiniLM()
    except NoWeights as error:
        raise Unavailable(str(error)) from error
