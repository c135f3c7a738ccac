"""The tables of docs/semantic-cache.md: `python -m bursar.semantic.report docs/data`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bursar.semantic.judge import Judged, Vector, judge, kinds_table, read_cases, read_pairs, table
from bursar.semantic.minilm import MiniLM

SIMILARITY_MIN = 0.90
PARTS = (("pairs", "held"), ("questions", "seen"), ("questions", "fresh"))


def judged_parts(directory: Path) -> Iterator[tuple[str, str, list[Judged]]]:
    """(file, part, what was judged) of the sets in a directory."""
    model, known = MiniLM(), dict[str, Vector | None]()

    def embed(texts: Sequence[str]) -> list[Vector | None]:
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(fresh, model.embed(fresh), strict=True))
        return [known[text] for text in texts]

    cases = {
        "pairs": read_pairs(directory / "gptcache-pairs.csv", embed),
        "questions": read_cases(directory / "semantic-questions.csv"),
    }
    for name, part in PARTS:
        yield name, part, judge([case for case in cases[name] if case.part == part], embed)


def main() -> int:
    """Print each set's two tables."""
    for name, part, found in judged_parts(Path(sys.argv[1])):
        sys.stdout.write(f"## {name}: {part}\n\n{table(found)}\n\n{kinds_table(found, SIMILARITY_MIN)}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
