"""An operator's own examples: requests, and whether each of two models answered them right."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from bursar.domain.errors import BadGate

ROWS_MAX = 50_000
ROWS_MIN = 200
FIELD_BYTES_MAX = 1_000_000
WANTED = ("prompt", "cheap_correct", "dear_correct")
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}


class Example(NamedTuple):
    """group: what the question is about, for holding whole groups back; "" where the file has no such column."""

    prompt: str
    cheap: bool
    dear: bool
    group: str


class Fault(NamedTuple):
    line: int
    what: str


def read_examples(path: Path) -> tuple[list[Example], list[Fault]]:
    """Rows of a CSV file (or .csv.gz) with `prompt`, `cheap_correct`, `dear_correct`, maybe `group`.

    Rows that can't be read are faults, each with its line. Raises BadGate where the file as a whole can't be used.
    """
    rows: list[Example] = []
    faults: list[Fault] = []
    try:
        for line, row in _rows(path):
            read = _read(row)
            if isinstance(read, str):
                faults.append(Fault(line, read))
            elif len(rows) >= ROWS_MAX:
                raise BadGate(f"{path.name} has more than {ROWS_MAX} examples; leave some out", field="file")
            else:
                rows.append(read)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise BadGate(f"{path.name} can't be read: {error}", field="file") from error
    if len(rows) < ROWS_MIN:
        first = f"; the first fault is in line {faults[0].line}: {faults[0].what}" if faults else ""
        raise BadGate(f"{path.name} has {len(rows)} examples; {ROWS_MIN} are the least to learn from{first}")
    return rows, faults


def split(examples: Sequence[Example], share: float, *, by_group: bool) -> tuple[list[Example], list[Example]]:
    """(to learn from, held back). By a hash of the text, or whole groups in the order of theirs until the share is
    reached, so that the same file is always split alike. Raises BadGate where a side would have too few."""
    if by_group:
        kept_back = _groups_of(examples, share)
        back = [one for one in examples if one.group in kept_back]
        rest = [one for one in examples if one.group not in kept_back]
    else:
        back = [one for one in examples if _draw(one.prompt) < share]
        rest = [one for one in examples if _draw(one.prompt) >= share]
    if share and min(len(rest), len(back)) < ROWS_MIN:
        raise BadGate(
            f"{len(rest)} examples to learn from and {len(back)} held back; each needs {ROWS_MIN} at least",
            field="hold_back",
        )
    return rest, back


def _groups_of(examples: Sequence[Example], share: float) -> set[str]:
    sizes = Counter(one.group for one in examples)
    if len(sizes) < 2:
        raise BadGate("to hold groups back the file needs a column group with two or more values", field="by_group")
    found: set[str] = set()
    held = 0
    for group in sorted(sizes, key=_draw):
        if held >= share * len(examples):
            break
        found.add(group)
        held += sizes[group]
    return found


def _draw(key: str) -> float:
    return crc32(f"held back {key}".encode()) / 2**32


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    csv.field_size_limit(FIELD_BYTES_MAX)
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as data:
        reader = csv.DictReader(io.TextIOWrapper(data, encoding="utf-8", newline=""))
        missing = [name for name in WANTED if name not in (reader.fieldnames or ())]
        if missing:
            raise BadGate(
                f"{path.name} has no column {', '.join(missing)}; it needs {', '.join(WANTED)}, and may have group",
                field="file",
            )
        for row in reader:
            yield reader.line_num, row


def _read(row: dict[str, str | None]) -> Example | str:
    prompt = row["prompt"] or ""
    if not prompt.strip():
        return "prompt is empty"
    answers = []
    for name in WANTED[1:]:
        text = (row[name] or "").strip().lower()
        if text not in _TRUE | _FALSE:
            return f"{name} is {text[:40]!r}; write true or false"
        answers.append(text in _TRUE)
    return Example(prompt, answers[0], answers[1], row.get("group") or "")
